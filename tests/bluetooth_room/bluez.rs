//! A bluetoothd for what is awkward to have from the real one: being killed, being late, and an
//! agent question at a chosen moment. Real D-Bus objects with the few members the room uses.
//!
//! Invariant: knows one adapter, `hci0`, switched on, and one bonded phone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use zbus::message::Header;
use zbus::names::OwnedUniqueName;
use zbus::object_server::SignalEmitter;
use zbus::zvariant::{OwnedObjectPath, OwnedValue};

pub(super) const HCI0: &str = "/org/bluez/hci0";
pub(super) const PHONE: &str = "/org/bluez/hci0/dev_DA_4C_10_DE_00_01";
const PLAYER: &str = "/org/bluez/hci0/dev_DA_4C_10_DE_00_01/avrcp/player0";

/// What was registered with bluetoothd.
#[derive(Debug, Default)]
pub(super) struct Registered {
    /// Who registered the agent.
    pub(super) client: Option<OwnedUniqueName>,
    /// Path and capability of the agent.
    pub(super) agent: Option<(String, String)>,
    /// Whether it is the default agent.
    pub(super) default_agent: bool,
    /// Path and properties of each endpoint, in order.
    pub(super) endpoints: Vec<(String, HashMap<String, OwnedValue>)>,
    /// Path, service and options of the profile.
    pub(super) profile: Option<(String, String, HashMap<String, OwnedValue>)>,
}

/// A running bluetoothd. Dropping it is `kill -9`: its name goes and it says nothing more.
pub(super) struct Bluez {
    pub(super) bus: zbus::Connection,
    registered: Arc<Mutex<Registered>>,
    changed: Arc<Notify>,
    /// How often anybody asked whether the phone is connected.
    asked: Arc<Asked>,
}

impl Bluez {
    pub(super) async fn start() -> Self {
        let registered = Arc::<Mutex<Registered>>::default();
        let changed = Arc::<Notify>::default();
        let asked = Arc::<Asked>::default();
        let device = Device {
            connected: false,
            asked: asked.clone(),
        };
        let agents = Agents(registered.clone(), changed.clone());
        let media = Media(registered.clone(), changed.clone());
        let profiles = Profiles(registered.clone(), changed.clone());
        let bus = zbus::connection::Builder::system()
            .unwrap()
            .serve_at("/", zbus::fdo::ObjectManager)
            .and_then(|it| it.serve_at("/org/bluez", agents))
            .and_then(|it| it.serve_at("/org/bluez", profiles))
            .and_then(|it| {
                it.serve_at(
                    HCI0,
                    Adapter {
                        discoverable: false,
                    },
                )
            })
            .and_then(|it| it.serve_at(HCI0, media))
            .and_then(|it| it.serve_at(PHONE, device))
            .and_then(|it| it.name("org.bluez"))
            .unwrap()
            .build()
            .await
            .unwrap();
        Self {
            bus,
            registered,
            changed,
            asked,
        }
    }

    /// Waits until `condition` holds for what is registered; returns what it gives.
    pub(super) async fn registered<T>(&self, condition: impl Fn(&Registered) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            if let Some(found) = condition(&self.registered.lock().unwrap()) {
                return found;
            }
            changed.await;
        }
    }

    /// Waits until the room is the default agent and has `count` endpoints; returns its bus name.
    pub(super) async fn room_with(&self, count: usize) -> OwnedUniqueName {
        let ready = |it: &Registered| {
            let complete = it.default_agent && it.endpoints.len() == count;
            complete.then(|| it.client.clone()).flatten()
        };
        self.registered(ready).await
    }

    /// Hands a link to the phone's audio gateway over.
    pub(super) async fn connect_gateway(
        &self,
        room: &OwnedUniqueName,
        link: std::os::unix::net::UnixStream,
    ) -> zbus::Result<zbus::Message> {
        new_connection(&self.bus, room, link).await
    }

    /// Wants the link to the phone's audio gateway closed.
    pub(super) async fn disconnect_gateway(
        &self,
        room: &OwnedUniqueName,
    ) -> zbus::Result<zbus::Message> {
        let device = OwnedObjectPath::try_from(PHONE).unwrap();
        let profile = Some("org.bluez.Profile1");
        let (path, method) = ("/org/dotd/handsfree", "RequestDisconnection");
        self.bus
            .call_method(Some(room.as_str()), path, profile, method, &device)
            .await
    }

    /// The phone connects or leaves.
    pub(super) async fn set_connected(&self, connected: bool) {
        let server = self.bus.object_server();
        let device = server.interface::<_, Device>(PHONE).await.unwrap();
        device.get_mut().await.connected = connected;
        let signals = device.signal_emitter();
        device.get().await.connected_changed(signals).await.unwrap();
    }

    /// The phone comes or leaves, and that is not told yet: whoever asks learns it. Waits until the room
    /// has asked, when it has reason to.
    pub(super) async fn set_connected_unsaid(&self, connected: bool, reason: impl AsyncFnOnce()) {
        let server = self.bus.object_server();
        let device = server.interface::<_, Device>(PHONE).await.unwrap();
        device.get_mut().await.connected = connected;
        let before = self.asked.times.load(Relaxed);
        reason().await;
        loop {
            let asked = self.asked.again.notified();
            if self.asked.times.load(Relaxed) > before {
                return;
            }
            asked.await;
        }
    }

    /// The phone's player plays something with this picture.
    pub(super) async fn play(&self, image: &str) {
        let server = self.bus.object_server();
        let image = image.to_owned();
        let Ok(player) = server.interface::<_, Player>(PLAYER).await else {
            assert!(server.at(PLAYER, Player { image }).await.unwrap());
            return;
        };
        player.get_mut().await.image = image;
        let signals = player.signal_emitter();
        player.get().await.track_changed(signals).await.unwrap();
    }

    /// Asks the agent whether the phone may pair.
    pub(super) async fn ask(&self, room: &OwnedUniqueName) -> zbus::Result<zbus::Message> {
        request_authorization(&self.bus, room).await
    }
}

/// Calls the room's agent over any connection.
pub(super) async fn request_authorization(
    bus: &zbus::Connection,
    room: &OwnedUniqueName,
) -> zbus::Result<zbus::Message> {
    let agent = Some("org.bluez.Agent1");
    let device = OwnedObjectPath::try_from(PHONE).unwrap();
    let method = "RequestAuthorization";
    bus.call_method(
        Some(room.as_str()),
        "/org/dotd/agent",
        agent,
        method,
        &device,
    )
    .await
}

/// Calls the room's hands-free profile over any connection.
pub(super) async fn new_connection(
    bus: &zbus::Connection,
    room: &OwnedUniqueName,
    link: std::os::unix::net::UnixStream,
) -> zbus::Result<zbus::Message> {
    let device = OwnedObjectPath::try_from(PHONE).unwrap();
    let link = zbus::zvariant::Fd::from(std::os::fd::OwnedFd::from(link));
    let body = (device, link, HashMap::<String, OwnedValue>::new());
    let profile = Some("org.bluez.Profile1");
    let (path, method) = ("/org/dotd/handsfree", "NewConnection");
    bus.call_method(Some(room.as_str()), path, profile, method, &body)
        .await
}

/// A bluetoothd that is too busy to list its objects when it is first asked.
pub(super) async fn start_busy() -> zbus::Connection {
    let busy = zbus::connection::Builder::system()
        .unwrap()
        .serve_at("/", Busy(true))
        .and_then(|it| it.name("org.bluez"));
    busy.unwrap().build().await.unwrap()
}

struct Busy(bool);

type Interfaces = HashMap<String, HashMap<String, OwnedValue>>;

#[zbus::interface(name = "org.freedesktop.DBus.ObjectManager")]
impl Busy {
    fn get_managed_objects(&mut self) -> zbus::fdo::Result<HashMap<OwnedObjectPath, Interfaces>> {
        if std::mem::take(&mut self.0) {
            return Err(zbus::fdo::Error::Failed("busy".to_owned()));
        }
        let address = zbus::zvariant::Str::from("DA:4C:10:DE:00:00");
        let properties = [("Address", address.into()), ("Powered", true.into())];
        let properties = properties.map(|(name, value)| (name.to_owned(), value));
        let adapter = ("org.bluez.Adapter1".to_owned(), properties.into());
        let path = OwnedObjectPath::try_from(HCI0).unwrap();
        Ok(HashMap::from([(path, Interfaces::from([adapter]))]))
    }
}

struct Agents(Arc<Mutex<Registered>>, Arc<Notify>);

#[zbus::interface(name = "org.bluez.AgentManager1")]
impl Agents {
    fn register_agent(
        &self,
        path: OwnedObjectPath,
        capability: String,
        #[zbus(header)] header: Header<'_>,
    ) {
        let mut registered = self.0.lock().unwrap();
        registered.client = header.sender().map(|it| it.to_owned().into());
        registered.agent = Some((path.to_string(), capability));
    }

    fn request_default_agent(&self, _path: OwnedObjectPath) {
        self.0.lock().unwrap().default_agent = true;
        self.1.notify_waiters();
    }

    fn unregister_agent(&self, _path: OwnedObjectPath) {
        self.0.lock().unwrap().agent = None;
        self.1.notify_waiters();
    }
}

struct Profiles(Arc<Mutex<Registered>>, Arc<Notify>);

#[zbus::interface(name = "org.bluez.ProfileManager1")]
impl Profiles {
    fn register_profile(
        &self,
        path: OwnedObjectPath,
        service: String,
        options: HashMap<String, OwnedValue>,
    ) {
        self.0.lock().unwrap().profile = Some((path.to_string(), service, options));
        self.1.notify_waiters();
    }

    fn unregister_profile(&self, _path: OwnedObjectPath) {
        self.0.lock().unwrap().profile = None;
        self.1.notify_waiters();
    }
}

struct Media(Arc<Mutex<Registered>>, Arc<Notify>);

#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.bluez.Error")]
enum Refused {
    #[zbus(error)]
    Bus(zbus::Error),
    AlreadyExists(String),
}

#[zbus::interface(name = "org.bluez.Media1")]
impl Media {
    fn register_endpoint(
        &self,
        path: OwnedObjectPath,
        properties: HashMap<String, OwnedValue>,
    ) -> Result<(), Refused> {
        let endpoint = (path.to_string(), properties);
        let mut registered = self.0.lock().unwrap();
        if registered.endpoints.iter().any(|it| it.0 == endpoint.0) {
            return Err(Refused::AlreadyExists("already exists".to_owned()));
        }
        registered.endpoints.push(endpoint);
        self.1.notify_waiters();
        Ok(())
    }

    fn unregister_endpoint(&self, path: OwnedObjectPath) {
        let mut registered = self.0.lock().unwrap();
        registered.endpoints.retain(|it| it.0 != path.as_str());
        self.1.notify_waiters();
    }
}

struct Adapter {
    discoverable: bool,
}

#[zbus::interface(name = "org.bluez.Adapter1")]
impl Adapter {
    #[zbus(property)]
    fn address(&self) -> &str {
        "DA:4C:10:DE:00:00"
    }

    #[zbus(property)]
    fn alias(&self) -> &str {
        "Dot-0000"
    }

    #[zbus(property)]
    fn powered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn pairable(&self) -> bool {
        false
    }

    #[zbus(property)]
    fn set_pairable(&self, _on: bool) {}

    #[zbus(property)]
    fn discoverable(&self) -> bool {
        self.discoverable
    }

    #[zbus(property)]
    fn set_discoverable(&mut self, on: bool) {
        self.discoverable = on;
    }
}

struct Device {
    connected: bool,
    asked: Arc<Asked>,
}

#[derive(Default)]
struct Asked {
    times: AtomicUsize,
    again: Notify,
}

#[zbus::interface(name = "org.bluez.Device1")]
impl Device {
    #[zbus(property)]
    fn alias(&self) -> &str {
        "Anna's iPhone"
    }

    #[zbus(property)]
    fn bonded(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn connected(&self) -> bool {
        self.asked.times.fetch_add(1, Relaxed);
        self.asked.again.notify_waiters();
        self.connected
    }
}

struct Player {
    image: String,
}

#[zbus::interface(name = "org.bluez.MediaPlayer1")]
impl Player {
    #[zbus(property)]
    fn status(&self) -> &str {
        "playing"
    }

    #[zbus(property)]
    fn track(&self) -> HashMap<String, OwnedValue> {
        let image = zbus::zvariant::Str::from(self.image.clone());
        HashMap::from([("ImgHandle".to_owned(), image.into())])
    }

    #[zbus(property)]
    fn obex_port(&self) -> u16 {
        0x1007
    }
}

/// Tells the room, and nobody else, that the phone has no bond any more: anybody can.
pub(super) async fn forge_unbonded(bus: &zbus::Connection, room: &OwnedUniqueName) {
    let signals = SignalEmitter::new(bus, PHONE).unwrap();
    let signals = signals.set_destination(room.as_ref().into());
    let changed = HashMap::from([("Bonded", zbus::zvariant::Value::from(false))]);
    let body = ("org.bluez.Device1", changed, Vec::<String>::new());
    let properties = "org.freedesktop.DBus.Properties";
    signals
        .emit(properties, "PropertiesChanged", &body)
        .await
        .unwrap();
}
