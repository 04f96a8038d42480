//! The way to the service level connection (HFP 1.9, 4.2.1), and what is set up right after it.
//!
//! Invariant: a step is taken only if both sides have what it is about, so a plain phone has a
//! short way; a phone that refuses a step it need not have offered goes on without it.
//!
//! ```text
//! BRSF ─ [BAC] ─ CIND=? ─ CIND? ─ CMER ─ [CHLD=?] ─ [BIND= ─ BIND=? ─ BIND?] ─▶ ready
//! ```

use super::codec::Codec;
use super::command::Failure;
use super::event::{Event, Fault, Ready};
use super::features::{AgFeatures, HfFeatures};
use super::indicators::Indicator;
use super::machine::{Machine, Phase};
use super::queue::{Effect, Order, Purpose};

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// `AT+BRSF=`: what we can do, and what the AG can.
    Features,
    /// `AT+BAC=`: our codecs.
    Codecs,
    /// `AT+CIND=?`: the order of the indicators.
    IndicatorNames,
    /// `AT+CIND?`: their values.
    IndicatorValues,
    /// `AT+CMER`: the AG is to tell of changes.
    Reports,
    /// `AT+CHLD=?`: what can be done with several calls.
    CallHold,
    /// `AT+BIND=`: the indicators that we have.
    OurIndicators,
    /// `AT+BIND=?`: those that the AG knows.
    TheirIndicators,
    /// `AT+BIND?`: those that the AG wants.
    WantedIndicators,
}

/// What both sides can do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Common {
    codec_negotiation: bool,
    three_way: bool,
    hf_indicators: bool,
}

impl Common {
    pub(super) fn of(hf: HfFeatures, ag: AgFeatures) -> Self {
        Self {
            codec_negotiation: hf.has(HfFeatures::CODEC_NEGOTIATION)
                && ag.has(AgFeatures::CODEC_NEGOTIATION),
            three_way: hf.has(HfFeatures::THREE_WAY) && ag.has(AgFeatures::THREE_WAY),
            hf_indicators: hf.has(HfFeatures::HF_INDICATORS) && ag.has(AgFeatures::HF_INDICATORS),
        }
    }
}

impl Step {
    /// Returns the step after this one; nothing after the last.
    pub(super) fn next(self, common: Common) -> Option<Self> {
        match self {
            Self::Features if common.codec_negotiation => Some(Self::Codecs),
            Self::Features | Self::Codecs => Some(Self::IndicatorNames),
            Self::IndicatorNames => Some(Self::IndicatorValues),
            Self::IndicatorValues => Some(Self::Reports),
            Self::Reports if common.three_way => Some(Self::CallHold),
            Self::Reports | Self::CallHold if common.hf_indicators => Some(Self::OurIndicators),
            Self::Reports | Self::CallHold | Self::WantedIndicators => None,
            Self::OurIndicators => Some(Self::TheirIndicators),
            Self::TheirIndicators => Some(Self::WantedIndicators),
        }
    }

    /// Says whether no AG may refuse it.
    fn is_vital(self) -> bool {
        matches!(
            self,
            Self::Features | Self::IndicatorNames | Self::IndicatorValues | Self::Reports
        )
    }
}

impl Machine {
    /// Takes a step of the service level connection.
    pub(super) fn take_step(&mut self, step: Step) {
        let text = match step {
            Step::Features => format!("AT+BRSF={}", self.features.bits()),
            Step::Codecs => format!("AT+BAC={}", self.codecs.listed()),
            Step::IndicatorNames => "AT+CIND=?".into(),
            Step::IndicatorValues => "AT+CIND?".into(),
            // Three zeros and no more: some AGs refuse the fifth value, which 27.007, 8.10, allows.
            Step::Reports => "AT+CMER=3,0,0,1".into(),
            Step::CallHold => "AT+CHLD=?".into(),
            // Enhanced safety (1) is not claimed: a speaker does not drive.
            Step::OurIndicators => "AT+BIND=2".into(),
            Step::TheirIndicators => "AT+BIND=?".into(),
            Step::WantedIndicators => "AT+BIND?".into(),
        };
        self.queue.push(Order::new(text, Purpose::Slc(step)));
    }

    /// The AG answered a step.
    pub(super) fn step_ended(&mut self, step: Step, result: Result<(), Failure>) {
        if result.is_err() && step.is_vital() {
            return self.end(Some(Fault::Refused));
        }
        let common = Common::of(self.features, self.ag);
        match step {
            Step::IndicatorNames
                if !self.indicators.has(Indicator::Call)
                    || !self.indicators.has(Indicator::CallSetup) =>
            {
                return self.end(Some(Fault::NoCallIndicators));
            }
            // A codec may be proposed before ours are agreed to.
            Step::Features => self.negotiates_codec = common.codec_negotiation,
            Step::Codecs => self.negotiates_codec = result.is_ok(),
            _ => {}
        }
        match step.next(common) {
            Some(next) => self.take_step(next),
            None => self.connected(),
        }
    }

    /// The service level connection is up.
    fn connected(&mut self) {
        self.phase = Phase::Ready;
        self.told_status = self.status();
        self.emit(Event::Ready(Ready {
            features: self.ag,
            call_hold: self.call_hold,
            negotiates_codec: self.negotiates_codec,
            likely_codec: self.likely_codec(),
            in_band_ring: self.in_band_ring,
            status: self.told_status.clone(),
        }));
        // A phone that comes back in a call chooses before this.
        if let Some(codec) = self.chosen {
            self.emit(Event::CodecChosen(codec));
        }
        if self.recognizes_voice {
            self.emit(Event::VoiceRecognitionChanged(true));
        }
        self.set_up();
        self.review_calls();
    }

    fn likely_codec(&self) -> Codec {
        if self.negotiates_codec && self.codecs.has(Codec::Msbc) {
            Codec::Msbc
        } else {
            Codec::Cvsd
        }
    }

    /// Switches on what can be switched on. A phone may refuse any of it.
    fn set_up(&mut self) {
        self.ask("AT+CLIP=1");
        if Common::of(self.features, self.ag).three_way {
            self.ask("AT+CCWA=1");
        }
        if self.ag.has(AgFeatures::EXTENDED_ERRORS) {
            self.ask("AT+CMEE=1");
        }
        if self.ag.has(AgFeatures::ECHO_CANCELLING)
            && self.features.has(HfFeatures::ECHO_CANCELLING)
        {
            self.ask("AT+NREC=0");
        }
        match (self.config.speaker, self.speaker) {
            (None, _) => {}
            (Some(_), Some(told)) => self.emit(Event::SpeakerChanged(told)),
            (Some(ours), None) => self.tell_speaker(None, ours),
        }
        match self.microphone {
            Some(told) => self.emit(Event::MicrophoneChanged(told)),
            None => self.tell_microphone(None, self.config.microphone),
        }
        self.tell_battery(None);
        // The long name of the network in letters (3GPP 27.007, 7.3).
        self.ask("AT+COPS=3,0");
        self.ask_operator();
    }

    fn ask(&mut self, text: &str) {
        self.queue.push(Order::quiet(text, Effect::Nothing));
    }
}
