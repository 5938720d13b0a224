//! Text into tokens, as the scanner of nft 1.0.6 cuts it: the longest of all patterns that fit wins, so that
//! `eth0-eth1` and `a/24` are one word and `80:8080` is one class id.
//!
//! What a word means depends on where it stands; that is the parser's business (see [`super::keyword`]).

use super::address;
use super::keyword::Kw;
use crate::lang::nft::syntax::Span;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Letters, digits and `_ . - /`, beginning with a letter, `_` or `.`
    Word,
    /// An address, a time (`1h30m`), a class id (`1:2`), a number beyond 64 bits.
    Text,
    /// `[2001:db8::1]`
    Bracketed,
    /// Decimal, octal after `0`, hexadecimal after `0x`; see [`number`].
    Number,
    /// `"..."`, maybe over several lines
    Quoted,
    /// `eth*`, `eth\*`
    Wildcard,
    Newline,
    /// The end of the last text.
    End,
    /// A byte that begins no token.
    Junk,
    Comma,
    Dot,
    Colon,
    Semicolon,
    OpenBrace,
    CloseBrace,
    OpenBracket,
    CloseBracket,
    OpenParen,
    CloseParen,
    ShiftLeft,
    ShiftRight,
    Caret,
    Ampersand,
    Pipe,
    Not,
    Slash,
    Dash,
    Asterisk,
    At,
    Dollar,
    Assign,
    Plus,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Kind {
    /// As messages call it; for punctuation the characters themselves.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Word => "a word",
            Kind::Text => "an address or time",
            Kind::Bracketed => "an address",
            Kind::Number => "a number",
            Kind::Quoted => "a quoted string",
            Kind::Wildcard => "a name with `*`",
            Kind::Newline => "the end of the line",
            Kind::End => "the end of the text",
            Kind::Junk => "a character without meaning",
            Kind::Comma => "`,`",
            Kind::Dot => "`.`",
            Kind::Colon => "`:`",
            Kind::Semicolon => "`;`",
            Kind::OpenBrace => "`{`",
            Kind::CloseBrace => "`}`",
            Kind::OpenBracket => "`[`",
            Kind::CloseBracket => "`]`",
            Kind::OpenParen => "`(`",
            Kind::CloseParen => "`)`",
            Kind::ShiftLeft => "`<<`",
            Kind::ShiftRight => "`>>`",
            Kind::Caret => "`^`",
            Kind::Ampersand => "`&`",
            Kind::Pipe => "`|`",
            Kind::Not => "`!`",
            Kind::Slash => "`/`",
            Kind::Dash => "`-`",
            Kind::Asterisk => "`*`",
            Kind::At => "`@`",
            Kind::Dollar => "`$`",
            Kind::Assign => "`=`",
            Kind::Plus => "`+`",
            Kind::Equal => "`==`",
            Kind::NotEqual => "`!=`",
            Kind::Less => "`<`",
            Kind::LessEqual => "`<=`",
            Kind::Greater => "`>`",
            Kind::GreaterEqual => "`>=`",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    /// Of a [`Kind::Word`].
    pub kw: Kw,
    pub span: Span,
}

/// What stands at a place: a token, or what lies between tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    Token(Kind, Kw),
    /// Blanks, and line ends that a backslash or a comment line hides.
    Space,
    Comment,
}

/// The piece that begins at `at`, and where it ends; nothing at the end of the text.
pub fn piece(text: &[u8], at: usize) -> Option<(Piece, usize)> {
    let byte = *text.get(at)?;
    let line_start = at == 0 || text.get(at - 1) == Some(&b'\n');
    if matches!(byte, b' ' | b'\t' | b'#') {
        let blanks = run(text, at, |byte| matches!(byte, b' ' | b'\t'));
        if text.get(blanks) == Some(&b'#') && (line_start || blanks == at) {
            // A comment ends with its line; without a line end it is none. A line that is nothing but a comment
            // takes its line end along.
            let newline = find(text, blanks, b'\n');
            return Some(match (newline, line_start) {
                (Some(newline), true) => (Piece::Comment, newline + 1),
                (Some(newline), false) => (Piece::Comment, newline),
                (None, _) if blanks > at => (Piece::Space, blanks),
                (None, _) => (Piece::Token(Kind::Junk, Kw::None), at + 1),
            });
        }
        return Some((Piece::Space, blanks));
    }
    if byte == b'\\' && text.get(at + 1) == Some(&b'\n') {
        return Some((Piece::Space, at + 2));
    }
    let (kind, end) = token(text, at, byte);
    if kind != Kind::Word {
        return Some((Piece::Token(kind, Kw::None), end));
    }
    let word = text.get(at..end).unwrap_or_default();
    let piece = match operator_word(word) {
        Some(operator) => Piece::Token(operator, Kw::None),
        None => Piece::Token(Kind::Word, Kw::from_text(word)),
    };
    Some((piece, end))
}

/// The next token at or behind `at`; the end of the text is a token without length.
pub fn next(text: &[u8], mut at: usize, file: u16) -> Token {
    loop {
        let (kind, kw, end) = match piece(text, at) {
            None => (Kind::End, Kw::None, at),
            Some((Piece::Token(kind, kw), end)) => (kind, kw, end),
            Some((_, end)) => {
                at = end;
                continue;
            }
        };
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        return Token {
            kind,
            kw,
            span: Span {
                file,
                start: place(at),
                end: place(end),
            },
        };
    }
}

/// Words that stand for operators.
fn operator_word(word: &[u8]) -> Option<Kind> {
    if word.len() > 6 {
        return None;
    }
    Some(match word {
        b"eq" => Kind::Equal,
        b"ne" => Kind::NotEqual,
        b"lt" => Kind::Less,
        b"le" => Kind::LessEqual,
        b"gt" => Kind::Greater,
        b"ge" => Kind::GreaterEqual,
        b"and" => Kind::Ampersand,
        b"or" => Kind::Pipe,
        b"xor" => Kind::Caret,
        b"not" => Kind::Not,
        b"lshift" => Kind::ShiftLeft,
        b"rshift" => Kind::ShiftRight,
        _ => return None,
    })
}

fn run(text: &[u8], at: usize, accept: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest
        .iter()
        .position(|byte| !accept(*byte))
        .unwrap_or(rest.len())
}

fn find(text: &[u8], at: usize, wanted: u8) -> Option<usize> {
    let rest = text.get(at..)?;
    rest.iter()
        .position(|byte| *byte == wanted)
        .map(|place| at + place)
}

fn starts_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'.')
}

fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'/')
}

fn token(text: &[u8], at: usize, byte: u8) -> (Kind, usize) {
    let second = text.get(at + 1).copied();
    let one = |kind| (kind, at + 1);
    let either = |wanted: u8, two: Kind, kind: Kind| {
        if second == Some(wanted) {
            (two, at + 2)
        } else {
            (kind, at + 1)
        }
    };
    match byte {
        b'0'..=b'9' => digits(text, at),
        b':' => match (second, address::ip6(text, at)) {
            (Some(b':'), Some(end)) => (Kind::Text, end),
            _ => one(Kind::Colon),
        },
        b'.' if !second.is_some_and(in_word) => match second {
            Some(b'*') => (Kind::Wildcard, at + 2),
            _ if escaped_star(text, at + 1) => wildcard(text, at + 1),
            _ => one(Kind::Dot),
        },
        _ if starts_word(byte) => word(text, at),
        b'"' => match find(text, at + 1, b'"') {
            Some(end) => (Kind::Quoted, end + 1),
            None => one(Kind::Junk),
        },
        b'\n' => one(Kind::Newline),
        b',' => one(Kind::Comma),
        b';' => one(Kind::Semicolon),
        b'{' => one(Kind::OpenBrace),
        b'}' => one(Kind::CloseBrace),
        b'[' => match address::ip6(text, at + 1) {
            Some(end) if text.get(end) == Some(&b']') => (Kind::Bracketed, end + 1),
            _ => one(Kind::OpenBracket),
        },
        b']' => one(Kind::CloseBracket),
        b'(' => one(Kind::OpenParen),
        b')' => one(Kind::CloseParen),
        b'=' => either(b'=', Kind::Equal, Kind::Assign),
        b'!' => either(b'=', Kind::NotEqual, Kind::Not),
        b'<' if second == Some(b'<') => (Kind::ShiftLeft, at + 2),
        b'<' => either(b'=', Kind::LessEqual, Kind::Less),
        b'>' if second == Some(b'>') => (Kind::ShiftRight, at + 2),
        b'>' => either(b'=', Kind::GreaterEqual, Kind::Greater),
        b'^' => one(Kind::Caret),
        b'&' => one(Kind::Ampersand),
        b'|' => one(Kind::Pipe),
        b'/' => one(Kind::Slash),
        b'-' => one(Kind::Dash),
        b'*' => one(Kind::Asterisk),
        b'@' => one(Kind::At),
        b'$' => one(Kind::Dollar),
        b'+' => one(Kind::Plus),
        b'\\' if second == Some(b'*') => (Kind::Wildcard, at + 2),
        _ => one(Kind::Junk),
    }
}

fn escaped_star(text: &[u8], at: usize) -> bool {
    text.get(at) == Some(&b'\\') && text.get(at + 1) == Some(&b'*')
}

/// A word with `\*` in or behind it; `at` is at the backslash.
fn wildcard(text: &[u8], at: usize) -> (Kind, usize) {
    let after = at + 2;
    match text.get(after) {
        Some(byte) if starts_word(*byte) => (Kind::Wildcard, run(text, after, in_word)),
        _ => (Kind::Wildcard, after),
    }
}

/// What begins with a letter: a word, a wildcard, or an address or class id of hexadecimal digits.
fn word(text: &[u8], at: usize) -> (Kind, usize) {
    let end = run(text, at, in_word);
    let plain = match text.get(end) {
        Some(b'*') => (Kind::Wildcard, end + 1),
        _ if escaped_star(text, end) => wildcard(text, end),
        _ => (Kind::Word, end),
    };
    let hex = run(text, at, |byte| byte.is_ascii_hexdigit());
    if hex == at || hex - at > 4 || text.get(hex) != Some(&b':') {
        return plain;
    }
    colons(text, at, plain)
}

/// The longest of `best` and of what has colons in it: hardware addresses, IPv6 addresses, class ids.
fn colons(text: &[u8], at: usize, best: (Kind, usize)) -> (Kind, usize) {
    let (mut kind, mut end) = best;
    // The comparison of a class id includes the character that has to follow it.
    let mut length = end;
    for candidate in [address::mac(text, at), address::ip6(text, at)] {
        if let Some(candidate) = candidate.filter(|candidate| *candidate > length) {
            (kind, end, length) = (Kind::Text, candidate, candidate);
        }
    }
    match address::class_id(text, at) {
        Some(class_id) if class_id + 1 > length => (Kind::Text, class_id),
        _ => (kind, end),
    }
}

/// What begins with a digit.
fn digits(text: &[u8], at: usize) -> (Kind, usize) {
    let decimal = run(text, at, |byte| byte.is_ascii_digit());
    let mut best = (Kind::Number, decimal);
    match text.get(decimal) {
        Some(b'.') => {
            if let Some(end) = address::ip4(text, at) {
                return (Kind::Text, end);
            }
        }
        Some(b'x' | b'X') if decimal == at + 1 && text.get(at) == Some(&b'0') => {
            let end = run(text, decimal + 1, |byte| byte.is_ascii_hexdigit());
            if end > decimal + 1 {
                best = (Kind::Number, end);
            }
        }
        Some(b'd' | b'h' | b'm' | b's') => best = (Kind::Text, address::time(text, at)),
        Some(b'q' | b'a') => {
            for name in [&b"8021q"[..], b"8021ad"] {
                if text.get(at..).is_some_and(|rest| rest.starts_with(name)) {
                    best = (Kind::Text, at + name.len());
                }
            }
        }
        _ => {}
    }
    let hex = run(text, at, |byte| byte.is_ascii_hexdigit());
    if hex - at <= 4 && text.get(hex) == Some(&b':') {
        best = colons(text, at, best);
    }
    if best.0 == Kind::Number && value(text.get(at..best.1).unwrap_or_default()).is_none() {
        best.0 = Kind::Text;
    }
    best
}

/// The value of a [`Kind::Number`], as `strtoull` reads it: octal after `0`, and then up to the first digit that is
/// none. Nothing beyond 64 bits.
pub fn value(digits: &[u8]) -> Option<u64> {
    let (radix, digits) = match digits {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest),
        [b'0', rest @ ..] => (8, rest),
        _ => (10, digits),
    };
    let mut sum = 0u64;
    for digit in digits {
        let Some(digit) = char::from(*digit).to_digit(radix) else {
            break;
        };
        sum = sum
            .checked_mul(u64::from(radix))?
            .checked_add(u64::from(digit))?;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<(Kind, &str)> {
        let mut at = 0;
        let mut found = Vec::new();
        loop {
            let token = next(text.as_bytes(), at, 0);
            if token.kind == Kind::End {
                return found;
            }
            at = token.span.end as usize;
            found.push((token.kind, &text[token.span.start as usize..at]));
        }
    }

    #[test]
    fn the_longest_pattern_wins() {
        for (text, expected) in [
            ("eth0-eth1", &[(Kind::Word, "eth0-eth1")][..]),
            ("a/24", &[(Kind::Word, "a/24")]),
            (
                "1.2.3.4/24",
                &[
                    (Kind::Text, "1.2.3.4"),
                    (Kind::Slash, "/"),
                    (Kind::Number, "24"),
                ],
            ),
            (
                "22-80",
                &[
                    (Kind::Number, "22"),
                    (Kind::Dash, "-"),
                    (Kind::Number, "80"),
                ],
            ),
            ("80:8080 ", &[(Kind::Text, "80:8080")]),
            (
                "80:8080;",
                &[
                    (Kind::Number, "80"),
                    (Kind::Colon, ":"),
                    (Kind::Number, "8080"),
                    (Kind::Semicolon, ";"),
                ],
            ),
            ("1h30m", &[(Kind::Text, "1h30m")]),
            ("8021q", &[(Kind::Text, "8021q")]),
            ("0x1g", &[(Kind::Number, "0x1"), (Kind::Word, "g")]),
            (
                "99999999999999999999",
                &[(Kind::Text, "99999999999999999999")],
            ),
            ("abcd:1::2", &[(Kind::Text, "abcd:1::2")]),
            ("add::1", &[(Kind::Text, "add::1")]),
            ("00:11:22:33:44:55", &[(Kind::Text, "00:11:22:33:44:55")]),
            (
                "[::1]:80",
                &[
                    (Kind::Bracketed, "[::1]"),
                    (Kind::Colon, ":"),
                    (Kind::Number, "80"),
                ],
            ),
            (
                "sid[1]",
                &[
                    (Kind::Word, "sid"),
                    (Kind::OpenBracket, "["),
                    (Kind::Number, "1"),
                    (Kind::CloseBracket, "]"),
                ],
            ),
            (
                "eth* \\* a\\*b",
                &[
                    (Kind::Wildcard, "eth*"),
                    (Kind::Wildcard, "\\*"),
                    (Kind::Wildcard, "a\\*b"),
                ],
            ),
            ("a\\*5", &[(Kind::Wildcard, "a\\*"), (Kind::Number, "5")]),
            (
                "a .b . c",
                &[
                    (Kind::Word, "a"),
                    (Kind::Word, ".b"),
                    (Kind::Dot, "."),
                    (Kind::Word, "c"),
                ],
            ),
            (
                "!= ! == = <= << >= >> le",
                &[
                    (Kind::NotEqual, "!="),
                    (Kind::Not, "!"),
                    (Kind::Equal, "=="),
                    (Kind::Assign, "="),
                    (Kind::LessEqual, "<="),
                    (Kind::ShiftLeft, "<<"),
                    (Kind::GreaterEqual, ">="),
                    (Kind::ShiftRight, ">>"),
                    (Kind::LessEqual, "le"),
                ],
            ),
            ("\"two\nlines\"", &[(Kind::Quoted, "\"two\nlines\"")]),
            ("\"open", &[(Kind::Junk, "\""), (Kind::Word, "open")]),
        ] {
            assert_eq!(tokens(text), expected, "{text}");
        }
    }

    #[test]
    fn comments_and_line_ends() {
        let kinds = |text| {
            tokens(text)
                .into_iter()
                .map(|(kind, _)| kind)
                .collect::<Vec<_>>()
        };
        // A line of its own takes its end along, a comment behind something does not.
        assert_eq!(kinds("# one\n  # two\na"), [Kind::Word]);
        assert_eq!(kinds("a # one\nb"), [Kind::Word, Kind::Newline, Kind::Word]);
        assert_eq!(kinds("a \\\n b"), [Kind::Word, Kind::Word]);
        assert_eq!(kinds("a \\ \n"), [Kind::Word, Kind::Junk, Kind::Newline]);
        assert_eq!(kinds("# no end")[0], Kind::Junk);
        assert_eq!(kinds("a\r\n"), [Kind::Word, Kind::Junk, Kind::Newline]);
    }

    #[test]
    fn numbers() {
        assert_eq!(value(b"0x1F"), Some(31));
        assert_eq!(value(b"010"), Some(8));
        assert_eq!(value(b"08"), Some(0));
        assert_eq!(value(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(value(b"18446744073709551616"), None);
    }

    #[test]
    fn pieces_cover_the_text() {
        for text in ["a # b\n\t\"c\" \\\n\u{e9}\r\n", "# x\n#", "  "] {
            let mut at = 0;
            while let Some((_, end)) = piece(text.as_bytes(), at) {
                assert!(end > at, "{text}");
                at = end;
            }
            assert_eq!(at, text.len());
        }
    }
}
