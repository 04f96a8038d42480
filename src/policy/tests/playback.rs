//! What plays, how loud, and what a reload leaves alone.

use super::*;

#[test]
fn music_starts_stops_and_is_told_when_it_is_heard() {
    let mut life = Life::with_anna();
    let id = life.music(ANNA);
    let orders = life.taken();
    assert!(orders.iter().any(|action| matches!(
        action,
        Action::Stream(StreamAction::Start { volume, .. }) if volume.percent() == 60
    )));
    assert!(
        !orders
            .iter()
            .any(|action| matches!(action, Action::Tell(_)))
    );
    life.tell(Event::StreamStarted {
        transport: id.clone(),
    });
    life.tell(Event::StreamStarted {
        transport: id.clone(),
    });
    assert_eq!(life.stories().len(), 1);
    life.tell(Event::TransportChanged {
        transport: id.clone(),
        state: TransportState::Idle,
    });
    let orders = life.taken();
    assert_eq!(
        orders[0],
        Action::Stream(StreamAction::Stop { transport: id })
    );
    assert!(matches!(orders[1], Action::Tell(Story::Stopped { .. })));
}

#[test]
fn a_socket_that_a_suspend_has_overtaken_is_given_back() {
    let mut life = Life::with_anna();
    let id = life.music(ANNA);
    let tell = |life: &mut Life, state| {
        life.taken();
        let transport = id.clone();
        life.tell(Event::TransportChanged { transport, state });
        life.taken()
    };
    let transport = id.clone();
    let given = Action::Stream(StreamAction::GiveBack { transport });
    assert!(!tell(&mut life, TransportState::Active).contains(&given));
    tell(&mut life, TransportState::Idle);
    assert_eq!(tell(&mut life, TransportState::Active), [given]);
    tell(&mut life, TransportState::Idle);
    let begun = tell(&mut life, TransportState::Pending);
    assert!(
        begun
            .iter()
            .any(|it| matches!(it, Action::Stream(StreamAction::Start { .. })))
    );
}

#[test]
fn a_phone_whose_stream_failed_does_not_play_to_nobody() {
    for (state, given) in [
        (TransportState::Active, true),
        (TransportState::Pending, false),
    ] {
        let mut life = Life::with_anna();
        life.tell(Event::AudioFound {
            output: Some("Speaker".into()),
        });
        let transport = life.music(ANNA);
        life.tell(Event::TransportChanged {
            transport: transport.clone(),
            state,
        });
        life.orders.clear();
        life.tell(Event::StreamEnded {
            transport: transport.clone(),
            error: Some("no such luck".into()),
        });
        let back = Action::Stream(StreamAction::GiveBack { transport });
        assert_eq!(life.taken().contains(&back), given, "{state:?}");
    }
}

#[test]
fn a_stop_that_bluez_did_not_come_to_tell_is_one() {
    let mut life = Life::with_a_family();
    let id = life.music(ANNA);
    let told = |life: &mut Life, state| {
        let transport = id.clone();
        life.tell(Event::TransportChanged { transport, state });
    };
    told(&mut life, TransportState::Active);
    life.wait(60).music(BEN);
    assert_eq!(life.policy.takeover.heard(), Some(BEN));
    life.taken();
    told(&mut life, TransportState::Pending);
    let orders: Vec<_> = life.taken().into_iter().collect();
    let place = |wanted: fn(&StreamAction) -> bool| {
        let found = |it: &Action| matches!(it, Action::Stream(order) if wanted(order));
        orders.iter().position(found)
    };
    let stopped = place(|it| matches!(it, StreamAction::Stop { .. }));
    let begun = place(|it| matches!(it, StreamAction::Start { .. }));
    assert!(stopped.is_some() && stopped < begun, "{orders:?}");
    assert_eq!(life.policy.takeover.heard(), Some(ANNA));
}

#[test]
fn a_stream_is_ready_before_the_phone_plays_and_until_it_leaves() {
    let mut life = Life::with_anna();
    let id = life.music(ANNA);
    let streams = |life: &mut Life| -> Vec<StreamAction> {
        let orders = life.taken().into_iter();
        orders
            .filter_map(|action| match action {
                Action::Stream(order) => Some(order),
                _ => None,
            })
            .collect()
    };
    let orders = streams(&mut life);
    assert!(matches!(&orders[0], StreamAction::Prepare { transport, .. } if *transport == id));
    assert!(matches!(&orders[1], StreamAction::Start { transport, .. } if *transport == id));
    life.tell(Event::TransportChanged {
        transport: id.clone(),
        state: TransportState::Idle,
    });
    let transport = id.clone();
    assert_eq!(streams(&mut life), [StreamAction::Stop { transport }]);
    life.tell(Event::AudioFound {
        output: Some("Speaker".into()),
    });
    assert!(matches!(
        streams(&mut life)[..],
        [StreamAction::Prepare { .. }]
    ));
    life.tell(Event::TransportClosed {
        transport: id.clone(),
    });
    let transport = id;
    assert_eq!(streams(&mut life), [StreamAction::Release { transport }]);
}

#[test]
fn no_output_is_told_when_there_is_none_for_a_while() {
    let mut life = Life::ready();
    let output = Some("Speaker".to_owned());
    life.tell(Event::AudioFound { output: None });
    assert_eq!(life.policy.snapshot().audio, AudioStatus::NoOutput);
    assert_eq!(life.stories(), []);
    life.tell(Event::AudioFound { output });
    life.taken();
    let over = Event::TimerFired {
        timer: Timer::OutputPatience,
    };
    assert_eq!(life.tell(over.clone()).stories(), []);
    life.tell(Event::AudioFound { output: None });
    assert_eq!(life.tell(over).stories(), [Story::AudioWithoutOutput]);
}

#[test]
fn a_stranger_with_a_transport_is_not_heard() {
    let mut life = Life::ready();
    life.tell(Event::PhoneSeen(bonded(BEN, "Ben")));
    life.music(BEN);
    assert!(
        !life
            .taken()
            .iter()
            .any(|action| matches!(action, Action::Stream(_)))
    );
}

#[test]
fn the_slider_we_set_does_not_come_back_as_a_wish() {
    let mut life = Life::with_anna();
    let id = life.music(ANNA);
    let moved = |life: &mut Life, avrcp| {
        life.taken();
        life.tell(Event::TransportVolumeChanged {
            transport: id.clone(),
            avrcp,
        });
        life.policy.volume_of(ANNA).percent()
    };
    assert_eq!(moved(&mut life, 127), 60, "BlueZ's own start value");
    assert_eq!(
        life.radio(),
        [RadioAction::SetTransportVolume {
            transport: id.clone(),
            avrcp: 76
        }]
    );
    assert_eq!(moved(&mut life, 76), 60, "the echo");
    assert_eq!(moved(&mut life, 127), 60, "it was there before it came");
    life.wait(2);
    assert_eq!(moved(&mut life, 127), 100, "the phone's wish");
    life.policy.rules.max_volume = Volume::new(50).unwrap();
    assert_eq!(moved(&mut life, 100), 50, "the ceiling");
    assert_eq!(life.radio().len(), 1, "and the slider is told");
}

#[test]
fn volume_without_a_name_is_of_whoever_plays_else_connected_else_the_start() {
    let volume = |percent| Volume::new(percent).unwrap();
    let mut life = Life::ready();
    life.ask(Request::SetVolume {
        phone: None,
        volume: volume(20),
    });
    assert_eq!(life.policy.memory().volume, Some(volume(20)));
    let mut life = Life::with_anna();
    life.ask(Request::SetVolume {
        phone: None,
        volume: volume(30),
    });
    assert_eq!(life.policy.memory().phones[0].volume, Some(volume(30)));
    assert_eq!(life.policy.memory().volume, None);
}

#[test]
fn a_reload_renames_and_lowers_without_stopping_the_music() {
    let mut life = Life::with_anna();
    life.ask(Request::Rename {
        name: SpeakerName::new("Old").ok(),
    });
    let id = life.music(ANNA);
    life.taken();
    let name = SpeakerName::new("New").unwrap();
    let rules = Rules {
        name: Some(name.clone()),
        max_volume: Volume::new(40).unwrap(),
        ..Rules::default()
    };
    life.policy.memory.phones[0].volume = Volume::new(90);
    life.tell(Event::ConfigLoaded(rules));
    let orders = life.taken();
    assert!(orders.contains(&Action::Radio(RadioAction::SetAlias { name })));
    let volume = Volume::new(40).unwrap();
    assert!(orders.contains(&Action::Stream(StreamAction::SetVolume {
        transport: id,
        volume
    })));
    let stopped = |a: &Action| matches!(a, Action::Stream(StreamAction::Stop { .. }));
    assert!(!orders.iter().any(stopped));
}

#[test]
fn music_comes_back_with_pipewire() {
    let mut life = Life::with_anna();
    life.tell(Event::AudioFound {
        output: Some("Speaker".into()),
    });
    life.music(ANNA);
    life.tell(Event::AudioLost).taken();
    assert_eq!(life.policy.snapshot().audio, AudioStatus::NoServer);
    let start = |a: &Action| matches!(a, Action::Stream(StreamAction::Start { .. }));
    life.tell(Event::AudioFound { output: None });
    assert!(!life.taken().iter().any(start), "there is no output yet");
    life.tell(Event::AudioFound {
        output: Some("Speaker".into()),
    });
    assert!(life.taken().iter().any(start));
}

#[test]
fn music_without_an_output_waits_for_one() {
    let mut life = Life::with_anna();
    life.tell(Event::AudioFound { output: None });
    let transport = life.music(ANNA);
    life.taken();
    let error = Some("no target".to_owned());
    life.tell(Event::StreamEnded { transport, error });
    let stream = |a: &Action| matches!(a, Action::Stream(_));
    assert!(!life.taken().iter().any(stream), "the phone goes on");
    life.tell(Event::AudioFound {
        output: Some("Speaker".into()),
    });
    let start = |a: &Action| matches!(a, Action::Stream(StreamAction::Start { .. }));
    assert!(life.taken().iter().any(start));
}

#[test]
fn a_lower_ceiling_quiets_who_never_chose_a_volume() {
    let mut life = Life::with_anna();
    let transport = life.music(ANNA);
    life.taken();
    let volume = Volume::new(30).unwrap();
    life.tell(Event::ConfigLoaded(Rules {
        max_volume: volume,
        ..Rules::default()
    }));
    let quieter = Action::Stream(StreamAction::SetVolume { transport, volume });
    assert!(life.taken().contains(&quieter));
}

#[test]
fn a_start_volume_that_is_written_anew_outranks_what_was_said_before() {
    let mut life = Life::ready();
    let rules = |percent| {
        Event::ConfigLoaded(Rules {
            start_volume: Volume::new(percent).unwrap(),
            ..Rules::default()
        })
    };
    let start = |life: &Life| life.policy.snapshot().volume.percent();
    let (phone, volume) = (None, Volume::new(30).unwrap());
    life.ask(Request::SetVolume { phone, volume });
    life.tell(rules(60));
    assert_eq!(start(&life), 30, "nobody wrote anything");
    life.tell(rules(50));
    assert_eq!(start(&life), 50);
    life.ask(Request::SetVolume { phone, volume });
    // Also when it was written while dotd was not running.
    let memory = life.policy.memory().clone();
    assert_eq!(start(&Life::new(memory)), 60);
}
