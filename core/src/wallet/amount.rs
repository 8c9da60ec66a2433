//! Amounts of SOL and of tokens: whole numbers of base units on the chain, decimal fractions for people. Text on both ways:
//! a number of JSON is a double for many readers, and loses digits that somebody pays for.

use crate::error::Problem;

/// Of SOL, whose base unit is the lamport.
pub const SOL_DECIMALS: u8 = 9;
/// More digits than any amount has: a token may have 255 decimals.
pub const MAX_TEXT: usize = 300;
/// A u64 has no more digits.
const MAX_DIGITS: usize = 20;

const BASE_UNITS: &str = "a whole number as a text, like \"10000000\"";
const AMOUNT: &str = "a decimal number as a text, like \"0.01\"";

/// An amount as it was asked for. At least one of both is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    base_units: Option<u64>,
    amount: Option<String>,
}

impl Wanted {
    /// # Errors
    /// When neither is there, or one is not of its form, or nothing.
    pub fn parse(base_units: Option<&str>, amount: Option<&str>) -> Result<Self, Problem> {
        if base_units.is_none() && amount.is_none() {
            let expected = format!("{AMOUNT}, or `baseUnits` must be {BASE_UNITS}");
            return Err(Problem::field("amount", &expected));
        }
        let whole = |text| whole(text).ok_or_else(|| Problem::field("baseUnits", BASE_UNITS));
        let base_units = base_units.map(whole).transpose()?;
        if amount.is_some_and(|text| fraction(text).is_none()) {
            return Err(Problem::field("amount", AMOUNT));
        }
        Ok(Self {
            base_units,
            amount: amount.map(str::to_owned),
        })
    }

    #[must_use]
    pub const fn base_units(&self) -> Option<u64> {
        self.base_units
    }

    #[must_use]
    pub fn amount(&self) -> Option<&str> {
        self.amount.as_deref()
    }

    /// The field that it was asked in, for who has to refuse it.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self.amount {
            Some(_) => "amount",
            None => "baseUnits",
        }
    }

    /// In base units of something with so many decimals.
    ///
    /// # Errors
    /// When it has more decimals, is more than can be counted, is nothing, or when both are there and differ.
    pub fn units(&self, decimals: u8) -> Result<u64, Problem> {
        let from_text = |text: &String| {
            let rule = format!("have at most {decimals} decimals, and be at most {}", {
                decimal(u64::MAX, decimals)
            });
            base_units(text, decimals).ok_or_else(|| Problem::value("amount", &rule))
        };
        let amount = self.amount.as_ref().map(from_text).transpose()?;
        let units = match (amount, self.base_units) {
            (Some(amount), Some(units)) if amount != units => {
                let rule = format!("be the same as `baseUnits`, with {decimals} decimals");
                return Err(Problem::value("amount", &rule));
            }
            (Some(units), _) | (None, Some(units)) => units,
            (None, None) => 0,
        };
        match units {
            0 => Err(Problem::value(self.field(), "be more than nothing")),
            units => Ok(units),
        }
    }
}

fn whole(text: &str) -> Option<u64> {
    digits(text)
        .filter(|text| text.len() <= MAX_DIGITS)?
        .parse()
        .ok()
}

/// Digits alone, in the one spelling that a number has.
fn digits(text: &str) -> Option<&str> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (plain && (text == "0" || !text.starts_with('0'))).then_some(text)
}

/// What stands before the point, and behind it.
fn fraction(text: &str) -> Option<(&str, &str)> {
    if text.len() > MAX_TEXT {
        return None;
    }
    let Some((before, behind)) = text.split_once('.') else {
        return Some((digits(text)?, ""));
    };
    let plain = !behind.is_empty() && behind.bytes().all(|byte| byte.is_ascii_digit());
    plain.then_some((digits(before)?, behind))
}

/// A decimal number in base units; `None` when it has more decimals, or does not fit.
#[must_use]
pub fn base_units(text: &str, decimals: u8) -> Option<u64> {
    let (before, behind) = fraction(text)?;
    let missing = usize::from(decimals).checked_sub(behind.len())?;
    let all = format!("{before}{behind}{}", "0".repeat(missing));
    match all.trim_start_matches('0') {
        "" => Some(0),
        text if text.len() <= MAX_DIGITS => text.parse().ok(),
        _ => None,
    }
}

/// Base units as a decimal number, without zeros at its end.
#[must_use]
pub fn decimal(base_units: u64, decimals: u8) -> String {
    let decimals = usize::from(decimals);
    let digits = format!("{base_units:0>width$}", width = decimals.saturating_add(1));
    let (before, behind) = digits
        .split_at_checked(digits.len().saturating_sub(decimals))
        .unwrap_or((&digits, ""));
    match behind.trim_end_matches('0') {
        "" => before.to_owned(),
        behind => format!("{before}.{behind}"),
    }
}

/// Lamports as they are told to people.
#[must_use]
pub fn sol(lamports: u64) -> String {
    format!("{} SOL", decimal(lamports, SOL_DECIMALS))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::Code;

    fn units(
        base: Option<&str>,
        amount: Option<&str>,
        decimals: u8,
    ) -> Result<u64, (Code, String)> {
        Wanted::parse(base, amount)
            .and_then(|wanted| wanted.units(decimals))
            .map_err(|problem| (problem.code, problem.field.unwrap_or_default()))
    }

    #[test]
    fn c21_an_amount_is_told_in_base_units_in_decimals_or_in_both_alike() {
        let all = "18446744073709551615";
        assert_eq!(units(Some("10000000"), None, 9), Ok(10_000_000));
        assert_eq!(units(None, Some("0.01"), 9), Ok(10_000_000));
        assert_eq!(units(Some("10000000"), Some("0.010"), 9), Ok(10_000_000));
        assert_eq!(
            units(Some(all), Some("18446744073.709551615"), 9),
            Ok(u64::MAX)
        );
        assert_eq!(units(None, Some("7"), 0), Ok(7));
        assert_eq!(units(None, Some("0.000000000000000000000001"), 24), Ok(1));
        let refused = |code, field: &str| Err((code, field.to_owned()));
        for (base, amount) in [(Some("1"), Some("0.01")), (Some("10000001"), Some("0.01"))] {
            assert_eq!(
                units(base, amount, 9),
                refused(Code::InvalidValue, "amount")
            );
        }
    }

    #[test]
    fn c21_what_is_no_amount_of_it_is_refused() {
        let value = Err((Code::InvalidValue, "amount".to_owned()));
        for too_much in [
            "18446744073.709551616",
            "0.0000000001",
            "99999999999999999999999",
        ] {
            assert_eq!(units(None, Some(too_much), 9), value, "{too_much}");
        }
        assert_eq!(units(None, Some("1.5"), 0), value);
        assert_eq!(units(None, Some("0.0"), 9), value);
        assert_eq!(
            units(Some("0"), None, 9),
            Err((Code::InvalidValue, "baseUnits".to_owned()))
        );
        for no_number in [
            "", " 1", "-1", "+1", "1e3", ".5", "1.", "01", "1,5", "0x1", "1.5.5", "\u{661}", "NaN",
        ] {
            assert_eq!(
                units(None, Some(no_number), 9),
                Err((Code::InvalidField, "amount".to_owned())),
                "{no_number}"
            );
        }
        for no_number in [
            "",
            "1.0",
            "-1",
            "01",
            "18446744073709551616",
            "184467440737095516150",
        ] {
            assert_eq!(
                units(Some(no_number), None, 9),
                Err((Code::InvalidField, "baseUnits".to_owned())),
                "{no_number}"
            );
        }
        assert_eq!(
            units(None, None, 9),
            Err((Code::InvalidField, "amount".to_owned()))
        );
        assert_eq!(
            units(None, Some(&"1".repeat(301)), 9),
            Err((Code::InvalidField, "amount".to_owned()))
        );
    }

    #[test]
    fn an_amount_is_shown_without_idle_zeros() {
        assert_eq!(decimal(10_000_000, 9), "0.01");
        assert_eq!(decimal(0, 9), "0");
        assert_eq!(decimal(1_000_000_000, 9), "1");
        assert_eq!(decimal(7, 0), "7");
        assert_eq!(sol(u64::MAX), "18446744073.709551615 SOL");
    }

    proptest! {
        #[test]
        fn c21_what_is_shown_reads_back_as_the_same(amount: u64, decimals: u8) {
            prop_assert_eq!(base_units(&decimal(amount, decimals), decimals), Some(amount));
        }

        #[test]
        fn no_text_makes_it_panic(text: String, decimals: u8) {
            let _ = base_units(&text, decimals);
            let _ = units(Some(&text), Some(&text), decimals);
        }
    }
}
