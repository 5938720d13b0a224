//! One description of an output, two forms: iproute2's text and its JSON (compact, keys in order of printing).

use std::fmt::{Display, Write};

/// Collects text or JSON.
#[derive(Clone, Debug)]
pub struct Out {
    json: bool,
    buf: String,
    /// The next JSON value is the first of its array or object.
    first: bool,
}

impl Out {
    pub fn new(json: bool) -> Out {
        Out {
            json,
            buf: String::new(),
            first: true,
        }
    }

    pub fn is_json(&self) -> bool {
        self.json
    }

    /// What was collected; the next part continues where this one ended.
    pub fn take(&mut self) -> String {
        std::mem::take(&mut self.buf)
    }

    /// Text without a counterpart in JSON.
    pub fn text(&mut self, text: impl Display) {
        if !self.json {
            // Writing to a String cannot fail.
            let _ = write!(self.buf, "{text}");
        }
    }

    /// A string: in text between `before` and `after`.
    pub fn string(&mut self, key: &str, before: &str, value: &str, after: &str) {
        if self.json {
            self.key(key);
            self.quote(value);
        } else {
            for part in [before, value, after] {
                self.buf.push_str(part);
            }
        }
    }

    /// A number: in text between `before` and `after`.
    pub fn number(&mut self, key: &str, before: &str, value: impl Display, after: &str) {
        if self.json {
            self.key(key);
            let _ = write!(self.buf, "{value}");
        } else {
            let _ = write!(self.buf, "{before}{value}{after}");
        }
    }

    /// A number in C's `%#x`, which is a string in JSON.
    pub fn hex(&mut self, key: &str, before: &str, value: u64, after: &str) {
        self.string(key, before, &alternate_hex(value), after);
    }

    /// A word that stands for itself: `null` in JSON.
    pub fn word(&mut self, key: &str, text: &str) {
        if self.json {
            self.key(key);
            self.buf.push_str("null");
        } else {
            self.buf.push_str(text);
        }
    }

    /// A word that is `true` in JSON.
    pub fn flag(&mut self, key: &str, text: &str) {
        if self.json {
            self.key(key);
            self.buf.push_str("true");
        } else {
            self.buf.push_str(text);
        }
    }

    pub fn boolean(&mut self, key: &str, value: bool) {
        if self.json {
            self.key(key);
            let _ = write!(self.buf, "{value}");
        }
    }

    /// An element of an array; in text with `after`.
    pub fn element(&mut self, value: &str, after: &str) {
        if self.json {
            self.comma();
            self.quote(value);
        } else {
            self.buf.push_str(value);
            self.buf.push_str(after);
        }
    }

    /// Start an object: a member when it has a key, an element otherwise.
    pub fn open_object(&mut self, key: Option<&str>) {
        self.open(key, '{');
    }

    pub fn close_object(&mut self) {
        self.close('}');
    }

    pub fn open_array(&mut self, key: Option<&str>) {
        self.open(key, '[');
    }

    pub fn close_array(&mut self) {
        self.close(']');
    }

    fn open(&mut self, key: Option<&str>, bracket: char) {
        if !self.json {
            return;
        }
        match key {
            Some(key) => self.key(key),
            None => self.comma(),
        }
        self.buf.push(bracket);
        self.first = true;
    }

    fn close(&mut self, bracket: char) {
        if self.json {
            self.buf.push(bracket);
            self.first = false;
        }
    }

    fn comma(&mut self) {
        if !self.first {
            self.buf.push(',');
        }
        self.first = false;
    }

    fn key(&mut self, key: &str) {
        self.comma();
        self.quote(key);
        self.buf.push(':');
    }

    fn quote(&mut self, text: &str) {
        self.buf.push('"');
        for c in text.chars() {
            match c {
                '"' => self.buf.push_str("\\\""),
                '\\' => self.buf.push_str("\\\\"),
                '\n' => self.buf.push_str("\\n"),
                '\t' => self.buf.push_str("\\t"),
                '\r' => self.buf.push_str("\\r"),
                '\u{8}' => self.buf.push_str("\\b"),
                '\u{c}' => self.buf.push_str("\\f"),
                other => self.buf.push(other),
            }
        }
        self.buf.push('"');
    }
}

/// C's `%#x`: no `0x` before zero.
fn alternate_hex(value: u64) -> String {
    match value {
        0 => "0".to_owned(),
        value => format!("{value:#x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe(out: &mut Out) {
        out.open_object(None);
        out.string("dst", "", "a\"b", " ");
        out.hex("mark", "mark ", 0, " ");
        out.open_array(Some("flags"));
        out.element("dead", " ");
        out.element("onlink", " ");
        out.close_array();
        out.number("metric", "metric ", 5, " ");
        out.close_object();
    }

    #[test]
    fn both_forms() {
        let mut text = Out::new(false);
        describe(&mut text);
        assert_eq!(text.take(), "a\"b mark 0 dead onlink metric 5 ");
        let mut json = Out::new(true);
        describe(&mut json);
        describe(&mut json);
        let once = r#"{"dst":"a\"b","mark":"0","flags":["dead","onlink"],"metric":5}"#;
        assert_eq!(json.take(), format!("{once},{once}"));
    }
}
