//! A line as words, with the places where they stand.

use super::Wrong;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    pub text: String,
    /// Bytes of the whole text.
    pub start: usize,
    pub end: usize,
}

/// Split a line that begins at byte `at` of the text. Double quotes hold blanks together; in them a backslash
/// takes the next character as it is.
pub fn split(line: &str, at: usize) -> Result<Vec<Word>, Wrong> {
    let mut words = Vec::new();
    let mut text = String::new();
    let mut start = None;
    let mut quoted = false;
    let mut escaped = false;
    for (offset, c) in line.char_indices() {
        let here = at + offset;
        if quoted {
            match c {
                _ if escaped => {
                    text.push(c);
                    escaped = false;
                }
                '\\' => escaped = true,
                '"' => quoted = false,
                _ => text.push(c),
            }
            continue;
        }
        match c {
            '"' => {
                quoted = true;
                start.get_or_insert(here);
            }
            ' ' | '\t' | '\r' => {
                if let Some(start) = start.take() {
                    words.push(Word {
                        text: std::mem::take(&mut text),
                        start,
                        end: here,
                    });
                }
            }
            _ => {
                start.get_or_insert(here);
                text.push(c);
            }
        }
    }
    let end = at + line.len();
    if quoted {
        return Err(Wrong::new(
            start.unwrap_or(at),
            end,
            "the quote is not closed",
        ));
    }
    if let Some(start) = start {
        words.push(Word { text, start, end });
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_blanks() {
        let words = split(r#"-m comment  --comment "a \"b\" c" """#, 10).unwrap();
        let texts: Vec<&str> = words.iter().map(|word| &*word.text).collect();
        assert_eq!(texts, ["-m", "comment", "--comment", "a \"b\" c", ""]);
        assert_eq!((words[1].start, words[1].end), (13, 20));
        assert!(split("a \"b", 0).is_err());
    }
}
