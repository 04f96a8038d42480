//! What an AG says: bytes to lines, lines to result codes (HFP 1.9, 4.34; ITU-T V.250, 5.7).
//!
//! Invariant: any bytes are taken, split anywhere, and never panic. A line longer than
//! [`MAX_LINE`] is dropped up to its end, so no more than that is ever kept.

/// The longest line, in bytes. The longest that phones send, the indicators of `+CIND`, has about
/// two hundred.
pub(super) const MAX_LINE: usize = 1024;

/// Lists within lists: `+CIND: ("call",(0,1))` has two levels.
const MAX_DEPTH: usize = 3;

/// Gathers bytes to lines. CR and LF each end one, and lines without content are no lines, so it
/// does not matter which of the two an AG uses.
#[derive(Debug, Default)]
pub(super) struct Lines {
    line: Vec<u8>,
    overlong: bool,
}

impl Lines {
    /// Takes the next byte, and returns the line that it ends.
    pub(super) fn take(&mut self, byte: u8) -> Option<Vec<u8>> {
        if matches!(byte, b'\r' | b'\n') {
            let line = std::mem::take(&mut self.line);
            let whole = !std::mem::take(&mut self.overlong);
            return (whole && !line.is_empty()).then_some(line);
        }
        if self.line.len() == MAX_LINE {
            self.overlong = true;
            self.line.clear();
        }
        if !self.overlong {
            self.line.push(byte);
        }
        None
    }

    /// Returns how many bytes wait for the end of their line.
    #[cfg(any(test, fuzzing))]
    pub(super) fn kept(&self) -> usize {
        self.line.len()
    }
}

/// A line, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// The command was carried out.
    Ok,
    /// It was not; with the reason if the AG gave one (`+CME ERROR`, HFP 1.9, 4.34.2).
    Error(Option<u16>),
    /// A call was not made: NO CARRIER, BUSY and their like. They end a command that makes calls.
    NoCall,
    /// A call rings.
    Ring,
    /// A result code with values.
    Told(Code, Vec<Value>),
    /// Nothing that an HF has to know.
    Unknown,
}

/// The result codes that have values, named as in the standards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    Bcs,
    Bind,
    Brsf,
    Bsir,
    Bvra,
    Ccwa,
    Chld,
    Ciev,
    Cind,
    Clcc,
    Clip,
    Cops,
    Vgm,
    Vgs,
}

impl Code {
    fn named(name: &[u8]) -> Option<Self> {
        const NAMES: [(&str, Code); 14] = [
            ("+BCS", Code::Bcs),
            ("+BIND", Code::Bind),
            ("+BRSF", Code::Brsf),
            ("+BSIR", Code::Bsir),
            ("+BVRA", Code::Bvra),
            ("+CCWA", Code::Ccwa),
            ("+CHLD", Code::Chld),
            ("+CIEV", Code::Ciev),
            ("+CIND", Code::Cind),
            ("+CLCC", Code::Clcc),
            ("+CLIP", Code::Clip),
            ("+COPS", Code::Cops),
            ("+VGM", Code::Vgm),
            ("+VGS", Code::Vgs),
        ];
        let known = NAMES
            .iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()))?;
        Some(known.1)
    }
}

/// A value of a result code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Left out: nothing between two commas.
    Missing,
    /// A number, a range or a word, without the spaces around it.
    Word(String),
    /// What stood in quotes.
    Text(String),
    /// What stood in parentheses.
    List(Vec<Value>),
}

impl Value {
    /// Returns the value as a number. Some AGs put numbers in quotes.
    pub(super) fn number(&self) -> Option<u32> {
        self.text().trim().parse().ok()
    }

    /// Returns the value as text; nothing when it is a list or missing.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Word(text) | Self::Text(text) => text,
            Self::Missing | Self::List(_) => "",
        }
    }
}

/// Returns value number `index`; one that is not there is missing.
pub(super) fn at(values: &[Value], index: usize) -> &Value {
    values.get(index).unwrap_or(&Value::Missing)
}

/// Returns the values that an AG may have put in parentheses, or not: `(0,1,2)` and `0,1,2`.
pub(super) fn unwrapped(values: &[Value]) -> &[Value] {
    match values {
        [Value::List(inner)] => inner,
        _ => values,
    }
}

/// Takes a line apart.
pub(super) fn parse(line: &[u8]) -> Line {
    let line = line.trim_ascii();
    match line {
        b"OK" => return Line::Ok,
        b"ERROR" => return Line::Error(None),
        b"RING" => return Line::Ring,
        b"NO CARRIER" | b"BUSY" | b"NO ANSWER" | b"DELAYED" | b"BLACKLISTED" => {
            return Line::NoCall;
        }
        _ => {}
    }
    // HSP, which HFP came from, wrote "+VGS=7", and some AGs still do.
    let Some(end) = line.iter().position(|byte| matches!(byte, b':' | b'=')) else {
        return Line::Unknown;
    };
    let (name, rest) = (line[..end].trim_ascii(), &line[end + 1..]);
    if name.eq_ignore_ascii_case(b"+CME ERROR") {
        let reason = std::str::from_utf8(rest.trim_ascii()).ok();
        return Line::Error(reason.and_then(|reason| reason.parse().ok()));
    }
    match Code::named(name) {
        Some(code) => Line::Told(code, Reader { rest }.values(0)),
        None => Line::Unknown,
    }
}

/// Reads values one after the other.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads up to the end, or to the parenthesis that ends a list.
    fn values(&mut self, depth: usize) -> Vec<Value> {
        let mut values = Vec::new();
        loop {
            values.push(self.value(depth));
            // What stands between a value and its comma is nothing that belongs there.
            self.until(|byte| ends_value(byte, depth));
            let Some((end, rest)) = self.rest.split_first() else {
                return values;
            };
            self.rest = rest;
            if *end != b',' {
                return values;
            }
        }
    }

    fn value(&mut self, depth: usize) -> Value {
        self.until(|byte| byte != b' ');
        match self.rest.first() {
            Some(b'"') => {
                self.rest = &self.rest[1..];
                Value::Text(self.quoted())
            }
            Some(b'(') if depth < MAX_DEPTH => {
                self.rest = &self.rest[1..];
                Value::List(self.values(depth + 1))
            }
            _ => match self.until(|byte| ends_value(byte, depth)).trim_ascii() {
                [] => Value::Missing,
                word => Value::Word(String::from_utf8_lossy(word).into_owned()),
            },
        }
    }

    /// Reads up to a byte that `ends`, or the end, and returns what was read.
    fn until(&mut self, ends: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self.rest.iter().position(|byte| ends(*byte));
        let (read, rest) = self.rest.split_at(length.unwrap_or(self.rest.len()));
        self.rest = rest;
        read
    }

    /// Reads up to the closing quote: the first with a comma, a parenthesis or the end behind it,
    /// for phones do not escape the quotes within a name. Without one all the rest is text.
    fn quoted(&mut self) -> String {
        let closes = |at: &usize| {
            let behind = self.rest[at + 1..].iter().find(|byte| **byte != b' ');
            self.rest[*at] == b'"' && matches!(behind, None | Some(b',' | b')'))
        };
        let length = (0..self.rest.len()).find(closes);
        let (text, rest) = self.rest.split_at(length.unwrap_or(self.rest.len()));
        self.rest = rest.get(1..).unwrap_or_default();
        // The two characters that V.250, 5.4.2.2, has an AG escape.
        let text = String::from_utf8_lossy(text);
        text.replace("\\22", "\"").replace("\\5C", "\\")
    }
}

/// Says whether a value ends before `byte`. Outside of lists a parenthesis is nothing special.
fn ends_value(byte: u8, depth: usize) -> bool {
    byte == b',' || (byte == b')' && depth > 0)
}

#[cfg(test)]
#[path = "at_tests.rs"]
mod tests;
