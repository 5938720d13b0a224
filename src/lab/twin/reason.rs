//! Why a packet is gone that no rule ended: what the kernel counted while it was under way.
//! Pure; the counters' names are those of [`crate::kernel::snmp`].

use crate::flow::{Fate, Step, Trace};

/// A counter that tells where a packet ended (`ip_input.c`, `ip_forward.c`, `route.c`, and theirs of IPv6).
struct Row {
    counter: &'static str,
    /// The prediction's check of the same meaning.
    check: Option<&'static str>,
    fate: Fate,
    words: &'static str,
}

const fn row(
    counter: &'static str,
    check: Option<&'static str>,
    fate: Fate,
    words: &'static str,
) -> Row {
    Row {
        counter,
        check,
        fate,
        words,
    }
}

/// The first that has grown counts: a datagram that is too large also counts as an error sent.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    row("TcpExtIPReversePathFilter", Some("rp_filter"), Fate::Dropped, "by the reverse path filter"),
    row("IpExtInNoRoutes", None, Fate::NoRoute, "for want of a route"),
    row("Ip6InNoRoutes", None, Fate::NoRoute, "for want of a route"),
    row("IpFragFails", Some("mtu"), Fate::Dropped, "too large for the way on"),
    row("Ip6InTooBigErrors", Some("mtu"), Fate::Dropped, "too large for the way on"),
    row("IpExtInCsumErrors", Some("ip_header"), Fate::Dropped, "by a wrong checksum"),
    row("IpExtInTruncatedPkts", Some("ip_header"), Fate::Dropped, "cut off"),
    row("Ip6InTruncatedPkts", Some("ip_header"), Fate::Dropped, "cut off"),
    row("IpInHdrErrors", None, Fate::Dropped, "by its header: broken, or the TTL used up"),
    row("Ip6InHdrErrors", None, Fate::Dropped, "by its header: broken, or the hop limit used up"),
    row("IpInAddrErrors", Some("forwarding"), Fate::Dropped, "not for this machine, and not forwarded"),
    row("Ip6InAddrErrors", None, Fate::Dropped, "by its addresses, or not forwarded"),
    row("IpReasmReqds", Some("defragmentation"), Fate::Stolen, "a fragment that waits for the others"),
    row("Ip6ReasmReqds", Some("defragmentation"), Fate::Stolen, "a fragment that waits for the others"),
];

/// Answers to the sender, which tell less: a legacy rule may have sent them.
#[rustfmt::skip]
const ANSWERS: &[(&str, &str)] = &[
    ("IcmpOutDestUnreachs", "the sender is told that there is no way"),
    ("Icmp6OutDestUnreachs", "the sender is told that there is no way"),
    ("TcpOutRsts", "the sender gets a reset"),
];

/// What the kernel's counters say about the end of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    pub words: &'static str,
    pub fate: Option<Fate>,
    check: Option<&'static str>,
}

pub fn reason(grown: &[String]) -> Option<Reason> {
    let has = |counter: &str| grown.iter().any(|name| name == counter);
    if let Some(row) = ROWS.iter().find(|row| has(row.counter)) {
        return Some(Reason {
            words: row.words,
            fate: Some(row.fate),
            check: row.check,
        });
    }
    let (_, words) = ANSWERS.iter().find(|(counter, _)| has(counter))?;
    Some(Reason {
        words,
        fate: None,
        check: None,
    })
}

impl Reason {
    /// The check that the prediction says the packet failed, when it is another one.
    pub fn contradicts<'t>(&self, trace: &'t Trace) -> Option<&'t str> {
        let check = self.check?;
        match trace.steps.last()? {
            Step::Check(predicted) if !predicted.passed && predicted.name != check => {
                Some(predicted.name)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_telling_counter_counts() {
        let fate = |grown: &[&str]| {
            let grown: Vec<String> = grown.iter().map(|name| (*name).to_owned()).collect();
            reason(&grown).map(|reason| (reason.fate, reason.check))
        };
        assert_eq!(fate(&["IpInReceives"]), None);
        assert_eq!(
            fate(&["IcmpOutDestUnreachs", "IpExtInNoRoutes", "IpInReceives"]),
            Some((Some(Fate::NoRoute), None))
        );
        assert_eq!(fate(&["IcmpOutDestUnreachs"]), Some((None, None)));
        let filtered = fate(&["IpInReceives", "TcpExtIPReversePathFilter"]);
        assert_eq!(filtered, Some((Some(Fate::Dropped), Some("rp_filter"))));
    }
}
