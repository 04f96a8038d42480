//! The machine over random lives; conversations with phones are in `tests/hfp_conversations.rs`.

use std::time::Duration;

use super::trial::live;
use super::*;
use proptest::prelude::*;

const CONFIG: Config = Config {
    codecs: Codecs::new(true, true),
    echo_cancelling: false,
    speaker: Some(Gain::MAX),
    microphone: Gain::MAX,
    battery: BatteryLevel::FULL,
};

/// What gets a phone with everything to the service level connection.
const CONNECTED: &str = "+BRSF: 4095\rOK\rOK\r\
    +CIND: (\"service\",(0,1)),(\"call\",(0,1)),(\"callsetup\",(0-3)),(\"callheld\",(0-2))\rOK\r\
    +CIND: 1,0,0,0\rOK\rOK\r+CHLD: (0,1,1x,2,2x,3)\rOK\rOK\r+BIND: (1,2)\rOK\r+BIND: 2,1\rOK\r";

/// The same for a phone with nothing.
const PLAIN: &str = "+BRSF: 1\rOK\r\
    +CIND: (\"service\",(0,1)),(\"call\",(0,1)),(\"callsetup\",(0-3)),(\"callheld\",(0-2))\rOK\r\
    +CIND: 1,0,0,0\rOK\rOK\r+CHLD: (0,1,2,3)\rOK\r";

/// Lines that phones send, whole and broken, and (from 0xf5) commands and time.
fn words() -> impl Strategy<Value = Vec<u8>> {
    let lines = prop::sample::select(vec![
        "OK",
        "OK",
        "OK",
        "OK",
        "ERROR",
        "+CME ERROR: 3",
        "NO CARRIER",
        "RING",
        "+BCS: 1",
        "+BCS: 2",
        "+BCS: 3",
        "+BCS: 9",
        "+BSIR: 1",
        "+BVRA: 1",
        "+BIND: 2,0",
        "+BIND: 2,1",
        "+CCWA: \"5\",129,1",
        "+CIEV: 2,0",
        "+CIEV: 2,1",
        "+CIEV: 3,0",
        "+CIEV: 3,1",
        "+CIEV: 3,2",
        "+CIEV: 3,3",
        "+CIEV: 4,0",
        "+CIEV: 4,1",
        "+CIEV: 4,2",
        "+CIEV: 9,9",
        "+CLCC: 1,1,4,0,0,\"1\",129",
        "+CLCC: 1,1,0,0,1,\"1\",145",
        "+CLCC: 2,0,5,0,0",
        "+CLCC: 2,1,1,0,0,\"\u{7}2\",129",
        "+CLIP: \"1\",145,,,\"A\u{1}\"",
        "+CIND: 1,1,1,1",
        "+CIND: 1,0,0,0",
        "+COPS: 0,0,\"x\u{0}\"",
        "+VGS: 3",
        "+VGM: 16",
        "+BRSF: 0",
        "+CHLD: (2)",
        "\"",
        "((((((",
        "+CLIP: \"",
        ",",
    ]);
    let line = lines.prop_map(|line| format!("\r\n{line}\r\n").into_bytes());
    prop_oneof![
        8 => line,
        4 => (0xf5_u8..=0xff).prop_map(|special| vec![special]),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_lived_through(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        live(&bytes);
    }

    #[test]
    fn any_phone_is_lived_through(
        start in prop::sample::select(vec![CONNECTED, PLAIN, ""]),
        words in prop::collection::vec(words(), 0..120),
    ) {
        live(&[start.as_bytes(), &words.concat()].concat());
    }
}

/// A machine that is connected to a phone that does not answer from then on.
fn connected() -> Machine {
    let mut machine = Machine::new(CONFIG);
    machine.start(Duration::ZERO);
    machine.receive(Duration::ZERO, CONNECTED.as_bytes());
    machine
}

#[test]
fn a_phone_that_does_not_answer_is_not_asked_without_end() {
    let mut machine = connected();
    let mut taken = 0;
    for number in 0..1000 {
        match machine.command(Duration::ZERO, CommandId(number), Command::Redial) {
            Ok(()) => taken += 1,
            Err(refusal) => assert_eq!(refusal, Refusal::Busy),
        }
        machine.receive(
            Duration::ZERO,
            b"+BCS: 2\r+CIEV: 2,1\r+BIND: 2,0\r+BIND: 2,1\rRING\r",
        );
        machine.check();
    }
    assert!(taken <= 32);
}

#[test]
fn nothing_is_done_before_it_begins_or_after_it_ended() {
    let mut machine = Machine::new(CONFIG);
    machine.receive(Duration::ZERO, b"\r\nRING\r\n");
    machine.tick(Duration::from_secs(9));
    assert_eq!((machine.poll(), machine.deadline()), (None, None));
    let refused = machine.command(Duration::ZERO, CommandId(1), Command::Redial);
    assert_eq!(refused, Err(Refusal::NotReady));

    let mut machine = connected();
    assert!(
        machine
            .command(Duration::ZERO, CommandId(1), Command::Redial)
            .is_ok()
    );
    machine.close();
    let mut ended = Vec::new();
    while let Some(output) = machine.poll() {
        if let Output::Event(Event::CommandEnded { id, result }) = output {
            ended.push((id, result));
        }
    }
    assert_eq!(ended, [(CommandId(1), Err(Failure::LinkLost))]);
    machine.receive(Duration::ZERO, b"OK\rRING\r");
    machine.close();
    assert_eq!(machine.poll(), None);
}

#[test]
fn claims_are_what_the_record_says() {
    for (echo, codecs, brsf, sdp) in [
        (false, Codecs::default(), 0x1fe, 0x1e),
        (true, Codecs::new(true, true), 0x1ff, 0x13f),
    ] {
        let config = Config {
            echo_cancelling: echo,
            codecs,
            ..CONFIG
        };
        assert_eq!(
            (config.features().bits(), config.sdp_features()),
            (brsf, sdp)
        );
    }
}
