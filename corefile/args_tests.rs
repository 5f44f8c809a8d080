//! Numbers and durations against what Go 1.26 gives for the same texts.

use super::args::*;

/// Nanoseconds and the form in which Go prints them, or its message.
type Parsed = Result<(i64, &'static str), &'static str>;

/// Texts and what Go makes of them.
const DURATIONS: &[(&str, Parsed)] = &[
    ("", Err(r#"time: invalid duration """#)),
    ("0", Ok((0, "0s"))),
    ("-0", Ok((0, "0s"))),
    ("+5", Err(r#"time: missing unit in duration "+5""#)),
    ("1s", Ok((1000000000, "1s"))),
    ("1.5h", Ok((5400000000000, "1h30m0s"))),
    ("1m30s", Ok((90000000000, "1m30s"))),
    ("300ms", Ok((300000000, "300ms"))),
    ("-1s", Ok((-1000000000, "-1s"))),
    ("+1s", Ok((1000000000, "1s"))),
    (".5s", Ok((500000000, "500ms"))),
    ("1.s", Ok((1000000000, "1s"))),
    (".s", Err(r#"time: invalid duration ".s""#)),
    ("5", Err(r#"time: missing unit in duration "5""#)),
    ("abc", Err(r#"time: invalid duration "abc""#)),
    ("1x", Err(r#"time: unknown unit "x" in duration "1x""#)),
    ("1sé", Err(r#"time: unknown unit "s\xc3\xa9" in duration "1s\xc3\xa9""#)),
    ("9223372036854775807ns", Ok((9223372036854775807, "2562047h47m16.854775807s"))),
    ("9223372036854775808ns", Err(r#"time: invalid duration "9223372036854775808ns""#)),
    ("-9223372036854775808ns", Ok((-9223372036854775808, "-2562047h47m16.854775808s"))),
    ("9999999999h", Err(r#"time: invalid duration "9999999999h""#)),
    ("1h-2m", Err(r#"time: unknown unit "h-" in duration "1h-2m""#)),
    ("0.000000001s", Ok((1, "1ns"))),
    ("1.123456789123456789123s", Ok((1123456789, "1.123456789s"))),
    ("3000000h", Err(r#"time: invalid duration "3000000h""#)),
    ("1µs", Ok((1000, "1µs"))),
    ("1μs", Ok((1000, "1µs"))),
    ("1us", Ok((1000, "1µs"))),
    ("0.5ns", Ok((0, "0s"))),
    ("1e3s", Err(r#"time: unknown unit "e" in duration "1e3s""#)),
    ("\"\n", Err(r#"time: invalid duration "\"\x0a""#)),
    ("1 s", Err(r#"time: unknown unit " s" in duration "1 s""#)),
    ("-", Err(r#"time: invalid duration "-""#)),
    ("007s", Ok((7000000000, "7s"))),
    ("00000000000000000000001s", Ok((1000000000, "1s"))),
    ("1d", Err(r#"time: unknown unit "d" in duration "1d""#)),
    ("10ss", Err(r#"time: unknown unit "ss" in duration "10ss""#)),
    ("2562047h47m16.854775807s", Ok((9223372036854775807, "2562047h47m16.854775807s"))),
    ("2562047h47m16.854775808s", Err(r#"time: invalid duration "2562047h47m16.854775808s""#)),
];

#[test]
fn durations_as_go() {
    for (text, expected) in DURATIONS {
        let ours = go_signed_duration(text).map(|duration| (duration.nanos, duration.to_string()));
        let theirs = expected.map(|(nanos, form)| (nanos, form.to_owned())).map_err(str::to_owned);
        assert_eq!(ours, theirs, "{text}");
    }
    assert_eq!(go_duration("-5s"), Ok(std::time::Duration::ZERO));
    assert_eq!(GoDuration::from(std::time::Duration::MAX).nanos, i64::MAX);
}

/// What a message says after the function and the text.
fn reason<T>(result: Result<T, String>) -> Result<T, &'static str> {
    let reasons = ["invalid syntax", "value out of range"];
    result.map_err(|message| reasons.into_iter().find(|reason| message.ends_with(reason)).expect("a known reason"))
}

/// No number.
const SYNTAX: &str = "invalid syntax";

/// Too large.
const RANGE: &str = "value out of range";

#[test]
fn whole_numbers_as_go() {
    for text in ["", "abc", "1_0", "0x10", "1.5", " 1", "é", "\0", "-", "+"] {
        assert_eq!(reason(go_int(text)), Err(SYNTAX), "{text}");
        assert_eq!(reason(go_int_of(text, 32)), Err(SYNTAX), "{text}");
        assert_eq!(reason(go_uint(text, 16)), Err(SYNTAX), "{text}");
    }
    assert_eq!(go_int("+5"), Ok(5));
    assert_eq!(go_int("-9223372036854775808"), Ok(i64::MIN));
    for text in ["9223372036854775808", "-9223372036854775809", "99999999999999999999x"] {
        assert_eq!(reason(go_int(text)), Err(RANGE), "{text}");
    }
    assert_eq!((go_int_of("-2147483648", 32), reason(go_int_of("2147483648", 32))), (Ok(-2_147_483_648), Err(RANGE)));
    assert_eq!((go_uint("65535", 16), reason(go_uint("65536", 16))), (Ok(65535), Err(RANGE)));
    assert_eq!((reason(go_uint("+5", 16)), reason(go_uint("-5", 16))), (Err(SYNTAX), Err(SYNTAX)));
    assert_eq!(go_int("abc"), Err("strconv.Atoi: parsing \"abc\": invalid syntax".to_owned()));
    assert_eq!(go_int_of("x", 8), Err("strconv.ParseInt: parsing \"x\": invalid syntax".to_owned()));
    assert_eq!(go_uint("\0é", 8), Err("strconv.ParseUint: parsing \"\\x00é\": invalid syntax".to_owned()));
}

#[test]
fn numbers_of_any_base_as_go() {
    let good =
        [("0x1F", 31), ("0XfF", 255), ("0o17", 15), ("017", 15), ("0b101", 5), ("0", 0), ("00", 0), ("1_000", 1000)];
    for (text, number) in good.into_iter().chain([("0x_1f", 31), ("0_7", 7), ("10", 10)]) {
        assert_eq!(go_uint_any_base(text, 16), Ok(number), "{text}");
    }
    for text in ["", "08", "0x", "_1", "1__0", "1_", "0x1_", "0_", "-1", "+1", "0xg", "0x+1"] {
        assert_eq!(reason(go_uint_any_base(text, 16)), Err(SYNTAX), "{text}");
    }
    assert_eq!(reason(go_uint_any_base("0x10000", 16)), Err(RANGE));
}

#[test]
fn fractions_and_truth_values_as_go() {
    for (text, number) in [("1", 1.0), ("1.5", 1.5), (".5", 0.5), ("5.", 5.0), ("-1e3", -1000.0), ("1_0", 10.0)] {
        assert_eq!(go_float(text), Ok(number), "{text}");
    }
    assert!(go_float("inf").is_ok_and(f64::is_infinite) && go_float("NaN").is_ok_and(f64::is_nan));
    for text in ["", "+nan", "abc", "1e", ".", "_1", "1_", "1__0"] {
        assert_eq!(reason(go_float(text)), Err(SYNTAX), "{text}");
    }
    assert_eq!(reason(go_float("-1e400")), Err(RANGE));
    assert_eq!((go_bool("TRUE"), go_bool("f")), (Ok(true), Ok(false)));
    assert_eq!(go_bool("tRue"), Err("strconv.ParseBool: parsing \"tRue\": invalid syntax".to_owned()));
}

#[test]
fn quoting_as_go() {
    assert_eq!(go_quote("a\"b\\{"), r#""a\"b\\{""#);
    assert_eq!(go_quote("\u{7}\u{8}\u{c}\n\r\t\u{b}\0\u{1f}\u{7f}"), r#""\a\b\f\n\r\t\v\x00\x1f\x7f""#);
    assert_eq!(go_quote("é€😀\u{301}\u{fffd}"), "\"é€😀\u{301}\u{fffd}\"");
    assert_eq!(go_quote("\u{a0}\u{200b}\u{feff}\u{e0001}"), r#""\u00a0\u200b\ufeff\U000e0001""#);
}
