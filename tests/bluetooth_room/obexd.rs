//! An obexd with a phone behind it that has few pictures: real D-Bus objects with the members that the
//! room uses.
//!
//! Invariant: its words about a transfer may come before the answer that names the transfer. Like the real
//! one it says of every link that ends that it has, also of one that it closes itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use zbus::object_server::ObjectServer;
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Value};

/// A picture that the phone has.
pub(super) const FIRST: &str = "0000001";
/// Another one.
pub(super) const SECOND: &str = "0000005";
/// One that it has not.
pub(super) const REFUSED: &str = "0000002";
/// One that has no end.
pub(super) const ENDLESS: &str = "0000003";
/// One that is none.
pub(super) const NO_PICTURE: &str = "0000004";
/// What the pictures are made of: 200 x 200 points.
pub(super) const JPEG: &[u8] = &[
    0xFF, 0xD8, 0xFF, 0xC0, 0, 11, 8, 0, 200, 0, 200, 1, 1, 0x11, 0, 0xFF, 0xD9,
];

const PATH: &str = "/org/bluez/obex";
const TRANSFER: &str = "org.bluez.obex.Transfer1";

/// What happened.
#[derive(Default)]
struct Log {
    /// From where to where, and to which port.
    opened: Vec<(String, String, u16)>,
    links: Vec<OwnedObjectPath>,
    asked: Vec<String>,
    /// How many links were to be closed.
    removed: usize,
    /// How many links were wanted while there was one.
    doubled: usize,
    /// The next link ends before it is told of.
    stillborn: bool,
}

type Shared = (Arc<Mutex<Log>>, Arc<Notify>);

/// A running obexd. Dropping it is `kill -9`.
pub(super) struct Obexd {
    bus: zbus::Connection,
    shared: Shared,
}

impl Obexd {
    pub(super) async fn start() -> Self {
        let shared = Shared::default();
        let bus = zbus::connection::Builder::system()
            .unwrap()
            .serve_at("/", zbus::fdo::ObjectManager)
            .and_then(|it| it.serve_at(PATH, Client(shared.clone())))
            .and_then(|it| it.name("org.bluez.obex"))
            .unwrap()
            .build()
            .await
            .unwrap();
        Self { bus, shared }
    }

    /// Returns the links that were opened so far.
    pub(super) fn opened(&self) -> Vec<(String, String, u16)> {
        self.shared.0.lock().unwrap().opened.clone()
    }

    /// Returns how many links were to be closed, and how many were wanted beside another.
    pub(super) fn removed_and_doubled(&self) -> (usize, usize) {
        let log = self.shared.0.lock().unwrap();
        (log.removed, log.doubled)
    }

    /// Returns what was asked for so far.
    pub(super) fn asked(&self) -> Vec<String> {
        self.shared.0.lock().unwrap().asked.clone()
    }

    /// Has the next link end before anybody knows what it is called.
    pub(super) fn begins_with_an_end(&self) {
        self.shared.0.lock().unwrap().stillborn = true;
    }

    /// Waits until a picture was asked for.
    pub(super) async fn was_asked_for(&self, image: &str) {
        self.until(|log| log.asked.last().is_some_and(|it| it == image))
            .await;
    }

    /// Waits until so many links were opened.
    pub(super) async fn has_opened(&self, count: usize) {
        self.until(|log| log.opened.len() == count).await;
    }

    /// Waits until all links are closed.
    pub(super) async fn has_no_links(&self) {
        self.until(|log| log.links.is_empty()).await;
    }

    /// The phone closes all links.
    pub(super) async fn close_links(&self) {
        let links = std::mem::take(&mut self.shared.0.lock().unwrap().links);
        let server = self.bus.object_server();
        for link in links {
            server.remove::<Session, _>(link).await.unwrap();
        }
    }

    async fn until(&self, condition: impl Fn(&Log) -> bool) {
        loop {
            let changed = self.shared.1.notified();
            if condition(&self.shared.0.lock().unwrap()) {
                return;
            }
            changed.await;
        }
    }
}

struct Client(Shared);

#[zbus::interface(name = "org.bluez.obex.Client1")]
impl Client {
    async fn create_session(
        &self,
        destination: String,
        options: HashMap<String, OwnedValue>,
        #[zbus(object_server)] server: &ObjectServer,
    ) -> OwnedObjectPath {
        let text = |name: &str| options[name].downcast_ref::<String>().unwrap();
        // Real ones know services by their name in any case, and links in their own alone.
        assert_eq!(text("Target"), "bip-avrcp");
        let psm = options["PSM"].downcast_ref::<u16>().unwrap();
        let (number, stillborn) = {
            let mut log = self.0.0.lock().unwrap();
            log.opened.push((text("Source"), destination, psm));
            log.doubled += usize::from(!log.links.is_empty());
            (log.opened.len(), std::mem::take(&mut log.stillborn))
        };
        let path = OwnedObjectPath::try_from(format!("{PATH}/client/session{number}")).unwrap();
        let image = Image(self.0.clone(), path.clone());
        assert!(server.at(&path, Session).await.unwrap());
        assert!(server.at(&path, image).await.unwrap());
        if stillborn {
            server.remove::<Session, _>(&path).await.unwrap();
        } else {
            self.0.0.lock().unwrap().links.push(path.clone());
        }
        self.0.1.notify_waiters();
        path
    }

    async fn remove_session(
        &self,
        session: OwnedObjectPath,
        #[zbus(object_server)] server: &ObjectServer,
    ) -> zbus::fdo::Result<()> {
        {
            let mut log = self.0.0.lock().unwrap();
            log.removed += 1;
            let before = log.links.len();
            log.links.retain(|it| *it != session);
            if log.links.len() == before {
                return Err(zbus::fdo::Error::InvalidArgs("no such link".to_owned()));
            }
        }
        server.remove::<Session, _>(&session).await?;
        self.0.1.notify_waiters();
        Ok(())
    }
}

struct Session;

#[zbus::interface(name = "org.bluez.obex.Session1")]
impl Session {
    #[zbus(property)]
    fn target(&self) -> &str {
        "0000111a-0000-1000-8000-00805f9b34fb"
    }
}

struct Image(Shared, OwnedObjectPath);

#[zbus::interface(name = "org.bluez.obex.Image1")]
impl Image {
    async fn get_thumbnail(
        &self,
        file: String,
        handle: String,
        #[zbus(connection)] bus: &zbus::Connection,
    ) -> (OwnedObjectPath, HashMap<String, OwnedValue>) {
        let number = {
            let mut log = self.0.0.lock().unwrap();
            log.asked.push(handle.clone());
            log.asked.len()
        };
        let path = format!("{}/transfer{number}", self.1);
        let path = OwnedObjectPath::try_from(path).unwrap();
        assert!(bus.object_server().at(&path, Transfer).await.unwrap());
        let status = |status: &'static str| ("Status", Value::from(status));
        let word = match handle.as_str() {
            REFUSED => status("error"),
            ENDLESS => ("Transferred", Value::from(2_000_000_u64)),
            NO_PICTURE => {
                std::fs::write(file, "<svg>").unwrap();
                status("complete")
            }
            _ => {
                std::fs::write(file, JPEG).unwrap();
                status("complete")
            }
        };
        let body = (TRANSFER, HashMap::from([word]), Vec::<String>::new());
        let properties = "org.freedesktop.DBus.Properties";
        bus.emit_signal(None::<&str>, &path, properties, "PropertiesChanged", &body)
            .await
            .unwrap();
        self.0.1.notify_waiters();
        (path, HashMap::new())
    }
}

struct Transfer;

#[zbus::interface(name = "org.bluez.obex.Transfer1")]
impl Transfer {
    #[zbus(property)]
    fn status(&self) -> &str {
        "active"
    }
}
