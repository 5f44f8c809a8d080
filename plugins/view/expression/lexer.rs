//! Text of an expression to tokens.

use super::ExpressionError;

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A name.
    Identifier,
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text in quotation marks.
    Text,
    /// A sign, or a word that is one.
    Operator,
    /// A bracket.
    Bracket,
    /// The end.
    End,
}

/// A token.
#[derive(Clone, Debug)]
pub(super) struct Token {
    /// What it is.
    pub(super) kind: Kind,
    /// Its text, of [`Kind::Text`] what is between the quotation marks, escapes read.
    pub(super) text: String,
    /// Where it begins, in characters.
    pub(super) at: usize,
}

impl Token {
    /// The token as messages show it.
    pub(super) fn shown(&self) -> String {
        let kind = match self.kind {
            Kind::Identifier => "Identifier",
            Kind::Int(_) | Kind::Float(_) => "Number",
            Kind::Text => "String",
            Kind::Operator => "Operator",
            Kind::Bracket => "Bracket",
            Kind::End => return "EOF".to_owned(),
        };
        format!("{kind}({:?})", self.text)
    }

    /// Whether this is the operator `text`.
    pub(super) fn is_operator(&self, text: &str) -> bool {
        self.kind == Kind::Operator && self.text == text
    }

    /// Whether this is the bracket `text`.
    pub(super) fn is_bracket(&self, text: &str) -> bool {
        self.kind == Kind::Bracket && self.text == text
    }
}

/// Words that are operators.
const WORDS: [&str; 11] =
    ["in", "and", "or", "not", "matches", "contains", "startsWith", "endsWith", "let", "if", "else"];

/// Signs, the longer ones first.
const SIGNS: [&str; 27] = [
    "**", "==", "!=", "<=", ">=", "&&", "||", "..", "?.", "??", "::", "+", "-", "*", "/", "%", "^", "<", ">", "!", "?",
    ":", ",", ".", "|", ";", "=",
];

/// Reads all tokens; the last is [`Kind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, ExpressionError> {
    let letters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&letter) = letters.get(at) {
        let next = letters.get(at + 1).copied();
        match letter {
            _ if letter.is_whitespace() => at += 1,
            '/' if next == Some('/') => break,
            '/' if next == Some('*') => at = comment(&letters, at)?,
            '(' | ')' | '[' | ']' | '{' | '}' => {
                tokens.push(Token { kind: Kind::Bracket, text: letter.into(), at });
                at += 1;
            }
            '\'' | '"' | '`' => at = quoted(&letters, at, &mut tokens)?,
            '0'..='9' => at = number(&letters, at, &mut tokens)?,
            '.' if next.is_some_and(|digit| digit.is_ascii_digit()) && !follows_name(&tokens) => {
                at = number(&letters, at, &mut tokens)?;
            }
            _ if letter.is_alphabetic() || matches!(letter, '_' | '$' | '#') => at = word(&letters, at, &mut tokens),
            _ => at = sign(&letters, at, &mut tokens)?,
        }
    }
    let end = letters.len().saturating_sub(1);
    tokens.push(Token { kind: Kind::End, text: String::new(), at: end });
    Ok(tokens)
}

/// Whether a text is one name that is neither an operator nor a constant.
pub(super) fn is_name(text: &str) -> bool {
    let tokens = tokens(text).unwrap_or_default();
    let is_one = matches!(tokens.as_slice(), [Token { kind: Kind::Identifier, .. }, Token { kind: Kind::End, .. }]);
    is_one && !matches!(text, "true" | "false" | "nil")
}

/// Whether a dot here selects a member.
fn follows_name(tokens: &[Token]) -> bool {
    tokens.last().is_some_and(|token| {
        token.kind == Kind::Identifier || token.is_bracket(")") || token.is_bracket("]") || token.is_operator(".")
    })
}

/// Skips a comment.
fn comment(letters: &[char], start: usize) -> Result<usize, ExpressionError> {
    let rest = letters.get(start + 2..).unwrap_or_default();
    let length = rest.windows(2).position(|pair| pair == ['*', '/']);
    length.map(|length| start + length + 4).ok_or_else(|| ExpressionError::at(start, "unclosed comment"))
}

/// Reads text in quotation marks; gives the place behind it.
fn quoted(letters: &[char], start: usize, tokens: &mut Vec<Token>) -> Result<usize, ExpressionError> {
    let mark = letters.get(start).copied().unwrap_or_default();
    let (mut text, mut at) = (String::new(), start + 1);
    loop {
        let Some(&letter) = letters.get(at) else {
            return Err(ExpressionError::at(start, "literal not terminated"));
        };
        at += 1;
        if letter == mark {
            break;
        }
        if letter != '\\' || mark == '`' {
            text.push(letter);
            continue;
        }
        let escape = letters.get(at).copied().unwrap_or_default();
        at += 1;
        text.push(match escape {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'v' => '\u{b}',
            '\\' | '\'' | '"' | '`' => escape,
            'x' | 'u' | 'U' => {
                let length = match escape {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                };
                let digits: String = letters.iter().skip(at).take(length).collect();
                at += length;
                let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == length);
                code.and_then(char::from_u32).ok_or_else(|| ExpressionError::at(start, "invalid char escape"))?
            }
            _ => return Err(ExpressionError::at(start, "invalid char escape")),
        });
    }
    tokens.push(Token { kind: Kind::Text, text, at: start });
    Ok(at)
}

/// Reads a number; gives the place behind it.
fn number(letters: &[char], start: usize, tokens: &mut Vec<Token>) -> Result<usize, ExpressionError> {
    let mut at = start;
    let mut text = String::new();
    let mut is_float = false;
    while let Some(&letter) = letters.get(at) {
        let next = letters.get(at + 1).copied();
        let is_hex = text.starts_with("0x");
        let is_part = match letter {
            '0'..='9' | '_' => true,
            'x' | 'X' | 'o' | 'O' => text == "0",
            'b' | 'B' if text == "0" => true,
            'a'..='d' | 'f' | 'A'..='D' | 'F' => is_hex,
            'e' | 'E' => true,
            '+' | '-' => text.ends_with(['e', 'E']) && !is_hex,
            '.' => !is_float && next != Some('.') && next.is_some_and(|digit| digit.is_ascii_digit()),
            _ => false,
        };
        if !is_part {
            break;
        }
        is_float |= letter == '.' || (matches!(letter, 'e' | 'E') && !is_hex);
        text.push(letter.to_ascii_lowercase());
        at += 1;
    }
    let kind = if is_float {
        text.replace('_', "").parse().map(Kind::Float).ok()
    } else {
        let number = corefile::args::go_uint_any_base(&text, 63).ok();
        number.and_then(|number| i64::try_from(number).ok()).map(Kind::Int)
    };
    let kind = kind.ok_or_else(|| ExpressionError::at(start, &format!("bad number syntax: {text:?}")))?;
    tokens.push(Token { kind, text, at: start });
    Ok(at)
}

/// Reads a name or a word that is an operator; gives the place behind it.
fn word(letters: &[char], start: usize, tokens: &mut Vec<Token>) -> usize {
    let is_part = |letter: &&char| letter.is_alphanumeric() || matches!(letter, '_' | '$');
    let first = letters.iter().skip(start).take(1);
    let text: String = first.chain(letters.iter().skip(start + 1).take_while(is_part)).collect();
    let is_member = tokens.last().is_some_and(|token| token.is_operator(".") || token.is_operator("?."));
    let is_operator = !is_member && WORDS.contains(&text.as_str());
    let length = text.chars().count();
    tokens.push(Token { kind: if is_operator { Kind::Operator } else { Kind::Identifier }, text, at: start });
    start + length
}

/// Reads a sign; gives the place behind it.
fn sign(letters: &[char], start: usize, tokens: &mut Vec<Token>) -> Result<usize, ExpressionError> {
    let here: String = letters.iter().skip(start).take(2).collect();
    let Some(sign) = SIGNS.iter().find(|sign| here.starts_with(**sign)) else {
        let letter = letters.get(start).copied().unwrap_or_default();
        return Err(ExpressionError::at(
            start,
            &format!("unrecognized character: U+{:04X} '{letter}'", u32::from(letter)),
        ));
    };
    tokens.push(Token { kind: Kind::Operator, text: (*sign).to_owned(), at: start });
    Ok(start + sign.len())
}
