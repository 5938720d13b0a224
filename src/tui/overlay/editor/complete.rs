//! The words that could come next, and putting them into the text.

use super::Editor;
use crate::lang::nft::complete::Candidate;

/// What fits at the cursor, and which of it stands there while one goes through it.
#[derive(Clone, Debug, Default)]
pub struct Completion {
    words: Vec<Candidate>,
    picked: Option<usize>,
}

impl Completion {
    /// New words, unless one goes through those of before.
    pub fn offer(&mut self, words: Vec<Candidate>) {
        if self.picked.is_none() {
            self.words = words;
        }
    }

    /// Something else was typed.
    pub fn end(&mut self) {
        if self.picked.take().is_some() {
            self.words.clear();
        }
    }

    pub fn words(&self) -> &[Candidate] {
        &self.words
    }

    pub fn picked(&self) -> Option<usize> {
        self.picked
    }
}

/// The longest beginning that all words share.
fn common(words: &[Candidate]) -> &str {
    let Some(first) = words.first() else {
        return "";
    };
    let mut end = first.text.len();
    for word in words {
        let same = first.text.bytes().zip(word.text.bytes());
        end = end.min(same.take_while(|(a, b)| a == b).count());
    }
    while !first.text.is_char_boundary(end) {
        end -= 1;
    }
    first.text.get(..end).unwrap_or_default()
}

impl Editor {
    /// Write what all words that fit have in common; when that stands there, the words themselves one after the
    /// other. False when there is nothing to write.
    pub(super) fn complete(&mut self, forward: bool) -> bool {
        let count = self.completion.words.len();
        let Some(start) = self.completion.words.first().map(|word| word.start) else {
            return false;
        };
        let cursor = self.cursor_byte();
        let text = self.text();
        let typed = text.get(start..cursor).unwrap_or_default().to_owned();
        let shared = common(&self.completion.words).to_owned();
        let word = if self.completion.picked.is_none()
            && shared.len() > typed.len()
            && !typed.is_empty()
        {
            shared
        } else {
            let next = match self.completion.picked {
                None if forward => 0,
                None => count - 1,
                Some(picked) if forward => (picked + 1) % count,
                Some(picked) => (picked + count - 1) % count,
            };
            self.completion.picked = (count > 1).then_some(next);
            let word = self.completion.words.get(next);
            word.map(|word| word.text.clone()).unwrap_or_default()
        };
        for _ in typed.chars() {
            self.area.delete_char();
        }
        self.area.insert_str(word);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::nft::complete::What;

    #[test]
    fn words_share_their_beginning() {
        let words = |texts: &[&str]| -> Vec<Candidate> {
            let word = |text: &&str| Candidate {
                text: (*text).into(),
                what: What::Keyword,
                start: 0,
            };
            texts.iter().map(word).collect()
        };
        assert_eq!(common(&words(&["saddr", "sport"])), "s");
        assert_eq!(common(&words(&["dnat", "dnat"])), "dnat");
        assert_eq!(common(&words(&["ä", "ö"])), "");
        assert_eq!(common(&[]), "");
    }
}
