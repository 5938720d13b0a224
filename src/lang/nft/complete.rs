//! Completion for editors: what could be written at the cursor. Asks the parser what it would have taken there.

use super::datatype as types;
use super::parse::keyword::Kw;
use super::parse::lexer::{Kind, Piece, piece};
use super::parse::{self, Expected};

/// Names that exist on this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Names<'a> {
    pub tables: &'a [String],
    pub chains: &'a [String],
    /// Sets and maps.
    pub sets: &'a [String],
    pub flowtables: &'a [String],
    pub objects: &'a [String],
    pub interfaces: &'a [String],
    /// Of /etc/services, for ports.
    pub services: &'a [String],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Keyword,
    /// A symbol of the type that is compared: `established`.
    Symbol,
    Table,
    Chain,
    Set,
    Flowtable,
    Object,
    Interface,
    Service,
    Type,
    Variable,
}

/// Something that could stand there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub text: String,
    pub what: What,
    /// Byte offset of what it replaces, up to the cursor.
    pub start: usize,
}

/// What is being edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Rule,
    File,
}

/// Where the word at the cursor begins, and whether it is in quotes; nothing inside comments.
fn word_start(text: &str) -> Option<(usize, bool)> {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut start = text.len();
    let mut comment = false;
    while let Some((found, end)) = piece(bytes, at) {
        start = text.len();
        comment = false;
        match found {
            Piece::Comment => comment = end == text.len() && !text.ends_with('\n'),
            Piece::Token(Kind::Junk, _) if bytes.get(at) == Some(&b'"') => return Some((at, true)),
            // A comment whose line has not ended.
            Piece::Token(Kind::Junk, _) if bytes.get(at) == Some(&b'#') => return None,
            Piece::Token(Kind::Word | Kind::Text | Kind::Number | Kind::Wildcard, _) => start = at,
            _ => {}
        }
        at = end;
    }
    (!comment).then_some((start, false))
}

/// The words that fit at the cursor (a byte offset), those first that the text before it begins.
pub fn complete(text: &str, cursor: usize, mode: Mode, names: &Names) -> Vec<Candidate> {
    let Some(before) = text.get(..cursor) else {
        return Vec::new();
    };
    let Some((start, quoted)) = word_start(before) else {
        return Vec::new();
    };
    let typed = before
        .get(start..)
        .unwrap_or_default()
        .trim_start_matches('"');
    let expected = parse::expected(
        before.get(..start).unwrap_or_default().to_owned(),
        mode == Mode::Rule,
    );
    let mut found = Vec::new();
    gather(&expected, names, quoted, &mut found);
    let mut candidates: Vec<Candidate> = Vec::new();
    for (text, what) in found {
        let fits = text.starts_with(typed) && text != typed;
        if fits && !candidates.iter().any(|known| known.text == text) {
            let start = start + usize::from(quoted);
            candidates.push(Candidate { text, what, start });
        }
    }
    candidates
}

fn gather(expected: &Expected, names: &Names, quoted: bool, found: &mut Vec<(String, What)>) {
    let mut put = |list: &[String], what: What| {
        found.extend(list.iter().map(|name| (name.clone(), what)));
    };
    for thing in &expected.things {
        match *thing {
            "the name of a table" => put(names.tables, What::Table),
            "the name of a chain" => put(names.chains, What::Chain),
            "the name of a set" | "the name of a map" => put(names.sets, What::Set),
            "the name of a flowtable" => put(names.flowtables, What::Flowtable),
            "the name of the object" => put(names.objects, What::Object),
            "the name of a device" => put(names.interfaces, What::Interface),
            "the name of a variable" => put(&expected.variables, What::Variable),
            _ => {}
        }
    }
    if expected.things.contains(&"the name of a type") {
        found.extend(types::names().map(|name| (name.to_owned(), What::Type)));
    }
    if let Some(dtype) = expected.value {
        if dtype.is(&types::IFINDEX) || dtype.is(&types::IFNAME) {
            found.extend(
                names
                    .interfaces
                    .iter()
                    .map(|name| (name.clone(), What::Interface)),
            );
        }
        if !quoted {
            let symbols = dtype.symbols.rows.iter();
            found.extend(symbols.map(|row| (row.0.to_owned(), What::Symbol)));
            if dtype.is(&types::INET_SERVICE) {
                found.extend(
                    names
                        .services
                        .iter()
                        .map(|name| (name.clone(), What::Service)),
                );
            }
            if dtype.is(&types::INET_PROTOCOL) {
                let protocols = [
                    "tcp", "udp", "icmp", "icmpv6", "sctp", "dccp", "udplite", "esp", "ah", "comp",
                    "igmp",
                ];
                found.extend(protocols.map(|name| (name.to_owned(), What::Symbol)));
            }
        }
    }
    if !quoted {
        found.extend(
            expected
                .words
                .iter()
                .map(|word| ((*word).to_owned(), What::Keyword)),
        );
    }
}

/// How a piece of a text is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    Plain,
    Keyword,
    /// `accept`, `drop`, `jump`, ...
    Verdict,
    Number,
    Address,
    Text,
    Comment,
    /// `@set`
    Set,
    Variable,
    Operator,
    Error,
}

/// The text in pieces with their colours; the pieces cover it.
pub fn colours(text: &str) -> Vec<(std::ops::Range<usize>, Colour)> {
    let bytes = text.as_bytes();
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut sigil = None;
    while let Some((found, mut end)) = piece(bytes, at) {
        while !text.is_char_boundary(end) {
            end += 1;
        }
        let colour = match found {
            Piece::Space => Colour::Plain,
            Piece::Comment => Colour::Comment,
            Piece::Token(kind, kw) => {
                let colour = match (kind, sigil) {
                    (Kind::Word, Some(Kind::At)) if !matches!(kw, Kw::Ll | Kw::Nh | Kw::Th) => {
                        Colour::Set
                    }
                    (Kind::Word, Some(Kind::Dollar)) => Colour::Variable,
                    (Kind::Word, _) => match kw {
                        Kw::None => Colour::Plain,
                        Kw::Accept
                        | Kw::Drop
                        | Kw::Jump
                        | Kw::Goto
                        | Kw::Return
                        | Kw::Continue
                        | Kw::Reject
                        | Kw::Queue => Colour::Verdict,
                        _ => Colour::Keyword,
                    },
                    (Kind::Number, _) => Colour::Number,
                    (Kind::Text | Kind::Bracketed, _) => Colour::Address,
                    (Kind::Quoted | Kind::Wildcard, _) => Colour::Text,
                    (Kind::At, _) => Colour::Set,
                    (Kind::Dollar, _) => Colour::Variable,
                    (Kind::Newline, _) => Colour::Plain,
                    (Kind::Junk, _) => Colour::Error,
                    _ => Colour::Operator,
                };
                sigil = Some(kind);
                colour
            }
        };
        pieces.push((at..end, colour));
        at = end;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str, mode: Mode) -> Vec<String> {
        let list = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        let (chains, sets, interfaces) = (
            list(&["input", "lan"]),
            list(&["blocked"]),
            list(&["eth0", "lo"]),
        );
        let (tables, services) = (list(&["filter"]), list(&["ssh", "smtp"]));
        let names = Names {
            tables: &tables,
            chains: &chains,
            sets: &sets,
            interfaces: &interfaces,
            services: &services,
            ..Names::default()
        };
        let found = complete(text, text.len(), mode, &names);
        found.into_iter().map(|candidate| candidate.text).collect()
    }

    #[test]
    fn what_fits_at_the_end() {
        for (text, expected) in [
            ("tcp dp", &["dport"][..]),
            ("ct state est", &["established"]),
            ("ct state new,rel", &["related"]),
            ("tcp dport ss", &["ssh"]),
            ("tcp dport { 22, sm", &["smtp"]),
            ("iifname et", &["eth0"]),
            ("iifname \"et", &["eth0"]),
            ("ip saddr @bl", &["blocked"]),
            ("tcp dport 22 jump la", &["lan"]),
            ("tcp dport 22 acc", &["accept"]),
            ("ip protocol ud", &["udp", "udplite"]),
            ("log pre", &["prefix"]),
            ("log prefix \"x\" lev", &["level"]),
            ("reject with icm", &["icmp", "icmpv6", "icmpx"]),
            ("snat t", &["to", "tcp", "th"]),
            ("meta l4", &["l4proto"]),
            ("counter # co", &[]),
        ] {
            assert_eq!(texts(text, Mode::Rule), expected, "{text}");
        }
        assert!(texts("", Mode::Rule).contains(&"tcp".to_owned()));
        assert!(texts("tcp dport 22 ", Mode::Rule).contains(&"counter".to_owned()));
        assert!(texts("tcp dport vmap { 22 : ", Mode::Rule).contains(&"drop".to_owned()));
    }

    #[test]
    fn files() {
        assert_eq!(texts("tab", Mode::File), ["table"]);
        assert_eq!(texts("flush rul", Mode::File), ["ruleset"]);
        assert_eq!(texts("add rule inet fil", Mode::File), ["filter"]);
        assert_eq!(texts("table t {\n cha", Mode::File), ["chain"]);
        assert_eq!(
            texts("table t {\n chain c {\n type fil", Mode::File),
            ["filter"]
        );
        assert_eq!(
            texts("table t {\n set s { type ipv4", Mode::File),
            ["ipv4_addr"]
        );
        assert_eq!(
            texts("define lan = 1.2.3.4\nadd rule t c ip saddr $l", Mode::File),
            ["lan"]
        );
    }

    #[test]
    fn a_candidate_says_what_it_replaces() {
        let names = Names::default();
        let found = complete("ct state est counter", 12, Mode::Rule, &names);
        assert_eq!(found[0].start, 9);
        assert!(complete("\u{4e2d}", 1, Mode::Rule, &names).is_empty());
    }

    #[test]
    fn colours_cover_the_text() {
        let text = "tcp dport 22 ip saddr @s \"x\" $v 1.2.3.4 drop # c\n\u{e9}";
        let pieces = colours(text);
        let mut at = 0;
        for (range, _) in &pieces {
            assert_eq!(range.start, at);
            at = range.end;
        }
        assert_eq!(at, text.len());
        let of = |word: &str| {
            let at = text.find(word).unwrap();
            pieces
                .iter()
                .find(|(range, _)| range.contains(&at))
                .unwrap()
                .1
        };
        assert_eq!(of("tcp"), Colour::Keyword);
        assert_eq!(of("22"), Colour::Number);
        assert_eq!(of("s \""), Colour::Set);
        assert_eq!(of("v 1"), Colour::Variable);
        assert_eq!(of("1.2.3.4"), Colour::Address);
        assert_eq!(of("drop"), Colour::Verdict);
        assert_eq!(of("# c"), Colour::Comment);
        assert_eq!(of("\u{e9}"), Colour::Error);
    }
}
