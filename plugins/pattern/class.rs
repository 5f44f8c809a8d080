//! Sets of characters: Perl's, POSIX's and Unicode's classes under the names that Go's `regexp` knows.

use regex_syntax::Parser;
use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

/// POSIX's classes, as ranges one behind the other.
const POSIX: [(&str, &str); 14] = [
    ("alnum", "09AZaz"),
    ("alpha", "AZaz"),
    ("ascii", "\0\x7f"),
    ("blank", "\t\t  "),
    ("cntrl", "\0\x1f\x7f\x7f"),
    ("digit", "09"),
    ("graph", "!~"),
    ("lower", "az"),
    ("print", " ~"),
    ("punct", "!/:@[`{~"),
    ("space", "\t\r  "),
    ("upper", "AZ"),
    ("word", "09AZaz__"),
    ("xdigit", "09AFaf"),
];

/// General categories that Go knows, in its spelling.
const CATEGORIES: &str = "C Cc Cf Cn Co Cs L Lc Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk Sm So \
    Z Zl Zp Zs";
/// Further names of general categories.
const CATEGORY_ALIASES: &str = "Casedletter Closepunctuation Combiningmark Connectorpunctuation Control Currencysymbol \
    Dashpunctuation Decimalnumber Enclosingmark Finalpunctuation Format Initialpunctuation Letter Letternumber \
    Lineseparator Lowercaseletter Mark Mathsymbol Modifierletter Modifiersymbol Nonspacingmark Number Openpunctuation \
    Other Otherletter Othernumber Otherpunctuation Othersymbol Paragraphseparator Privateuse Punctuation Separator \
    Spaceseparator Spacingmark Surrogate Symbol Titlecaseletter Unassigned Uppercaseletter Cntrl Digit Punct";
/// Scripts that Go knows. Those of two words are missing: Go 1.26 takes the underscore out of the name that it looks for,
/// and then finds none.
const SCRIPTS: &str = "Adlam Ahom Arabic Armenian Avestan Balinese Bamum Batak Bengali Bhaiksuki Bopomofo Brahmi Braille \
    Buginese Buhid Carian Chakma Cham Cherokee Chorasmian Common Coptic Cuneiform Cypriot Cyrillic Deseret Devanagari Dogra \
    Duployan Elbasan Elymaic Ethiopic Georgian Glagolitic Gothic Grantha Greek Gujarati Gurmukhi Han Hangul Hanunoo Hatran \
    Hebrew Hiragana Inherited Javanese Kaithi Kannada Katakana Kawi Kharoshthi Khmer Khojki Khudawadi Lao Latin Lepcha Limbu \
    Lisu Lycian Lydian Mahajani Makasar Malayalam Mandaic Manichaean Marchen Medefaidrin Miao Modi Mongolian Mro Multani \
    Myanmar Nabataean Nandinagari Newa Nko Nushu Ogham Oriya Osage Osmanya Palmyrene Phoenician Rejang Runic Samaritan \
    Saurashtra Sharada Shavian Siddham Sinhala Sogdian Soyombo Sundanese Syriac Tagalog Tagbanwa Takri Tamil Tangsa Tangut \
    Telugu Thaana Thai Tibetan Tifinagh Tirhuta Toto Ugaritic Vai Vithkuqi Wancho Yezidi Yi";
/// The edition of Unicode that Go 1.26 has: what came later is not assigned.
const ASSIGNED: &str = r"\p{age=15.0}";

/// The set of `\d`, `\s`, `\w`.
pub(super) fn perl(letter: char) -> Option<ClassUnicode> {
    Some(match letter {
        'd' => ranges("09"),
        's' => ranges("\t\n\x0c\r  "),
        'w' => ranges("09AZ__az"),
        _ => return None,
    })
}

/// The set of `[:name:]`.
pub(super) fn posix(name: &str) -> Option<ClassUnicode> {
    POSIX.iter().find(|(known, _)| *known == name).map(|(_, pairs)| ranges(pairs))
}

/// The set of `\p{name}`.
pub(super) fn unicode(name: &str) -> Option<ClassUnicode> {
    let name = canonical(name);
    let is_in = |names: &str| names.split_ascii_whitespace().any(|known| known == name);
    let mut set = match name.as_str() {
        "Any" => return Some(any()),
        "Ascii" => return Some(ranges("\0\x7f")),
        "Assigned" => return named(ASSIGNED),
        // No text has them.
        "Cs" | "Surrogate" => return Some(ClassUnicode::empty()),
        "Cn" | "Unassigned" => {
            let mut set = named(ASSIGNED)?;
            set.negate();
            return Some(set);
        }
        _ if is_in(CATEGORIES) || is_in(CATEGORY_ALIASES) => named(&format!(r"\p{{gc={name}}}"))?,
        _ if is_in(SCRIPTS) => named(&format!(r"\p{{sc={name}}}"))?,
        _ => return None,
    };
    if !matches!(name.as_str(), "C" | "Other") {
        set.intersect(&named(ASSIGNED)?);
    }
    Some(set)
}

/// All characters.
pub(super) fn any() -> ClassUnicode {
    ranges("\0\u{10ffff}")
}

/// The set of ranges whose ends stand one behind the other.
pub(super) fn ranges(ends: &str) -> ClassUnicode {
    let ends: Vec<char> = ends.chars().collect();
    let pairs = ends.chunks_exact(2);
    ClassUnicode::new(pairs.filter_map(|pair| Some(ClassUnicodeRange::new(*pair.first()?, *pair.last()?))))
}

/// A set that the crate `regex-syntax` knows under a name of its own.
fn named(name: &str) -> Option<ClassUnicode> {
    let hir = Parser::new().parse(name).ok()?;
    match hir.kind() {
        HirKind::Class(Class::Unicode(set)) => Some(set.clone()),
        _ => None,
    }
}

/// A name as it is looked for: one upper-case letter, then lower-case ones; blanks, hyphens and underscores do not count.
fn canonical(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars().filter(|letter| !matches!(letter, '_' | '-' | ' ')) {
        text.push(if text.is_empty() { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() });
    }
    text
}
