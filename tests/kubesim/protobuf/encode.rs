//! A value in JSON to the octets of a message, by its table.
//! Knows no particular type. It writes as the API's own encoder does: fields by number, what is no pointer always, maps by key.
//! What the table lacks is dropped; a value of the wrong shape becomes a field that every reader must refuse.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::schema::{Field, Kind, Message, Rule};

/// Wire type of numbers.
const VARINT: u32 = 0;

/// Wire type of everything that has a length.
const LENGTH: u32 = 2;

/// Appends a message; without an object, as it is when nothing is set.
pub(crate) fn message(schema: Message, object: Option<&Map<String, Value>>, out: &mut Vec<u8>) {
    for field in schema {
        let value = object.and_then(|object| object.get(field.name)).filter(|value| !value.is_null());
        write_field(field, value, out);
    }
}

/// Appends a field as its rule says.
fn write_field(field: &Field, value: Option<&Value>, out: &mut Vec<u8>) {
    match (field.rule, value) {
        (Rule::IfSet | Rule::Each, None) => {}
        (Rule::Always, None) => zero(field.number, field.kind, out),
        (Rule::Each, Some(Value::Array(items))) => {
            items.iter().for_each(|item| write_or_spoil(field.number, field.kind, item, out));
        }
        (Rule::Each, Some(other)) => spoil(field.number, field.kind, other, out),
        (_, Some(value)) => write_or_spoil(field.number, field.kind, value, out),
    }
}

/// Appends a value, or what stands for one that does not fit.
fn write_or_spoil(number: u32, kind: Kind, value: &Value, out: &mut Vec<u8>) {
    let start = out.len();
    if write(number, kind, value, out).is_none() {
        out.truncate(start);
        spoil(number, kind, value, out);
    }
}

/// Appends a value under a number; none if it does not fit: then `out` may have something of it.
fn write(number: u32, kind: Kind, value: &Value, out: &mut Vec<u8>) -> Option<()> {
    match (kind, value) {
        (_, Value::Null) => zero(number, kind, out),
        (Kind::Text, Value::String(text)) => octets(number, text.as_bytes(), out),
        (Kind::Base64, Value::String(text)) => octets(number, &STANDARD.decode(text).ok()?, out),
        (Kind::Json, value) => nested(number, out, |out| octets(1, value.to_string().as_bytes(), out)),
        (Kind::Bool, Value::Bool(is_on)) => number_field(number, i64::from(*is_on), out),
        (Kind::Int32, Value::Number(value)) => {
            number_field(number, i32::try_from(value.as_i64()?).ok()?.into(), out);
        }
        (Kind::Int64, Value::Number(value)) => number_field(number, value.as_i64()?, out),
        (Kind::Time, Value::String(text)) => {
            let time: jiff::Timestamp = text.parse().ok()?;
            nested(number, out, |out| {
                number_field(1, time.as_second(), out);
                number_field(2, 0, out);
            });
        }
        (Kind::IntOrString, Value::Number(value)) => {
            int_or_string(number, (0, i32::try_from(value.as_i64()?).ok()?.into(), ""), out);
        }
        (Kind::IntOrString, Value::String(text)) => int_or_string(number, (1, 0, text), out),
        (Kind::Quantity, Value::String(text)) => nested(number, out, |out| octets(1, text.as_bytes(), out)),
        (Kind::Quantity, Value::Number(value)) => {
            nested(number, out, |out| octets(1, value.to_string().as_bytes(), out));
        }
        (Kind::Map(kind), Value::Object(map)) => entries(number, *kind, map, out)?,
        (Kind::Message(schema), Value::Object(object)) => {
            nested(number, out, |out| message(schema, Some(object), out));
        }
        _ => return None,
    }
    Some(())
}

/// Appends the entries of a map, which stand by key already; none if one does not fit. The whole map is spoilt then: some
/// readers do not look at wire types within an entry.
fn entries(number: u32, kind: Kind, map: &Map<String, Value>, out: &mut Vec<u8>) -> Option<()> {
    for (key, value) in map {
        let mut entry = Vec::with_capacity(key.len() + 32);
        octets(1, key.as_bytes(), &mut entry);
        write(2, kind, value, &mut entry)?;
        octets(number, &entry, out);
    }
    Some(())
}

/// Appends what a field that must be there holds when nothing is set.
fn zero(number: u32, kind: Kind, out: &mut Vec<u8>) {
    match kind {
        Kind::Text | Kind::Base64 | Kind::Time | Kind::Json | Kind::Map(_) => octets(number, b"", out),
        Kind::Quantity => nested(number, out, |out| octets(1, b"0", out)),
        Kind::Bool | Kind::Int32 | Kind::Int64 => number_field(number, 0, out),
        Kind::IntOrString => int_or_string(number, (0, 0, ""), out),
        Kind::Message(schema) => nested(number, out, |out| message(schema, None, out)),
    }
}

/// Appends a field of another wire type than it is due, for a value of the wrong shape.
fn spoil(number: u32, kind: Kind, value: &Value, out: &mut Vec<u8>) {
    match kind {
        Kind::Bool | Kind::Int32 | Kind::Int64 => octets(number, value.to_string().as_bytes(), out),
        _ => number_field(number, value.as_i64().unwrap_or(0), out),
    }
}

/// Appends a number or name: its type, and both.
fn int_or_string(number: u32, (which, int, text): (i64, i64, &str), out: &mut Vec<u8>) {
    nested(number, out, |out| {
        number_field(1, which, out);
        number_field(2, int, out);
        octets(3, text.as_bytes(), out);
    });
}

/// Appends a number or boolean.
pub(crate) fn number_field(number: u32, value: i64, out: &mut Vec<u8>) {
    varint((number << 3 | VARINT).into(), out);
    varint(value.cast_unsigned(), out);
}

/// Appends a string, octets, or a message that is encoded already.
pub(crate) fn octets(number: u32, octets: &[u8], out: &mut Vec<u8>) {
    head(number, octets.len(), out);
    out.extend_from_slice(octets);
}

/// Appends what stands before so many octets.
pub(crate) fn head(number: u32, length: usize, out: &mut Vec<u8>) {
    varint((number << 3 | LENGTH).into(), out);
    // No length is beyond 64 bits.
    varint(u64::try_from(length).unwrap_or(u64::MAX), out);
}

/// Appends a message that `write` makes.
fn nested(number: u32, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    varint((number << 3 | LENGTH).into(), out);
    let start = out.len();
    write(out);
    let mut length = Vec::with_capacity(10);
    varint(u64::try_from(out.len() - start).unwrap_or(u64::MAX), &mut length);
    out.splice(start..start, length);
}

/// Appends a number in groups of seven bits, lowest first; all but the last have the eighth bit set.
fn varint(mut value: u64, out: &mut Vec<u8>) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            out.push(low & 0x7f);
            return;
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protobuf::meta::OBJECT_META;

    /// The octets of one field of metadata, when all others are left out.
    fn field(name: &str, value: &Value) -> Vec<u8> {
        let field = OBJECT_META.iter().find(|field| field.name == name).unwrap();
        let mut out = Vec::new();
        write_field(field, Some(value), &mut out);
        out
    }

    #[test]
    fn octets_are_as_the_api_writes_them() {
        assert_eq!(field("name", &json!("web")), b"\x0a\x03web");
        assert_eq!(field("generation", &json!(300)), [0x38, 0xac, 0x02]);
        assert_eq!(field("generation", &json!(-1)), [&[0x38][..], &[0xff; 9], &[1]].concat());
        assert_eq!(field("creationTimestamp", &json!("1970-01-01T00:02:00Z")), b"\x42\x04\x08\x78\x10\x00");
        assert_eq!(
            field("labels", &json!({"b": "", "a": "1"})),
            b"\x5a\x06\x0a\x01a\x12\x011\x5a\x05\x0a\x01b\x12\x00"
        );
        assert_eq!(field("finalizers", &json!(["x", null])), b"\x72\x01x\x72\x00");
    }

    #[test]
    fn a_map_with_a_value_that_does_not_fit_is_no_map() {
        assert_eq!(field("labels", &json!({"a": "b", "c": 0})), [0x58, 0]);
        assert_eq!(field("labels", &json!(5)), [0x58, 5]);
        assert_eq!(field("generation", &json!("x")), b"\x3a\x03\"x\"");
    }
}
