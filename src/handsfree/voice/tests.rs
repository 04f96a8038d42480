//! The thread over a pair of sockets, one of which stands for the phone.

use std::thread;
use std::time::Duration;

use super::super::words::voice_codec;
use super::*;
use crate::pcm::{Cycle, MILLISECOND, Nanos, SECOND, frames_in, now};
use crate::policy::calls::event::HandsFreeFact;
use crate::policy::calls::facts::VoiceId;
use crate::policy::model::Volume;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{recv, send, socketpair};

const PHONE: Address = Address::new([0x00, 0x1a, 0x7d, 0xda, 0x71, 0x13]);
const ID: VoiceId = VoiceId(3);
/// Longer than anything takes, in seconds.
const DEADLINE: i64 = 20;

type Events = queue::Receiver<Event>;

fn sockets() -> (OwnedFd, OwnedFd) {
    let (family, kind) = (AddressFamily::UNIX, SocketType::SEQPACKET);
    socketpair(family, kind, SocketFlags::CLOEXEC, None).unwrap()
}

fn spec(codec: Codec) -> VoiceSpec {
    VoiceSpec {
        id: ID,
        codec: voice_codec(codec),
        name: "Anna".to_owned(),
        volume: Volume::MAX,
        microphone: 15,
        muted: false,
    }
}

/// A link that is up, and the phone's end of it.
fn link(codec: Codec, mtu: u16) -> (OwnedFd, Voice, Events) {
    let (phone, ours) = sockets();
    let (sender, events) = queue::channel(16);
    let voice = Voice::start(PHONE, ours, mtu, &spec(codec), sender).unwrap();
    (phone, voice, events)
}

/// The next fact about the phone; nothing when none can come any more.
fn fact(events: &mut Events) -> Option<HandsFreeFact> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let deadline = Duration::from_secs(DEADLINE as u64);
    let event = runtime
        .block_on(async { tokio::time::timeout(deadline, events.recv()).await })
        .expect("no event came");
    match event? {
        Event::HandsFree { phone, fact } if phone == PHONE => Some(fact),
        other => panic!("{other:?}"),
    }
}

fn ended() -> Option<HandsFreeFact> {
    Some(HandsFreeFact::VoiceEnded {
        voice: ID,
        error: None,
    })
}

/// The next packet that the phone gets; nothing when the link is closed.
fn packet(phone: &OwnedFd) -> Option<Vec<u8>> {
    let mut ready = [PollFd::new(phone, PollFlags::IN)];
    let longest = Timespec {
        tv_sec: DEADLINE,
        tv_nsec: 0,
    };
    assert_eq!(poll(&mut ready, Some(&longest)), Ok(1), "no packet came");
    let mut packet = [0; 512];
    let (_, length) = recv(phone, &mut packet[..], RecvFlags::empty()).unwrap();
    (length > 0).then(|| packet[..length].to_vec())
}

/// Says the same sample into the sink, as fast as the clock goes, until the phone gets what is
/// waited for.
fn speak(sink: &mut dyn Sink, phone: &OwnedFd, mut until: impl FnMut(&[u8]) -> bool) {
    let begin = now();
    let mut spoken = 0;
    loop {
        thread::sleep(Duration::from_millis(3));
        let now = now();
        assert!(now - begin < DEADLINE * SECOND, "the phone did not get it");
        let count = frames_in(now - begin, Codec::Cvsd.rate()) - spoken;
        sink.push(&vec![0.5; count], Cycle { now, delay: 0 });
        spoken += count;
        let mut packet = [0; 512];
        while let Ok((_, length)) = recv(phone, &mut packet[..], RecvFlags::DONTWAIT) {
            if until(&packet[..length]) {
                return;
            }
        }
    }
}

fn is_spoken(packet: &[u8]) -> bool {
    packet.chunks_exact(2).all(|sample| sample == [0x00, 0x40])
}

/// Nothing but zeros for so long that it is no accident.
fn silence() -> impl FnMut(&[u8]) -> bool {
    let mut zeros = 0;
    move |packet: &[u8]| {
        let silent = packet.iter().all(|byte| *byte == 0);
        zeros = if silent { zeros + 1 } else { 0 };
        zeros > 40
    }
}

#[test]
fn what_the_phone_says_comes_out_of_the_source() {
    let (phone, voice, mut events) = link(Codec::Cvsd, 60);
    let mut source = voice.source();
    // A quarter of full scale.
    let packet = [0x00_u8, 0x20].repeat(24);
    let begin = now();
    loop {
        send(&phone, &packet, SendFlags::NOSIGNAL).unwrap();
        thread::sleep(Duration::from_millis(3));
        let now = now();
        let mut turn = [0.0; 24];
        source.pull(&mut turn, Cycle { now, delay: 0 });
        if turn.iter().all(|sample| (sample - 0.25).abs() < 0.01) {
            break;
        }
        assert!(now - begin < DEADLINE * SECOND, "nothing is heard");
    }
    let up = HandsFreeFact::VoiceUp { voice: ID };
    assert_eq!(fact(&mut events), Some(up));
    assert!(voice.meters().read().received > 3);
    drop(voice);
    assert_eq!(fact(&mut events), None);
}

#[test]
fn what_is_captured_goes_to_the_phone_unless_muted() {
    let (phone, voice, _events) = link(Codec::Cvsd, 60);
    let sinks = voice.sinks();
    let mut sink = sinks();
    speak(&mut *sink, &phone, is_spoken);
    voice.mute(true);
    speak(&mut *sink, &phone, silence());
    voice.mute(false);
    speak(&mut *sink, &phone, is_spoken);
    voice.set_microphone(0);
    speak(&mut *sink, &phone, silence());
    voice.set_microphone(15);
    let mut another = sinks();
    speak(&mut *another, &phone, is_spoken);
    assert!(voice.meters().read().sent > 80);
}

#[test]
fn a_phone_that_is_silent_gets_silence_all_the_same() {
    let begin = now();
    let (phone, _voice, _events) = link(Codec::Cvsd, 60);
    assert_eq!(packet(&phone), Some(vec![0; 48]));
    let waited: Nanos = now() - begin;
    assert!(waited >= 50 * MILLISECOND, "{waited}");
}

#[test]
fn packets_are_as_long_as_those_that_come_and_never_too_long() {
    let (phone, _voice, _events) = link(Codec::Msbc, 60);
    assert_eq!(packet(&phone).unwrap().len(), 60);
    for length in [24, 30, 24, 24] {
        send(&phone, &vec![0; length], SendFlags::NOSIGNAL).unwrap();
    }
    let begin = now();
    while packet(&phone).unwrap().len() != 24 {
        assert!(now() - begin < DEADLINE * SECOND, "it is not followed");
    }
    let (phone, _voice, _events) = link(Codec::Msbc, 30);
    for _ in 0..2 {
        send(&phone, &[0; 60], SendFlags::NOSIGNAL).unwrap();
    }
    for _ in 0..20 {
        assert_eq!(packet(&phone).unwrap().len(), 30);
    }
}

#[test]
fn dropping_it_closes_the_link_and_tells_nothing() {
    let (phone, voice, mut events) = link(Codec::Msbc, 60);
    assert!(packet(&phone).is_some());
    drop(voice);
    while packet(&phone).is_some() {}
    assert_eq!(fact(&mut events), None);
}

#[test]
fn a_phone_that_closes_the_link_is_reported_once() {
    let (phone, voice, mut events) = link(Codec::Cvsd, 60);
    assert!(packet(&phone).is_some());
    drop(phone);
    assert_eq!(fact(&mut events), ended());
    assert_eq!(fact(&mut events), None);
    drop(voice);
}

#[test]
fn a_full_queue_delays_the_report_but_not_the_end() {
    for patient in [true, false] {
        let (phone, ours) = sockets();
        let (sender, mut events) = queue::channel(1);
        sender.try_send(Event::AudioLost).unwrap();
        let voice = Voice::start(PHONE, ours, 60, &spec(Codec::Cvsd), sender).unwrap();
        drop(phone);
        if patient {
            assert_eq!(events.blocking_recv(), Some(Event::AudioLost));
            assert_eq!(fact(&mut events), ended());
        }
        drop(voice);
    }
}
