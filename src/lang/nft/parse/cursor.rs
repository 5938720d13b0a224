//! The parser's place in the texts: tokens one by one, what went wrong, and finding firm ground again after it.

use super::keyword::{Kw, Scope};
use super::lexer::{self, Kind, Token};
use super::suggest;
use super::variables::Variables;
use super::{Failed, Options, Parsed};
use crate::lang::nft::datatype::DataType;
use crate::lang::nft::syntax::{At, Diagnostic, Source, Sources, Span, Statement};
use crate::model::Name;

/// What a value is called in messages.
pub(super) const VALUE: &str = "a value";
/// After so many errors the rest is not read.
const MOST_ERRORS: usize = 20;
/// How deep braces, parentheses and includes may stand in each other.
const MOST_NESTING: u32 = 100;

/// Stands where a completion is asked for; no token begins so.
pub(super) const CURSOR: &str = "\u{1}";

/// What could stand at the cursor.
#[derive(Default)]
pub(super) struct Hints {
    pub words: Vec<&'static str>,
    /// As messages call them: "the name of a chain".
    pub things: Vec<&'static str>,
    /// A value of this type.
    pub value: Option<&'static DataType>,
}

/// A text that is being read.
struct Open {
    file: u16,
    /// Where the next token is looked for.
    at: usize,
    /// How deep the text is included; 1: not at all.
    depth: u32,
}

pub struct Parser<'a> {
    pub(super) options: &'a Options<'a>,
    sources: Sources,
    open: Vec<Open>,
    /// Read, but not taken.
    token: Option<Token>,
    /// Of the last token taken.
    previous: Token,
    /// Which words are reserved beside those that are everywhere.
    pub(super) scope: Scope,
    pub(super) variables: Variables,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Gathered where a completion is asked for.
    pub(super) hints: Option<Hints>,
    /// The type of what is being compared, for completion.
    pub(super) compared: Option<&'static DataType>,
    /// Statements of rules that are being read.
    pub(super) waiting: Vec<At<Statement>>,
    /// Braces that are open.
    braces: u32,
    nesting: u32,
    /// Operations in the expression that is being read, and how deep variables in it are.
    pub(super) operations: u32,
}

impl<'a> Parser<'a> {
    pub(super) fn new(source: Source, options: &'a Options<'a>) -> Parser<'a> {
        let start = Token {
            kind: Kind::Newline,
            kw: Kw::None,
            span: Span::default(),
        };
        let mut parser = Parser {
            options,
            sources: Sources::default(),
            open: Vec::new(),
            token: None,
            previous: start,
            scope: Scope::None,
            variables: Variables::default(),
            diagnostics: Vec::new(),
            hints: None,
            compared: None,
            waiting: Vec::new(),
            braces: 0,
            nesting: 0,
            operations: 0,
        };
        parser.push_source(source);
        parser
    }

    /// Go on in this text, and come back at its end. The token after the last one taken must not have been read.
    pub(super) fn push_source(&mut self, source: Source) {
        self.push_source_at(source, self.depth() + 1);
    }

    pub(super) fn push_source_at(&mut self, source: Source, depth: u32) {
        let file = u16::try_from(self.sources.files.len()).unwrap_or(u16::MAX);
        self.sources.files.push(source);
        self.open.push(Open { file, at: 0, depth });
        self.token = None;
    }

    pub(super) fn depth(&self) -> u32 {
        self.open.last().map_or(0, |open| open.depth)
    }

    pub(super) fn file_count(&self) -> usize {
        self.sources.files.len()
    }

    pub(super) fn finish(self) -> (Sources, Vec<Diagnostic>) {
        (self.sources, self.diagnostics)
    }

    fn bytes(&self, file: u16) -> &[u8] {
        self.sources
            .files
            .get(usize::from(file))
            .map_or(&[], |source| source.text.as_bytes())
    }

    /// The text there.
    pub(super) fn text(&self, span: Span) -> &str {
        self.sources
            .files
            .get(usize::from(span.file))
            .and_then(|source| source.text.get(span.start as usize..span.end as usize))
            .unwrap_or_default()
    }

    pub(super) fn peek(&mut self) -> Token {
        if let Some(token) = self.token {
            return token;
        }
        let token = loop {
            let Some(open) = self.open.last() else {
                break Token {
                    kind: Kind::End,
                    ..self.previous
                };
            };
            let token = lexer::next(self.bytes(open.file), open.at, open.file);
            if token.kind == Kind::End && self.open.len() > 1 {
                self.open.pop();
                continue;
            }
            break token;
        };
        self.token = Some(token);
        token
    }

    /// The token after the next one, as far as this text goes.
    pub(super) fn peek_second(&mut self) -> Token {
        let token = self.peek();
        let bytes = self.bytes(token.span.file);
        lexer::next(bytes, token.span.end as usize, token.span.file)
    }

    pub(super) fn kw(&mut self) -> Kw {
        self.peek().kw
    }

    pub(super) fn kind(&mut self) -> Kind {
        self.peek().kind
    }

    pub(super) fn bump(&mut self) -> Token {
        let token = self.peek();
        self.token = None;
        match token.kind {
            Kind::End => self.token = Some(token),
            Kind::OpenBrace => self.braces += 1,
            Kind::CloseBrace => self.braces = self.braces.saturating_sub(1),
            _ => {}
        }
        if let Some(open) = self.open.last_mut() {
            open.at = token.span.end as usize;
        }
        self.previous = token;
        token
    }

    /// From there to the end of the last token taken.
    pub(super) fn since(&self, start: Span) -> Span {
        start.to(self.previous.span)
    }

    pub(super) fn here(&mut self) -> Span {
        self.peek().span
    }

    pub(super) fn at_kind(&mut self, kind: Kind) -> bool {
        self.peek().kind == kind
    }

    pub(super) fn eat(&mut self, kind: Kind) -> bool {
        let found = self.peek().kind == kind;
        if found {
            self.bump();
        }
        found
    }

    pub(super) fn eat_kw(&mut self, kw: Kw) -> bool {
        let found = self.peek().kw == kw;
        if found {
            self.bump();
        }
        found
    }

    pub(super) fn expect(&mut self, kind: Kind) -> Parsed<Token> {
        if self.peek().kind == kind {
            Ok(self.bump())
        } else {
            self.unexpected(&[kind.name()], &[])
        }
    }

    pub(super) fn expect_kw(&mut self, kw: Kw) -> Parsed<Token> {
        if self.peek().kw == kw {
            Ok(self.bump())
        } else {
            self.unexpected(&[], &[kw.text()])
        }
    }

    /// One of the words; its place in the list.
    pub(super) fn expect_one(&mut self, words: &[Kw]) -> Parsed<(Kw, Span)> {
        let token = self.peek();
        if token.kw != Kw::None && words.contains(&token.kw) {
            self.bump();
            return Ok((token.kw, token.span));
        }
        let texts: Vec<&'static str> = words.iter().map(|kw| kw.text()).collect();
        self.unexpected(&[], &texts)
    }

    /// Whether the token can be a name here: nft's `STRING`.
    pub(super) fn is_name(&self, token: Token) -> bool {
        match token.kind {
            Kind::Word => !token.kw.is_reserved(self.scope),
            Kind::Text | Kind::Bracketed => true,
            _ => false,
        }
    }

    pub(super) fn at_name(&mut self) -> bool {
        let token = self.peek();
        self.is_name(token)
    }

    /// The word as written, without brackets or quotes.
    pub(super) fn bare(&self, token: Token) -> &str {
        let text = self.text(token.span);
        match token.kind {
            Kind::Quoted | Kind::Bracketed => text.get(1..text.len() - 1).unwrap_or_default(),
            _ => text,
        }
    }

    /// A name; `what` is what it is the name of.
    pub(super) fn name(&mut self, what: &'static str) -> Parsed<At<Name>> {
        let token = self.peek();
        if self.is_name(token) {
            self.bump();
            return Ok(At::new(Name::from(self.bare(token)), token.span));
        }
        if token.kind == Kind::Word {
            let message = format!(
                "`{}` is a word of the language and cannot be {what} here",
                self.text(token.span)
            );
            return self.fail(Diagnostic::new(token.span, message));
        }
        self.unexpected(&[what], &[])
    }

    /// A name, a quoted string, or a name with `*`.
    pub(super) fn string(&mut self, what: &'static str) -> Parsed<At<String>> {
        let token = self.peek();
        if matches!(token.kind, Kind::Quoted | Kind::Wildcard) {
            self.bump();
            return Ok(At::new(self.bare(token).to_owned(), token.span));
        }
        let name = self.name(what)?;
        Ok(At::new(name.value.to_string(), name.span))
    }

    pub(super) fn number(&mut self, what: &'static str) -> Parsed<At<u64>> {
        let token = self.peek();
        let value = lexer::value(self.text(token.span).as_bytes());
        match value {
            Some(value) if token.kind == Kind::Number => {
                self.bump();
                Ok(At::new(value, token.span))
            }
            _ => self.unexpected(&[what], &[]),
        }
    }

    /// A number that has to fit.
    pub(super) fn number_as<T: TryFrom<u64>>(&mut self, what: &'static str) -> Parsed<At<T>> {
        let number = self.number(what)?;
        match T::try_from(number.value) {
            Ok(value) => Ok(At::new(value, number.span)),
            Err(_) => {
                let message = format!("{} is too large for {what}", number.value);
                self.fail(Diagnostic::new(number.span, message))
            }
        }
    }

    pub(super) fn fail<T>(&mut self, diagnostic: Diagnostic) -> Parsed<T> {
        self.diagnostics.push(diagnostic);
        Err(Failed)
    }

    pub(super) fn error<T>(&mut self, span: Span, message: impl Into<String>) -> Parsed<T> {
        self.fail(Diagnostic::new(span, message))
    }

    /// These words could stand here, too.
    pub(super) fn offer(&mut self, words: &[&'static str]) {
        if self.hints.is_some() {
            self.hint(&[], words);
        }
    }

    fn hint(&mut self, things: &[&'static str], words: &[&'static str]) {
        let token = self.peek();
        if token.kind != Kind::Junk || self.text(token.span) != CURSOR {
            return;
        }
        let compared = self.compared;
        if let Some(hints) = &mut self.hints {
            hints.words.extend(words);
            hints.things.extend(things);
            if things.contains(&VALUE) {
                hints.value = compared;
            }
        }
    }

    /// The next token does not fit; `things` (as messages call them) or one of the `words` would.
    pub(super) fn unexpected<T>(
        &mut self,
        things: &[&'static str],
        words: &[&'static str],
    ) -> Parsed<T> {
        if self.hints.is_some() {
            self.hint(things, words);
        }
        let token = self.peek();
        let text = self.text(token.span);
        let found = match token.kind {
            Kind::Newline | Kind::End => token.kind.name().to_owned(),
            Kind::Junk => junk(text),
            _ => format!("`{}`", suggest::short(text)),
        };
        let mut expected: Vec<String> = things.iter().map(|&thing| thing.to_owned()).collect();
        expected.extend(words.iter().map(|word| format!("`{word}`")));
        let near = (token.kind == Kind::Word)
            .then(|| suggest::near(text, words.iter().copied()))
            .flatten();
        let mut message = format!("unexpected {found}");
        if !expected.is_empty() && expected.len() <= 8 {
            message += &format!(", expected {}", suggest::or_list(&expected));
        }
        let mut diagnostic = Diagnostic::new(token.span, message);
        if let Some(near) = near {
            diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
        } else if token.kind == Kind::Junk && text == "\"" {
            diagnostic = diagnostic.help("the quoted string has no end");
        } else if token.kind == Kind::Junk && text == "#" {
            diagnostic = diagnostic.help("a comment has to end with a newline");
        } else if (9..30).contains(&expected.len()) {
            diagnostic = diagnostic.help(format!("expected one of {}", expected.join(", ")));
        }
        self.fail(diagnostic)
    }

    pub(super) fn gave_up(&self) -> bool {
        self.diagnostics.len() >= MOST_ERRORS
    }

    /// Within that scope of keywords.
    pub(super) fn within<T>(&mut self, scope: Scope, read: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.scope, scope);
        let read = read(self);
        self.scope = outer;
        read
    }

    /// Where nft reads one word further in that scope: a word that is a keyword only there fits nowhere.
    pub(super) fn no_word_of(&mut self, scope: Scope) -> Parsed<()> {
        let kw = self.kw();
        if kw.is_reserved(scope) && !kw.is_reserved(self.scope) {
            return self.unexpected(&[], &[]);
        }
        Ok(())
    }

    /// One level deeper, if there is one left.
    pub(super) fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.nesting == MOST_NESTING {
            let here = self.here();
            return self.error(here, "nested too deeply");
        }
        self.nesting += 1;
        let read = read(self);
        self.nesting -= 1;
        read
    }

    /// Braces that are open now; for [`Parser::recover`].
    pub(super) fn open_braces(&self) -> u32 {
        self.braces
    }

    /// Blanks before the first character of the line.
    fn indentation(&self, span: Span) -> usize {
        let text = self.bytes(span.file);
        let before = text.get(..span.start as usize).unwrap_or_default();
        let line = before.iter().rposition(|byte| *byte == b'\n');
        let line = before
            .get(line.map_or(0, |at| at + 1)..)
            .unwrap_or_default();
        let blanks = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t'));
        blanks.count()
    }

    /// After an error in a statement that began at `start`, when `base` braces were open: go on behind its end, or
    /// before the brace that closes the block around it.
    pub(super) fn recover(&mut self, base: u32, start: Span) {
        self.scope = Scope::None;
        self.operations = 0;
        loop {
            let inside = self.braces > base;
            match self.kind() {
                Kind::End => return,
                Kind::CloseBrace if !inside => return,
                Kind::Semicolon | Kind::Newline if !inside => {
                    self.bump();
                    return;
                }
                Kind::Newline => {
                    // Inside braces: elements go on after `,` and `{`; everywhere else a brace is missing.
                    let goes_on = matches!(self.previous.kind, Kind::Comma | Kind::OpenBrace);
                    self.bump();
                    // A brace that stands further left than the statement closes what is around it.
                    let next = self.peek();
                    let closes = next.kind == Kind::CloseBrace
                        && self.indentation(next.span) >= self.indentation(start);
                    if !goes_on && !closes {
                        self.braces = base;
                        return;
                    }
                }
                _ => {
                    self.bump();
                }
            }
        }
    }

    /// A newline or `;`, which ends a statement.
    pub(super) fn separator(&mut self) -> Parsed<()> {
        if matches!(self.kind(), Kind::Newline | Kind::Semicolon) {
            self.bump();
            return Ok(());
        }
        self.unexpected(&["a newline", "`;`"], &[])
    }

    pub(super) fn eat_separator(&mut self) -> bool {
        let found = matches!(self.kind(), Kind::Newline | Kind::Semicolon);
        if found {
            self.bump();
        }
        found
    }
}

fn junk(text: &str) -> String {
    match text {
        "\r" => "carriage return (the file has the line ends of another system)".to_owned(),
        "" => "character beyond ASCII".to_owned(),
        "\"" => "`\"`".to_owned(),
        _ => match text.chars().next() {
            Some(c) if c.is_ascii_graphic() => format!("`{c}`"),
            Some(c) => format!("character {}", c.escape_default()),
            None => "character".to_owned(),
        },
    }
}
