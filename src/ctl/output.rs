//! Standard output, for people or for programs.
//!
//! Invariant: what phones call themselves never reaches a terminal raw, and colour only goes to a
//! terminal whose user has not said NO_COLOR.

use std::env;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use super::failure::Failure;

/// How a piece of text looks on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Plain,
    /// What the eye should find first.
    Strong,
    /// What is as it should be.
    Good,
    /// What needs somebody.
    Bad,
    /// What matters less.
    Faint,
}

/// Where results go.
#[derive(Debug)]
pub(super) struct Output {
    json: bool,
    colour: bool,
    terminal: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let no_colour = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self {
            json,
            colour: terminal && !no_colour && !dumb,
            terminal: terminal && !dumb,
        }
    }

    /// Says whether programs read this.
    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// Says whether somebody watches, for whom a line may change in place.
    pub(super) fn is_watched(&self) -> bool {
        self.terminal && !self.json
    }

    /// Prints `value` for programs, or `text` for people, as one line.
    pub(super) fn tell(&mut self, value: &impl Serialize, text: &str) -> Result<(), Failure> {
        if self.json {
            let json = serde_json::to_string(value).map_err(io::Error::from)?;
            self.line(&json)
        } else {
            self.line(text)
        }
    }

    /// Prints a line as it is.
    pub(super) fn line(&mut self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{text}")?;
        // A line that is not seen at once is no use to who follows `monitor` through a pipe.
        Ok(stdout.flush()?)
    }

    /// Shows a line that the next one replaces.
    pub(super) fn show(&mut self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        write!(stdout, "\r\x1b[K{text}")?;
        Ok(stdout.flush()?)
    }

    /// Gives text a look.
    pub(super) fn paint(&self, look: Look, text: &str) -> String {
        let code = match look {
            _ if !self.colour => return text.to_owned(),
            Look::Plain => return text.to_owned(),
            Look::Strong => "1",
            Look::Good => "32",
            Look::Bad => "31",
            Look::Faint => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// Says on standard error why it failed.
    pub(super) fn complain(&self, failure: &Failure) {
        if matches!(failure, Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe) {
            // Whoever read us has seen enough.
            return;
        }
        let mut stderr = io::stderr().lock();
        // Where should a complaint about standard error go?
        drop(match failure {
            // Compilers' form, so that editors find the places: the line begins with the file.
            Failure::Config(report) => writeln!(stderr, "{}", clean_lines(report)),
            other => writeln!(stderr, "dotctl: {}", clean_lines(&other.sentence())),
        });
    }
}

/// Makes text from the air safe to print: a phone can call itself an escape sequence.
pub(super) fn clean(text: &str) -> String {
    let safe = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(safe).collect()
}

/// Makes text of several lines safe to print.
pub(super) fn clean_lines(text: &str) -> String {
    // Tabs are in the lines of configuration files.
    let lines = text.split('\n').map(|line| {
        let pieces: Vec<_> = line.split('\t').map(clean).collect();
        pieces.join("\t")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Pads to `width` characters.
pub(super) fn padded(text: &str, width: usize) -> String {
    format!("{text:width$}")
}

/// Joins names as people do: "Anna, Bob and Eve".
pub(super) fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_joined_as_people_do() {
        let names = ["Anna", "Bob", "Eve"].map(str::to_owned);
        for (count, joined) in ["", "Anna", "Anna and Bob", "Anna, Bob and Eve"]
            .into_iter()
            .enumerate()
        {
            assert_eq!(listed(&names[..count]), joined);
        }
    }

    #[test]
    fn a_name_cannot_drive_the_terminal() {
        assert_eq!(
            clean("\x1b[2JEve\r\u{9b}1m"),
            "\u{fffd}[2JEve\u{fffd}\u{fffd}1m"
        );
    }

    #[test]
    fn columns_count_characters_not_bytes() {
        assert_eq!(padded("é", 3), "é  ");
    }
}
