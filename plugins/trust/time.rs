//! Points in time of certificates, to the second and in UTC. Knows no clock.

use super::der::{Reader, tag};
use std::fmt;

/// Seconds since 1970; shown as RFC 3339 has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Instant(pub(super) i64);

const DAY: i64 = 86_400;

impl Instant {
    /// Reads `UTCTime` or `GeneralizedTime` as Go does: seconds may be missing in the former, a zone other than `Z` is allowed.
    ///
    /// # Errors
    /// In Go's words.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, &'static str> {
        let (digits, what) = if reader.is_next(tag::UTC_TIME) {
            (2, "x509: malformed UTCTime")
        } else if reader.is_next(tag::GENERALIZED_TIME) {
            (4, "x509: malformed GeneralizedTime")
        } else {
            return Err("x509: unsupported time format");
        };
        let text = reader.any().map(|element| element.content).ok_or(what)?;
        parse(text, digits).ok_or(what)
    }
}

/// Parses a time whose year has this many digits.
fn parse(text: &[u8], digits: usize) -> Option<Instant> {
    let mut rest = text;
    let mut number = |length: usize| -> Option<i64> {
        let (head, tail) = rest.split_at_checked(length)?;
        if !head.iter().all(u8::is_ascii_digit) {
            return None;
        }
        rest = tail;
        Some(head.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
    };
    let year = number(digits)?;
    let year = if digits == 4 { year } else { year + if year < 50 { 2000 } else { 1900 } };
    let (month, day, hour, minute) = (number(2)?, number(2)?, number(2)?, number(2)?);
    let second = match number(2) {
        Some(second) => second,
        None if digits == 2 => 0,
        None => return None,
    };
    let offset = match rest {
        [b'Z'] => 0,
        [sign @ (b'+' | b'-'), zone @ ..] if zone.len() == 4 && zone.iter().all(u8::is_ascii_digit) => {
            let number = zone.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
            let seconds = (number / 100 * 60 + number % 100) * 60;
            if seconds == 0 || number / 100 > 24 || number % 100 > 59 {
                return None;
            }
            if *sign == b'+' { seconds } else { -seconds }
        }
        _ => return None,
    };
    let is_valid = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    if !is_valid || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(Instant(days_since_epoch(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset))
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Counts the days from 1 January 1970 to a day.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let before = year - 1;
    let years = before * 365 + before / 4 - before / 100 + before / 400 - 719_162;
    years + (1..month).map(|month| days_in(year, month)).sum::<i64>() + day - 1
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut days, seconds) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        // A year too early or exact: the mean year has 365.2425 days.
        let mut year = 1969 + days.div_euclid(366);
        while days_since_epoch(year + 1, 1, 1) <= days {
            year += 1;
        }
        days -= days_since_epoch(year, 1, 1);
        let mut month = 1;
        while days >= days_in(year, month) {
            days -= days_in(year, month);
            month += 1;
        }
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", days + 1)
    }
}
