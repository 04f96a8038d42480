//! What is wrong with a configuration file, and how it is shown.
//!
//! Invariant: a problem names its place by line and column as an editor counts them, shows the line,
//! and says what is allowed.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// Why there is no configuration.
#[derive(Debug)]
pub struct ConfigErrors {
    /// The file.
    pub path: PathBuf,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Unreadable(io::Error),
    Broken(Vec<Problem>),
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What was found and what is allowed.
    pub message: String,
    /// The line itself.
    #[serde(skip)]
    excerpt: String,
    /// How many characters to underline.
    #[serde(skip)]
    width: usize,
}

impl ConfigErrors {
    pub(super) fn unreadable(path: &Path, error: io::Error) -> Self {
        Self {
            path: path.to_owned(),
            cause: Cause::Unreadable(error),
        }
    }

    pub(super) fn broken(path: &Path, problems: Vec<Problem>) -> Self {
        Self {
            path: path.to_owned(),
            cause: Cause::Broken(problems),
        }
    }

    /// Returns what is wrong in the file; nothing when it could not even be read.
    pub fn problems(&self) -> &[Problem] {
        match &self.cause {
            Cause::Unreadable(_) => &[],
            Cause::Broken(problems) => problems,
        }
    }

    /// Tells the problems one a line, without the lines of the file: for the journal.
    pub fn brief(&self) -> String {
        match &self.cause {
            Cause::Unreadable(_) => self.to_string(),
            Cause::Broken(problems) => {
                let lines: Vec<_> = problems.iter().map(|one| self.headline(one)).collect();
                lines.join("\n")
            }
        }
    }

    fn headline(&self, problem: &Problem) -> String {
        format!(
            "{}:{}:{}: {}",
            self.path.display(),
            problem.line,
            problem.column,
            problem.message
        )
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problems = match &self.cause {
            Cause::Unreadable(error) => {
                return write!(
                    f,
                    "{} cannot be read: {error}; see who may read it with `ls -l`",
                    self.path.display()
                );
            }
            Cause::Broken(problems) => problems,
        };
        for (index, problem) in problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{}\n{}", self.headline(problem), problem.marked_line())?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Cause::Unreadable(error) => Some(error),
            Cause::Broken(_) => None,
        }
    }
}

impl Problem {
    /// Tells of the first byte of a file that is not text.
    pub(super) fn not_utf8(bytes: &[u8], at: usize) -> Self {
        let text = String::from_utf8_lossy(bytes);
        // The bytes before `at` are valid, so the offset is the same in the lossy text.
        let message = format!(
            "the byte 0x{:02X} is not UTF-8; save the file as UTF-8",
            bytes[at]
        );
        Source::new(&text).problem(at..at + 1, message)
    }

    /// Shows the line with a caret below the place.
    fn marked_line(&self) -> String {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        // Tabs stay tabs, so that the caret lands below its place at any tab width.
        let indent: String = self
            .excerpt
            .chars()
            .take(self.column - 1)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        format!(
            " {number} | {}\n {margin} | {indent}{}",
            self.excerpt,
            "^".repeat(self.width)
        )
    }
}

/// The text of a file, to find lines and columns in.
#[derive(Debug)]
pub(super) struct Source<'a> {
    text: &'a str,
}

impl<'a> Source<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text }
    }

    /// Makes a problem of the bytes at `place`.
    pub(super) fn problem(&self, place: Range<usize>, message: String) -> Problem {
        let start = self.boundary(place.start);
        let end = self.boundary(place.end).max(start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = self.text[start..]
            .find('\n')
            .map_or(self.text.len(), |at| start + at);
        let excerpt = self.text[line_start..line_end].trim_end_matches('\r');
        let width = self.text[start..end.min(line_end)].chars().count().max(1);
        Problem {
            line: self.text[..start].matches('\n').count() + 1,
            column: self.text[line_start..start].chars().count() + 1,
            message,
            excerpt: excerpt.trim_start_matches('\u{feff}').to_owned(),
            width,
        }
    }

    /// Moves an offset back to where a character begins.
    fn boundary(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}
