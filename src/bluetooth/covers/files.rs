//! The files of pictures: one that obexd writes into, and a copy that is shown.
//!
//! Invariant: obexd is trusted with nothing. It can write into a file that was made for it, and make,
//! move or read none; what it wrote is read through our own descriptor, up to a limit, and shown only if
//! it is a JPEG of moderate size, as phones' thumbnails have to be (AVRCP 1.6.2, 5.14). What is shown
//! is out of its reach, whole, and never called the same twice, because programs keep pictures by their
//! name; and that name says nothing of whose it is.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::error::CoverError;
use super::jpeg;

/// The largest file that is taken. The thumbnails that phones offer have 200 x 200 points, and some ten
/// thousand bytes.
pub(super) const LARGEST: u64 = 200_000;
/// How many points a picture may have in each direction, or it costs whoever shows it too much.
pub(super) const WIDEST: u16 = 1_000;

/// The owner reads and removes, obexd, which is in the folder's group, writes.
const FOR_OBEXD: u32 = 0o620;
/// Who may use the speaker may see what it plays.
const FOR_PEOPLE: u32 = 0o640;

/// Where pictures are.
#[derive(Clone, Debug)]
pub struct CoverFolders {
    /// Where obexd writes them.
    pub exchange: PathBuf,
    /// Where they are shown.
    pub shown: PathBuf,
}

impl Default for CoverFolders {
    /// Returns those that the package makes.
    fn default() -> Self {
        Self {
            exchange: "/run/dotd-obexd".into(),
            shown: "/run/dotd/covers".into(),
        }
    }
}

impl CoverFolders {
    /// Removes what an earlier life left.
    pub(super) fn empty(&self) {
        for folder in [&self.exchange, &self.shown] {
            // One that is not there is told when it is needed.
            let files = fs::read_dir(folder).into_iter().flatten().flatten();
            for file in files {
                discard(&file.path());
            }
        }
    }

    /// Makes a file for obexd, of a name that no other has in this life.
    ///
    /// # Errors
    /// When the folder is not there, or not ours.
    pub(super) fn make(&self, name: &str) -> Result<Draft, CoverError> {
        let path = self.exchange.join(name);
        let options = OpenOptions::new().read(true).write(true).to_owned();
        let file = create(&path, options, FOR_OBEXD).map_err(failed(&self.exchange))?;
        let name = name.to_owned();
        Ok(Draft { name, path, file })
    }

    /// Shows a picture that has come; returns its file.
    ///
    /// # Errors
    /// When it is none, or too large, or there is no room for it.
    pub(super) fn show(&self, draft: &Draft) -> Result<PathBuf, CoverError> {
        let bytes = draft.read().map_err(failed(&self.exchange))?;
        if bytes.len() as u64 > LARGEST {
            return Err(CoverError::TooLarge);
        }
        let (width, height) = jpeg::size(&bytes).ok_or(CoverError::NoPicture)?;
        if width.max(height) > WIDEST {
            return Err(CoverError::TooWide { width, height });
        }
        // Tells it from those of other lives.
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default().as_millis();
        let path = self.shown.join(format!("{now:x}-{}.jpg", draft.name));
        write(&path, &bytes).map_err(failed(&self.shown))?;
        Ok(path)
    }
}

/// A picture on its way. It is gone when this is dropped.
#[derive(Debug)]
pub(super) struct Draft {
    name: String,
    path: PathBuf,
    file: File,
}

impl Draft {
    /// Returns where obexd is to write it.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads what was written, and one byte more than is taken.
    fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        (&self.file).take(LARGEST + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        discard(&self.path);
    }
}

/// Removes a file. One that stays is removed at the next start.
pub(super) fn discard(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::debug!(%error, path = %path.display(), "a picture stays behind");
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let options = OpenOptions::new().write(true).to_owned();
    let written = create(path, options, FOR_PEOPLE).and_then(|mut file| file.write_all(bytes));
    if written.is_err() {
        discard(path);
    }
    written
}

/// Makes a file with this mode, whatever the unit's UMask= says.
fn create(path: &Path, mut options: OpenOptions, mode: u32) -> io::Result<File> {
    let file = options.create_new(true).mode(mode).open(path)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    Ok(file)
}

fn failed(folder: &Path) -> impl FnOnce(io::Error) -> CoverError {
    let path = folder.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::StorageFull => CoverError::Full { path },
        _ => CoverError::Folder { path, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place {
        _root: tempfile::TempDir,
        folders: CoverFolders,
    }

    impl Place {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let [exchange, shown] = ["exchange", "shown"].map(|name| root.path().join(name));
            fs::create_dir(&exchange).unwrap();
            fs::create_dir(&shown).unwrap();
            let folders = CoverFolders { exchange, shown };
            Self {
                _root: root,
                folders,
            }
        }

        /// Has obexd write into a file that was made for it, and shows that.
        fn show(&self, bytes: &[u8]) -> Result<PathBuf, CoverError> {
            let draft = self.folders.make("1").unwrap();
            let mode = fs::metadata(draft.path()).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, FOR_OBEXD);
            fs::write(draft.path(), bytes).unwrap();
            self.folders.show(&draft)
        }

        fn files(&self) -> usize {
            let folders = [&self.folders.exchange, &self.folders.shown];
            folders
                .map(|it| fs::read_dir(it).unwrap().count())
                .iter()
                .sum()
        }
    }

    #[test]
    fn a_picture_is_shown_as_a_copy() {
        let place = Place::new();
        let picture = jpeg::of_size(200, 200);
        let path = place.show(&picture).unwrap();
        assert_eq!(fs::read(&path).unwrap(), picture);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, FOR_PEOPLE);
        let name = path.file_name().unwrap().to_str().unwrap();
        let (now, of) = name.split_once('-').unwrap();
        assert!(u64::from_str_radix(now, 16).is_ok(), "{name}");
        assert_eq!(of, "1.jpg", "{name}");
        assert_eq!(place.files(), 1, "nothing is left where obexd writes");
    }

    #[test]
    fn what_is_no_picture_or_too_large_is_not_shown() {
        let place = Place::new();
        let mut large = jpeg::of_size(WIDEST, WIDEST);
        large.resize(LARGEST as usize, 0);
        let path = place.show(&large).unwrap();
        discard(&path);
        large.push(0);
        assert!(matches!(place.show(&large), Err(CoverError::TooLarge)));
        for (width, height) in [(WIDEST + 1, 1), (1, WIDEST + 1), (u16::MAX, u16::MAX)] {
            let shown = place.show(&jpeg::of_size(width, height));
            let expected = format!("{width} x {height} points");
            assert!(shown.unwrap_err().to_string().contains(&expected));
        }
        for other in [
            &b""[..],
            b"<svg>",
            b"GIF89a",
            b"\x89PNG\r\n\x1a\n",
            b"\xFF\xD8\xFF",
        ] {
            let shown = place.show(other);
            assert!(matches!(shown, Err(CoverError::NoPicture)), "{other:?}");
        }
        assert_eq!(place.files(), 0);
    }

    #[test]
    fn a_file_that_obexd_has_made_anew_is_not_what_is_read() {
        let place = Place::new();
        let draft = place.folders.make("1").unwrap();
        fs::remove_file(draft.path()).unwrap();
        let picture = place.folders.exchange.join("2");
        fs::write(&picture, jpeg::of_size(1, 1)).unwrap();
        std::os::unix::fs::symlink(&picture, draft.path()).unwrap();
        let shown = place.folders.show(&draft);
        assert!(matches!(shown, Err(CoverError::NoPicture)));
    }

    #[test]
    fn what_an_earlier_life_left_is_removed() {
        let place = Place::new();
        place.show(&jpeg::of_size(1, 1)).unwrap();
        fs::write(place.folders.exchange.join("2"), "half").unwrap();
        place.folders.empty();
        assert_eq!(place.files(), 0);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let place = Place::new();
        fs::remove_dir(&place.folders.exchange).unwrap();
        let error = place.folders.make("1").unwrap_err().to_string();
        assert!(error.contains("/exchange: "), "{error}");
        assert!(
            error.ends_with("systemctl restart dotd-obexd dotd"),
            "{error}"
        );
        place.folders.empty();
    }
}
