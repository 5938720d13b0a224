//! What states, verdicts and checks of the kernel mean, in sentences.

use crate::flow::report::RuleVerdict;

pub fn state_words(state: &str, reply: bool) -> String {
    let what = match state {
        "new" => "The packet begins a new connection.",
        "established" => "The packet belongs to a connection that has seen packets both ways.",
        "related" => {
            "The packet belongs to another connection: an ICMP error, or one that a helper expects."
        }
        "invalid" => "The packet fits no connection and begins none.",
        "untracked" => "The packet is not tracked.",
        other => return format!("The state of its connection is {other}."),
    };
    if reply {
        format!("{what} It goes in the direction of the answers.")
    } else {
        what.to_owned()
    }
}

pub fn verdict_words(verdict: &RuleVerdict) -> String {
    match verdict {
        RuleVerdict::Continue => "nothing is decided, the next rule is looked at.".into(),
        RuleVerdict::Accept => {
            "the packet passes this hook's chain; later chains still see it.".into()
        }
        RuleVerdict::Drop => "the packet is dropped here, nothing later sees it.".into(),
        RuleVerdict::Reject => "the packet is dropped and the sender is told.".into(),
        RuleVerdict::Jump(chain) => {
            format!("it goes to chain {chain} and comes back if nothing decides there.")
        }
        RuleVerdict::Goto(chain) => format!("it goes to chain {chain} and does not come back."),
        RuleVerdict::Return => "it goes back to the chain that it came from.".into(),
        RuleVerdict::Queue(number) => format!("a program decides, by queue {number}."),
        RuleVerdict::Stolen => "something else goes on with the packet.".into(),
    }
}

pub fn check_words(name: &str) -> &'static str {
    match name {
        "rp_filter" => {
            "The reverse path filter: would an answer to the source leave by the device that the packet came from?"
        }
        "forwarding" => "Packets for others are passed on only where forwarding is switched on.",
        "ttl" => "Every machine on the way counts the TTL down; at zero the packet ends.",
        "martian" => "Addresses that cannot come from here end the packet.",
        "source" => "The source address must be one that a sender may have.",
        "ip_header" => "The IP header must be in order.",
        "mtu" => "A packet larger than the device takes is cut into fragments, or ends.",
        "packet_type" => "What the frame is addressed to must fit what the packet is for.",
        "other_host" => "A frame for another machine's address is not looked at any further.",
        "conntrack" => "Connection tracking may refuse a packet.",
        "defragmentation" => "Fragments are put together before the rules see them.",
        "multicast" => "Packets for a group pass where somebody listens to it.",
        "bridge" => "The bridge decides which port the frame leaves by.",
        _ => "A check of the kernel that is no rule.",
    }
}
