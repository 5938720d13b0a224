//! Rules that are switched off and stay where they are. Pure, on the text of rules.
//!
//! Such a rule begins with a match that no packet meets (`meta length 0`), and its comment says so. All of it stays in
//! the kernel: whatever it holds, its counters, its place; every other tool shows it, and any program can switch it
//! on again by taking that match away.

/// No packet has this length.
const NEVER: &str = "meta length 0";
const MARK: &str = "disabled";
/// `NFTNL_UDATA_COMMENT_MAXLEN`, less the zero at the end: the longest comment that nft takes, in bytes.
const COMMENT: usize = 127;

/// The text without its comment, and the comment.
fn split(text: &str) -> (&str, Option<&str>) {
    let comment = || {
        let body = text.strip_suffix('"')?;
        let (body, comment) = body.rsplit_once(" comment \"")?;
        // A quote in between: the last string of the rule is something else.
        (!comment.contains('"')).then_some((body, comment))
    };
    match comment() {
        Some((body, comment)) => (body, Some(comment)),
        None => (text, None),
    }
}

/// Whether this rule is switched off.
pub fn is_disabled(text: &str) -> bool {
    text == NEVER
        || text
            .strip_prefix(NEVER)
            .is_some_and(|rest| rest.starts_with(' '))
}

/// The text of the rule when it is switched off. Nothing for one that is off. Not for rules that iptables wrote:
/// they would stop being rules of iptables.
pub fn disabled(text: &str) -> Option<String> {
    if is_disabled(text) || text.is_empty() {
        return None;
    }
    let (body, comment) = split(text);
    let comment = match comment {
        None => MARK.to_owned(),
        Some(comment) if MARK.len() + 2 + comment.len() <= COMMENT => format!("{MARK}: {comment}"),
        Some(comment) => comment.to_owned(),
    };
    Some(format!("{NEVER} {body} comment \"{comment}\""))
}

/// The text of a rule that was switched off when it is on again.
pub fn enabled(text: &str) -> Option<String> {
    let (body, comment) = split(text);
    let body = body.strip_prefix(NEVER)?.strip_prefix(' ')?;
    let comment = match comment {
        Some(MARK) => None,
        Some(comment) => Some(
            comment
                .strip_prefix(MARK)
                .and_then(|rest| rest.strip_prefix(": "))
                .unwrap_or(comment),
        ),
        None => None,
    };
    Some(match comment {
        Some(comment) => format!("{body} comment \"{comment}\""),
        None => body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_and_on_again_is_the_same_rule() {
        let long = format!("accept comment \"{}\"", "x".repeat(120));
        for text in [
            "tcp dport 22 accept",
            "tcp dport 22 counter accept comment \"ssh\"",
            "log prefix \" comment \" drop",
            "log prefix \"a comment \"",
            "iifname \"eth0\" accept",
            &long,
        ] {
            let off = disabled(text).unwrap();
            assert!(is_disabled(&off) && disabled(&off).is_none(), "{off}");
            assert_eq!(enabled(&off).as_deref(), Some(text), "{off}");
        }
        assert_eq!(
            disabled("accept").unwrap(),
            "meta length 0 accept comment \"disabled\""
        );
        assert_eq!(enabled("accept"), None);
    }
}
