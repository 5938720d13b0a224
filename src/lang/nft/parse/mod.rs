//! Text in the nft language into [`super::syntax`]: a lexer and a recursive-descent parser by the grammar of nft 1.0.6.
//!
//! What nft's grammar takes is taken and what it refuses is refused; whether names exist and types fit is the
//! compiler's business. Words that are newer than nft 1.0.6 are taken where nothing else can be meant (`destroy`,
//! `reset rules`, `last`).
//! Errors do not end the reading: the parser goes on behind the statement, so that one run tells of several.
//! No file is read here: see [`Files`].
//!
//! `lexer`, `address`, `keyword`: tokens. `cursor`: the place in the texts. `command`, `remove`, `table`, `chain`, `set`,
//! `object`: what stands in files. `rule`: statements. `expr`: expressions. `include`, `variables`. `suggest`,
//! `render`: messages.

mod address;
mod chain;
mod command;
mod cursor;
mod expr;
mod flowtable;
pub mod include;
pub mod keyword;
pub mod lexer;
mod limits;
mod object;
mod remove;
pub mod render;
mod rule;
mod set;
pub mod suggest;
mod table;
#[cfg(test)]
mod tests;
mod variables;

use super::ast::Expr;
use super::syntax::{Command, Diagnostic, Rule, Source, Sources};
use cursor::Parser;
pub use include::{Entry, Files, NoFiles};
use std::path::PathBuf;

/// What a text means hangs on these, too.
pub struct Options<'a> {
    /// Where `include "name"` looks, in this order.
    pub include_paths: Vec<PathBuf>,
    /// Defined before the first word: name and value, as `define` takes them.
    pub variables: Vec<(String, String)>,
    pub files: &'a dyn Files,
}

impl Options<'static> {
    /// Nothing can be included, nothing is defined.
    pub fn bare() -> Options<'static> {
        Options {
            include_paths: Vec::new(),
            variables: Vec::new(),
            files: &NoFiles,
        }
    }
}

/// Something was wrong; what, is among the diagnostics.
#[derive(Clone, Copy, Debug)]
struct Failed;

type Parsed<T> = Result<T, Failed>;

/// Read a whole text: commands and blocks, as `nft -f` takes them.
pub fn parse(
    source: Source,
    options: &Options,
) -> (Sources, Result<Vec<Command>, Vec<Diagnostic>>) {
    let mut commands = Vec::new();
    let (sources, diagnostics) = read(source, options, |parser| {
        commands = parser.commands();
    });
    let result = if diagnostics.is_empty() {
        Ok(commands)
    } else {
        Err(diagnostics)
    };
    (sources, result)
}

/// Read one rule, as it stands in a chain block: statements, maybe with a comment.
pub fn parse_rule(source: Source, options: &Options) -> (Sources, Result<Rule, Vec<Diagnostic>>) {
    only(source, options, |parser| parser.rule())
}

/// Read one expression, as it stands to the left of a value: `ip saddr . tcp dport`, `ct mark and 0xff`.
pub fn parse_expression(
    source: Source,
    options: &Options,
) -> (Sources, Result<Expr, Vec<Diagnostic>>) {
    only(source, options, |parser| parser.expression())
}

/// Read one element of a set or map: `10.0.0.1 timeout 1h : accept`.
pub fn parse_element(
    source: Source,
    options: &Options,
) -> (Sources, Result<Expr, Vec<Diagnostic>>) {
    only(source, options, |parser| parser.element())
}

/// What may stand at the end of a text that ends there.
pub(super) struct Expected {
    pub words: Vec<&'static str>,
    pub things: Vec<&'static str>,
    pub value: Option<&'static super::datatype::DataType>,
    /// Names that variables have there.
    pub variables: Vec<String>,
}

/// What could go on at the end of a text: a rule's, or a file's.
pub(super) fn expected(mut text: String, is_rule: bool) -> Expected {
    // A blank before the cursor: it is no part of the word before it.
    text.push(' ');
    text.push_str(cursor::CURSOR);
    let source = Source {
        name: String::new(),
        text,
        included: None,
    };
    let options = Options::bare();
    let mut parser = Parser::new(source, &options);
    parser.hints = Some(cursor::Hints::default());
    if is_rule {
        while parser.eat_separator() {}
        let _ = parser.rule();
    } else {
        parser.commands();
    }
    let variables = parser.seen_variables();
    let hints = parser.hints.take().unwrap_or_default();
    Expected {
        words: hints.words,
        things: hints.things,
        value: hints.value,
        variables,
    }
}

/// One thing and nothing else.
fn only<T>(
    source: Source,
    options: &Options,
    read_one: impl FnOnce(&mut Parser) -> Parsed<T>,
) -> (Sources, Result<T, Vec<Diagnostic>>) {
    let mut found = None;
    let (sources, diagnostics) = read(source, options, |parser| {
        while parser.eat_separator() {}
        let Ok(one) = read_one(parser) else { return };
        while parser.eat_separator() {}
        if parser.at_kind(lexer::Kind::End) {
            found = Some(one);
        } else {
            let _: Parsed<()> = parser.unexpected(&["the end"], &[]);
        }
    });
    match found {
        Some(found) if diagnostics.is_empty() => (sources, Ok(found)),
        _ => (sources, Err(diagnostics)),
    }
}

fn read(
    source: Source,
    options: &Options,
    read: impl FnOnce(&mut Parser),
) -> (Sources, Vec<Diagnostic>) {
    if u32::try_from(source.text.len()).is_err() {
        let diagnostic = Diagnostic::new(Default::default(), "the text is larger than 4 GiB");
        let files = vec![Source {
            text: String::new(),
            ..source
        }];
        return (Sources { files }, vec![diagnostic]);
    }
    let mut parser = Parser::new(source, options);
    if !options.variables.is_empty() {
        let lines = options.variables.iter();
        let text: String = lines
            .map(|(name, value)| format!("redefine {name} = {value}\n"))
            .collect();
        parser.push_source_at(
            Source {
                name: "<command line>".to_owned(),
                text,
                included: None,
            },
            1,
        );
    }
    read(&mut parser);
    parser.finish()
}

#[cfg(test)]
pub(super) fn text(text: &str) -> Source {
    Source {
        name: "<test>".to_owned(),
        text: text.to_owned(),
        included: None,
    }
}
