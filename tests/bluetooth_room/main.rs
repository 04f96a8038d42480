//! The Bluetooth room on a private bus, with a bluetoothd that does what the real one does rarely.
//! What BlueZ does every day is tested with the real one, in the lab.

#![expect(
    clippy::unwrap_used,
    reason = "what fails outside a test function fails the test all the same"
)]

mod bluez;
mod bus;
mod obexd;

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use dotd::bluetooth::{Bluetooth, CoverFolders, GatewaySocket};
use dotd::policy::action::RadioAction;
use dotd::policy::event::{Event, PhoneFacts, Question};
use dotd::policy::model::{Address, AttemptId, MusicCodec};
use tokio::sync::mpsc;

use bluez::{Bluez, forge_unbonded, request_authorization};
use bus::{STARTED, with_bus};
use obexd::Obexd;

const ANNA: Address = Address::new([0xDA, 0x4C, 0x10, 0xDE, 0x00, 0x01]);
const DEADLINE: Duration = Duration::from_secs(10);

struct Room {
    bluetooth: Bluetooth,
    events: mpsc::Receiver<Event>,
    gateways: mpsc::UnboundedReceiver<GatewaySocket>,
}

impl Room {
    async fn start() -> Self {
        Self::start_with(CoverFolders::default()).await
    }

    async fn start_with(covers: CoverFolders) -> Self {
        let (sender, events) = mpsc::channel(16);
        let (links, gateways) = mpsc::unbounded_channel();
        let bluetooth = Bluetooth::start(sender, links, 0, covers).await.unwrap();
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

    /// Waits for the picture of what plays; returns its name and its file.
    async fn cover(&mut self) -> (String, String) {
        match self.next().await {
            Event::CoverSeen { phone, image, path } => {
                assert_eq!(phone, ANNA);
                (image.to_string(), path)
            }
            other => panic!("no picture: {other:?}"),
        }
    }

    /// Plays something with this picture; waits until the room has heard of it.
    async fn piece(&mut self, bluez: &Bluez, image: &str) {
        bluez.play(image).await;
        assert!(matches!(self.next().await, Event::PlayerSeen { .. }));
    }

    /// Has the phone connect, and covers wanted.
    async fn welcome(&mut self, bluez: &Bluez) {
        self.take_adapter(1).await;
        bluez.set_connected(true).await;
        assert_eq!(self.next().await, Event::PhoneSeen(anna(true)));
        self.bluetooth.fetch_covers(true);
    }

    /// Waits until something would have been told, if there were anything.
    async fn nothing(&mut self) {
        let moment = Duration::from_millis(300);
        let told = tokio::time::timeout(moment, self.events.recv()).await;
        assert!(told.is_err(), "{told:?}");
    }

    async fn cover_gone(&mut self) {
        assert_eq!(self.next().await, Event::CoverGone { phone: ANNA });
    }

    fn use_adapter(&self, endpoints: u8) {
        self.offer(&[MusicCodec::Sbc], endpoints);
    }

    fn offer(&self, codecs: &[MusicCodec], endpoints: u8) {
        let id = "hci0".to_owned();
        self.bluetooth.order(RadioAction::UseAdapter {
            id,
            endpoints,
            codecs: codecs.to_vec(),
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
        let covers = CoverFolders::default();
        let bluetooth = Bluetooth::start(sender, gateways, 0, covers).await.unwrap();
        assert_eq!(events.recv().await, Some(Event::BluetoothFound));
        let id = "hci0".to_owned();
        let endpoints = 1;
        bluetooth.order(RadioAction::UseAdapter {
            id,
            endpoints,
            codecs: vec![MusicCodec::Sbc],
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
fn phones_see_the_best_codec_first_also_after_a_change() {
    let name = "phones_see_the_best_codec_first_also_after_a_change";
    with_bus(name, async |_| {
        let bluez = Bluez::start().await;
        let mut room = Room::start().await;
        room.take_adapter(2).await;
        let (aac, sbc) = (MusicCodec::Aac, MusicCodec::Sbc);
        for (codecs, count, paths) in [
            (&[sbc][..], 3, &["sbc0", "sbc1", "sbc2"][..]),
            (&[sbc, aac], 1, &["sbc0_1", "aac0_1"]),
            (&[aac, sbc], 2, &["aac0_2", "aac1_2", "sbc0_2", "sbc1_2"]),
            (&[sbc], 2, &["sbc0_3", "sbc1_3"]),
        ] {
            room.offer(codecs, count);
            let all: Vec<String> = paths
                .iter()
                .map(|path| format!("/org/dotd/endpoints/{path}"))
                .collect();
            bluez
                .registered(|it: &bluez::Registered| {
                    let there = it.endpoints.iter().map(|it| &it.0);
                    there.eq(&all).then_some(())
                })
                .await;
        }
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

/// The folders of pictures, below one that the test has.
fn cover_folders(folder: &str) -> CoverFolders {
    let [exchange, shown] = ["exchange", "shown"].map(|name| Path::new(folder).join(name));
    std::fs::create_dir(&exchange).unwrap();
    std::fs::create_dir(&shown).unwrap();
    CoverFolders { exchange, shown }
}

fn files_in(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

/// Longer than a phone rests after its link for pictures failed once.
const REST: Duration = Duration::from_secs(11);

/// Has time pass for the room.
async fn wait_out(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// Has as much of it pass as the room takes for another link.
async fn rest_until_opened(obexd: &Obexd, links: usize) {
    let moment = Duration::from_millis(100);
    while tokio::time::timeout(moment, obexd.has_opened(links))
        .await
        .is_err()
    {
        wait_out(Duration::from_secs(2)).await;
    }
}

#[test]
fn the_picture_of_what_plays_is_fetched_and_shown_while_its_phone_is_there() {
    let name = "the_picture_of_what_plays_is_fetched_and_shown_while_its_phone_is_there";
    with_bus(name, async |folder| {
        let bluez = Bluez::start().await;
        let folders = cover_folders(&folder);
        let mut room = Room::start_with(folders.clone()).await;
        room.welcome(&bluez).await;
        room.piece(&bluez, obexd::FIRST).await;
        // Comes late, and dies.
        let obexd = Obexd::start().await;
        let (image, first) = room.cover().await;
        assert_eq!(image, obexd::FIRST);
        assert_eq!(std::fs::read(&first).unwrap(), obexd::JPEG);
        assert_eq!(files_in(&folders.exchange), 0);
        let [ours, annas] = ["DA:4C:10:DE:00:00", "DA:4C:10:DE:00:01"].map(str::to_owned);
        assert_eq!(obexd.opened(), [(ours, annas, 0x1007)]);
        drop(obexd);
        let obexd = Obexd::start().await;
        rest_until_opened(&obexd, 1).await;
        assert!(Path::new(&first).exists(), "it is what plays still");
        assert_eq!(obexd.asked(), [""; 0], "it was named in a link that ended");
        // The phone calls something else the same.
        bluez.play(obexd::FIRST).await;
        let second = loop {
            match room.next().await {
                Event::CoverGone { phone: ANNA } => {}
                Event::CoverSeen { path, .. } => break path,
                other => panic!("no picture: {other:?}"),
            }
        };
        assert_ne!(first, second);
        bluez.set_connected(false).await;
        assert_eq!(room.next().await, Event::PhoneSeen(anna(false)));
        room.cover_gone().await;
        assert_eq!(files_in(&folders.shown), 0);
        obexd.close_links().await;
        assert_eq!(obexd.removed_and_doubled(), (0, 0));
    });
}

#[test]
fn a_phone_that_ends_its_links_gets_another_when_it_plays_something_else() {
    let name = "a_phone_that_ends_its_links_gets_another_when_it_plays_something_else";
    with_bus(name, async |folder| {
        let bluez = Bluez::start().await;
        let obexd = Obexd::start().await;
        let mut room = Room::start_with(cover_folders(&folder)).await;
        room.welcome(&bluez).await;
        obexd.begins_with_an_end();
        room.piece(&bluez, obexd::FIRST).await;
        rest_until_opened(&obexd, 2).await;
        assert_eq!(obexd.asked(), [""; 0], "it was named in a link that ended");
        room.piece(&bluez, obexd::SECOND).await;
        assert_eq!(room.cover().await.0, obexd::SECOND);
        obexd.close_links().await;
        room.nothing().await;
        room.piece(&bluez, obexd::FIRST).await;
        room.cover_gone().await;
        assert_eq!(room.cover().await.0, obexd::FIRST);
        assert_eq!(obexd.opened().len(), 3);
        assert_eq!(obexd.removed_and_doubled(), (0, 0));
    });
}

#[test]
fn a_phone_that_has_no_picture_or_too_much_of_one_is_let_be() {
    let name = "a_phone_that_has_no_picture_or_too_much_of_one_is_let_be";
    with_bus(name, async |folder| {
        let bluez = Bluez::start().await;
        let obexd = Obexd::start().await;
        let mut room = Room::start_with(cover_folders(&folder)).await;
        room.welcome(&bluez).await;
        for piece in [obexd::REFUSED, obexd::NO_PICTURE, obexd::FIRST] {
            room.piece(&bluez, piece).await;
            obexd.was_asked_for(piece).await;
        }
        assert_eq!(room.cover().await.0, obexd::FIRST);
        assert_eq!(obexd.opened().len(), 1, "all through one link");
        assert_eq!(obexd.removed_and_doubled(), (0, 0));
        room.piece(&bluez, obexd::ENDLESS).await;
        room.cover_gone().await;
        // Whatever still comes through it.
        obexd.has_no_links().await;
        assert_eq!(obexd.opened().len(), 1, "it rests");
        rest_until_opened(&obexd, 2).await;
        room.piece(&bluez, obexd::SECOND).await;
        assert_eq!(room.cover().await.0, obexd::SECOND);
        room.bluetooth.fetch_covers(false);
        room.cover_gone().await;
        obexd.has_no_links().await;
        assert_eq!(obexd.removed_and_doubled(), (2, 0));
    });
}

#[test]
fn no_link_is_opened_to_a_phone_that_has_just_left() {
    let name = "no_link_is_opened_to_a_phone_that_has_just_left";
    with_bus(name, async |folder| {
        let bluez = Bluez::start().await;
        let obexd = Obexd::start().await;
        let mut room = Room::start_with(cover_folders(&folder)).await;
        room.welcome(&bluez).await;
        let plays = async || room.piece(&bluez, obexd::FIRST).await;
        bluez.set_connected_unsaid(false, plays).await;
        bluez
            .set_connected_unsaid(true, async || {
                assert!(obexd.opened().is_empty());
                wait_out(REST).await;
            })
            .await;
        assert_eq!(room.cover().await.0, obexd::FIRST);
        assert_eq!(obexd.opened().len(), 1);
    });
}

#[test]
fn nothing_is_fetched_while_somebody_telephones() {
    let name = "nothing_is_fetched_while_somebody_telephones";
    with_bus(name, async |folder| {
        let bluez = Bluez::start().await;
        let obexd = Obexd::start().await;
        let mut room = Room::start_with(cover_folders(&folder)).await;
        room.welcome(&bluez).await;
        room.piece(&bluez, obexd::FIRST).await;
        room.cover().await;
        let hold = |hold| RadioAction::HoldCovers { hold };
        room.bluetooth.order(hold(true));
        room.piece(&bluez, obexd::REFUSED).await;
        room.cover_gone().await;
        room.piece(&bluez, obexd::SECOND).await;
        room.bluetooth.order(hold(false));
        assert_eq!(room.cover().await.0, obexd::SECOND);
        assert_eq!(obexd.asked(), [obexd::FIRST, obexd::SECOND]);
    });
}

#[test]
fn a_bus_that_fails_is_tried_again() {
    let name = "a_bus_that_fails_is_tried_again";
    with_bus(name, async |folder| {
        let bluez = Bluez::start().await;
        let _obexd = Obexd::start().await;
        // Nobody is given a name that is taken.
        let (squatter, taken) = (
            zbus::Connection::system().await.unwrap(),
            zbus::fdo::RequestNameFlags::DoNotQueue.into(),
        );
        let squats = squatter.request_name_with_flags("org.dotd.Covers", taken);
        squats.await.unwrap();
        let mut room = Room::start_with(cover_folders(&folder)).await;
        room.welcome(&bluez).await;
        room.piece(&bluez, obexd::FIRST).await;
        room.nothing().await;
        assert!(squatter.release_name("org.dotd.Covers").await.unwrap());
        wait_out(Duration::from_secs(31)).await;
        assert_eq!(room.cover().await.0, obexd::FIRST);
    });
}
