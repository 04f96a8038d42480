//! The agent that BlueZ asks before a phone may pair or use a service.
//!
//! Invariant: nobody is let in but by [`RadioAction::AnswerAgent`](crate::policy::RadioAction). No
//! answer, a full queue, an adapter not in use, a caller that is not bluetoothd: all mean no.
//! The agent is the gate, not `Pairable`: a phone that asks for no bond gets past `Pairable=false`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use zbus::message::Header;
use zbus::zvariant::ObjectPath;

use super::convert::{self, DEVICE, Properties};
use super::error::BluetoothError;
use super::session::Session;
use crate::policy::event::{Event, PhoneFacts, Question};
use crate::policy::model::QuestionId;

/// Where BlueZ finds the agent.
pub(super) const PATH: &str = "/org/dotd/agent";

/// Says yes or no to the same six digits. With "NoInputNoOutput" the kernel accepts phones without
/// asking anybody.
pub(super) const CAPABILITY: &str = "DisplayYesNo";

/// How long an answer may take: phones give up after 30 s, BlueZ after 60.
const ANSWER_DEADLINE: Duration = Duration::from_secs(25);

/// The questions that wait for an answer; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Questions(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    last: u64,
    waiting: BTreeMap<QuestionId, oneshot::Sender<bool>>,
}

impl Questions {
    /// Answers a question. One that was answered, withdrawn or given up before is left at that.
    pub(super) fn answer(&self, id: QuestionId, allow: bool) {
        let waiting = self.open().waiting.remove(&id);
        if waiting.is_none_or(|it| it.send(allow).is_err()) {
            tracing::debug!(?id, allow, "an answer came after its question was over");
        }
    }

    fn ask(&self) -> (QuestionId, oneshot::Receiver<bool>) {
        let (answer, answered) = oneshot::channel();
        let mut open = self.open();
        open.last += 1;
        let id = QuestionId(open.last);
        open.waiting.insert(id, answer);
        (id, answered)
    }

    fn give_up(&self, id: QuestionId) {
        self.open().waiting.remove(&id);
    }

    /// BlueZ does not say which question it withdraws; it has one at a time.
    fn give_up_all(&self) {
        self.open().waiting.clear();
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What BlueZ is told instead of yes.
#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.bluez.Error")]
pub(super) enum Refusal {
    /// The bus did not work.
    #[zbus(error)]
    Bus(zbus::Error),
    /// No.
    Rejected(String),
    /// The question was withdrawn.
    Canceled(String),
}

/// The object at [`PATH`].
pub(super) struct Agent {
    session: Session,
    questions: Questions,
    events: mpsc::Sender<Event>,
}

impl Agent {
    /// Makes the agent; it asks through `events` and waits for `questions` to be answered.
    pub(super) fn new(session: Session, questions: Questions, events: mpsc::Sender<Event>) -> Self {
        Self {
            session,
            questions,
            events,
        }
    }

    async fn ask(
        &self,
        header: &Header<'_>,
        device: &ObjectPath<'_>,
        question: Question,
    ) -> Result<(), Refusal> {
        self.check_caller(header)?;
        let phone = self.phone(device).await?;
        let (id, answered) = self.questions.ask();
        let asked = Event::AgentAsked {
            id,
            phone,
            question,
        };
        // Not waited for: while the daemon cannot even take the question, the answer is no.
        if self.events.try_send(asked).is_err() {
            self.questions.give_up(id);
            return Err(no("dotd is busy"));
        }
        match tokio::time::timeout(ANSWER_DEADLINE, answered).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(no("not allowed now")),
            Ok(Err(_withdrawn)) => {
                self.cancelled(id).await;
                Err(Refusal::Canceled("the question was withdrawn".to_owned()))
            }
            Err(_late) => {
                tracing::warn!(%device, "nobody answered BlueZ in time; the phone was refused");
                self.questions.give_up(id);
                self.cancelled(id).await;
                Err(no("nobody answered"))
            }
        }
    }

    async fn cancelled(&self, id: QuestionId) {
        if self
            .events
            .send(Event::AgentCancelled { id })
            .await
            .is_err()
        {
            tracing::debug!(?id, "the daemon stopped before its question was over");
        }
    }

    fn check_caller(&self, header: &Header<'_>) -> Result<(), Refusal> {
        if self.session.is_bluetoothd(header) {
            return Ok(());
        }
        let sender = header.sender().map(ToString::to_string);
        tracing::warn!(
            sender,
            "a program that is not bluetoothd called the agent; refused"
        );
        Err(no("only bluetoothd may ask"))
    }

    /// Reads the phone's facts now: whether there is a bond decides who may use services.
    async fn phone(&self, device: &ObjectPath<'_>) -> Result<PhoneFacts, Refusal> {
        let Some((adapter, address)) = convert::device_at(device) else {
            return Err(no("not a device"));
        };
        if self.session.used().as_deref() != Some(adapter) {
            return Err(no("not the adapter in use"));
        }
        let what = "tell the properties of a phone";
        let method = ("org.freedesktop.DBus.Properties", "GetAll");
        let properties = match self.session.call(what, device, method, &DEVICE).await {
            Ok(answer) => answer.body().deserialize::<Properties>(),
            Err(error) => return Err(unreadable(&error)),
        };
        let properties = properties.map_err(|_| unreadable(&BluetoothError::Nonsense { what }))?;
        Ok(convert::phone_facts(address, &properties))
    }
}

#[zbus::interface(name = "org.bluez.Agent1")]
impl Agent {
    async fn request_confirmation(
        &self,
        device: ObjectPath<'_>,
        passkey: u32,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Refusal> {
        let question = Question::Confirm { passkey };
        self.ask(&header, &device, question).await
    }

    async fn request_authorization(
        &self,
        device: ObjectPath<'_>,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Refusal> {
        self.ask(&header, &device, Question::Authorize).await
    }

    async fn authorize_service(
        &self,
        device: ObjectPath<'_>,
        uuid: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Refusal> {
        let uuid = uuid.to_lowercase();
        self.ask(&header, &device, Question::Service { uuid }).await
    }

    async fn request_pin_code(
        &self,
        device: ObjectPath<'_>,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String, Refusal> {
        self.ask(&header, &device, Question::Secret).await?;
        // Nobody can type here, so there is no secret to give even where it would be allowed.
        Err(no("the speaker has no keys"))
    }

    async fn request_passkey(
        &self,
        device: ObjectPath<'_>,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<u32, Refusal> {
        self.ask(&header, &device, Question::Secret).await?;
        Err(no("the speaker has no keys"))
    }

    /// BlueZ goes on with the PIN once it is "shown", and there is no display: so no.
    async fn display_pin_code(
        &self,
        device: ObjectPath<'_>,
        _pin_code: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Refusal> {
        self.ask(&header, &device, Question::Secret).await?;
        Err(no("the speaker has no display"))
    }

    /// BlueZ does not wait for an answer to this one. Nobody sees the digits, so nobody can type
    /// them in, and the pairing runs out.
    fn display_passkey(&self, device: ObjectPath<'_>, _passkey: u32, _entered: u16) {
        tracing::debug!(%device, "a device wants digits typed in that nobody can see");
    }

    fn cancel(&self, #[zbus(header)] header: Header<'_>) -> Result<(), Refusal> {
        self.check_caller(&header)?;
        self.questions.give_up_all();
        Ok(())
    }

    /// BlueZ does not need the agent any more; it leaves the bus or another agent took over.
    fn release(&self, #[zbus(header)] header: Header<'_>) -> Result<(), Refusal> {
        self.check_caller(&header)?;
        self.questions.give_up_all();
        tracing::debug!("BlueZ released the agent");
        Ok(())
    }
}

fn no(why: &str) -> Refusal {
    Refusal::Rejected(why.to_owned())
}

fn unreadable(error: &BluetoothError) -> Refusal {
    tracing::warn!("a phone asked and its bond could not be read; it was refused: {error}");
    no("its bond cannot be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_question_gets_its_own_answer_once() {
        let questions = Questions::default();
        let (first, first_answer) = questions.ask();
        let (second, second_answer) = questions.ask();
        assert_ne!(first, second);
        questions.answer(second, true);
        questions.answer(second, false);
        questions.answer(first, false);
        assert_eq!(first_answer.await, Ok(false));
        assert_eq!(second_answer.await, Ok(true));
    }

    #[tokio::test]
    async fn a_withdrawn_question_has_no_answer() {
        let questions = Questions::default();
        let (id, answer) = questions.ask();
        questions.give_up_all();
        questions.answer(id, true);
        assert!(answer.await.is_err());
        let (next, _answer) = questions.ask();
        assert_ne!(next, id, "a late answer must not fit the next question");
    }
}
