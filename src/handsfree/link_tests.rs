//! Links over a socket pair; the other end is a phone of few words.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use super::*;
use crate::policy::RejectionKind;

const PHONE: Address = Address::new([0xF0, 0, 0, 0, 0, 1]);

const ALL: Abilities = Abilities {
    echo_cancelling: true,
    wide_band: true,
};

/// What a phone without any feature answers until the service level connection is up.
const SHORTEST: [(&str, &str); 4] = [
    ("AT+BRSF=", "\r\n+BRSF: 0\r\n\r\nOK\r\n"),
    (
        "AT+CIND=?",
        "\r\n+CIND: (\"call\",(0,1)),(\"callsetup\",(0-3)),(\"callheld\",(0-2))\r\n\r\nOK\r\n",
    ),
    ("AT+CIND?", "\r\n+CIND: 0,0,0\r\n\r\nOK\r\n"),
    ("AT+CMER=", "\r\nOK\r\n"),
];

/// Answers line after line until the socket closes; whatever it has no word for is "OK".
fn answer(mut socket: UnixStream) {
    let mut line = Vec::new();
    let mut byte = [0];
    while matches!(socket.read(&mut byte), Ok(1)) {
        if byte != *b"\r" {
            line.push(byte[0]);
            continue;
        }
        let said = String::from_utf8(std::mem::take(&mut line)).unwrap();
        let answers = SHORTEST
            .iter()
            .find(|(command, _)| said.starts_with(command));
        let answer = answers.map_or("\r\nOK\r\n", |(_, answer)| answer);
        if socket.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

async fn next(inbox: &mut mpsc::Receiver<Event>) -> HandsFreeFact {
    let event = tokio::time::timeout(Duration::from_secs(10), inbox.recv()).await;
    match event.expect("something is told").expect("links live") {
        Event::HandsFree { phone, fact } if phone == PHONE => fact,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_link_comes_up_carries_commands_and_ends_once() {
    let (events, mut inbox) = mpsc::channel(16);
    let mut links = Links::new(events, ALL);
    let (ours, theirs) = UnixStream::pair().unwrap();
    let hang_up = theirs.try_clone().unwrap();
    let phone = std::thread::spawn(move || answer(theirs));
    links.connected(PHONE, ours.into());
    assert_eq!(next(&mut inbox).await, HandsFreeFact::Ready);
    let request = Some(RequestId(5));
    links.command(PHONE, request, CallCommand::Redial);
    loop {
        if let HandsFreeFact::CommandEnded { request, result } = next(&mut inbox).await {
            assert_eq!((request, result), (Some(RequestId(5)), Ok(())));
            break;
        }
    }
    links.command(PHONE, request, CallCommand::Answer);
    let HandsFreeFact::CommandEnded { result, .. } = next(&mut inbox).await else {
        panic!("there is nothing to answer");
    };
    assert_eq!(result.unwrap_err().kind, RejectionKind::NotAvailable);
    hang_up.shutdown(std::net::Shutdown::Both).unwrap();
    loop {
        if let HandsFreeFact::Ended { error } = next(&mut inbox).await {
            assert_eq!(error, None);
            break;
        }
    }
    phone.join().unwrap();
    drop(links);
    assert!(
        inbox.recv().await.is_none(),
        "nothing is told after the end"
    );
}

#[tokio::test]
async fn a_link_that_is_closed_says_nothing() {
    let (events, mut inbox) = mpsc::channel(16);
    let mut links = Links::new(events, ALL);
    let (ours, theirs) = UnixStream::pair().unwrap();
    // As bluetoothd does.
    let kept = ours.try_clone().unwrap();
    let phone = std::thread::spawn(move || answer(theirs));
    links.connected(PHONE, ours.into());
    assert_eq!(next(&mut inbox).await, HandsFreeFact::Ready);
    links.close(PHONE);
    drop(links);
    let ended = |event: &Event| {
        let fact = HandsFreeFact::Ended { error: None };
        *event == Event::HandsFree { phone: PHONE, fact }
    };
    while let Some(event) = inbox.recv().await {
        assert!(!ended(&event));
    }
    phone.join().expect("the phone sees that we hung up");
    drop(kept);
}

#[tokio::test]
async fn a_phone_that_speaks_no_hands_free_is_hung_up_on_with_a_reason() {
    let (events, mut inbox) = mpsc::channel(16);
    let mut links = Links::new(events, ALL);
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    links.connected(PHONE, ours.into());
    theirs.write_all(b"\r\nERROR\r\n").unwrap();
    let HandsFreeFact::Ended { error: Some(error) } = next(&mut inbox).await else {
        panic!("the link is of no use");
    };
    assert!(error.contains("refused to begin"), "{error}");
    let mut rest = Vec::new();
    theirs.read_to_end(&mut rest).unwrap();
}
