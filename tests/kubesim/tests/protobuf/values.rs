//! Values in messages: samples of them, and those that look otherwise in JSON.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

/// A map.
pub(crate) type Map<T> = BTreeMap<String, T>;

/// What can be made with everything set.
pub(crate) trait Sample {
    /// Makes one that differs from all made with a lower `seed`, which it counts up.
    fn sample(seed: &mut i32) -> Self;
}

/// Counts a seed up.
fn next(seed: &mut i32) -> i32 {
    *seed += 1;
    *seed
}

impl Sample for String {
    fn sample(seed: &mut i32) -> Self {
        format!("text-{}", next(seed))
    }
}

impl Sample for i32 {
    /// Of both signs.
    fn sample(seed: &mut i32) -> Self {
        let number = next(seed);
        if number % 2 == 0 { number * 1000 } else { -number }
    }
}

impl Sample for i64 {
    fn sample(seed: &mut i32) -> Self {
        Self::from(next(seed)) << 32
    }
}

impl Sample for bool {
    fn sample(_: &mut i32) -> Self {
        true
    }
}

impl Sample for Vec<u8> {
    fn sample(seed: &mut i32) -> Self {
        next(seed).to_be_bytes().into()
    }
}

impl<T: Sample> Sample for Option<T> {
    fn sample(seed: &mut i32) -> Self {
        Some(T::sample(seed))
    }
}

impl<T: Sample> Sample for Vec<T> {
    fn sample(seed: &mut i32) -> Self {
        vec![T::sample(seed), T::sample(seed)]
    }
}

impl<T: Sample> Sample for Map<T> {
    fn sample(seed: &mut i32) -> Self {
        Self::from([0, 1].map(|_| (String::sample(seed), T::sample(seed))))
    }
}

/// `Time`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Time {
    /// Since 1970; none in a time that is not set.
    #[prost(int64, optional, tag = "1")]
    pub(crate) seconds: Option<i64>,
    /// Never anything but zero.
    #[prost(int32, optional, tag = "2")]
    pub(crate) nanos: Option<i32>,
}

impl Sample for Time {
    fn sample(seed: &mut i32) -> Self {
        Self { seconds: Some(1_767_225_600 + i64::from(next(seed))), nanos: Some(0) }
    }
}

impl Serialize for Time {
    /// Only for times on the first day of 2026, of which samples are.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let second = self.seconds.unwrap() - 1_767_225_600;
        let (hours, minutes, seconds) = (second / 3600, second / 60 % 60, second % 60);
        format!("2026-01-01T{hours:02}:{minutes:02}:{seconds:02}Z").serialize(serializer)
    }
}

/// `IntOrString`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct IntOrString {
    /// 0 for a number, 1 for a string.
    #[prost(int64, optional, tag = "1")]
    pub(crate) which: Option<i64>,
    /// The number.
    #[prost(int32, optional, tag = "2")]
    pub(crate) int_val: Option<i32>,
    /// The string.
    #[prost(string, optional, tag = "3")]
    pub(crate) str_val: Option<String>,
}

impl Sample for IntOrString {
    /// Now a number, now a string.
    fn sample(seed: &mut i32) -> Self {
        let number = next(seed);
        let (which, int, text) = if number % 2 == 0 { (0, number, "") } else { (1, 0, "http") };
        Self { which: Some(which), int_val: Some(int), str_val: Some(text.to_owned()) }
    }
}

impl Serialize for IntOrString {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = if self.which == Some(0) { json!(self.int_val) } else { json!(self.str_val) };
        value.serialize(serializer)
    }
}

/// `Quantity`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Quantity {
    /// As in JSON.
    #[prost(string, optional, tag = "1")]
    pub(crate) text: Option<String>,
}

impl Sample for Quantity {
    fn sample(seed: &mut i32) -> Self {
        Self { text: Some(format!("{}m", next(seed))) }
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(serializer)
    }
}

/// `FieldsV1`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct FieldsV1 {
    /// JSON.
    #[prost(bytes = "vec", optional, tag = "1")]
    pub(crate) raw: Option<Vec<u8>>,
}

impl Sample for FieldsV1 {
    fn sample(seed: &mut i32) -> Self {
        Self { raw: Some(json!({"f:spec": {"f:ports": next(seed)}}).to_string().into_bytes()) }
    }
}

impl Serialize for FieldsV1 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value: Value = serde_json::from_slice(self.raw.as_deref().unwrap()).unwrap();
        value.serialize(serializer)
    }
}

/// Writes octets in base64.
pub(crate) fn base64<S: Serializer>(map: &Map<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(map.iter().map(|(key, octets)| (key, STANDARD.encode(octets))))
}
