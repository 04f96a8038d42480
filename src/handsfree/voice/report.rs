//! What a voice link tells the daemon about itself.
//!
//! Invariant: never blocks. An event that finds the queue full is offered again with the next packet.

use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use crate::policy::Event;
use crate::policy::calls::event::HandsFreeFact;
use crate::policy::calls::facts::VoiceId;
use crate::policy::model::Address;

/// Reports on one link.
pub(super) struct Reporter {
    phone: Address,
    voice: VoiceId,
    events: Sender<Event>,
    up: bool,
    /// What was told last to be wrong.
    problem: Option<&'static str>,
}

impl Reporter {
    pub(super) fn new(phone: Address, voice: VoiceId, events: Sender<Event>) -> Self {
        Self {
            phone,
            voice,
            events,
            up: false,
            problem: None,
        }
    }

    /// A packet came: the link is up. Told once.
    pub(super) fn up(&mut self) {
        if !self.up {
            let voice = self.voice;
            self.up = self.offer(HandsFreeFact::VoiceUp { voice });
        }
    }

    /// Sound does not flow, for this reason, or flows. A change is told once.
    pub(super) fn flows(&mut self, problem: Option<&'static str>) {
        if self.problem != problem {
            let told = self.offer(HandsFreeFact::VoiceStalled {
                voice: self.voice,
                problem: problem.map(str::to_owned),
            });
            if told {
                self.problem = problem;
            }
        }
    }

    /// The link ended by itself. Says whether that could be told.
    pub(super) fn ended(&self, error: Option<&str>) -> bool {
        self.offer(HandsFreeFact::VoiceEnded {
            voice: self.voice,
            error: error.map(str::to_owned),
        })
    }

    fn offer(&self, fact: HandsFreeFact) -> bool {
        let event = Event::HandsFree {
            phone: self.phone,
            fact,
        };
        match self.events.try_send(event) {
            // With nobody left to tell there is nothing left to do.
            Ok(()) | Err(TrySendError::Closed(_)) => true,
            Err(TrySendError::Full(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    #[test]
    fn what_did_not_fit_is_told_later_and_the_beginning_once() {
        let phone = Address::new([1, 2, 3, 4, 5, 6]);
        let (events, mut queue) = mpsc::channel(1);
        let voice = VoiceId(7);
        let mut reporter = Reporter::new(phone, voice, events.clone());
        let told = |fact| Event::HandsFree { phone, fact };
        events.try_send(Event::AudioLost).unwrap();
        reporter.up();
        assert_eq!(queue.try_recv().unwrap(), Event::AudioLost);
        reporter.up();
        assert!(!reporter.ended(None));
        assert_eq!(
            queue.try_recv().unwrap(),
            told(HandsFreeFact::VoiceUp { voice })
        );
        reporter.up();
        assert!(reporter.ended(Some("gone")));
        let error = Some("gone".to_owned());
        let ended = told(HandsFreeFact::VoiceEnded { voice, error });
        assert_eq!(queue.try_recv().unwrap(), ended);
        assert!(queue.try_recv().is_err());
    }
}
