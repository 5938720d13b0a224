//! Words of a command with their places, and errors that point at them.

use crate::lang::near::near;
use std::fmt;

/// One word, and where it stands: lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    pub text: String,
    pub line: usize,
    pub column: usize,
}

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    pub line: usize,
    pub column: usize,
    /// The word at fault; empty at the end of a command.
    pub word: String,
    /// What is wrong with it.
    pub problem: String,
    /// What could stand there.
    pub expected: String,
    /// A word that it was perhaps meant to be.
    pub near: Option<String>,
    /// The line that it stands in.
    pub source: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: ", self.line, self.column)?;
        if self.word.is_empty() {
            f.write_str(&self.problem)?;
        } else {
            let (word, more) = beginning(&self.word, LONGEST_WORD);
            write!(f, "'{word}{more}' {}", self.problem)?;
        }
        if !self.expected.is_empty() {
            write!(f, "; expected {}", self.expected)?;
        }
        if let Some(near) = &self.near {
            write!(f, "; did you mean '{near}'?")?;
        }
        if !self.source.is_empty() {
            // Of a long line, what is around the place.
            const BEFORE: usize = 60;
            let skip = match self.column.saturating_sub(1) {
                column if column <= BEFORE + 20 => 0,
                column => column - BEFORE,
            };
            let rest = self.source.char_indices().nth(skip);
            let rest = rest.map_or("", |(place, _)| {
                self.source.get(place..).unwrap_or_default()
            });
            let (shown, more) = beginning(rest, BEFORE + 100);
            let start = if skip > 0 { "…" } else { "" };
            let column = self.column.saturating_sub(1) - skip + start.chars().count();
            let width = self.word.chars().take(LONGEST_WORD).count().max(1);
            write!(
                f,
                "\n  {start}{shown}{more}\n  {}{}",
                " ".repeat(column),
                "^".repeat(width)
            )?;
        }
        Ok(())
    }
}

/// Longer words are cut where they are shown.
const LONGEST_WORD: usize = 60;

/// The first characters of a text, and a sign when there are more.
fn beginning(text: &str, most: usize) -> (&str, &'static str) {
    match text.char_indices().nth(most) {
        Some((end, _)) => (text.get(..end).unwrap_or_default(), "…"),
        None => (text, ""),
    }
}

impl std::error::Error for ParseError {}

/// The words of one command, taken one after another.
#[derive(Clone, Debug)]
pub struct Words<'a> {
    words: &'a [Word],
    place: usize,
    /// Where the command ends: what is missing is missing there.
    end: (usize, usize),
    lines: &'a [String],
}

impl<'a> Words<'a> {
    /// `lines` are the lines of the text that `words` speak of.
    pub fn new(words: &'a [Word], lines: &'a [String]) -> Words<'a> {
        let end = words.last().map_or((1, 1), |last| {
            (last.line, last.column + last.text.chars().count() + 1)
        });
        Words {
            words,
            place: 0,
            end,
            lines,
        }
    }

    pub fn next(&mut self) -> Option<&'a Word> {
        let word = self.words.get(self.place)?;
        self.place += 1;
        Some(word)
    }

    pub fn peek(&self) -> Option<&'a str> {
        self.words.get(self.place).map(|word| word.text.as_str())
    }

    /// The word that comes next, if it is this one.
    pub fn take(&mut self, text: &str) -> bool {
        let found = self.peek() == Some(text);
        self.place += usize::from(found);
        found
    }

    /// The value that has to follow `after`.
    pub fn value(&mut self, after: &str, expected: &str) -> Result<&'a Word, Box<ParseError>> {
        self.next()
            .ok_or_else(|| self.missing(&format!("a value is missing after '{after}'"), expected))
    }

    /// Something is missing at the end.
    pub fn missing(&self, problem: &str, expected: &str) -> Box<ParseError> {
        let (line, column) = self.end;
        Box::new(ParseError {
            line,
            column,
            word: String::new(),
            problem: problem.to_owned(),
            expected: expected.to_owned(),
            near: None,
            source: self.source(line),
        })
    }

    /// A word is wrong.
    pub fn wrong(&self, word: &Word, problem: &str, expected: &str) -> Box<ParseError> {
        Box::new(ParseError {
            line: word.line,
            column: word.column,
            word: word.text.clone(),
            problem: problem.to_owned(),
            expected: expected.to_owned(),
            near: None,
            source: self.source(word.line),
        })
    }

    /// A word is none of those that could stand there.
    pub fn unknown<'b>(
        &self,
        word: &Word,
        problem: &str,
        expected: &str,
        choices: impl IntoIterator<Item = &'b str>,
    ) -> Box<ParseError> {
        let mut error = self.wrong(word, problem, expected);
        error.near = near(&word.text, choices).map(str::to_owned);
        error
    }

    fn source(&self, line: usize) -> String {
        let text = self.lines.get(line.saturating_sub(1)).cloned();
        // Tabs would move the caret.
        text.unwrap_or_default().replace('\t', " ")
    }
}

/// A word that a command knows, whether its beginning is enough as in iproute2, and what it stands for.
pub type Keyword<K> = (&'static str, bool, K);

/// The first keyword that `text` is, or begins where that is enough: in iproute2's order.
pub fn keyword<K: Copy>(table: &[Keyword<K>], text: &str) -> Option<K> {
    let fits = |(name, short, _): &&Keyword<K>| {
        *name == text || (*short && !text.is_empty() && name.starts_with(text))
    };
    table.iter().find(fits).map(|(_, _, kind)| *kind)
}

/// The words of a table, for an error.
pub fn names_of<K>(table: &[Keyword<K>]) -> impl Iterator<Item = &'static str> {
    table.iter().map(|(name, _, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_are_enough_where_iproute2_says_so() {
        let table = [("dsfield", true, 1), ("dev", false, 2)];
        assert_eq!(keyword(&table, "d"), Some(1));
        assert_eq!(keyword(&table, "de"), None);
        assert_eq!(keyword(&table, "dev"), Some(2));
        assert_eq!(keyword(&table, ""), None);
    }
}
