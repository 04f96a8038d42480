//! Replaces a file so that a reader, or a power cut, finds the old one or the new one.
//!
//! Invariant: the name of the file never points at half a file, and no file is ever replaced except
//! by [`replace`].

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// Makes sure of the directory, and removes what an interrupted [`replace`] left.
pub(super) fn prepare(dir: &Path, name: &str) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    // A disk that came up read-only after a power cut refuses this and can be read all the same.
    remove_if_there(&draft_path(dir, name)).ok();
    Ok(())
}

/// Writes `contents` to the file `name` in `dir`, readable by its owner only.
pub(super) fn replace(dir: &Path, name: &str, contents: &[u8]) -> io::Result<()> {
    replace_with(dir, name, |file| file.write_all(contents))
}

fn replace_with(
    dir: &Path,
    name: &str,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let draft = draft_path(dir, name);
    let written = write_draft(&draft, write).and_then(|()| fs::rename(&draft, dir.join(name)));
    if let Err(error) = written {
        // What counts is the first error; a draft that stays is removed at the next start.
        drop(fs::remove_file(&draft));
        return Err(error);
    }
    // The name is on the disk only when the directory is.
    File::open(dir)?.sync_all()
}

fn write_draft(draft: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    remove_if_there(draft)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(draft)?;
    write(&mut file)?;
    file.sync_all()
}

/// Renames the file to the first of `name.suffix-1`, `name.suffix-2`… that is free.
pub(super) fn move_aside(dir: &Path, name: &str, suffix: &str) -> io::Result<PathBuf> {
    let from = dir.join(name);
    for number in 1_u32.. {
        let to = dir.join(format!("{name}.{suffix}-{number}"));
        match rename_to_free(&from, &to) {
            Ok(()) => {
                File::open(dir)?.sync_all()?;
                return Ok(to);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn rename_to_free(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some file systems cannot; the directory is ours alone, so looking first is as good.
        Err(Errno::INVAL) if to.symlink_metadata().is_ok() => {
            Err(io::ErrorKind::AlreadyExists.into())
        }
        Err(Errno::INVAL) => fs::rename(from, to),
        other => Ok(other?),
    }
}

fn draft_path(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.new"))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_leaves_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        replace(dir.path(), "a", b"old").unwrap();
        let error = replace_with(dir.path(), "a", |file| {
            file.write_all(b"half of the ne")?;
            Err(io::ErrorKind::StorageFull.into())
        })
        .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs::read(dir.path().join("a")).unwrap(), b"old");
        assert_eq!(super::super::names(dir.path()), ["a"]);
    }

    #[test]
    fn moving_aside_never_overwrites() {
        let dir = tempfile::tempdir().unwrap();
        for content in ["first", "second", "third"] {
            replace(dir.path(), "a", content.as_bytes()).unwrap();
            move_aside(dir.path(), "a", "corrupt").unwrap();
        }
        assert_eq!(
            super::super::names(dir.path()),
            ["a.corrupt-1", "a.corrupt-2", "a.corrupt-3"]
        );
        let first = fs::read(dir.path().join("a.corrupt-1")).unwrap();
        assert_eq!(first, b"first");
    }
}
