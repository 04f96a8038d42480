use super::*;
use proptest::prelude::*;

fn word(text: &str) -> Value {
    Value::Word(text.into())
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut lines = Lines::default();
    bytes.iter().filter_map(|byte| lines.take(*byte)).collect()
}

#[test]
fn lines_end_in_any_way() {
    let cases: [(&[u8], &[&[u8]]); 7] = [
        (b"\r\nOK\r\n", &[b"OK"]),
        (b"OK\rRING\nOK\n\r", &[b"OK", b"RING", b"OK"]),
        (b"\r\r\n\n", &[]),
        (b"OK", &[]),
        (b"", &[]),
        (b"\0\xff\r", &[b"\0\xff"]),
        (b" \n", &[b" "]),
    ];
    for (bytes, found) in cases {
        assert_eq!(lines(bytes), found, "{bytes:?}");
    }
}

#[test]
fn a_line_that_is_too_long_is_dropped_up_to_its_end() {
    for (length, kept) in [
        (MAX_LINE, true),
        (MAX_LINE + 1, false),
        (5 * MAX_LINE, false),
    ] {
        let mut bytes = vec![b'x'; length];
        bytes.extend_from_slice(b"\rOK\r");
        let found = lines(&bytes);
        assert_eq!(found.len(), if kept { 2 } else { 1 }, "{length}");
        assert_eq!(found.last().map(Vec::as_slice), Some(&b"OK"[..]));
    }
}

#[test]
fn result_codes_are_known() {
    for (line, known) in [
        ("OK", Line::Ok),
        (" OK ", Line::Ok),
        ("ERROR", Line::Error(None)),
        ("+CME ERROR: 30", Line::Error(Some(30))),
        ("+CME ERROR:30", Line::Error(Some(30))),
        ("+CME ERROR: no network", Line::Error(None)),
        ("+CME ERROR: 65536", Line::Error(None)),
        ("NO CARRIER", Line::NoCall),
        ("BUSY", Line::NoCall),
        ("RING", Line::Ring),
        ("OKAY", Line::Unknown),
        ("", Line::Unknown),
        (":", Line::Unknown),
        ("+XAPL=iPhone,7", Line::Unknown),
        ("AT+BRSF=511", Line::Unknown),
        ("+VGS=7", Line::Told(Code::Vgs, vec![word("7")])),
        ("+vgs : 7", Line::Told(Code::Vgs, vec![word("7")])),
        ("+BCS:", Line::Told(Code::Bcs, vec![Value::Missing])),
    ] {
        assert_eq!(parse(line.as_bytes()), known, "{line}");
    }
}

#[test]
fn values_are_read() {
    let cases: Vec<(&str, Vec<Value>)> = vec![
        ("1,2", vec![word("1"), word("2")]),
        (" 1 , 2 ", vec![word("1"), word("2")]),
        (",128", vec![Value::Missing, word("128")]),
        ("\"\",128", vec![text(""), word("128")]),
        (
            "\"a,b)\",(c)",
            vec![text("a,b)"), Value::List(vec![word("c")])],
        ),
        ("\"a \"b\" c\", 1", vec![text("a \"b\" c"), word("1")]),
        ("\"a\\22b\\5Cc\"", vec![text("a\"b\\c")]),
        ("\"open", vec![text("open")]),
        ("\"", vec![text("")]),
        ("1)2,3", vec![word("1)2"), word("3")]),
        (
            "(\"call\",(0,1)),(\"x\",(0-3))",
            vec![
                Value::List(vec![text("call"), Value::List(vec![word("0"), word("1")])]),
                Value::List(vec![text("x"), Value::List(vec![word("0-3")])]),
            ],
        ),
        ("()", vec![Value::List(vec![Value::Missing])]),
        ("(1", vec![Value::List(vec![word("1")])]),
        ("(1)x,2", vec![Value::List(vec![word("1")]), word("2")]),
    ];
    for (line, values) in cases {
        let told = parse(format!("+CLIP: {line}").as_bytes());
        assert_eq!(told, Line::Told(Code::Clip, values), "{line}");
    }
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    let told = parse(b"+CLIP: \"A\xff\xc3\xbc\",1");
    let values = vec![text("A\u{fffd}ü"), word("1")];
    assert_eq!(told, Line::Told(Code::Clip, values));
}

#[test]
fn numbers_are_read_or_are_none() {
    for (value, number) in [
        (word("15"), Some(15)),
        (text(" 15 "), Some(15)),
        (word("-1"), None),
        (word("4294967296"), None),
        (word("1x"), None),
        (Value::Missing, None),
        (Value::List(vec![word("1")]), None),
    ] {
        assert_eq!(value.number(), number, "{value:?}");
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::List(inner) => 1 + inner.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

proptest! {
    #[test]
    fn any_line_is_taken_apart(rest in prop::collection::vec(any::<u8>(), 0..200)) {
        let line = [b"+CIND:", rest.as_slice()].concat();
        prop_assert!(matches!(parse(&line), Line::Told(Code::Cind, _)));
        parse(&rest);
    }

    #[test]
    fn lists_do_not_go_deep(rest in "[(),\" a0]{0,300}") {
        if let Line::Told(_, values) = parse(format!("+BIND:{rest}").as_bytes()) {
            prop_assert!(values.iter().all(|value| depth(value) <= MAX_DEPTH));
            prop_assert!(values.len() <= rest.len() + 1);
        }
    }

    #[test]
    fn no_more_than_a_line_is_kept(bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
        let mut lines = Lines::default();
        for byte in bytes.iter().cycle().take(20_000) {
            if let Some(line) = lines.take(*byte) {
                prop_assert!((1..=MAX_LINE).contains(&line.len()));
            }
            prop_assert!(lines.kept() <= MAX_LINE);
        }
    }
}
