//! Go's notation of durations, both ways: `300ms`, `1m30s`, `1h`. Refuses in the words of Go's `time`.

use std::fmt;
use std::time::Duration;

/// A duration as Go has it: whole nanoseconds of either sign, at most some 292 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct GoDuration {
    /// Nanoseconds.
    pub nanos: i64,
}

impl GoDuration {
    /// Whether it is less than nothing.
    pub fn is_negative(self) -> bool {
        self.nanos < 0
    }

    /// The duration, or zero when it is negative.
    pub fn or_zero(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.nanos).unwrap_or(0))
    }
}

/// Durations beyond 292 years become the longest.
impl From<Duration> for GoDuration {
    fn from(duration: Duration) -> Self {
        Self { nanos: i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX) }
    }
}

/// As Go writes it: `1m30s`, `1.5s`, `300ms`, `0s`.
impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.nanos.unsigned_abs();
        if self.is_negative() {
            f.write_str("-")?;
        }
        match nanos {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{nanos}ns"),
            1_000..1_000_000 => write!(f, "{}µs", decimal(nanos, 3)),
            1_000_000..1_000_000_000 => write!(f, "{}ms", decimal(nanos, 6)),
            _ => {
                let (minutes, rest) = (nanos / MINUTE, nanos % MINUTE);
                match (minutes / 60, minutes % 60) {
                    (0, 0) => (),
                    (0, minutes) => write!(f, "{minutes}m")?,
                    (hours, minutes) => write!(f, "{hours}h{minutes}m")?,
                }
                write!(f, "{}s", decimal(rest, 9))
            }
        }
    }
}

/// `value` divided by ten to the `places`, without zeros at the end.
fn decimal(value: u64, places: usize) -> String {
    let unit = 10_u64.pow(u32::try_from(places).unwrap_or(0));
    let fraction = format!("{:0places$}", value % unit);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { (value / unit).to_string() } else { format!("{}.{fraction}", value / unit) }
}

/// Nanoseconds of a minute.
const MINUTE: u64 = 60_000_000_000;

/// Go's units in nanoseconds; microseconds with either letter of that look.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", MINUTE),
    ("h", 60 * MINUTE),
];

/// The largest number of nanoseconds before the sign: that of the most negative duration.
const MAX: u64 = 1 << 63;

/// A duration that may be negative (`time.ParseDuration`), or Go's message.
pub fn go_signed_duration(text: &str) -> Result<GoDuration, String> {
    let nanos = parse(text).map_err(|fault| match fault {
        Fault::Invalid => format!("time: invalid duration {}", quote(text)),
        Fault::NoUnit => format!("time: missing unit in duration {}", quote(text)),
        Fault::Unit(unit) => format!("time: unknown unit {} in duration {}", quote(&unit), quote(text)),
    })?;
    Ok(GoDuration { nanos })
}

/// A duration, or Go's message. A negative one counts as zero: whoever must tell them apart takes
/// [`go_signed_duration`].
pub fn go_duration(text: &str) -> Result<Duration, String> {
    go_signed_duration(text).map(GoDuration::or_zero)
}

/// What can be wrong with a duration.
enum Fault {
    /// No number where one must be, or too much.
    Invalid,
    /// A number without unit.
    NoUnit,
    /// A unit that does not exist.
    Unit(String),
}

/// Nanoseconds with their sign.
fn parse(text: &str) -> Result<i64, Fault> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned == "0" {
        return Ok(0);
    }
    let mut rest = unsigned;
    let mut total = 0_u64;
    while !rest.is_empty() || unsigned.is_empty() {
        let (nanos, after) = part(rest)?;
        total = total.checked_add(nanos).filter(|total| *total <= MAX).ok_or(Fault::Invalid)?;
        rest = after;
    }
    if text.starts_with('-') {
        return Ok(0_i64.wrapping_sub_unsigned(total));
    }
    i64::try_from(total).map_err(|_| Fault::Invalid)
}

/// One number with its unit, and what follows.
fn part(text: &str) -> Result<(u64, &str), Fault> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), digits);
    if whole.is_empty() && fraction.is_empty() {
        return Err(Fault::Invalid);
    }
    let number = match whole.trim_start_matches('0') {
        "" => 0,
        number => number.parse::<u64>().ok().filter(|number| *number <= MAX).ok_or(Fault::Invalid)?,
    };
    let end = rest.find(|letter: char| letter == '.' || letter.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at_checked(end).unwrap_or((rest, ""));
    if unit.is_empty() {
        return Err(Fault::NoUnit);
    }
    let Some((_, size)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(Fault::Unit(unit.to_owned()));
    };
    let nanos = number.checked_mul(*size).filter(|nanos| *nanos <= MAX).ok_or(Fault::Invalid)?;
    let nanos = nanos.checked_add(fraction_of(fraction, *size)).filter(|nanos| *nanos <= MAX);
    Ok((nanos.ok_or(Fault::Invalid)?, rest))
}

/// The leading digits and the rest.
fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// That part of a unit, counted in floating point as Go does; digits beyond 18 do not matter.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "less than one unit, so at most 3.6e12, and Go rounds the same way"
)]
fn fraction_of(digits: &str, unit: u64) -> u64 {
    let kept = digits.get(..18).unwrap_or(digits);
    let Ok(number) = kept.parse::<u64>() else { return 0 };
    let scale = 10_u64.pow(u32::try_from(kept.len()).unwrap_or(0));
    (number as f64 * (unit as f64 / scale as f64)) as u64
}

/// Go's own quoting in `time`: bytes outside printable ASCII as `\x..`.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            b' '..0x80 => quoted.push(char::from(byte)),
            _ => quoted.push_str(&format!("\\x{byte:02x}")),
        }
    }
    quoted.push('"');
    quoted
}
