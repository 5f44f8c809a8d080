//! The functions of the language, members and slices.

use super::check::Type;
use super::value::Value;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Most octets of text that a function makes.
const MAX_TEXT: usize = 64 * 1024;

/// How many arguments a function takes; none for one that does not exist.
pub(super) fn arity(name: &str) -> Option<RangeInclusive<usize>> {
    Some(match name {
        "len" | "abs" | "ceil" | "floor" | "round" | "int" | "float" | "string" | "upper" | "lower" | "first"
        | "last" | "keys" | "values" | "toPairs" | "fromPairs" | "reverse" | "uniq" | "flatten" | "toJSON"
        | "fromJSON" | "toBase64" | "fromBase64" => 1..=1,
        "trim" => 1..=2,
        "trimPrefix" | "trimSuffix" | "hasPrefix" | "hasSuffix" | "indexOf" | "lastIndexOf" | "repeat" | "take"
        | "get" | "splitAfter" => 2..=3,
        "split" => 2..=3,
        "replace" => 3..=4,
        "join" | "sort" | "count" | "sum" => 1..=2,
        "max" | "min" | "mean" | "median" | "concat" => 1..=usize::MAX,
        "all" | "any" | "one" | "none" | "filter" | "map" | "find" | "findIndex" | "findLast" | "findLastIndex"
        | "groupBy" | "uniqBy" | "flatMap" => 2..=2,
        "sortBy" | "reduce" => 2..=3,
        _ => return None,
    })
}

/// What a function gives, as far as known beforehand.
pub(super) fn result(name: &str) -> Type {
    match name {
        "len" | "int" | "indexOf" | "lastIndexOf" | "count" | "findIndex" | "findLastIndex" => Type::Int,
        "float" | "ceil" | "floor" | "round" => Type::Float,
        "string" | "upper" | "lower" | "trim" | "trimPrefix" | "trimSuffix" | "replace" | "repeat" | "join"
        | "toJSON" | "toBase64" | "fromBase64" => Type::Text,
        "hasPrefix" | "hasSuffix" | "all" | "any" | "one" | "none" => Type::Bool,
        "keys" | "values" | "toPairs" | "uniq" | "flatten" | "concat" | "split" | "splitAfter" | "filter" | "map"
        | "sort" | "sortBy" | "take" | "uniqBy" | "flatMap" => Type::List,
        "fromPairs" | "groupBy" => Type::Map,
        _ => Type::Any,
    }
}

/// Calls a function without predicate.
pub(super) fn call(name: &str, arguments: &[Value]) -> Result<Value, String> {
    let refused = || {
        let types: Vec<_> = arguments.iter().map(Value::type_name).collect();
        format!("invalid argument for {name} (type {})", types.join(", "))
    };
    let found = text_function(name, arguments).or_else(|| list_function(name, arguments));
    match found.or_else(|| number_function(name, arguments)) {
        Some(result) => result,
        None => Err(refused()),
    }
}

/// A length as a value.
fn whole(number: usize) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A place in text, in characters; -1 for none.
fn place(text: &str, octet: Option<usize>) -> Value {
    octet.and_then(|octet| text.get(..octet)).map_or(Value::Int(-1), |before| whole(before.chars().count()))
}

/// Functions of text.
fn text_function(name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
    use Value::{Bool, Int, List, Text};
    let texts = |parts: Vec<String>| List(parts.into_iter().map(Text).collect());
    Some(Ok(match (name, arguments) {
        ("len", [Text(text)]) => whole(text.chars().count()),
        ("upper", [Text(text)]) => Text(text.to_uppercase()),
        ("lower", [Text(text)]) => Text(text.to_lowercase()),
        ("trim", [Text(text)]) => Value::text(text.trim()),
        ("trim", [Text(text), Text(letters)]) => Value::text(text.trim_matches(|letter| letters.contains(letter))),
        ("trimPrefix", [Text(text), Text(prefix)]) => Value::text(text.strip_prefix(prefix.as_str()).unwrap_or(text)),
        ("trimSuffix", [Text(text), Text(suffix)]) => Value::text(text.strip_suffix(suffix.as_str()).unwrap_or(text)),
        ("hasPrefix", [Text(text), Text(prefix)]) => Bool(text.starts_with(prefix.as_str())),
        ("hasSuffix", [Text(text), Text(suffix)]) => Bool(text.ends_with(suffix.as_str())),
        ("indexOf", [Text(text), Text(part)]) => place(text, text.find(part.as_str())),
        ("lastIndexOf", [Text(text), Text(part)]) => place(text, text.rfind(part.as_str())),
        ("split", [Text(text), Text(mark)]) => texts(split(text, mark, None)),
        ("split", [Text(text), Text(mark), Int(most)]) => texts(split(text, mark, usize::try_from(*most).ok())),
        ("splitAfter", [Text(text), Text(mark)]) => {
            texts(text.split_inclusive(mark.as_str()).map(str::to_owned).collect())
        }
        ("replace", [Text(text), Text(from), Text(to)]) => return Some(bounded(text.replace(from.as_str(), to))),
        ("replace", [Text(text), Text(from), Text(to), Int(most)]) => {
            let replaced = match usize::try_from(*most) {
                Ok(most) => text.replacen(from.as_str(), to, most),
                Err(_) => text.replace(from.as_str(), to),
            };
            return Some(bounded(replaced));
        }
        ("repeat", [Text(text), Int(times)]) => {
            let times = usize::try_from(*times).unwrap_or(0);
            if text.len().saturating_mul(times) > MAX_TEXT {
                return Some(Err("memory budget exceeded".to_owned()));
            }
            Text(text.repeat(times))
        }
        ("toBase64", [Text(text)]) => Text(base64(text.as_bytes())),
        ("fromBase64", [Text(text)]) => return Some(from_base64(text).map(Text)),
        ("toJSON", [value]) => Text(json(value)),
        ("fromJSON", [Text(text)]) => {
            let read = serde_json::from_str(text).map_err(|error| error.to_string());
            return Some(read.map(|value: serde_json::Value| from_json(&value)));
        }
        ("string", [value]) => Text(value.to_string()),
        _ => return None,
    }))
}

/// Text that is not too long.
fn bounded(text: String) -> Result<Value, String> {
    if text.len() > MAX_TEXT { Err("memory budget exceeded".to_owned()) } else { Ok(Value::Text(text)) }
}

/// The parts of text between marks; of an empty mark the characters.
fn split(text: &str, mark: &str, most: Option<usize>) -> Vec<String> {
    if mark.is_empty() {
        return text.chars().map(String::from).collect();
    }
    match most {
        Some(most) => text.splitn(most, mark).map(str::to_owned).collect(),
        None => text.split(mark).map(str::to_owned).collect(),
    }
}

/// Functions of lists and maps.
fn list_function(name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
    use Value::{Int, List, Map, Nil, Text};
    Some(Ok(match (name, arguments) {
        ("len", [List(values)]) => whole(values.len()),
        ("len" | "count", [Map(map)]) => whole(map.len()),
        ("count", [List(values)]) => whole(values.iter().filter(|value| **value == Value::Bool(true)).count()),
        ("first", [List(values)]) => values.first().cloned().unwrap_or(Nil),
        ("last", [List(values)]) => values.last().cloned().unwrap_or(Nil),
        ("take", [List(values), Int(count)]) => {
            List(values.iter().take(usize::try_from(*count).unwrap_or(0)).cloned().collect())
        }
        ("reverse", [List(values)]) => List(values.iter().rev().cloned().collect()),
        ("uniq", [List(values)]) => {
            let mut kept: Vec<Value> = Vec::new();
            values.iter().for_each(|value| {
                if !kept.contains(value) {
                    kept.push(value.clone())
                }
            });
            List(kept)
        }
        ("flatten", [List(values)]) => List(flatten(values)),
        ("concat", lists) if lists.iter().all(|list| matches!(list, List(_))) => {
            let values = lists.iter().flat_map(|list| if let List(values) = list { values.clone() } else { vec![] });
            List(values.collect())
        }
        ("sort", [List(values), rest @ ..]) => {
            let descends = matches!(rest.first(), Some(Text(order)) if order == "desc");
            List(sorted(values.iter().map(|value| (value.clone(), value.clone())).collect(), descends))
        }
        ("join", [List(values), rest @ ..]) => {
            let mark = if let Some(Text(mark)) = rest.first() { mark } else { "" };
            let texts: Vec<_> = values.iter().map(Value::to_string).collect();
            return Some(bounded(texts.join(mark)));
        }
        ("keys", [Map(map)]) => List(map.keys().cloned().map(Text).collect()),
        ("values", [Map(map)]) => List(map.values().cloned().collect()),
        ("toPairs", [Map(map)]) => {
            List(map.iter().map(|(key, value)| List(vec![Text(key.clone()), value.clone()])).collect())
        }
        ("fromPairs", [List(pairs)]) => {
            let pair = |pair: &Value| match pair {
                List(pair) => Some((pair.first()?.to_string(), pair.get(1)?.clone())),
                _ => None,
            };
            return pairs.iter().map(pair).collect::<Option<BTreeMap<_, _>>>().map(Map).map(Ok);
        }
        ("get", [value, key]) => member(value, key).unwrap_or(Nil),
        ("get", [value, key, other]) => match member(value, key) {
            Ok(Nil) | Err(_) => other.clone(),
            Ok(found) => found,
        },
        _ => return None,
    }))
}

/// The values of lists within a list.
fn flatten(values: &[Value]) -> Vec<Value> {
    let open = |value: &Value| if let Value::List(inner) = value { flatten(inner) } else { vec![value.clone()] };
    values.iter().flat_map(open).collect()
}

/// Values in the order of their keys.
fn sorted(mut pairs: Vec<(Value, Value)>, descends: bool) -> Vec<Value> {
    pairs.sort_by(|(one, _), (other, _)| {
        let order = one.order(other).unwrap_or(Ordering::Equal);
        if descends { order.reverse() } else { order }
    });
    pairs.into_iter().map(|(_, value)| value).collect()
}

/// Functions of numbers.
fn number_function(name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
    use Value::{Float, Int, List, Text};
    if matches!(name, "max" | "min" | "mean" | "median" | "sum") {
        let values = if let [List(values)] = arguments { values } else { arguments };
        return aggregate(name, values).map(Ok);
    }
    Some(Ok(match (name, arguments) {
        ("int", [Int(value)]) => Int(*value),
        #[expect(clippy::cast_possible_truncation, reason = "saturates")]
        ("int", [Float(value)]) => Int(*value as i64),
        ("int", [Text(text)]) => {
            let number = corefile::args::go_int(text).map_err(|_| format!("invalid operation: int({text})"));
            return Some(number.map(Int));
        }
        ("float", [Int(value)]) => Float(*value as f64),
        ("float", [Float(value)]) => Float(*value),
        ("float", [Text(text)]) => {
            let number = corefile::args::go_float(text).map_err(|_| format!("invalid operation: float({text})"));
            return Some(number.map(Float));
        }
        ("abs", [Int(value)]) => Int(value.wrapping_abs()),
        ("abs", [Float(value)]) => Float(value.abs()),
        ("ceil", [value]) => Float(value.as_float()?.ceil()),
        ("floor", [value]) => Float(value.as_float()?.floor()),
        ("round", [value]) => Float(value.as_float()?.round()),
        _ => return None,
    }))
}

/// One number from several.
fn aggregate(name: &str, values: &[Value]) -> Option<Value> {
    let mut numbers: Vec<f64> = values.iter().map(Value::as_float).collect::<Option<_>>()?;
    let by = |one: &&Value, other: &&Value| one.order(other).unwrap_or(Ordering::Equal);
    match name {
        "max" => values.iter().max_by(by).cloned(),
        "min" => values.iter().min_by(by).cloned(),
        "sum" if values.iter().all(|value| matches!(value, Value::Int(_))) => {
            let whole = |value: &Value| if let Value::Int(number) = value { *number } else { 0 };
            Some(Value::Int(values.iter().map(whole).fold(0, i64::wrapping_add)))
        }
        "sum" => Some(Value::Float(numbers.iter().sum())),
        _ if numbers.is_empty() => Some(Value::Float(0.0)),
        "mean" => Some(Value::Float(numbers.iter().sum::<f64>() / numbers.len() as f64)),
        _ => {
            numbers.sort_by(f64::total_cmp);
            let upper = numbers.get(numbers.len() / 2).copied()?;
            let lower = numbers.get((numbers.len() - 1) / 2).copied()?;
            Some(Value::Float((upper + lower) / 2.0))
        }
    }
}

/// What a function with a predicate makes of a list and what the predicate said of each value.
pub(super) fn gather(name: &str, values: Vec<Value>, results: Vec<Value>, descends: bool) -> Result<Value, String> {
    if matches!(name, "map" | "sum" | "sortBy" | "groupBy" | "uniqBy" | "flatMap") {
        return Ok(by_results(name, values, results, descends).unwrap_or(Value::Nil));
    }
    let truth = |value: &Value| if let Value::Bool(truth) = value { Ok(*truth) } else { Err(not_bool(value)) };
    let truths: Vec<bool> = results.iter().map(truth).collect::<Result<_, _>>()?;
    let count = truths.iter().filter(|truth| **truth).count();
    let first = truths.iter().position(|truth| *truth);
    let last = truths.iter().rposition(|truth| *truth);
    let at = |place: Option<usize>| place.and_then(|place| values.get(place)).cloned().unwrap_or(Value::Nil);
    let index = |place: Option<usize>| place.map_or(Value::Nil, whole);
    Ok(match name {
        "all" => Value::Bool(count == truths.len()),
        "any" => Value::Bool(count > 0),
        "one" => Value::Bool(count == 1),
        "none" => Value::Bool(count == 0),
        "count" => whole(count),
        "find" => at(first),
        "findIndex" => index(first),
        "findLast" => at(last),
        "findLastIndex" => index(last),
        _ => {
            let kept = values.into_iter().zip(truths).filter(|(_, truth)| *truth);
            Value::List(kept.map(|(value, _)| value).collect())
        }
    })
}

/// The error of a predicate that gives no truth value.
fn not_bool(value: &Value) -> String {
    format!("predicate should return boolean (got {})", value.type_name())
}

/// Functions that use what the predicate gives as it is.
fn by_results(name: &str, values: Vec<Value>, results: Vec<Value>, descends: bool) -> Option<Value> {
    Some(match name {
        "map" => Value::List(results),
        "flatMap" => Value::List(flatten(&results)),
        "sum" => aggregate("sum", &results)?,
        "sortBy" => Value::List(sorted(results.into_iter().zip(values).collect(), descends)),
        "groupBy" => {
            let mut groups: BTreeMap<String, Value> = BTreeMap::new();
            for (key, value) in results.into_iter().zip(values) {
                let group = groups.entry(key.to_string()).or_insert_with(|| Value::List(Vec::new()));
                if let Value::List(group) = group {
                    group.push(value);
                }
            }
            Value::Map(groups)
        }
        _ => {
            let mut seen: Vec<Value> = Vec::new();
            let mut kept = Vec::new();
            for (key, value) in results.into_iter().zip(values) {
                if !seen.contains(&key) {
                    seen.push(key);
                    kept.push(value);
                }
            }
            Value::List(kept)
        }
    })
}

/// The member of a list, a map or text; negative places count from the end.
pub(super) fn member(value: &Value, key: &Value) -> Result<Value, String> {
    match (value, key) {
        (Value::Map(map), Value::Text(key)) => Ok(map.get(key).cloned().unwrap_or(Value::Nil)),
        (Value::List(values), Value::Int(place)) => {
            let found = index(*place, values.len()).and_then(|place| values.get(place));
            found.cloned().ok_or_else(|| format!("index out of range: {place} (array length is {})", values.len()))
        }
        (Value::Text(text), Value::Int(place)) => {
            let found = index(*place, text.chars().count()).and_then(|place| text.chars().nth(place));
            found.map(Value::text).ok_or_else(|| format!("index out of range: {place}"))
        }
        (Value::Nil, _) => Err(format!("cannot fetch {key} from <nil>")),
        _ => Err(format!("cannot fetch {key} from {}", value.type_name())),
    }
}

/// A place counted from the start.
fn index(place: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    usize::try_from(if place < 0 { length + place } else { place }).ok()
}

/// A part of a list or of text.
pub(super) fn slice(value: &Value, from: Option<i64>, to: Option<i64>) -> Result<Value, String> {
    let bounds = |length: usize| {
        let place = |bound: i64| index(bound, length).unwrap_or(0).min(length);
        let (from, to) = (from.map_or(0, place), to.map_or(length, place));
        from..to.max(from)
    };
    match value {
        Value::List(values) => Ok(Value::List(values.get(bounds(values.len())).unwrap_or_default().to_vec())),
        Value::Text(text) => {
            let range = bounds(text.chars().count());
            Ok(Value::Text(text.chars().skip(range.start).take(range.len()).collect()))
        }
        _ => Err(format!("cannot slice {}", value.type_name())),
    }
}

/// A value as JSON, as Go's `encoding/json` indents and escapes it.
fn json(value: &Value) -> String {
    let text = serde_json::to_string_pretty(&to_json(value)).unwrap_or_default();
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// A value as a JSON value.
fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Nil => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Float(value) => (*value).into(),
        Value::Text(value) => value.as_str().into(),
        Value::List(values) => values.iter().map(to_json).collect(),
        Value::Map(map) => map.iter().map(|(key, value)| (key.clone(), to_json(value))).collect(),
    }
}

/// A value from a JSON value.
fn from_json(value: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match value {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(value) => Value::Float(value.as_f64().unwrap_or(0.0)),
        Json::String(value) => Value::text(value.as_str()),
        Json::Array(values) => Value::List(values.iter().map(from_json).collect()),
        Json::Object(map) => Value::Map(map.iter().map(|(key, value)| (key.clone(), from_json(value))).collect()),
    }
}

/// The digits of base 64 (RFC 4648 §4).
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Octets in base 64.
fn base64(octets: &[u8]) -> String {
    let mut text = String::new();
    for chunk in octets.chunks(3) {
        let octet = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
        for digit in 0..4 {
            let index = usize::try_from(bits >> (18 - 6 * digit) & 63).unwrap_or(0);
            let is_padding = digit > chunk.len();
            text.push(if is_padding { '=' } else { char::from(DIGITS.get(index).copied().unwrap_or(b'=')) });
        }
    }
    text
}

/// Text from base 64.
fn from_base64(text: &str) -> Result<String, String> {
    let invalid = || "illegal base64 data".to_owned();
    let (mut bits, mut count, mut octets) = (0_u32, 0, Vec::new());
    for digit in text.trim_end_matches('=').bytes() {
        let value = DIGITS.iter().position(|known| *known == digit).ok_or_else(invalid)?;
        bits = bits << 6 | u32::try_from(value).unwrap_or(0);
        count += 6;
        if count >= 8 {
            count -= 8;
            octets.push(u8::try_from(bits >> count & 255).unwrap_or(0));
        }
    }
    String::from_utf8(octets).map_err(|_| invalid())
}
