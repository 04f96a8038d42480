//! The Bluetooth room on a private bus, with a bluetoothd that does what the real one does rarely.
//! What BlueZ does every day is tested with the real one, in the lab.

#![expect(
    clippy::unwrap_used,
    reason = "what fails outside a test function fails the test all the same"
)]

mod bluez;
mod bus;

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use dotd::bluetooth::{Bluetooth, GatewaySocket};
use dotd::policy::action::RadioAction;
use dotd::policy::event::{Event, PhoneFacts, Question};
use dotd::policy::model::{Address, AttemptId};
use tokio::sync::mpsc;

use bluez::{Bluez, forge_unbonded, request_authorization};
use bus::{STARTED, with_bus};

const ANNA: Address = Address::new([0xDA, 0x4C, 0x10, 0xDE, 0x00, 0x01]);
const DEADLINE: Duration = Duration::from_secs(10);

struct Room {
    bluetooth: Bluetooth,
    events: mpsc::Receiver<Event>,
    gateways: mpsc::UnboundedReceiver<GatewaySocket>,
}

impl Room {
    async fn start() -> Self {
        let (sender, events) = mpsc::channel(16);
        let (links, gateways) = mpsc::unbounded_channel();
        let bluetooth = Bluetooth::start(sender, links, 0).await.unwrap();
        Self {
            bluetooth,
            events,
            gateways,
        }
    }

    async fn next(&mut self) -> Event {
        let next = tokio::time::timeout(DEADLINE, self.events.recv()).await;
        next.expect("no event came").expect("the room ended")
    }

    /// Takes the adapter that was just found, up to the inventory.
    async fn take_adapter(&mut self, endpoints: u8) {
        assert_eq!(self.next().await, Event::BluetoothFound);
        assert!(matches!(self.next().await, Event::AdapterSeen(_)));
        self.use_adapter(endpoints);
        let phones = vec![anna(false)];
        assert_eq!(self.next().await, Event::InventoryTaken { phones });
    }

    fn use_adapter(&self, endpoints: u8) {
        let id = "hci0".to_owned();
        self.bluetooth.order(RadioAction::UseAdapter {
            id,
            endpoints,
            hands_free: true,
        });
    }
}

fn anna(connected: bool) -> PhoneFacts {
    PhoneFacts {
        address: ANNA,
        name: "Anna's iPhone".to_owned(),
        bonded: true,
        trusted: false,
        source: false,
        connected,
    }
}

fn error_name(refused: zbus::Result<zbus::Message>) -> String {
    match refused {
        Err(zbus::Error::MethodError(name, ..)) => name.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn bluetoothd_may_come_late_be_killed_and_come_back() {
    let name = "bluetoothd_may_come_late_be_killed_and_come_back";
    with_bus(name, async |_| {
        let mut room = Room::start().await;
        assert_eq!(room.next().await, Event::BluetoothLost);
        for _life in 0..2 {
            let bluez = Bluez::start().await;
            room.take_adapter(2).await;
            let room_name = bluez.room_with(2).await;
            let agent = bluez.registered(|it| it.agent.clone()).await;
            assert_eq!(agent.1, "DisplayYesNo");
            let paths =
                |it: &bluez::Registered| Some(it.endpoints.iter().map(|it| it.0.clone()).collect());
            let paths: Vec<_> = bluez.registered(paths).await;
            assert_eq!(
                paths,
                ["/org/dotd/endpoints/sbc0", "/org/dotd/endpoints/sbc1"]
            );
            let (_, service, options) = bluez.registered(|it| it.profile.clone()).await;
            assert_eq!(service, "0000111e-0000-1000-8000-00805f9b34fb");
            let version = options.get("Version").unwrap().downcast_ref::<u16>();
            assert_eq!(version, Ok(0x0109));
            bluez.set_connected(true).await;
            assert_eq!(room.next().await, Event::PhoneSeen(anna(true)));
            drop((bluez, room_name));
            assert_eq!(room.next().await, Event::BluetoothLost);
        }
    });
}

#[test]
fn what_bluetoothd_did_not_list_it_is_asked_for_again() {
    let name = "what_bluetoothd_did_not_list_it_is_asked_for_again";
    with_bus(name, async |_| {
        let _bluez = bluez::start_busy().await;
        let mut room = Room::start().await;
        loop {
            if let Event::AdapterSeen(adapter) = room.next().await {
                assert_eq!((adapter.id.as_str(), adapter.powered), ("hci0", true));
                return;
            }
        }
    });
}

#[test]
fn nothing_the_room_does_starts_bluetoothd() {
    with_bus("nothing_the_room_does_starts_bluetoothd", async |folder| {
        let mut room = Room::start().await;
        assert_eq!(room.next().await, Event::BluetoothLost);
        room.use_adapter(1);
        room.bluetooth.order(RadioAction::PowerOn);
        room.bluetooth.order(RadioAction::CloseWindow);
        let (phone, attempt) = (ANNA, AttemptId(7));
        let call = RadioAction::Connect {
            phone,
            attempt,
            hands_free: true,
        };
        room.bluetooth.order(call);
        let ended = room.next().await;
        let Event::ConnectEnded {
            phone,
            attempt,
            error,
        } = ended
        else {
            panic!("not the end of a call: {ended:?}");
        };
        assert_eq!((phone, attempt), (ANNA, AttemptId(7)));
        assert!(error.unwrap().ends_with("systemctl start bluetooth"));
        room.bluetooth.stop().await;
        assert!(!Path::new(&folder).join(STARTED).exists());
    });
}

#[test]
fn only_bluetoothd_is_believed() {
    with_bus("only_bluetoothd_is_believed", async |_| {
        let bluez = Bluez::start().await;
        let mut room = Room::start().await;
        room.take_adapter(1).await;
        let name = bluez.room_with(1).await;
        let stranger = zbus::Connection::system().await.unwrap();

        let refused = request_authorization(&stranger, &name).await;
        assert_eq!(error_name(refused), "org.bluez.Error.Rejected");
        let endpoint = Some("org.bluez.MediaEndpoint1");
        let path = "/org/dotd/endpoints/sbc0";
        let to = Some(name.as_str());
        let caps = vec![0xFF_u8, 0xFF, 2, 53];
        let refused = stranger
            .call_method(to, path, endpoint, "SelectConfiguration", &caps)
            .await;
        assert_eq!(error_name(refused), "org.bluez.Error.NotAuthorized");
        forge_unbonded(&stranger, &name).await;
        // The forged signal is on its way to the room before this question is.
        let refused = request_authorization(&stranger, &name).await;
        assert_eq!(error_name(refused), "org.bluez.Error.Rejected");

        // Anna, connected and still bonded, is all there was to tell.
        bluez.set_connected(true).await;
        assert_eq!(room.next().await, Event::PhoneSeen(anna(true)));
    });
}

#[test]
fn a_question_is_answered_by_the_policy_and_by_nobody_else() {
    let test = "a_question_is_answered_by_the_policy_and_by_nobody_else";
    with_bus(test, async |_| {
        let bluez = Bluez::start().await;
        let mut room = Room::start().await;
        room.take_adapter(1).await;
        let name = bluez.room_with(1).await;
        for allow in [true, false] {
            let (asked, answered) = tokio::join!(bluez.ask(&name), async {
                let Event::AgentAsked {
                    id,
                    phone,
                    question,
                } = room.next().await
                else {
                    panic!("no question");
                };
                assert_eq!((phone, question), (anna(false), Question::Authorize));
                room.bluetooth.order(RadioAction::AnswerAgent { id, allow });
                allow
            });
            assert_eq!(asked.is_ok(), answered);
        }
        // Nobody answers: the clock jumps to the agent's deadline.
        let (asked, ()) = tokio::join!(bluez.ask(&name), async {
            let asked = room.next().await;
            tokio::time::pause();
            let cancelled = room.events.recv().await.unwrap();
            tokio::time::resume();
            match (asked, cancelled) {
                (Event::AgentAsked { id, .. }, Event::AgentCancelled { id: over }) => {
                    assert_eq!(id, over);
                }
                other => panic!("not a question and its end: {other:?}"),
            }
        });
        assert_eq!(error_name(asked), "org.bluez.Error.Rejected");
    });
}

#[test]
fn a_daemon_that_does_not_listen_lets_nobody_in() {
    with_bus("a_daemon_that_does_not_listen_lets_nobody_in", async |_| {
        let bluez = Bluez::start().await;
        let (sender, mut events) = mpsc::channel(1);
        let (gateways, _) = mpsc::unbounded_channel();
        let bluetooth = Bluetooth::start(sender, gateways, 0).await.unwrap();
        assert_eq!(events.recv().await, Some(Event::BluetoothFound));
        let id = "hci0".to_owned();
        let endpoints = 1;
        bluetooth.order(RadioAction::UseAdapter {
            id,
            endpoints,
            hands_free: true,
        });
        let name = bluez.room_with(1).await;
        // AdapterSeen fills the queue, and nobody takes it out.
        let refused = bluez.ask(&name).await;
        assert_eq!(error_name(refused), "org.bluez.Error.Rejected");
        assert!(matches!(events.recv().await, Some(Event::AdapterSeen(_))));
    });
}

#[test]
fn stopping_takes_everything_back() {
    with_bus("stopping_takes_everything_back", async |_| {
        let bluez = Bluez::start().await;
        let mut room = Room::start().await;
        room.take_adapter(3).await;
        bluez.room_with(3).await;
        // One of those that are too many may be playing.
        room.use_adapter(1);
        room.use_adapter(4);
        bluez.room_with(4).await;
        room.bluetooth.stop().await;
        let gone =
            |it: &bluez::Registered| (it.agent.is_none() && it.endpoints.is_empty()).then_some(());
        bluez.registered(gone).await;
        bluez
            .registered(|it| it.profile.is_none().then_some(()))
            .await;
    });
}

#[test]
fn links_to_audio_gateways_come_from_bluetoothd_alone() {
    let name = "links_to_audio_gateways_come_from_bluetoothd_alone";
    with_bus(name, async |_| {
        let bluez = Bluez::start().await;
        let mut room = Room::start().await;
        room.take_adapter(1).await;
        let room_name = bluez.room_with(1).await;
        bluez
            .registered(|it| it.profile.is_some().then_some(()))
            .await;
        let anybody = zbus::Connection::system().await.unwrap();
        let (_theirs, ours) = UnixStream::pair().unwrap();
        let refused = bluez::new_connection(&anybody, &room_name, ours).await;
        assert_eq!(error_name(refused), "org.bluez.Error.Rejected");
        assert!(room.gateways.try_recv().is_err());
        let (theirs, ours) = UnixStream::pair().unwrap();
        bluez.connect_gateway(&room_name, ours).await.unwrap();
        let gateway = room.gateways.recv().await.unwrap();
        assert_eq!(gateway.phone, ANNA);
        bluez.disconnect_gateway(&room_name).await.unwrap();
        let mut rest = Vec::new();
        (&theirs).read_to_end(&mut rest).unwrap();
        drop(gateway);
    });
}
