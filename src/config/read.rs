//! Walks the parsed TOML along [`reference::TABLES`] and collects every problem.
//!
//! Invariant: one wrong key never hides another. Nothing is deserialised as a whole, because serde
//! stops at the first error.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, Source};
use super::reference::{self, Key, Table};
use super::values::phone_named;
use super::{RingTone, Settings, SoundCheck};
use crate::policy::model::{PhoneRule, Rules};

/// Why a value was not taken.
#[derive(Debug)]
pub(super) enum Wrong {
    /// Another type, or out of range: the key's own "allowed" tells.
    NotAllowed,
    /// This, precisely.
    Because(String),
}

/// Reads a whole file.
pub(super) fn settings(bytes: &[u8], check: SoundCheck<'_>) -> Result<Settings, Vec<Problem>> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Err(vec![Problem::not_utf8(bytes, error.valid_up_to())]),
    };
    let source = Source::new(text);
    let (root, syntax) = DeTable::parse_recoverable(text);
    let of_syntax = |error: &toml::de::Error| {
        let place = error.span().unwrap_or(text.len()..text.len());
        source.problem(place, format!("this is not TOML: {}", error.message()))
    };
    let problems: Vec<_> = syntax.iter().map(of_syntax).collect();
    let mut walk = Walk {
        broken_lines: problems.iter().map(|problem| problem.line).collect(),
        problems,
        source,
        settings: Settings::default(),
        places: BTreeMap::new(),
    };
    walk.root(root.get_ref());
    walk.relations();
    walk.sounds(check);
    if walk.problems.is_empty() {
        Ok(walk.settings)
    } else {
        Err(in_order(walk.problems))
    }
}

fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(|problem| (problem.line, problem.column));
    problems
}

struct Walk<'a> {
    source: Source<'a>,
    settings: Settings,
    /// Where each value stands that was taken, by its full name.
    places: BTreeMap<String, Range<usize>>,
    problems: Vec<Problem>,
    /// The lines with syntax errors. What else is wrong with them is a guess, and so is which table
    /// a name below the first of them belongs to.
    broken_lines: BTreeSet<usize>,
}

impl Walk<'_> {
    fn root(&mut self, root: &DeTable<'_>) {
        for (name, value) in root.iter() {
            match reference::table(name.get_ref()) {
                Some(table) => self.table(table, value),
                None if name.get_ref() == reference::PHONE.name => self.phones(value),
                None => {
                    let message = unknown_at_root(name.get_ref(), value.get_ref());
                    self.unknown(name.span(), message);
                }
            }
        }
    }

    fn table(&mut self, table: &'static Table, value: &Spanned<DeValue<'_>>) {
        let mut settings = std::mem::take(&mut self.settings);
        self.entries(table, table.name, value, &mut settings);
        self.settings = settings;
    }

    /// Reads the tables about single phones.
    fn phones(&mut self, value: &Spanned<DeValue<'_>>) {
        let name = reference::PHONE.name;
        let Some(phones) = value.get_ref().as_table() else {
            let message = format!(
                "{name} is {}; allowed is a table for each phone, written [{name}.\"{}\"]",
                shown(value.get_ref()),
                reference::SOME_PHONE
            );
            return self.problem(value.span(), message);
        };
        for (phone, value) in phones.iter() {
            let choice = match phone_named(phone.get_ref()) {
                Ok(choice) => choice,
                Err(_) => {
                    let message = format!("{name} needs the name or address of a phone behind it");
                    self.problem(phone.span(), message);
                    continue;
                }
            };
            let full = format!("{name}.{:?}", phone.get_ref());
            let usual = PhoneRule::new(choice);
            let mut rule = usual.clone();
            self.entries(&reference::PHONE, &full, value, &mut rule);
            if rule != usual {
                self.settings.rules.phones.push(rule);
            }
        }
    }

    fn entries<S>(
        &mut self,
        table: &'static Table<S>,
        full: &str,
        value: &Spanned<DeValue<'_>>,
        subject: &mut S,
    ) {
        let Some(entries) = value.get_ref().as_table() else {
            let found = shown(value.get_ref());
            let message = format!("{full} is {found}; allowed is a table, written [{full}]");
            return self.problem(value.span(), message);
        };
        for (name, value) in entries.iter() {
            match table.key(name.get_ref()) {
                Some(key) => self.key(full, key, value, subject),
                None => {
                    let message = unknown_key(table, full, name.get_ref());
                    self.unknown(name.span(), message);
                }
            }
        }
    }

    fn key<S>(&mut self, table: &str, key: &Key<S>, value: &Spanned<DeValue<'_>>, subject: &mut S) {
        let name = format!("{table}.{}", key.name);
        let found = shown(value.get_ref());
        match (key.set)(subject, value.get_ref()) {
            Ok(()) => {
                self.places.insert(name, value.span());
            }
            Err(Wrong::NotAllowed) => self.problem(
                value.span(),
                format!("{name} is {found}; allowed is {}", key.allowed),
            ),
            Err(Wrong::Because(why)) => self.problem(
                value.span(),
                format!("{name} is {found}: {why}; allowed is {}", key.allowed),
            ),
        }
    }

    /// Checks what only holds between keys.
    fn relations(&mut self) {
        let Rules {
            start_volume,
            max_volume,
            ..
        } = self.settings.rules;
        if start_volume <= max_volume {
            return;
        }
        let (start, max) = (start_volume.percent(), max_volume.percent());
        if let Some(place) = self.places.get("volume.start").cloned() {
            let message = format!(
                "volume.start is {start}, above volume.max; allowed is 0 to {max} while volume.max \
                 is {max}"
            );
            self.problem(place, message);
        } else {
            // Only the ceiling was set, below the default start: that is what the admin wants.
            self.settings.rules.start_volume = max_volume;
        }
    }

    /// Checks the sound that is named.
    fn sounds(&mut self, check: SoundCheck<'_>) {
        const NAME: &str = "calls.ring-tone";
        let RingTone::File(file) = &self.settings.ring_tone else {
            return;
        };
        let (Err(why), Some(place)) = (check(file), self.places.get(NAME).cloned()) else {
            return;
        };
        let key = reference::table("calls").and_then(|table| table.key("ring-tone"));
        let allowed = key.map(|key| key.allowed).unwrap_or_default();
        let message = format!("{NAME} is {file:?}: {why}; allowed is {allowed}");
        self.problem(place, message);
    }

    fn unknown(&mut self, place: Range<usize>, message: String) {
        let problem = self.source.problem(place, message);
        if self
            .broken_lines
            .first()
            .is_none_or(|first| problem.line < *first)
        {
            self.problems.push(problem);
        }
    }

    fn problem(&mut self, place: Range<usize>, message: String) {
        let problem = self.source.problem(place, message);
        if !self.broken_lines.contains(&problem.line) {
            self.problems.push(problem);
        }
    }
}

fn unknown_at_root(name: &str, value: &DeValue<'_>) -> String {
    if value.is_table() {
        let known = reference::TABLES.iter().map(|table| table.name);
        match closest(name, known.clone()) {
            Some(near) => format!("[{name}] is not a table of dotd; did you mean [{near}]?"),
            None => format!(
                "[{name}] is not a table of dotd; there are {}",
                list(known.map(|name| format!("[{name}]")))
            ),
        }
    } else {
        match home_of(name) {
            Some(table) => format!("{name} stands alone; it belongs below [{table}]"),
            None => format!("{name} is not a key of dotd; see dotd.toml(5)"),
        }
    }
}

fn unknown_key<S>(table: &Table<S>, table_name: &str, name: &str) -> String {
    let known = table.keys.iter().map(|key| key.name);
    let full = format!("{table_name}.{name}");
    if let Some(home) = home_of(name) {
        format!("{full} does not exist; {name} belongs below [{home}]")
    } else if let Some(near) = closest(name, known.clone()) {
        format!("{full} does not exist; did you mean {near}?")
    } else {
        let known = list(known.map(str::to_owned));
        format!("{full} does not exist; [{table_name}] has {known}")
    }
}

/// Finds the table that has a key of exactly this name.
fn home_of(name: &str) -> Option<&'static str> {
    let mut tables = reference::TABLES.iter();
    tables
        .find(|table| table.key(name).is_some())
        .map(|table| table.name)
}

/// Finds the known name that was most likely meant, if any is near.
fn closest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let folded = name.to_lowercase().replace('_', "-");
    known
        .map(|candidate| (strsim::osa_distance(&folded, candidate), candidate))
        .filter(|(distance, candidate)| *distance * 3 <= candidate.len().max(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn list(names: impl Iterator<Item = String>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// Shows a value as it stands in the file, shortened when it is long.
pub(super) fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) if text.chars().count() > 40 => {
            let start: String = text.chars().take(40).collect();
            format!("{start:?}…")
        }
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
