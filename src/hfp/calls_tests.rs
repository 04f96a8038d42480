use super::super::at::{Line, parse};
use super::super::indicators::{CallSigns, Indicator};
use super::*;
use proptest::prelude::*;

fn listed(line: &str) -> Option<Listed> {
    match parse(format!("+CLCC: {line}").as_bytes()) {
        Line::Told(_, values) => Listed::read(&values),
        other => panic!("{line}: {other:?}"),
    }
}

fn caller(number: &str, name: Option<&str>) -> Caller {
    Caller {
        number: number.into(),
        name: name.map(str::to_owned),
    }
}

#[test]
fn lines_that_make_no_sense_are_no_calls() {
    for (line, call) in [
        ("1,1,4,0,0,\"123\",129", true),
        ("1,1,4,0,0", true),
        ("7,0,6,9,1", true),
        ("0,1,4,0,0", false),
        ("256,1,4,0,0", false),
        ("1,2,4,0,0", false),
        ("1,1,7,0,0", false),
        ("1,1,4,1,0", false),
        ("1,1,4,2,0", false),
        ("", false),
    ] {
        assert_eq!(listed(line).is_some(), call, "{line}");
    }
}

#[test]
fn a_call_keeps_its_name_and_its_id() {
    let mut calls = Calls::default();
    calls.identify(caller("+491", Some("Anna")));
    calls.take_list(listed("1,1,4,0,0").into_iter().collect());
    let id = calls.list[0].id;
    assert_eq!(calls.list[0].number, "+491");
    calls.take_list(listed("1,1,0,0,0,\"491\",145").into_iter().collect());
    assert_eq!(calls.list[0].name.as_deref(), Some("Anna"));
    assert_eq!(
        (calls.list[0].id, calls.list[0].state),
        (id, CallState::Active)
    );
    // The same index, but it rings again: that is another call.
    calls.take_list(listed("1,1,4,0,0,\"491\",145").into_iter().collect());
    assert_ne!(calls.list[0].id, id);
    assert_eq!(calls.list[0].name, None);
}

#[test]
fn a_name_goes_with_its_number() {
    let mut calls = Calls::default();
    calls.identify(caller("1", Some("Anna")));
    calls.take_list(listed("1,1,4,0,0,\"2\",129").into_iter().collect());
    assert_eq!(calls.list[0].name, None);
    calls.identify(caller("3", Some("Carl")));
    assert_eq!(calls.list[0].name, None);
    calls.identify(caller("2", Some("Ben")));
    assert_eq!(calls.list[0].name.as_deref(), Some("Ben"));
}

#[test]
fn who_called_in_vain_is_forgotten() {
    let mut calls = Calls::default();
    calls.identify(caller("1", Some("Anna")));
    calls.take_list(Vec::new());
    calls.take_list(listed("1,1,4,0,0").into_iter().collect());
    assert_eq!(calls.list[0].number, "");
}

#[test]
fn a_dialed_number_is_that_of_the_new_call() {
    let mut calls = Calls::default();
    calls.take_list(listed("1,0,0,0,0").into_iter().collect());
    calls.dialed = Some("5".into());
    let both = ["1,0,1,0,0", "2,0,2,0,0"];
    calls.take_list(both.into_iter().filter_map(listed).collect());
    let numbers: Vec<&str> = calls.list.iter().map(|call| call.number.as_str()).collect();
    assert_eq!(numbers, ["", "5"]);
}

#[test]
fn numbers_of_any_length_and_long_names() {
    let number = "1".repeat(500);
    let name = "n".repeat(400);
    let line = format!("1,1,4,0,0,\"{number}\",129,\"{name}\"");
    let call = listed(&line).unwrap();
    assert_eq!(call.number, number);
    assert_eq!(call.name.unwrap().len(), text::MAX_NAME);
}

fn agrees(calls: &Calls, signs: CallSigns) -> bool {
    let established = calls.any(&[CallState::Active, CallState::Held]);
    let setup = calls
        .list
        .iter()
        .filter(|call| !call.state.is_established())
        .count();
    let held = calls.any(&[CallState::Held]);
    established == (signs.call == 1)
        && setup == usize::from(signs.setup != 0)
        && (signs.call == 0 || held == (signs.held != 0))
}

proptest! {
    /// Whatever was told before, the calls fit the indicators once these are looked at as a whole.
    #[test]
    fn derived_calls_fit_the_indicators(
        changes in prop::collection::vec((0..3_u8, 0..4_u8, 0..8_u8), 1..60),
    ) {
        let mut calls = Calls::default();
        let mut signs = CallSigns::default();
        for (which, value, intent) in changes {
            calls.intent = match intent {
                0 => Some(Intent::ReleaseActive),
                1 => Some(Intent::HoldActive),
                2 => Some(Intent::Merge),
                _ => calls.intent,
            };
            let before = signs;
            let changed = match which {
                0 => { signs.call = value.min(1); Indicator::Call }
                1 => { signs.setup = value; Indicator::CallSetup }
                _ => { signs.held = value.min(2); Indicator::CallHeld }
            };
            calls.derive(changed, before, signs);
            prop_assert!(calls.list.len() <= MAX_CALLS);
            for (place, call) in calls.list.iter().enumerate() {
                for other in &calls.list[place + 1..] {
                    prop_assert!(call.id != other.id && call.index != other.index);
                }
            }
        }
        calls.conform(signs);
        prop_assert!(agrees(&calls, signs), "{:?} {:?}", signs, calls.list);
    }

    #[test]
    fn any_list_is_taken(lines in prop::collection::vec(
        (0..20_u8, 0..3_u8, 0..8_u8, 0..3_u8, "[0-9]{0,3}"), 0..40)
    ) {
        let mut calls = Calls::default();
        for part in lines.chunks(8) {
            let part = part.iter().map(|(index, direction, state, mode, number)| {
                listed(&format!("{index},{direction},{state},{mode},0,\"{number}\",129"))
            });
            calls.take_list(part.flatten().collect());
            prop_assert!(calls.list.len() <= MAX_CALLS);
        }
    }
}
