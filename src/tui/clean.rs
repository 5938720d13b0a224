//! Text made safe and made to fit: nothing that comes from the kernel or a file may steer the terminal.

use crate::model::text::escaped_byte;
use std::borrow::Cow;
use std::fmt::Write;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// True for characters that would move the cursor, hide text or turn its direction around.
fn unsafe_character(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        || escaped_byte(c).is_some()
}

/// The text with unsafe characters written out: bytes that are no UTF-8 as `\xNN`, others as `\u{N}`.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(unsafe_character) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        // Writing to a String cannot fail.
        let _ = match (escaped_byte(c), c) {
            (Some(byte), _) => write!(out, "\\x{byte:02x}"),
            (None, '\n') => write!(out, "\\n"),
            (None, '\t') => write!(out, "\\t"),
            (None, c) if unsafe_character(c) && (c as u32) < 0x80 => {
                write!(out, "\\x{:02x}", c as u32)
            }
            (None, c) if unsafe_character(c) => write!(out, "\\u{{{:x}}}", c as u32),
            (None, c) => {
                out.push(c);
                Ok(())
            }
        };
    }
    Cow::Owned(out)
}

/// Columns on the screen.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The longest beginning that fits into `columns`.
pub fn head(text: &str, columns: usize) -> &str {
    let mut used = 0;
    for (place, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > columns {
            return text.get(..place).unwrap_or_default();
        }
    }
    text
}

/// The longest end that fits into `columns`.
fn tail(text: &str, columns: usize) -> &str {
    let mut used = 0;
    for (place, c) in text.char_indices().rev() {
        used += c.width().unwrap_or(0);
        if used > columns {
            return text.get(place + c.len_utf8()..).unwrap_or_default();
        }
    }
    text
}

/// Clean text with the middle left out where it is too long: names often differ at their end.
pub fn elide(text: &str, columns: usize) -> String {
    let text = clean(text);
    if width(&text) <= columns {
        return text.into_owned();
    }
    match columns {
        0 => String::new(),
        1 => "…".into(),
        _ => {
            let end = (columns - 1) / 2;
            format!("{}…{}", head(&text, columns - 1 - end), tail(&text, end))
        }
    }
}

/// Break into lines of at most `columns`, at blanks where there are any. Ranges of bytes of `text`.
pub fn wrap(text: &str, columns: usize) -> Vec<std::ops::Range<usize>> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    let mut start = 0;
    while let Some(rest) = text.get(start..).filter(|rest| !rest.is_empty()) {
        let mut fits = head(rest, columns).len();
        if fits == 0 {
            fits = rest.chars().next().map_or(1, char::len_utf8);
        }
        let mut end = start + fits;
        if fits < rest.len() && !rest.get(fits..).is_some_and(|next| next.starts_with(' ')) {
            let blank = rest.get(..fits).and_then(|line| line.rfind(' '));
            if let Some(blank) = blank.filter(|blank| *blank > fits / 3) {
                end = start + blank;
            }
        }
        lines.push(start..end);
        start = end;
        while text.get(start..).is_some_and(|rest| rest.starts_with(' ')) {
            start += 1;
        }
    }
    if lines.is_empty() {
        lines.push(0..0);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::text::from_bytes;

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(clean("plain"), "plain");
        assert_eq!(clean("a\x1b[31mb"), "a\\x1b[31mb");
        assert_eq!(clean(&from_bytes(b"a\xffb")), "a\\xffb");
        assert_eq!(clean("a\u{202e}b\u{9b}"), "a\\u{202e}b\\u{9b}");
    }

    #[test]
    fn long_names_lose_their_middle() {
        assert_eq!(elide("KUBE-SVC-ERIFXISQEP7F7OF4", 12), "KUBE-S…F7OF4");
        assert_eq!(elide("input", 5), "input");
        assert_eq!(elide("日本語の名前です", 7), "日…す");
        assert_eq!(elide("abc", 1), "…");
        assert_eq!(elide("abc", 0), "");
    }

    #[test]
    fn lines_break_at_blanks() {
        let text = "tcp dport 22 accept";
        let lines: Vec<&str> = wrap(text, 12).into_iter().map(|r| &text[r]).collect();
        assert_eq!(lines, ["tcp dport 22", "accept"]);
        assert_eq!(wrap("", 5).first(), Some(&(0..0)));
        assert_eq!(wrap("aaaaaaaa", 3).len(), 3);
        assert_eq!(wrap("日本", 1).len(), 2);
    }
}
