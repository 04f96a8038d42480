//! obexd, which speaks OBEX with phones (BlueZ 5.82, doc/org.bluez.obex.*.rst).
//!
//! Invariant: obexd is called by the unique name of whoever owns its name, so that nothing here has the
//! bus start one, and only that one is believed. What it does not do in time is given up; but for a link,
//! because it opens that all the same, and whoever does not wait for the answer does not know what it is
//! called.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use zbus::fdo::{DBusProxy, RequestNameFlags, RequestNameReply};
use zbus::message::Message;
use zbus::names::OwnedUniqueName;
use zbus::zvariant::{DynamicType, OwnedObjectPath, Value};
use zbus::{MatchRule, MessageStream};

use super::super::convert::{Properties, property};
use super::super::session::{ANSWER_DEADLINE, owner_of};
use super::super::watch::new_owner;
use super::error::CoverError;
use super::files::LARGEST;
use super::plan::PATIENCE;
use crate::policy::model::Address;
use crate::policy::player::ImageHandle;

/// The name of obexd.
const OBEX: &str = "org.bluez.obex";
/// The name by which it knows us: config/dbus/org.dotd.conf has it hear nobody else.
const OUR_NAME: &str = "org.dotd.Covers";
const BUS: &str = "org.freedesktop.DBus";

const PATH: &str = "/org/bluez/obex";
const CLIENT: &str = "org.bluez.obex.Client1";
const SESSION: &str = "org.bluez.obex.Session1";
const IMAGE: &str = "org.bluez.obex.Image1";
const TRANSFER: &str = "org.bluez.obex.Transfer1";

/// How long a picture may take. A thumbnail takes a tenth of a second.
const PICTURE_DEADLINE: Duration = Duration::from_secs(5);

/// The way to obexd.
pub(super) struct Line {
    bus: zbus::Connection,
    owners: MessageStream,
    /// It, and what it says.
    obexd: Option<(Obexd, MessageStream)>,
}

/// What is heard.
pub(super) enum News {
    /// Another obexd is there, or none, which [`Line::attend`] is to be told.
    Owner(Option<OwnedUniqueName>),
    /// obexd says that this link is gone.
    Closed(String),
}

impl Line {
    /// Joins the bus, under the name by which obexd knows us.
    ///
    /// # Errors
    /// When there is no bus, or it does not give us the name.
    pub(super) async fn join() -> Result<Self, CoverError> {
        let builder = zbus::connection::Builder::system().map_err(bus)?;
        let builder = builder.method_timeout(PATIENCE);
        let bus = builder.build().await.map_err(bus)?;
        take_name(&bus).await?;
        let rule = format!("type='signal',sender='{BUS}',member='NameOwnerChanged',arg0='{OBEX}'");
        let owners = listen(&bus, &rule).await?;
        let mut line = Self {
            bus,
            owners,
            obexd: None,
        };
        // After the first change could be heard.
        let owner = owner_of(&line.bus, OBEX).await?;
        line.attend(owner).await?;
        Ok(line)
    }

    /// Returns obexd, if it is there; cheap to clone.
    pub(super) fn obexd(&self) -> Option<&Obexd> {
        self.obexd.as_ref().map(|(obexd, _)| obexd)
    }

    /// Begins with another obexd, or without one.
    ///
    /// # Errors
    /// When the bus does not answer.
    pub(super) async fn attend(
        &mut self,
        owner: Option<OwnedUniqueName>,
    ) -> Result<(), CoverError> {
        self.obexd = None;
        if let Some(name) = owner {
            let bus = self.bus.clone();
            let obexd = Obexd { bus, name };
            let words = obexd.listen().await?;
            self.obexd = Some((obexd, words));
        }
        Ok(())
    }

    /// Waits for news. Nothing is lost when that is given up.
    ///
    /// # Errors
    /// When the bus says nothing more.
    pub(super) async fn news(&mut self) -> Result<News, CoverError> {
        loop {
            let words = self.obexd.as_mut().map(|(_, words)| words);
            tokio::select! {
                message = self.owners.next() => {
                    if let Some(owner) = new_owner(&heard(message)?, OBEX) {
                        return Ok(News::Owner(owner));
                    }
                }
                message = next_of(words) => {
                    if let Some(session) = removed(&heard(message)?, SESSION) {
                        return Ok(News::Closed(session));
                    }
                }
            }
        }
    }
}

/// Takes the name by which obexd knows us. Not as connections do by themselves, which warns of calls that
/// may be missed: nobody calls us.
async fn take_name(connection: &zbus::Connection) -> Result<(), CoverError> {
    let name = OUR_NAME
        .try_into()
        .map_err(zbus::Error::from)
        .map_err(bus)?;
    let proxy = DBusProxy::new(connection).await.map_err(bus)?;
    let flags = RequestNameFlags::AllowReplacement
        | RequestNameFlags::ReplaceExisting
        | RequestNameFlags::DoNotQueue;
    match proxy.request_name(name, flags).await {
        Ok(RequestNameReply::PrimaryOwner) => Ok(()),
        Ok(_) => Err(bus(zbus::Error::NameTaken)),
        Err(error) => Err(bus(error.into())),
    }
}

/// Waits for a word, forever while there is nobody to say any.
async fn next_of(words: Option<&mut MessageStream>) -> Option<zbus::Result<Message>> {
    match words {
        Some(words) => words.next().await,
        None => std::future::pending().await,
    }
}

/// Returns what came, unless that is the end.
fn heard(message: Option<zbus::Result<Message>>) -> Result<Message, CoverError> {
    message.ok_or(CoverError::Deaf)?.map_err(bus)
}

/// An obexd that is there; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Obexd {
    bus: zbus::Connection,
    name: OwnedUniqueName,
}

impl Obexd {
    /// Opens a link to a phone's pictures. Takes as long as obexd does, unless it hangs.
    ///
    /// # Errors
    /// When the phone does not take it.
    pub(super) async fn open(
        &self,
        adapter: Address,
        phone: Address,
        psm: u16,
    ) -> Result<String, CoverError> {
        let what = "open a link for pictures";
        let options: HashMap<&str, Value<'_>> = HashMap::from([
            // Not as obexd writes it: so it finds the service (obc_driver_find), but never a link that it
            // has (session_find). What it gave twice, 5.82 frees twice.
            ("Target", "bip-avrcp".into()),
            ("Source", adapter.to_string().into()),
            ("PSM", psm.into()),
        ]);
        let body = (phone.to_string(), options);
        let method = (CLIENT, "CreateSession");
        let answer = self.ask(what, PATH, method, &body).await?;
        let session: Result<OwnedObjectPath, _> = answer.body().deserialize();
        let session = session.map_err(|_| CoverError::Nonsense { what })?;
        Ok(session.to_string())
    }

    /// Closes one.
    ///
    /// # Errors
    /// When it is gone already.
    pub(super) async fn close(&self, session: &str) -> Result<(), CoverError> {
        let what = "close a link for pictures";
        let path = object(what, session)?;
        let method = (CLIENT, "RemoveSession");
        self.call(what, PATH, method, &path).await.map(drop)
    }

    /// Fetches the thumbnail of a picture into a file.
    ///
    /// # Errors
    /// When the phone does not have it, is too slow, or sends too much.
    pub(super) async fn fetch(
        &self,
        session: &str,
        image: ImageHandle,
        file: &Path,
    ) -> Result<(), CoverError> {
        let what = "fetch a picture";
        let file = file.to_str().ok_or(CoverError::Nonsense { what })?;
        // Before the picture is asked for, so that no word of it is missed.
        let mut words = self.listen().await?;
        let method = (IMAGE, "GetThumbnail");
        let body = (file, image.to_string());
        let answer = self.call(what, session, method, &body).await?;
        let transfer: Result<(OwnedObjectPath, Properties), _> = answer.body().deserialize();
        let (transfer, _) = transfer.map_err(|_| CoverError::Nonsense { what })?;
        // Not cancelled: what is still on its way then makes the link useless, and who closes that ends
        // this as well.
        let coming = tokio::time::timeout(PICTURE_DEADLINE, follow(&mut words, &transfer));
        coming.await.unwrap_or(Err(CoverError::Late))
    }

    /// Begins to hear what it says. Whoever has this has to go on listening.
    ///
    /// # Errors
    /// When the bus does not answer.
    async fn listen(&self) -> Result<MessageStream, CoverError> {
        listen(&self.bus, &format!("type='signal',sender='{}'", self.name)).await
    }

    /// Asks for something that has to be answered at once.
    async fn call<B>(
        &self,
        what: &'static str,
        path: &str,
        method: (&str, &str),
        body: &B,
    ) -> Result<Message, CoverError>
    where
        B: serde::Serialize + DynamicType,
    {
        let answer = self.ask(what, path, method, body);
        let answer = tokio::time::timeout(ANSWER_DEADLINE, answer).await;
        answer.unwrap_or(Err(CoverError::Silent { what }))
    }

    async fn ask<B>(
        &self,
        what: &'static str,
        path: &str,
        (interface, method): (&str, &str),
        body: &B,
    ) -> Result<Message, CoverError>
    where
        B: serde::Serialize + DynamicType,
    {
        let name = Some(self.name.as_str());
        let answer = self
            .bus
            .call_method(name, path, Some(interface), method, body);
        let refused = |source| CoverError::Refused { what, source };
        answer.await.map_err(refused)
    }
}

/// Waits for the end of a transfer.
async fn follow(words: &mut MessageStream, transfer: &str) -> Result<(), CoverError> {
    loop {
        let word = heard(words.next().await)?;
        match Progress::of(&word, transfer) {
            Some(Progress::Complete) => return Ok(()),
            Some(Progress::Ended) => return Err(CoverError::NotSent),
            Some(Progress::Size(bytes)) if bytes > LARGEST => return Err(CoverError::Endless),
            Some(Progress::Size(_)) | None => {}
        }
    }
}

/// What obexd says of a transfer.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    /// It will have, or has, so many bytes.
    Size(u64),
    /// All of it is there.
    Complete,
    /// It came to nothing.
    Ended,
}

impl Progress {
    /// Reads what a word says of a transfer, if anything.
    fn of(word: &Message, transfer: &str) -> Option<Self> {
        // One that is cancelled, or whose link breaks, is taken off the bus without another word.
        if removed(word, TRANSFER).is_some_and(|path| path == transfer) {
            return Some(Self::Ended);
        }
        let header = word.header();
        let about = header.path().is_some_and(|path| path.as_str() == transfer);
        if !about || header.member()?.as_str() != "PropertiesChanged" {
            return None;
        }
        let (interface, changed, _): (String, Properties, Vec<String>) =
            word.body().deserialize().ok()?;
        let status = property::<&str>(&changed, "Status");
        let number = |name| property::<u64>(&changed, name);
        match status {
            _ if interface != TRANSFER => None,
            Some("complete") => Some(Self::Complete),
            Some("error") => Some(Self::Ended),
            _ => number("Size").max(number("Transferred")).map(Self::Size),
        }
    }
}

/// Returns the object that a word takes off the bus, if it had this interface.
fn removed(word: &Message, interface: &str) -> Option<String> {
    if word.header().member()?.as_str() != "InterfacesRemoved" {
        return None;
    }
    let (path, gone): (OwnedObjectPath, Vec<String>) = word.body().deserialize().ok()?;
    gone.iter()
        .any(|it| it == interface)
        .then(|| path.to_string())
}

async fn listen(connection: &zbus::Connection, rule: &str) -> Result<MessageStream, CoverError> {
    let rule = MatchRule::try_from(rule).map_err(bus)?;
    let stream = MessageStream::for_match_rule(rule, connection, None);
    stream.await.map_err(bus)
}

fn object(what: &'static str, path: &str) -> Result<OwnedObjectPath, CoverError> {
    OwnedObjectPath::try_from(path).map_err(|_| CoverError::Nonsense { what })
}

fn bus(source: zbus::Error) -> CoverError {
    CoverError::Bus { source }
}

#[cfg(test)]
mod tests {
    use super::super::super::convert::properties;
    use super::*;

    const LINK: &str = "/org/bluez/obex/client/session0";
    const OURS: &str = "/org/bluez/obex/client/session0/transfer1";

    fn changed<const N: usize>(
        path: &str,
        interface: &str,
        pairs: [(&str, Value<'static>); N],
    ) -> Message {
        let body = (interface, properties(pairs), Vec::<String>::new());
        let properties = "org.freedesktop.DBus.Properties";
        let signal = Message::signal(path, properties, "PropertiesChanged").unwrap();
        signal.build(&body).unwrap()
    }

    fn taken_off(path: &str, interfaces: &[&str]) -> Message {
        let body = (OwnedObjectPath::try_from(path).unwrap(), interfaces);
        let objects = "org.freedesktop.DBus.ObjectManager";
        let signal = Message::signal("/", objects, "InterfacesRemoved").unwrap();
        signal.build(&body).unwrap()
    }

    #[test]
    fn the_end_of_a_transfer_is_told_from_all_else() {
        let status = |status: &'static str| [("Status", status.into())];
        let other = "/org/bluez/obex/client/session1/transfer2";
        for (word, expected) in [
            (
                changed(OURS, TRANSFER, status("complete")),
                Some(Progress::Complete),
            ),
            (
                changed(OURS, TRANSFER, status("error")),
                Some(Progress::Ended),
            ),
            (taken_off(OURS, &[TRANSFER]), Some(Progress::Ended)),
            (changed(OURS, TRANSFER, status("active")), None),
            (changed(other, TRANSFER, status("complete")), None),
            (changed(OURS, SESSION, status("complete")), None),
            (taken_off(OURS, &[SESSION]), None),
            (taken_off(other, &[TRANSFER]), None),
        ] {
            assert_eq!(Progress::of(&word, OURS), expected, "{word:?}");
        }
    }

    #[test]
    fn the_larger_of_what_is_told_and_what_came_counts() {
        for (pairs, expected) in [
            ([("Size", 7_u64), ("Transferred", 5)], 7),
            ([("Size", 0), ("Transferred", 5)], 5),
        ] {
            let word = changed(OURS, TRANSFER, pairs.map(|(name, it)| (name, it.into())));
            assert_eq!(Progress::of(&word, OURS), Some(Progress::Size(expected)));
        }
    }

    #[test]
    fn a_link_is_gone_when_its_interface_is() {
        let word = taken_off(LINK, &[IMAGE, SESSION]);
        assert_eq!(removed(&word, SESSION).as_deref(), Some(LINK));
        assert_eq!(removed(&taken_off(OURS, &[TRANSFER]), SESSION), None);
        assert_eq!(removed(&changed(LINK, SESSION, []), SESSION), None);
    }
}
