//! The near word: what was perhaps meant by a misspelt one. For the messages of every language read here.

/// At most so much of a word is compared, in characters: what is longer is near nothing.
pub const LONGEST: usize = 40;

/// Insertions, deletions, replacements and swaps of neighbours that make one word the other. Words are compared up to
/// one character beyond [`LONGEST`].
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(LONGEST + 1).collect();
    // Rows of the usual table, each one column longer than `b`: the one before the last, and the last.
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut from_before = None;
    for (i, from) in a.chars().take(LONGEST + 1).enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        let mut left = i + 1;
        row.push(left);
        let mut to_before = None;
        // What stands two columns to the left in the row before the last, for a swap of neighbours.
        let mut swapped = before_last.iter().copied();
        for (to, above) in b.iter().zip(last.windows(2)) {
            let &[diagonal, above] = above else { continue };
            let mut best = (diagonal + usize::from(from != *to))
                .min(above + 1)
                .min(left + 1);
            let two_left = to_before.and_then(|_| swapped.next());
            if let Some(two_left) = two_left
                && from_before == Some(*to)
                && to_before == Some(from)
            {
                best = best.min(two_left + 1);
            }
            row.push(best);
            left = best;
            to_before = Some(*to);
        }
        before_last = std::mem::replace(&mut last, row);
        from_before = Some(from);
    }
    last.last().copied().unwrap_or_default()
}

/// The word nearest to this one, if one is near: about one slip in three letters.
pub fn near<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    if !(2..=LONGEST).contains(&length) {
        return None;
    }
    let most = (length / 3).clamp(1, 3);
    words
        .into_iter()
        .filter(|candidate| *candidate != word)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("dport", "dport", 0),
            ("dprot", "dport", 1),
            ("eth0", "eth1", 1),
            ("ab", "ba", 1),
            ("abcd", "acbd", 1),
            ("abcd", "badc", 2),
            ("ca", "abc", 3),
            ("", "abc", 3),
            ("", "", 0),
            ("kitten", "sitting", 3),
            ("größe", "grösse", 2),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
        let long = "a".repeat(1000);
        assert_eq!(distance(&long, ""), LONGEST + 1);
    }

    #[test]
    fn near_words() {
        let words = ["sport", "dport", "checksum", "flags"];
        assert_eq!(near("dprot", words), Some("dport"));
        assert_eq!(near("flag", words), Some("flags"));
        assert_eq!(near("chain", words), None);
        assert_eq!(near("x", words), None);
        let words = ["metric", "mtu", "via", "dev"];
        assert_eq!(near("metirc", words), Some("metric"));
        assert_eq!(near("vai", words), Some("via"));
        assert_eq!(near("mut", words), Some("mtu"));
        assert_eq!(near("192.0.2.1", words), None);
        assert_eq!(near("xyz", words), None);
    }
}
