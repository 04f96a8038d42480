//! Which adapter is used, and how it comes up.
//!
//! Invariant: at most one adapter is in use; it is powered, has our name and is neither discoverable
//! nor pairable unless the pairing window is open. Whatever anybody else switches is put back.
//!
//! ```text
//! no bluetoothd ─▶ missing ─▶ off ─▶ on
//!       ▲────────────┴─────────┴──────┘  bluetoothd, adapter or power lost
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use super::event::{AdapterFacts, RadioBlock, Timer};
use super::model::{AdapterChoice, Address, Now, SpeakerName};
use super::snapshot::AdapterStatus;
use super::story::WindowEnd;
use super::{Action, Orders, Policy, RadioAction, SoundAction, Story};

/// How long an adapter may take to switch on before it is asked again, at first; then ever longer.
const POWER_ON_PATIENCE: Duration = Duration::from_secs(5);

/// How often it doubles: to 10 minutes or so, since each failure is a line in the journal.
const POWER_ON_DOUBLINGS: u32 = 7;

/// How long to wait before BlueZ is asked again to take us.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(10);

/// How long no adapter is no news.
const ADAPTER_PATIENCE: Duration = Duration::from_secs(2);

/// What is known of the adapters.
#[derive(Debug, Default)]
pub(super) struct Radio {
    seen: BTreeMap<String, AdapterFacts>,
    in_use: Option<String>,
    /// Whether the adapter in use was told of as ready since it last came up.
    ready: bool,
    /// Whether its failure to come up was told of.
    complained: bool,
    /// How often it was asked in vain to switch on.
    attempts: u32,
    /// Whether BlueZ refused us on the adapter in use when it was last asked.
    refused: bool,
    /// Whether bluetoothd is there.
    bluetooth: bool,
    /// Whether phones are offered CVSD only, since the adapter in use carries nothing better.
    narrow_band: bool,
}

impl Radio {
    fn facts(&self) -> Option<&AdapterFacts> {
        self.in_use.as_ref().and_then(|id| self.seen.get(id))
    }

    /// Returns the address of the adapter in use.
    pub(super) fn address(&self) -> Option<Address> {
        self.facts().map(|facts| facts.address)
    }

    /// Returns the adapter's address while the radio is on.
    pub(super) fn on(&self) -> Option<Address> {
        self.facts()
            .filter(|facts| facts.powered)
            .map(|facts| facts.address)
    }

    /// Says whether some program has the adapter look for others.
    pub(super) fn is_looking(&self) -> bool {
        self.facts().is_some_and(|facts| facts.discovering)
    }

    pub(super) fn status(&self) -> AdapterStatus {
        match self.facts() {
            None if self.bluetooth => AdapterStatus::Missing,
            None => AdapterStatus::NoBluetooth,
            Some(facts) if facts.powered => AdapterStatus::On {
                id: facts.id.clone(),
                address: facts.address,
                class: facts.class,
                discoverable: facts.discoverable,
            },
            Some(facts) => AdapterStatus::Off {
                id: facts.id.clone(),
                block: facts.block,
            },
        }
    }

    fn choose(&self, choice: &AdapterChoice) -> Option<&AdapterFacts> {
        match choice {
            // The one in use, as long as it is there.
            AdapterChoice::First => self.facts().or_else(|| self.seen.values().next()),
            AdapterChoice::Named(id) => self.seen.get(id),
            AdapterChoice::Addressed(address) => {
                self.seen.values().find(|facts| facts.address == *address)
            }
        }
    }
}

impl Policy {
    pub(super) fn bluetooth_lost(&mut self, out: &mut Orders) {
        self.radio.seen.clear();
        let told_before = !self.radio.bluetooth && self.radio.complained;
        self.leave_adapter(out);
        self.radio.bluetooth = false;
        if !told_before {
            self.radio.complained = true;
            out.tell(Story::BluetoothLost);
        }
    }

    pub(super) fn bluetooth_found(&mut self, out: &mut Orders) {
        if !std::mem::replace(&mut self.radio.bluetooth, true) {
            self.radio.complained = false;
        }
        self.take_adapter(out);
    }

    pub(super) fn adapter_seen(&mut self, now: Now, facts: AdapterFacts, out: &mut Orders) {
        self.radio.bluetooth = true;
        let id = facts.id.clone();
        self.radio.seen.insert(id.clone(), facts);
        self.take_adapter(out);
        if self.radio.in_use.as_ref() == Some(&id) {
            self.bring_up(now, out);
        }
    }

    pub(super) fn adapter_gone(&mut self, id: &str, out: &mut Orders) {
        self.radio.seen.remove(id);
        if self.radio.in_use.as_deref() == Some(id) {
            self.leave_adapter(out);
            out.tell(Story::AdapterLost {
                adapter: id.to_owned(),
            });
            self.radio.complained = true;
            self.take_adapter(out);
        }
    }

    /// Takes the adapter that the rules want, if it is there and not taken yet.
    pub(super) fn take_adapter(&mut self, out: &mut Orders) {
        let Some((wanted, wide_band)) = self
            .radio
            .choose(&self.rules.adapter)
            .map(|facts| (facts.id.clone(), facts.wide_band))
        else {
            self.leave_adapter(out);
            if self.radio.bluetooth && !self.radio.complained {
                // bluetoothd tells its adapters one by one, and a dongle takes a moment.
                out.push(Action::ArmTimer {
                    timer: Timer::AdapterRetry,
                    after: ADAPTER_PATIENCE,
                });
            }
            return;
        };
        if self.radio.in_use.as_ref() == Some(&wanted) {
            return;
        }
        self.leave_adapter(out);
        self.radio.in_use = Some(wanted.clone());
        self.radio.complained = false;
        self.claim_wide_band(wide_band, out);
        self.order_use(wanted, out);
    }

    /// Offers only codecs that the adapter carries, before our record is registered with it.
    fn claim_wide_band(&mut self, works: bool, out: &mut Orders) {
        if std::mem::replace(&mut self.radio.narrow_band, !works) == works {
            out.push(Action::Sound(SoundAction::ClaimWideBand { works }));
        }
    }

    /// Tells that the adapter is of no use, and asks again after a while.
    pub(super) fn adapter_refused(&mut self, id: &str, error: String, out: &mut Orders) {
        if self.radio.in_use.as_deref() != Some(id) {
            return;
        }
        if !std::mem::replace(&mut self.radio.refused, true) {
            let adapter = id.to_owned();
            out.tell(Story::AdapterRefused { adapter, error });
        }
        out.push(Action::ArmTimer {
            timer: Timer::RefusalRetry,
            after: REFUSAL_PATIENCE,
        });
    }

    /// BlueZ took us: its phones were counted.
    pub(super) fn adapter_accepted(&mut self) {
        self.radio.refused = false;
    }

    fn order_use(&self, id: String, out: &mut Orders) {
        out.radio(RadioAction::UseAdapter {
            id,
            endpoints: self.rules.endpoints(),
            codecs: self.rules.codecs.clone(),
            hands_free: self.rules.calls,
        });
    }

    /// Registers other services on the adapter in use.
    pub(super) fn services_changed(&self, out: &mut Orders) {
        if let Some(id) = &self.radio.in_use {
            self.order_use(id.clone(), out);
        }
        self.route_voice(out);
    }

    fn leave_adapter(&mut self, out: &mut Orders) {
        let Some(left) = self.radio.in_use.take() else {
            return;
        };
        let stays = self.radio.seen.get(&left).is_some_and(|it| it.powered);
        if stays && self.pairing.is_open() {
            // Nobody looks for the speaker there any more.
            out.radio(RadioAction::CloseWindow);
        }
        self.radio.ready = false;
        self.radio.refused = false;
        self.radio.attempts = 0;
        self.end_window(WindowEnd::AdapterLost, out);
        for timer in [Timer::AdapterRetry, Timer::RefusalRetry] {
            out.push(Action::CancelTimer { timer });
        }
        self.forget_links(out);
    }

    /// Moves the adapter in use one step nearer to what it should be.
    fn bring_up(&mut self, now: Now, out: &mut Orders) {
        let Some(facts) = self.radio.facts().cloned() else {
            return;
        };
        if !facts.powered {
            self.switch_on(&facts, out);
            return;
        }
        let name = self.speaker_name_on(facts.address);
        if facts.alias != name.as_str() {
            out.radio(RadioAction::SetAlias { name: name.clone() });
        }
        if self.radio.ready && !self.pairing.is_open() && (facts.discoverable || facts.pairable) {
            out.radio(RadioAction::CloseWindow);
        }
        if !self.radio.ready {
            self.radio.ready = true;
            self.radio.complained = false;
            self.radio.attempts = 0;
            out.push(Action::CancelTimer {
                timer: Timer::AdapterRetry,
            });
            self.route_voice(out);
            self.await_audio(out);
            let Self {
                radio:
                    Radio {
                        in_use: Some(adapter),
                        ..
                    },
                ..
            } = self
            else {
                return;
            };
            out.tell(Story::SpeakerReady {
                name,
                adapter: adapter.clone(),
                address: facts.address,
            });
            self.radio_came_up(now, out);
            if !self.pairing.is_open() {
                out.radio(RadioAction::CloseOldWindow);
            }
        }
    }

    fn switch_on(&mut self, facts: &AdapterFacts, out: &mut Orders) {
        if self.radio.ready {
            self.radio.ready = false;
            self.forget_links(out);
        }
        if facts.block == RadioBlock::Hard {
            if !self.radio.complained {
                self.radio.complained = true;
                out.tell(Story::RadioBlocked {
                    adapter: facts.id.clone(),
                });
            }
            return;
        }
        out.radio(RadioAction::PowerOn);
        out.push(Action::ArmTimer {
            timer: Timer::AdapterRetry,
            after: POWER_ON_PATIENCE * 2_u32.pow(self.radio.attempts),
        });
    }

    pub(super) fn refusal_retry(&self, out: &mut Orders) {
        if let Some(id) = self.radio.in_use.as_ref().filter(|_| self.radio.refused) {
            self.order_use(id.clone(), out);
        }
    }

    pub(super) fn adapter_retry(&mut self, out: &mut Orders) {
        let Some(facts) = self.radio.facts().cloned() else {
            if self.radio.bluetooth && !std::mem::replace(&mut self.radio.complained, true) {
                out.tell(Story::AdapterMissing);
            }
            return;
        };
        if facts.powered {
            return;
        }
        self.radio.attempts = (self.radio.attempts + 1).min(POWER_ON_DOUBLINGS);
        if !self.radio.complained {
            self.radio.complained = true;
            out.tell(Story::AdapterStaysOff {
                adapter: facts.id.clone(),
            });
        }
        self.switch_on(&facts, out);
    }

    /// Returns the name the speaker should have on the adapter with this address.
    fn speaker_name_on(&self, address: Address) -> SpeakerName {
        self.chosen_name()
            .unwrap_or_else(|| SpeakerName::default_for(address))
    }

    /// Returns the name the speaker should have, if it can be known yet.
    pub(super) fn speaker_name(&self) -> Option<SpeakerName> {
        self.chosen_name().or_else(|| {
            self.radio
                .facts()
                .map(|facts| SpeakerName::default_for(facts.address))
        })
    }

    fn chosen_name(&self) -> Option<SpeakerName> {
        self.memory.name.clone().or_else(|| self.rules.name.clone())
    }
}
