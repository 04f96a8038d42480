//! Finds the phone that a person means.
//!
//! Invariant: a full name or address wins over a part of one; several that fit equally well are
//! told, never guessed between.

use super::model::Address;
use super::rejection::{Rejection, RejectionKind};

/// Finds the one phone among `phones` whose address or name is, or else contains, `wanted`. Case
/// does not matter.
///
/// # Errors
/// Says that none fits, or which ones do.
pub fn phone<'p>(
    wanted: &str,
    phones: impl IntoIterator<Item = (Address, &'p str)>,
) -> Result<Address, Rejection> {
    let wanted = wanted.trim();
    if wanted.is_empty() {
        return Err(Rejection::new(
            RejectionKind::InvalidArgument,
            "name the phone by a part of its name or address; `dotctl phones` lists them",
        ));
    }
    let folded = wanted.to_lowercase();
    let phones: Vec<_> = phones.into_iter().collect();
    let is_it = |&&(address, name): &&(Address, &str)| {
        name.to_lowercase() == folded || address.to_string().to_lowercase() == folded
    };
    let may_be_it = |&&(address, name): &&(Address, &str)| {
        name.to_lowercase().contains(&folded)
            || address.to_string().to_lowercase().contains(&folded)
    };
    let mut fitting: Vec<_> = phones.iter().filter(is_it).collect();
    if fitting.is_empty() {
        fitting = phones.iter().filter(may_be_it).collect();
    }
    match fitting[..] {
        [(address, _)] => Ok(*address),
        [] => Err(Rejection::new(
            RejectionKind::NotFound,
            format!("no phone is called \"{wanted}\"; `dotctl phones` lists them"),
        )),
        _ => Err(ambiguous(wanted, &fitting)),
    }
}

fn ambiguous(wanted: &str, fitting: &[&(Address, &str)]) -> Rejection {
    let names: Vec<_> = fitting
        .iter()
        .map(|(address, name)| format!("{name} ({address})"))
        .collect();
    Rejection::new(
        RejectionKind::Ambiguous,
        format!(
            "\"{wanted}\" fits {}; say more of the name, or the address",
            names.join(" and ")
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Address {
        Address::new([0xDA, 0x4C, 0x10, 0xDE, 0, last])
    }

    fn find(wanted: &str) -> Result<u8, RejectionKind> {
        let phones = [
            (address(1), "Anna"),
            (address(2), "Annabel's iPhone"),
            (address(3), "Pixel 8"),
            (address(4), "ÖZGÜR"),
            (address(0xAB), "Pixel 8"),
        ];
        phone(wanted, phones)
            .map(|found| found.octets()[5])
            .map_err(|rejection| rejection.kind)
    }

    #[test]
    fn a_full_name_wins_over_a_part() {
        assert_eq!(find("anna"), Ok(1));
        assert_eq!(find("annab"), Ok(2));
        assert_eq!(find("ann"), Err(RejectionKind::Ambiguous));
    }

    #[test]
    fn case_and_space_around_do_not_matter() {
        assert_eq!(find("  IPHONE "), Ok(2));
        assert_eq!(find("özgür"), Ok(4));
    }

    #[test]
    fn addresses_work_whole_and_in_part() {
        assert_eq!(find("da:4c:10:de:00:03"), Ok(3));
        assert_eq!(find("00:ab"), Ok(0xAB));
        assert_eq!(find("da:4c"), Err(RejectionKind::Ambiguous));
    }

    #[test]
    fn two_of_the_same_name_need_the_address() {
        assert_eq!(find("pixel 8"), Err(RejectionKind::Ambiguous));
        let both = [(address(1), "Pixel 8"), (address(2), "Pixel 8")];
        let told = phone("Pixel 8", both).unwrap_err().message;
        assert_eq!(
            told,
            "\"Pixel 8\" fits Pixel 8 (DA:4C:10:DE:00:01) and Pixel 8 (DA:4C:10:DE:00:02); say more \
             of the name, or the address"
        );
    }

    #[test]
    fn nobody_is_found_by_nothing() {
        assert_eq!(find(" "), Err(RejectionKind::InvalidArgument));
        assert_eq!(find("Nokia"), Err(RejectionKind::NotFound));
    }
}
