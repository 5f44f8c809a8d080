//! What stands before the rdata: TTL, class and type in any order that is allowed.

use super::fields::ttl;
use super::lexer::Word;
use plugin_api::{Class, Type};

/// TTL, class and type of an entry.
pub(super) struct Header {
    /// The TTL, if it is written.
    pub(super) ttl: Option<u32>,
    /// The class; IN if none is written.
    pub(super) class: Class,
    /// The class is written.
    pub(super) has_class: bool,
    /// The type.
    pub(super) rtype: Type,
    /// How many words it took.
    pub(super) words: usize,
}

/// What a word means in this place.
enum Meaning {
    Class(Class),
    Type(Type),
    Other,
}

/// Reads TTL, class and type; the error is what is wrong and the number of the word, which may be one past the last.
pub(super) fn read(words: &[Word]) -> Result<Header, (&'static str, usize)> {
    let (mut lifetime, mut class) = (None, None);
    for (index, word) in words.iter().enumerate() {
        match meaning(word) {
            Meaning::Type(rtype) => {
                let (has_class, class) = (class.is_some(), class.unwrap_or(Class::IN));
                return Ok(Header { ttl: lifetime, class, has_class, rtype, words: index + 1 });
            }
            Meaning::Class(found) if class.is_none() => class = Some(found),
            Meaning::Other if lifetime.is_none() => lifetime = Some(ttl(&word.text).ok_or(("not a TTL", index))?),
            _ if lifetime.is_some() && class.is_some() => return Err(("unknown RR type", index)),
            _ if lifetime.is_some() => return Err(("expecting RR type or class, not this...", index)),
            _ => return Err(("expecting RR type or TTL, not this...", index)),
        }
    }
    Err(("unexpected newline", words.len()))
}

/// What a word means; a word that is both type and class is a class.
fn meaning(word: &Word) -> Meaning {
    let upper = word.text.to_uppercase();
    if let Some(class) =
        Class::from_mnemonic(&upper).or_else(|| Some(Class(upper.strip_prefix("CLASS")?.parse().ok()?)))
    {
        return Meaning::Class(class);
    }
    rtype(&upper).map_or(Meaning::Other, Meaning::Type)
}

/// A type by mnemonic or as `TYPE123`; upper case.
pub(super) fn rtype(upper: &str) -> Option<Type> {
    Type::from_mnemonic(upper).or_else(|| Some(Type(upper.strip_prefix("TYPE")?.parse().ok()?)))
}
