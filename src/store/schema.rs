//! The format of `state.toml`, apart from [`Memory`], so that the one can change without the other.
//!
//! Invariant: what a released version wrote stays readable. A format that was released is frozen:
//! a later one gets its own module beside [`v1`], and `read` turns the older into the newer.

use serde::Deserialize;

use super::TroubleKind;
use crate::policy::model::Memory;

/// The version that this dotd writes.
pub(super) const VERSION: u64 = 1;

/// Reads any version that there ever was.
pub(super) fn read(bytes: &[u8]) -> Result<Memory, TroubleKind> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u64,
    }

    let corrupt = |error: &dyn std::fmt::Display| {
        TroubleKind::Corrupt(error.to_string().trim_end().replace('\n', " "))
    };
    let text = std::str::from_utf8(bytes).map_err(|error| corrupt(&error))?;
    match toml::from_str(text).map_err(|error: toml::de::Error| corrupt(&error.message()))? {
        Versioned { version: 1 } => toml::from_str::<v1::State>(text)
            .map(Memory::from)
            .map_err(|error| corrupt(&error.message())),
        Versioned { version: 0 } => Err(corrupt(&"there never was a version 0")),
        Versioned { version } => Err(TroubleKind::Newer { version }),
    }
}

/// Writes the current version.
pub(super) fn write(memory: &Memory) -> Result<String, toml::ser::Error> {
    let text = toml::to_string(&v1::State::from(memory))?;
    Ok(format!("# Written by dotd; changes are lost.\n{text}"))
}

/// Version 1: dotd 0.1.
mod v1 {
    use std::collections::{BTreeMap, BTreeSet};

    use serde::{Deserialize, Serialize};

    use crate::policy::model::{Address, Memory, Preference, SpeakerName, TrustedPhone, Volume};

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    pub(super) struct State {
        version: u64,
        name: Option<SpeakerName>,
        outranked: Option<SpeakerName>,
        volume: Option<Volume>,
        outranked_volume: Option<Volume>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        microphone_muted: bool,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        muted: bool,
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        forgotten: BTreeSet<Address>,
        /// Phones, and the adapters that were to forget them.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        forgotten_at: BTreeMap<Address, Address>,
        #[serde(default)]
        phones: Vec<Phone>,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    struct Phone {
        address: Address,
        name: String,
        first_seen: u64,
        last_seen: u64,
        volume: Option<Volume>,
        call_volume: Option<Volume>,
        #[serde(default, skip_serializing_if = "Preference::is_usual")]
        preference: Preference,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        left: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_played: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        alias: Option<String>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        blocked: bool,
    }

    impl From<State> for Memory {
        fn from(state: State) -> Self {
            let phones = state.phones.into_iter().map(|phone| TrustedPhone {
                address: phone.address,
                name: phone.name,
                first_seen: phone.first_seen,
                last_seen: phone.last_seen,
                volume: phone.volume,
                call_volume: phone.call_volume,
                preference: phone.preference,
                left: phone.left,
                last_played: phone.last_played,
                alias: phone.alias,
                blocked: phone.blocked,
            });
            let somewhere = state.forgotten.into_iter().map(|phone| (phone, None));
            let known = state.forgotten_at.into_iter();
            let known = known.map(|(phone, adapter)| (phone, Some(adapter)));
            Self {
                name: state.name,
                outranked: state.outranked,
                volume: state.volume,
                outranked_volume: state.outranked_volume,
                microphone_muted: state.microphone_muted,
                muted: state.muted,
                forgotten: somewhere.chain(known).collect(),
                phones: phones.collect(),
            }
        }
    }

    impl From<&Memory> for State {
        fn from(memory: &Memory) -> Self {
            let phones = memory.phones.iter().map(|phone| Phone {
                address: phone.address,
                name: phone.name.clone(),
                first_seen: phone.first_seen,
                last_seen: phone.last_seen,
                volume: phone.volume,
                call_volume: phone.call_volume,
                preference: phone.preference,
                left: phone.left,
                last_played: phone.last_played,
                alias: phone.alias.clone(),
                blocked: phone.blocked,
            });
            let forgotten = || memory.forgotten.iter();
            let somewhere = forgotten().filter(|(_, adapter)| adapter.is_none());
            let known = forgotten().filter_map(|(phone, adapter)| Some((*phone, (*adapter)?)));
            Self {
                version: super::VERSION,
                name: memory.name.clone(),
                outranked: memory.outranked.clone(),
                volume: memory.volume,
                outranked_volume: memory.outranked_volume,
                microphone_muted: memory.microphone_muted,
                muted: memory.muted,
                forgotten: somewhere.map(|(phone, _)| *phone).collect(),
                forgotten_at: known.collect(),
                phones: phones.collect(),
            }
        }
    }
}
