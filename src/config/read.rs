//! Walks the parsed TOML along [`reference::TABLES`] and collects every problem.
//!
//! Invariant: one wrong key never hides another. Nothing is deserialised as a whole, because serde
//! stops at the first error.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, Source};
use super::reference::{self, Key, Table};
use super::{Mpris, RingTone, Settings, SoundCheck, duration};
use crate::pcm::Melody;
use crate::pcm::playout::Delay;
use crate::policy::model::{
    AdapterChoice, Address, CallPhones, MusicCodec, PhoneChoice, PhoneRule, Rules, SpeakerName,
    TakeoverRule, Volume,
};

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
fn shown(value: &DeValue<'_>) -> String {
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

fn integer(value: &DeValue<'_>) -> Result<u64, Wrong> {
    let number = value.as_integer().ok_or(Wrong::NotAllowed)?;
    u64::from_str_radix(number.as_str(), number.radix()).map_err(|_| Wrong::NotAllowed)
}

fn text<'v>(value: &'v DeValue<'_>) -> Result<&'v str, Wrong> {
    value.as_str().ok_or(Wrong::NotAllowed)
}

fn volume(value: &DeValue<'_>) -> Result<Volume, Wrong> {
    let percent = u8::try_from(integer(value)?).map_err(|_| Wrong::NotAllowed)?;
    Volume::new(percent).ok_or(Wrong::NotAllowed)
}

fn filled(value: &DeValue<'_>) -> Result<Option<String>, Wrong> {
    match text(value)?.trim() {
        "" => Err(Wrong::NotAllowed),
        text => Ok(Some(text.to_owned())),
    }
}

pub(super) fn name(settings: &mut Settings, value: &DeValue<'_>) -> Result<(), Wrong> {
    let name = SpeakerName::new(text(value)?).map_err(|bad| Wrong::Because(bad.to_string()))?;
    settings.rules.name = Some(name);
    Ok(())
}

pub(super) fn adapter(settings: &mut Settings, value: &DeValue<'_>) -> Result<(), Wrong> {
    let text = text(value)?;
    let number = text.strip_prefix("hci").unwrap_or_default();
    settings.rules.adapter = if let Ok(address) = text.parse::<Address>() {
        AdapterChoice::Addressed(address)
    } else if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) {
        AdapterChoice::Named(text.to_owned())
    } else {
        return Err(Wrong::NotAllowed);
    };
    Ok(())
}

/// Reads a length of time, as seconds or as text.
fn length(value: &DeValue<'_>) -> Result<Duration, Wrong> {
    match value.as_str() {
        Some(text) => duration::parse(text).map_err(|_| Wrong::NotAllowed),
        None => Ok(Duration::from_secs(integer(value)?)),
    }
}

pub(super) fn window(settings: &mut Settings, value: &DeValue<'_>) -> Result<(), Wrong> {
    let length = length(value)?;
    if (Rules::MIN_WINDOW..=Rules::MAX_WINDOW).contains(&length) {
        settings.rules.window = length;
        Ok(())
    } else {
        Err(Wrong::NotAllowed)
    }
}

pub(super) fn open_on_first_start(
    settings: &mut Settings,
    value: &DeValue<'_>,
) -> Result<(), Wrong> {
    settings.rules.open_when_nobody_is_trusted = value.as_bool().ok_or(Wrong::NotAllowed)?;
    Ok(())
}

pub(super) fn max_connected(settings: &mut Settings, value: &DeValue<'_>) -> Result<(), Wrong> {
    match u8::try_from(integer(value)?) {
        // Seven is what a Bluetooth piconet holds.
        Ok(count @ 1..=7) => {
            settings.rules.max_connected = count;
            Ok(())
        }
        _ => Err(Wrong::NotAllowed),
    }
}

pub(super) fn reconnect_for(settings: &mut Settings, value: &DeValue<'_>) -> Result<(), Wrong> {
    if value.as_str() == Some("off") {
        settings.rules.reconnect_for = Duration::ZERO;
        return Ok(());
    }
    let length = length(value)?;
    if (Rules::MIN_RECONNECT..=Rules::MAX_RECONNECT).contains(&length) {
        settings.rules.reconnect_for = length;
        Ok(())
    } else {
        Err(Wrong::NotAllowed)
    }
}

pub(super) fn start_volume(settings: &mut Settings, value: &DeValue<'_>) -> Result<(), Wrong> {
    settings.rules.start_volume = volume(value)?;
    Ok(())
}

pub(super) fn max_volume(settings: &mut Settings, value: &DeValue<'_>) -> Result<(), Wrong> {
    settings.rules.max_volume = volume(value)?;
    Ok(())
}

pub(super) fn codecs(settings: &mut Settings, value: &DeValue<'_>) -> Result<(), Wrong> {
    let mut codecs = Vec::new();
    for entry in value.as_array().ok_or(Wrong::NotAllowed)?.iter() {
        let shown = shown(entry.get_ref());
        let named = entry.get_ref().as_str().and_then(MusicCodec::named);
        let codec = named.ok_or_else(|| Wrong::Because(format!("{shown} is no codec of music")))?;
        if codecs.contains(&codec) {
            return Err(Wrong::Because(format!("{shown} is in it twice")));
        }
        codecs.push(codec);
    }
    if !codecs.contains(&MusicCodec::Sbc) {
        let why = "\"sbc\" is not in it, and some phones have no other";
        return Err(Wrong::Because(why.to_owned()));
    }
    settings.rules.codecs = codecs;
    Ok(())
}

pub(super) fn delay(settings: &mut Settings, value: &DeValue<'_>) -> Result<(), Wrong> {
    settings.delay = match value.as_str() {
        Some("low") => Delay::Low,
        Some("balanced") => Delay::Balanced,
        Some("robust") => Delay::Robust,
        Some(_) => return Err(Wrong::NotAllowed),
        None => {
            let length = u16::try_from(integer(value)?).map_err(|_| Wrong::NotAllowed)?;
            Delay::fixed(length).ok_or(Wrong::NotAllowed)?
        }
    };
    Ok(())
}

pub(super) fn output(settings: &mut Settings, value: &DeValue<'_>) -> Result<(), Wrong> {
    settings.audio.output = filled(value)?;
    Ok(())
}

pub(super) fn calls_enabled(settings: &mut Settings, value: &DeValue<'_>) -> Result<(), Wrong> {
    settings.rules.calls = value.as_bool().ok_or(Wrong::NotAllowed)?;
    Ok(())
}

pub(super) fn call_phones(settings: &mut Settings, value: &DeValue<'_>) -> Result<(), Wrong> {
    settings.rules.call_phones = match value {
        DeValue::String(text) if text == "all" => CallPhones::All,
        DeValue::Array(phones) if phones.is_empty() => {
            let why = "nobody is in it; calls.enabled = false keeps all calls away";
            return Err(Wrong::Because(why.to_owned()));
        }
        DeValue::Array(phones) => {
            let phones = phones.iter().map(|phone| phone_choice(phone.get_ref()));
            CallPhones::Only(phones.collect::<Result<_, _>>()?)
        }
        _ => return Err(Wrong::NotAllowed),
    };
    Ok(())
}

fn phone_choice(value: &DeValue<'_>) -> Result<PhoneChoice, Wrong> {
    let why = || Wrong::Because(format!("{} is no name or address", shown(value)));
    phone_named(value.as_str().unwrap_or_default()).map_err(|_| why())
}

fn phone_named(text: &str) -> Result<PhoneChoice, Wrong> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Wrong::NotAllowed);
    }
    let named = || PhoneChoice::Named(text.to_owned());
    Ok(text
        .parse()
        .map_or_else(|_| named(), PhoneChoice::Addressed))
}

pub(super) fn takeover(settings: &mut Settings, value: &DeValue<'_>) -> Result<(), Wrong> {
    settings.rules.takeover = match text(value)? {
        "last-play" => TakeoverRule::LastPlay,
        "hold" => TakeoverRule::Hold,
        "refuse" => TakeoverRule::Refuse,
        _ => return Err(Wrong::NotAllowed),
    };
    Ok(())
}

pub(super) fn hold_for(settings: &mut Settings, value: &DeValue<'_>) -> Result<(), Wrong> {
    let length = length(value)?;
    if length > Rules::MAX_HOLD {
        return Err(Wrong::NotAllowed);
    }
    settings.rules.hold_for = length;
    Ok(())
}

pub(super) fn priority(settings: &mut Settings, value: &DeValue<'_>) -> Result<(), Wrong> {
    let phones = value.as_array().ok_or(Wrong::NotAllowed)?.iter();
    let phones = phones.map(|phone| phone_choice(phone.get_ref()));
    settings.rules.priority = phones.collect::<Result<_, _>>()?;
    Ok(())
}

pub(super) fn may_take_over(rule: &mut PhoneRule, value: &DeValue<'_>) -> Result<(), Wrong> {
    rule.may_take_over = value.as_bool().ok_or(Wrong::NotAllowed)?;
    Ok(())
}

pub(super) fn mpris(settings: &mut Settings, value: &DeValue<'_>) -> Result<(), Wrong> {
    settings.players.mpris = match text(value)?.trim() {
        "system" => Mpris::System,
        "off" => Mpris::Off,
        address if address.contains(':') => Mpris::Address(address.to_owned()),
        _ => return Err(Wrong::NotAllowed),
    };
    Ok(())
}

pub(super) fn covers(settings: &mut Settings, value: &DeValue<'_>) -> Result<(), Wrong> {
    settings.players.covers = value.as_bool().ok_or(Wrong::NotAllowed)?;
    Ok(())
}

pub(super) fn auto_answer(settings: &mut Settings, value: &DeValue<'_>) -> Result<(), Wrong> {
    if value.as_str() == Some("off") {
        settings.rules.auto_answer = None;
        return Ok(());
    }
    let length = length(value)?;
    if (Rules::MIN_AUTO_ANSWER..=Rules::MAX_AUTO_ANSWER).contains(&length) {
        settings.rules.auto_answer = Some(length);
        Ok(())
    } else {
        Err(Wrong::NotAllowed)
    }
}

pub(super) fn ring_tone(settings: &mut Settings, value: &DeValue<'_>) -> Result<(), Wrong> {
    let text = text(value)?;
    settings.ring_tone = match Melody::named(text) {
        Some(melody) => RingTone::BuiltIn(melody),
        None if text.starts_with('/') => RingTone::File(text.into()),
        None => return Err(Wrong::NotAllowed),
    };
    Ok(())
}

pub(super) fn ring_volume(settings: &mut Settings, value: &DeValue<'_>) -> Result<(), Wrong> {
    settings.rules.ring_volume = volume(value)?;
    Ok(())
}

pub(super) fn microphone(settings: &mut Settings, value: &DeValue<'_>) -> Result<(), Wrong> {
    settings.audio.microphone = filled(value)?;
    Ok(())
}

pub(super) fn echo_cancelling(settings: &mut Settings, value: &DeValue<'_>) -> Result<(), Wrong> {
    settings.audio.echo_cancelling = value.as_bool().ok_or(Wrong::NotAllowed)?;
    Ok(())
}

pub(super) fn remote(settings: &mut Settings, value: &DeValue<'_>) -> Result<(), Wrong> {
    settings.audio.remote = filled(value)?;
    Ok(())
}
