//! Words from the air that people will read.
//!
//! Invariant: what comes out holds no control character, no invisible reordering of text, and no
//! more characters than asked for.

/// The longest name of a person or an operator, in characters.
pub(super) const MAX_NAME: usize = 128;

/// Returns `text` fit to be shown: without control characters and without the marks that make
/// text run backwards (a number must not read differently from what it is), and not too long.
pub(super) fn clean(text: &str, most: usize) -> String {
    let shown: String = text
        .chars()
        .filter(|c| !c.is_control() && !reorders(*c))
        .take(most)
        .collect();
    shown.trim().to_owned()
}

/// The bidirectional formatting characters (Unicode Standard Annex 9, 2), and line separators.
fn reorders(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns a phone number as people dial it. `kind` is the type of address of 3GPP 24.008,
/// 10.5.4.7; 145 is an international number, which phones send with or without the "+".
pub(super) fn number(text: &str, kind: Option<u32>) -> String {
    const INTERNATIONAL: u32 = 145;
    let shown = clean(text, usize::MAX);
    if kind == Some(INTERNATIONAL) && !shown.is_empty() && !shown.starts_with('+') {
        format!("+{shown}")
    } else {
        shown
    }
}

/// Says whether two numbers are the same line. Phones write one number in two ways, with and without
/// the country, so the last seven digits decide.
pub(super) fn same_number(one: &str, other: &str) -> bool {
    const ENOUGH: usize = 7;
    let tail = |number: &str| -> Vec<char> {
        let digits = number.chars().rev().filter(|c| !matches!(c, ' ' | '-'));
        digits.take(ENOUGH).collect()
    };
    let (tail_of_one, tail_of_other) = (tail(one), tail(other));
    one == other || (tail_of_one.len() == ENOUGH && tail_of_one == tail_of_other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_that_a_reader_cannot_see() {
        for (text, shown) in [
            ("Anna", "Anna"),
            ("An\u{7}na\n", "Anna"),
            ("\u{202e}321\u{202c}", "321"),
            ("  \t ", ""),
            ("Дядя Ваня", "Дядя Ваня"),
            ("\u{1b}[31mred", "[31mred"),
        ] {
            assert_eq!(clean(text, MAX_NAME), shown);
        }
        assert_eq!(clean(&"x".repeat(500), MAX_NAME).len(), MAX_NAME);
    }

    #[test]
    fn a_number_may_be_written_in_two_ways() {
        for (one, other, same) in [
            ("+4930123456", "030123456", true),
            ("+4930123456", "030 123-456", true),
            ("+4930123456", "+4930123457", false),
            ("110", "110", true),
            ("110", "0110", false),
            ("", "", true),
        ] {
            assert_eq!(same_number(one, other), same, "{one} {other}");
        }
    }

    #[test]
    fn international_numbers_begin_with_a_plus() {
        for (text, kind, shown) in [
            ("4930123456", Some(145), "+4930123456"),
            ("+4930123456", Some(145), "+4930123456"),
            ("030123456", Some(129), "030123456"),
            ("030123456", None, "030123456"),
            ("", Some(145), ""),
        ] {
            assert_eq!(number(text, kind), shown);
        }
    }
}
