//! Diagnostics as text: where, what, the line with a caret, what to do.

use super::lexer;
use crate::lang::nft::syntax::{Diagnostic, Sources, Span};
use crate::model::text::escaped_byte;
use unicode_width::UnicodeWidthChar;

/// Columns of a source line that are shown at most.
const WIDTH: usize = 100;
const TAB: usize = 8;

/// Line and column, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

/// The start of the line around that byte.
fn line_start(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or_default();
    before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |newline| newline + 1)
}

/// The nearest start of a character at or before that byte.
fn boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

pub fn place(sources: &Sources, span: Span) -> Option<Place> {
    let source = sources.files.get(usize::from(span.file))?;
    let at = boundary(&source.text, span.start as usize);
    let start = line_start(&source.text, at);
    let before = source.text.as_bytes().get(..start).unwrap_or_default();
    let within = source.text.get(start..at).unwrap_or_default();
    Some(Place {
        line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
        column: within.chars().count() + 1,
    })
}

/// A character as it is shown: tabs as blanks, what cannot be seen as an escape.
fn show(c: char, column: usize, out: &mut String) {
    if c == '\t' {
        let blanks = TAB - column % TAB;
        out.extend(std::iter::repeat_n(' ', blanks));
    } else if let Some(byte) = escaped_byte(c) {
        out.push_str(&format!("\\x{byte:02x}"));
    } else if c.is_control() || c.width().is_none() {
        out.extend(c.escape_default());
    } else {
        out.push(c);
    }
}

fn columns(text: &str) -> usize {
    text.chars().filter_map(UnicodeWidthChar::width).sum()
}

/// The part of the line that is shown, and the columns of the caret line in it.
fn excerpt(text: &str, span: Span) -> (String, usize, usize) {
    let start = boundary(text, span.start as usize);
    let end = boundary(text, (span.end as usize).max(start));
    let line = line_start(text, start);
    // So many characters before the place at most, and not all of a line without end.
    let mut from = start;
    let mut left = 0;
    let before = text.get(line..start).unwrap_or_default();
    for (index, c) in before.char_indices().rev() {
        let mut shown = String::new();
        show(c, 0, &mut shown);
        left += columns(&shown);
        if left > WIDTH * 2 / 3 {
            break;
        }
        from = line + index;
    }
    let cut = from > line;
    let mut shown = String::new();
    if cut {
        shown.push('…');
    }
    for c in text.get(from..start).unwrap_or_default().chars() {
        let column = columns(&shown);
        show(c, column, &mut shown);
    }
    let left = columns(&shown);
    let mut right = left;
    let behind = text.get(start..).unwrap_or_default();
    for (index, c) in behind.char_indices() {
        if c == '\n'
            || (c == '\r'
                && behind
                    .get(index..)
                    .is_some_and(|rest| rest.starts_with("\r\n"))
                && start + index >= end)
        {
            break;
        }
        let column = columns(&shown);
        if column >= left + WIDTH / 2 && column >= WIDTH {
            shown.push('…');
            break;
        }
        show(c, column, &mut shown);
        if start + index < end {
            right = columns(&shown);
        }
    }
    (shown, left, right.max(left + 1) - left)
}

/// One diagnostic, with the line it is about.
pub fn render(sources: &Sources, diagnostic: &Diagnostic) -> String {
    let mut out = String::new();
    let span = diagnostic.span;
    let mut included = Vec::new();
    let mut next = sources
        .files
        .get(usize::from(span.file))
        .and_then(|source| source.included);
    while let Some(from) = next {
        included.push(from);
        next = sources
            .files
            .get(usize::from(from.file))
            .and_then(|source| source.included)
            .filter(|_| included.len() < 32);
    }
    for from in included.iter().rev() {
        if let (Some(place), Some(source)) = (
            place(sources, *from),
            sources.files.get(usize::from(from.file)),
        ) {
            out.push_str(&format!("included from {}:{}:\n", source.name, place.line));
        }
    }
    match (
        place(sources, span),
        sources.files.get(usize::from(span.file)),
    ) {
        (Some(place), Some(source)) => {
            let (line, column) = (place.line, place.column);
            out.push_str(&format!(
                "{}:{line}:{column}: error: {}\n",
                source.name, diagnostic.message
            ));
            let (shown, left, width) = excerpt(&source.text, span);
            let number = line.to_string();
            let margin = " ".repeat(number.len());
            out.push_str(&format!("{number} | {shown}\n"));
            out.push_str(&format!(
                "{margin} | {}{}\n",
                " ".repeat(left),
                "^".repeat(width.min(WIDTH))
            ));
        }
        _ => out.push_str(&format!("error: {}\n", diagnostic.message)),
    }
    if let Some(help) = &diagnostic.help {
        out.push_str(&format!("help: {help}\n"));
    }
    out
}

/// All diagnostics.
pub fn render_all(sources: &Sources, diagnostics: &[Diagnostic]) -> String {
    let texts: Vec<String> = diagnostics
        .iter()
        .map(|diagnostic| render(sources, diagnostic))
        .collect();
    texts.join("\n")
}

/// What a piece of text is, for colours.
pub use lexer::{Piece, piece};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::nft::syntax::Source;
    use crate::model::text::from_bytes;

    fn rendered(text: &str, start: u32, end: u32) -> String {
        let source = Source {
            name: "f".to_owned(),
            text: text.to_owned(),
            included: None,
        };
        let sources = Sources {
            files: vec![source],
        };
        let span = Span {
            file: 0,
            start,
            end,
        };
        render(
            &sources,
            &Diagnostic::new(span, "wrong").help("do it right"),
        )
    }

    #[test]
    fn a_line_with_a_caret() {
        assert_eq!(
            rendered("one\n\ttwo three\n", 9, 14),
            "f:2:6: error: wrong\n2 |         two three\n  |             ^^^^^\nhelp: do it right\n"
        );
        // The end of the text
        assert_eq!(
            rendered("one", 3, 3),
            "f:1:4: error: wrong\n1 | one\n  |    ^\nhelp: do it right\n"
        );
    }

    #[test]
    fn wide_and_unseen_characters() {
        let text = "\u{4e2d}\u{6587} x";
        assert!(rendered(text, 7, 8).contains("1 | \u{4e2d}\u{6587} x\n  |      ^\n"));
        let text = from_bytes(b"a\xff\x1bb");
        let end = text.len() as u32;
        assert!(rendered(&text, end - 1, end).contains("1 | a\\xff\\u{1b}b\n  |            ^\n"));
    }

    #[test]
    fn long_lines_are_cut() {
        let text = "x".repeat(1_000_000);
        let shown = rendered(&text, 500_000, 500_003);
        assert!(shown.len() < 500, "{}", shown.len());
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[1].contains('\u{2026}'));
        assert_eq!(lines[2].matches('^').count(), 3);
        assert!(rendered(&text, 0, 1_000_000).len() < 600);
    }

    #[test]
    fn places_beyond_the_text_are_no_panic() {
        rendered("", 5, 9);
        rendered("\u{4e2d}", 1, 2);
    }
}
