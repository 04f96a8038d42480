//! Carries out what the policy ordered about calls.
//!
//! Invariant: as for all orders: the loop never waits. A voice is what it was last ordered to be,
//! also while its link is still on the way up.

use std::collections::HashMap;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::executor::{Executor, Late};
use crate::audio::{Role, StreamKey, StreamSpec};
use crate::bluetooth::{BluetoothError, GatewaySocket, VoiceSocket};
use crate::config::{self, Settings};
use crate::handsfree::{self, Abilities, Links, Voice};
use crate::pcm::{Melody, Recording, RingTone};
use crate::policy::calls::event::{ExpectedVoice, HandsFreeFact, HandsFreeOrder, VoiceSpec};
use crate::policy::calls::facts::{VoiceCodec, VoiceId};
use crate::policy::model::{Address, Volume};
use crate::policy::{Event, SoundAction};

/// The sampling rate of built-in ring tones in Hz: that of most sound cards.
const RING_RATE: u32 = 48_000;

/// The links to phones' audio gateways, and the voices of their calls.
pub(super) struct Calls {
    links: Links,
    /// Callers are to be spared the echo of themselves.
    echo_cancelling: bool,
    /// We can do that, as far as is known.
    canceller_works: bool,
    /// The adapter carries codecs better than CVSD, as far as is known.
    wide_band: bool,
    voices: HashMap<Address, Talking>,
    events: mpsc::Sender<Event>,
    late: mpsc::UnboundedSender<Late>,
    /// What to ring with.
    ring_tone: config::RingTone,
    /// How loud it is to ring, while it is.
    rings: Option<Volume>,
    /// Counts rings, so that a tone that is made too late is told from the one that is wanted.
    rung: u64,
}

/// A voice from its order on; its link comes later.
struct Talking {
    spec: VoiceSpec,
    voice: Option<Voice>,
}

/// A voice link that came up, or not.
pub(super) struct LateVoice {
    phone: Address,
    /// There may be a later one by now.
    id: VoiceId,
    socket: Result<VoiceSocket, BluetoothError>,
}

/// A ring tone that was made.
pub(super) struct LateRing {
    ring: u64,
    tone: RingTone,
}

/// What phones are told that we can do until more is known.
pub(super) fn abilities_at_first(settings: &Settings) -> Abilities {
    Abilities {
        echo_cancelling: settings.audio.echo_cancelling,
        wide_band: true,
    }
}

impl Calls {
    /// Makes the room for them; phones are told whether echo is cancelled.
    pub(super) fn new(
        events: mpsc::Sender<Event>,
        late: mpsc::UnboundedSender<Late>,
        settings: &Settings,
    ) -> Self {
        Self {
            links: Links::new(events.clone(), abilities_at_first(settings)),
            echo_cancelling: settings.audio.echo_cancelling,
            canceller_works: true,
            wide_band: true,
            voices: HashMap::new(),
            events,
            late,
            ring_tone: settings.ring_tone.clone(),
            rings: None,
            rung: 0,
        }
    }

    /// Rings with this from the next call on.
    pub(super) fn set_ring_tone(&mut self, ring_tone: config::RingTone) {
        self.ring_tone = ring_tone;
    }

    /// Takes a link to a phone's audio gateway.
    pub(super) fn connected(&mut self, GatewaySocket { phone, fd }: GatewaySocket) {
        self.links.connected(phone, fd);
    }

    /// Waits for a voice link.
    fn expect(
        &mut self,
        phone: Address,
        spec: VoiceSpec,
        link: impl Future<Output = Result<VoiceSocket, BluetoothError>> + Send + 'static,
    ) {
        let id = spec.id;
        let voice = None;
        self.voices.insert(phone, Talking { spec, voice });
        let late = self.late.clone();
        tokio::spawn(async move {
            let socket = link.await;
            let arrived = LateVoice { phone, id, socket };
            // Fails only when the daemon is ending; the link closes then.
            late.send(Late::Voice(arrived)).ok();
        });
    }

    fn ended(&mut self, phone: Address, voice: VoiceId, error: Option<String>) {
        self.voices.remove(&phone);
        let fact = HandsFreeFact::VoiceEnded { voice, error };
        // At once if there is room, so that it is told before what the phone does next.
        if let Err(TrySendError::Full(event)) =
            self.events.try_send(Event::HandsFree { phone, fact })
        {
            let events = self.events.clone();
            // Fails only when the daemon is ending.
            tokio::spawn(async move { events.send(event).await.ok() });
        }
    }
}

impl Executor {
    /// Carries out an order about the calls of a phone.
    pub(super) fn hands_free(&mut self, phone: Address, order: HandsFreeOrder) {
        match order {
            HandsFreeOrder::Command { request, command } => {
                self.calls.links.command(phone, request, command);
            }
            HandsFreeOrder::Close => self.calls.links.close(phone),
            HandsFreeOrder::ExpectVoice { voice: Some(voice) } => self.expect_voice(phone, voice),
            HandsFreeOrder::ExpectVoice { voice: None } => self.silence(phone),
            HandsFreeOrder::LetVoiceIn { id, voice } => {
                let link = self.bluetooth.let_voice_in(id, voice.codec);
                self.calls.expect(phone, voice, link);
            }
            HandsFreeOrder::RefuseVoice { id } => self.bluetooth.refuse_voice(id),
            HandsFreeOrder::OpenVoice { voice } => {
                let link = self.bluetooth.open_voice(phone, voice.codec);
                self.calls.expect(phone, voice, link);
            }
            HandsFreeOrder::PlayVoice { voice } => {
                if let Some(talking) = self.calls.voices.get_mut(&phone) {
                    talking.spec = voice;
                    self.play_voice(phone);
                }
            }
            HandsFreeOrder::EndVoice => {
                self.silence(phone);
                self.calls.voices.remove(&phone);
            }
            HandsFreeOrder::SetVoiceVolume { volume } => {
                if let Some(talking) = self.calls.voices.get_mut(&phone) {
                    talking.spec.volume = volume;
                }
                self.audio.set_volume(StreamKey::Voice(phone), volume);
            }
            HandsFreeOrder::SetMicrophoneVolume { steps } => {
                if let Some(talking) = self.calls.voices.get_mut(&phone) {
                    talking.spec.microphone = steps;
                    if let Some(voice) = &talking.voice {
                        voice.set_microphone(steps);
                    }
                }
            }
        }
    }

    /// Prepares what a voice will take.
    fn expect_voice(&self, phone: Address, voice: ExpectedVoice) {
        let ExpectedVoice {
            codec,
            name,
            volume,
        } = voice;
        let spec = stream(name.clone(), codec, volume);
        self.audio.prepare(StreamKey::Voice(phone), spec);
        self.audio.prepare_to_listen(phone, name, codec.rate());
    }

    /// Lets go of what a voice takes.
    fn silence(&self, phone: Address) {
        self.audio.stop_listening(phone);
        self.audio.release(StreamKey::Voice(phone));
    }

    /// Takes over whether echo is to be cancelled.
    pub(super) fn cancel_echo(&mut self, wanted: bool) {
        self.calls.echo_cancelling = wanted;
        self.claim_abilities();
    }

    /// Tells phones from now on what we can do, such as to cancel echo so that they need not: each
    /// with its next link.
    fn claim_abilities(&mut self) {
        let abilities = Abilities {
            echo_cancelling: self.calls.echo_cancelling && self.calls.canceller_works,
            wide_band: self.calls.wide_band,
        };
        self.calls.links.claim(abilities);
        self.bluetooth.claim(handsfree::sdp_features(abilities));
    }

    /// Carries out an order about the sound of calls that concerns no single phone.
    pub(super) fn sound(&mut self, order: SoundAction) {
        match order {
            SoundAction::Ring { volume } => self.ring(volume),
            SoundAction::StopRinging => {
                self.calls.rings = None;
                self.audio.release(StreamKey::Ring);
            }
            SoundAction::Mute { muted } => self.audio.mute(muted),
            SoundAction::MuteMicrophone { muted } => {
                for talking in self.calls.voices.values_mut() {
                    talking.spec.muted = muted;
                    if let Some(voice) = &talking.voice {
                        voice.mute(muted);
                    }
                }
            }
            SoundAction::ClaimCanceller { works } => {
                self.calls.canceller_works = works;
                self.claim_abilities();
            }
            SoundAction::ClaimWideBand { works } => {
                self.calls.wide_band = works;
                self.claim_abilities();
            }
        }
    }

    fn ring(&mut self, volume: Volume) {
        if self.calls.rings.replace(volume).is_some() {
            return self.audio.set_volume(StreamKey::Ring, volume);
        }
        self.calls.rung += 1;
        let (ring, tone) = (self.calls.rung, self.calls.ring_tone.clone());
        let late = self.calls.late.clone();
        tokio::task::spawn_blocking(move || {
            let tone = made(tone);
            // Fails only when the daemon is ending.
            late.send(Late::Ring(LateRing { ring, tone })).ok();
        });
    }

    /// Rings with what was made, if it still rings.
    pub(super) fn ring_arrived(&mut self, late: LateRing) {
        if let Some(volume) = self.calls.rings.filter(|_| late.ring == self.calls.rung) {
            self.play_ring(late.tone, volume);
        }
    }

    fn play_ring(&self, tone: RingTone, volume: Volume) {
        let spec = StreamSpec {
            name: "Ring tone".to_owned(),
            role: Role::Notification,
            rate: tone.rate(),
            channels: 1,
            volume,
            prompt: false,
        };
        self.audio.play(StreamKey::Ring, spec, Box::new(tone));
    }

    /// Gives a voice link that was waited for its thread, its stream and its microphone.
    pub(super) fn voice_arrived(&mut self, late: LateVoice) {
        let LateVoice { phone, id, socket } = late;
        let Some(talking) = self.calls.voices.get_mut(&phone) else {
            return;
        };
        if talking.spec.id != id {
            return;
        }
        let spec = &talking.spec;
        let events = self.calls.events.clone();
        let withdrawn = socket.as_ref().is_err_and(BluetoothError::is_withdrawal);
        let voice = socket.map_err(|error| error.to_string()).and_then(|link| {
            Voice::start(phone, link.fd, link.mtu, spec, events).map_err(|error| error.to_string())
        });
        match voice {
            Ok(voice) => {
                talking.voice = Some(voice);
                self.play_voice(phone);
            }
            Err(_) if withdrawn => self.calls.ended(phone, id, None),
            Err(error) => self.calls.ended(phone, id, Some(error)),
        }
    }

    /// Gives the sound of a voice to PipeWire, and the voice the sound of the room.
    fn play_voice(&self, phone: Address) {
        let Some(talking) = self.calls.voices.get(&phone) else {
            return;
        };
        let Some(voice) = &talking.voice else {
            return;
        };
        let spec = &talking.spec;
        let (key, name) = (StreamKey::Voice(phone), spec.name.clone());
        let played = stream(name.clone(), spec.codec, spec.volume);
        self.audio.play(key, played, voice.source());
        self.audio
            .listen(phone, name, spec.codec.rate(), voice.sinks());
    }
}

/// Returns what the stream of a voice is.
fn stream(name: String, codec: VoiceCodec, volume: Volume) -> StreamSpec {
    StreamSpec {
        name,
        role: Role::Communication,
        rate: codec.rate(),
        channels: 1,
        volume,
        prompt: true,
    }
}

/// Makes what to ring with, which takes its time: the built-in tone if the file does not do.
fn made(tone: config::RingTone) -> RingTone {
    let file = match tone {
        config::RingTone::BuiltIn(melody) => return RingTone::built_in(melody, RING_RATE),
        config::RingTone::File(file) => file,
    };
    Recording::read(&file).map_or_else(
        |error| {
            tracing::warn!(
                "the ring tone {} is not played: {error}; see calls.ring-tone in dotd.toml",
                file.display()
            );
            RingTone::built_in(Melody::default(), RING_RATE)
        },
        RingTone::recorded,
    )
}
