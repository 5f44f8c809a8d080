//! What keys and values of labels may look like, with Kubernetes' words for what is wrong.

/// Says what a name must look like.
const NAME: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
    alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

/// Says what the part of a key before the slash must look like.
const PREFIX: &str = r"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/// Says what a value must look like.
const VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', \
    and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used \
    for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// The longest name and value, in bytes.
const MAX_NAME: usize = 63;
/// The longest prefix, in bytes.
const MAX_PREFIX: usize = 253;

/// Checks a key: a name, perhaps behind a DNS name and a slash.
pub(super) fn key(key: &str) -> Result<(), String> {
    let mut wrong = Vec::new();
    let mut parts = key.split('/');
    let name = match (parts.next(), parts.next(), parts.next()) {
        (Some(name), None, _) => name,
        (Some(prefix), Some(name), None) => {
            check_prefix(prefix, &mut wrong);
            name
        }
        _ => {
            let shape = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            return Err(format!("<nil>: Invalid value: {key:?}: a valid label key {NAME} {shape}"));
        }
    };
    if name.is_empty() {
        wrong.push("name part must be non-empty".to_owned());
    } else if name.len() > MAX_NAME {
        wrong.push(format!("name part must be no more than {MAX_NAME} bytes"));
    }
    if !is_name(name) {
        wrong.push(format!("name part {NAME}"));
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("<nil>: Invalid value: {key:?}: {}", wrong.join("; "))) }
}

/// Checks the values that a requirement gives for `key`.
pub(super) fn values<'a>(key: &str, values: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let wrong: Vec<String> = values
        .enumerate()
        .filter_map(|(at, value)| {
            let long = (value.len() > MAX_NAME).then(|| format!("must be no more than {MAX_NAME} bytes"));
            let shape = (!value.is_empty() && !is_name(value)).then(|| VALUE.to_owned());
            let why: Vec<String> = long.into_iter().chain(shape).collect();
            (!why.is_empty()).then(|| format!("values[{at}][{key}]: Invalid value: {value:?}: {}", why.join("; ")))
        })
        .collect();
    match wrong.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        many => Err(format!("[{}]", many.join(", "))),
    }
}

/// Checks the part of a key before the slash.
fn check_prefix(prefix: &str, wrong: &mut Vec<String>) {
    if prefix.is_empty() {
        wrong.push("prefix part must be non-empty".to_owned());
        return;
    }
    if prefix.len() > MAX_PREFIX {
        wrong.push(format!("prefix part must be no more than {MAX_PREFIX} bytes"));
    }
    let is_label = |label: &str| {
        let ends = label.starts_with(is_lower) && label.ends_with(is_lower);
        ends && label.chars().all(|c| is_lower(c) || c == '-')
    };
    if !prefix.split('.').all(is_label) {
        wrong.push(format!("prefix part {PREFIX}"));
    }
}

/// Says whether `text` is a name: letters, digits, `-`, `_` and `.`, with a letter or digit at both ends.
fn is_name(text: &str) -> bool {
    let is_end = |c: char| c.is_ascii_alphanumeric();
    text.starts_with(is_end) && text.ends_with(is_end) && text.chars().all(|c| is_end(c) || "-_.".contains(c))
}

/// Says whether `c` is a lower-case letter or a digit.
fn is_lower(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}
