//! Words for messages: what is quoted, lists, and the near word.

pub use crate::lang::near::{LONGEST, near};

/// The start of a text, for messages.
pub fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut short: String = line.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// `a, b or c`
pub fn or_list(things: &[String]) -> String {
    match things {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_are_cut() {
        assert_eq!(short(&"a".repeat(100)).chars().count(), LONGEST + 1);
    }
}
