//! Takes the value of each key over, or says what is wrong with it.
//!
//! Invariant: a value that is not taken changes nothing.

use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::read::{Wrong, shown};
use super::{Mpris, RingTone, Settings, duration};
use crate::pcm::Melody;
use crate::pcm::playout::Delay;
use crate::pcm::shaping::{BANDS, Shape};
use crate::policy::model::{
    AdapterChoice, Address, CallPhones, MusicCodec, PhoneChoice, PhoneRule, Rules, SpeakerName,
    TakeoverRule, Volume,
};

fn integer(value: &DeValue<'_>) -> Result<u64, Wrong> {
    let number = value.as_integer().ok_or(Wrong::NotAllowed)?;
    u64::from_str_radix(number.as_str(), number.radix()).map_err(|_| Wrong::NotAllowed)
}

/// Reads a whole number between these two, which may be below zero.
fn within(value: &DeValue<'_>, least: i8, most: i8) -> Result<i8, Wrong> {
    let number = value.as_integer().ok_or(Wrong::NotAllowed)?;
    i8::from_str_radix(number.as_str(), number.radix())
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or(Wrong::NotAllowed)
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

pub(super) fn phone_named(text: &str) -> Result<PhoneChoice, Wrong> {
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

pub(super) fn mono(settings: &mut Settings, value: &DeValue<'_>) -> Result<(), Wrong> {
    settings.audio.shape.mono = value.as_bool().ok_or(Wrong::NotAllowed)?;
    Ok(())
}

pub(super) fn balance(settings: &mut Settings, value: &DeValue<'_>) -> Result<(), Wrong> {
    settings.audio.shape.balance = within(value, -100, 100)?;
    Ok(())
}

pub(super) fn ceiling(settings: &mut Settings, value: &DeValue<'_>) -> Result<(), Wrong> {
    settings.audio.shape.ceiling = match value.as_str() {
        Some("off") => None,
        Some(_) => return Err(Wrong::NotAllowed),
        None => Some(within(value, Shape::LOWEST_CEILING, 0)?),
    };
    Ok(())
}

pub(super) fn equaliser(settings: &mut Settings, value: &DeValue<'_>) -> Result<(), Wrong> {
    let bands = value.as_array().ok_or(Wrong::NotAllowed)?.iter();
    let gain = |band: &Spanned<DeValue<'_>>| {
        let why = || Wrong::Because(format!("{} is no gain", shown(band.get_ref())));
        within(band.get_ref(), Shape::QUIETEST_BAND, Shape::LOUDEST_BAND).map_err(|_| why())
    };
    let gains = bands.map(gain).collect::<Result<Vec<_>, _>>()?;
    let count = gains.len();
    settings.audio.shape.equaliser = gains
        .try_into()
        .map_err(|_| Wrong::Because(format!("it has {count} of the {BANDS} bands")))?;
    Ok(())
}
