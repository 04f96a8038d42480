//! The indicators of the AG: which are where, and what they say (HFP 1.9, 4.34.2; 3GPP 27.007, 8.9).
//!
//! Invariant: a value that is kept lies in the range that HFP gives it. The order is the AG's own
//! (`AT+CIND=?`); those that HFP does not know keep their place and say nothing.

use super::at::{Value, at};

/// The indicators of HFP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Indicator {
    Service,
    Call,
    CallSetup,
    CallHeld,
    Signal,
    Roaming,
    Battery,
}

impl Indicator {
    /// Their names on the air and their largest values; HFP 0.96 wrote "call_setup".
    const ALL: [(&str, Self, u8); 8] = [
        ("service", Self::Service, 1),
        ("call", Self::Call, 1),
        ("callsetup", Self::CallSetup, 3),
        ("call_setup", Self::CallSetup, 3),
        ("callheld", Self::CallHeld, 2),
        ("signal", Self::Signal, 5),
        ("roam", Self::Roaming, 1),
        ("battchg", Self::Battery, 5),
    ];
    const COUNT: usize = 7;

    fn named(name: &str) -> Option<Self> {
        let known = Self::ALL
            .iter()
            .find(|(known, ..)| known.eq_ignore_ascii_case(name.trim()))?;
        Some(known.1)
    }

    fn largest(self) -> u8 {
        Self::ALL
            .iter()
            .find(|(_, known, _)| *known == self)
            .map_or(0, |(_, _, largest)| *largest)
    }
}

/// What the AG indicates.
#[derive(Clone, Debug, Default)]
pub(super) struct Indicators {
    order: Vec<Option<Indicator>>,
    values: [Option<u8>; Indicator::COUNT],
}

/// The three indicators that tell of calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CallSigns {
    /// 1: at least one call is active or held.
    pub(super) call: u8,
    /// 1: one comes in; 2: one is dialed; 3: it rings over there.
    pub(super) setup: u8,
    /// 1: one is held and one active; 2: all are held.
    pub(super) held: u8,
}

impl CallSigns {
    /// Says whether there is no call at all.
    pub(super) fn are_idle(self) -> bool {
        self == Self::default()
    }
}

impl Indicators {
    /// Learns the order from `+CIND: ("service",(0,1)),("call",(0,1)),...`.
    pub(super) fn learn(&mut self, values: &[Value]) {
        self.order.clear();
        for value in values {
            let name = match value {
                Value::List(inner) => at(inner, 0).text(),
                other => other.text(),
            };
            let known = Indicator::named(name).filter(|known| !self.has(*known));
            self.order.push(known);
        }
    }

    /// Says whether the AG has the indicator.
    pub(super) fn has(&self, indicator: Indicator) -> bool {
        self.order.contains(&Some(indicator))
    }

    /// Takes over the values of `+CIND: 1,0,0,...`.
    pub(super) fn read(&mut self, values: &[Value]) {
        for (place, value) in values.iter().enumerate() {
            if let Some(value) = value.number() {
                self.set(place, value);
            }
        }
    }

    /// Takes over `+CIEV: <place>,<value>`, where the first place is 1, and returns which indicator
    /// that was.
    pub(super) fn change(&mut self, values: &[Value]) -> Option<Indicator> {
        let place = at(values, 0).number()?.checked_sub(1)?;
        self.set(usize::try_from(place).ok()?, at(values, 1).number()?)
    }

    fn set(&mut self, place: usize, value: u32) -> Option<Indicator> {
        let indicator = (*self.order.get(place)?)?;
        let value = u8::try_from(value).ok()?;
        (value <= indicator.largest()).then(|| {
            self.values[indicator as usize] = Some(value);
            indicator
        })
    }

    /// Returns what an indicator says; nothing when the AG has none or has not told.
    pub(super) fn get(&self, indicator: Indicator) -> Option<u8> {
        self.values[indicator as usize]
    }

    /// Returns what is said of calls.
    pub(super) fn call_signs(&self) -> CallSigns {
        let get = |indicator| self.get(indicator).unwrap_or(0);
        CallSigns {
            call: get(Indicator::Call),
            setup: get(Indicator::CallSetup),
            held: get(Indicator::CallHeld),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::at::{Line, parse};
    use super::*;
    use proptest::prelude::*;

    fn values(line: &str) -> Vec<Value> {
        match parse(line.as_bytes()) {
            Line::Told(_, values) => values,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn learned(line: &str) -> Indicators {
        let mut indicators = Indicators::default();
        indicators.learn(&values(line));
        indicators
    }

    #[test]
    fn each_phone_has_its_own_order() {
        use Indicator::*;
        let cases: [(&str, &[Option<Indicator>]); 4] = [
            (
                r#"+CIND: ("service",(0-1)),("call",(0-1)),("callsetup",(0-3)),("battchg",(0-5)),("signal",(0-5)),("roam",(0-1)),("callheld",(0-2))"#,
                &[Service, Call, CallSetup, Battery, Signal, Roaming, CallHeld].map(Some),
            ),
            (
                r#"+CIND: ("call",(0,1)),("callsetup",(0-3))"#,
                &[Some(Call), Some(CallSetup)],
            ),
            (
                r#"+CIND: ("message",(0,1)),("CALL",(0,1)),(call_setup,(0,3)),("call",(0,1))"#,
                &[None, Some(Call), Some(CallSetup), None],
            ),
            ("+CIND: ,(),((((", &[None, None, None]),
        ];
        for (line, order) in cases {
            assert_eq!(learned(line).order, order, "{line}");
        }
    }

    #[test]
    fn values_out_of_range_are_not_taken() {
        let mut signs = learned(r#"+CIND: ("signal",(0-5)),("x",(0)),("call",(0,1))"#);
        signs.read(&values("+CIND: 6,1,1,1,1"));
        assert_eq!(signs.get(Indicator::Signal), None);
        assert_eq!(signs.get(Indicator::Call), Some(1));
        for (line, changed) in [
            ("+CIEV: 1,5", Some(Indicator::Signal)),
            ("+CIEV: 1,6", None),
            ("+CIEV: 1,256", None),
            ("+CIEV: 0,1", None),
            ("+CIEV: 2,1", None),
            ("+CIEV: 4,1", None),
            ("+CIEV: 3", None),
            ("+CIEV: 4294967295,1", None),
            ("+CIEV: 3,0", Some(Indicator::Call)),
        ] {
            assert_eq!(signs.change(&values(line)), changed, "{line}");
        }
        assert_eq!(signs.get(Indicator::Signal), Some(5));
        assert!(signs.call_signs().are_idle());
    }

    proptest! {
        #[test]
        fn what_is_kept_is_in_range(
            names in "[a-z,()\"0-9 ]{0,80}",
            changes in prop::collection::vec((any::<u32>(), any::<u32>()), 0..20),
        ) {
            let mut signs = Indicators::default();
            if let Line::Told(_, values) = parse(format!("+CIND: {names}").as_bytes()) {
                signs.learn(&values);
            }
            for (place, value) in changes {
                signs.change(&values(&format!("+CIEV: {},{}", place % 9, value % 9)));
            }
            for (_, indicator, largest) in Indicator::ALL {
                prop_assert!(signs.get(indicator).is_none_or(|value| value <= largest));
            }
        }
    }
}
