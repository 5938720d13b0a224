//! The keywords of the nft language, as nft 1.0.6 has them. Data.
//!
//! Most words are reserved everywhere; the others are only after certain words (`saddr` after `ip`), so that elsewhere a
//! chain or a set can have their name.

/// The start conditions of nft's scanner: after which word a keyword that is not reserved everywhere is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Nothing but the words that are reserved everywhere.
    None = 0,
    Ah,
    Arp,
    At,
    CmdExport,
    CmdImport,
    CmdList,
    CmdMonitor,
    CmdReset,
    Comp,
    Counter,
    Ct,
    Dccp,
    Dst,
    Dup,
    Esp,
    Eth,
    Fib,
    Frag,
    Fwd,
    Hash,
    Hbh,
    Icmp,
    Igmp,
    Ip,
    Ip6,
    Ipsec,
    Limit,
    Log,
    Meta,
    Mh,
    Nat,
    Numgen,
    Osf,
    Policy,
    Queue,
    Quota,
    Reject,
    Rt,
    Sctp,
    SctpChunk,
    Socket,
    Synproxy,
    Tcp,
    Th,
    Tproxy,
    Type,
    Udp,
    Udplite,
    Vlan,
}

macro_rules! keywords {
    (everywhere { $($always:ident $always_text:literal;)* } within { $($kw:ident $text:literal in $($scope:ident)*;)* }) => {
        /// A keyword; a word that is none is [`Kw::None`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kw {
            None,
            $($always,)*
            $($kw,)*
        }

        /// The keyword, its text, and in which scopes it is one (a bit per [`Scope`]; 0: everywhere).
        pub static KEYWORDS: &[(Kw, &str, u64)] = &[
            $((Kw::$always, $always_text, 0),)*
            $((Kw::$kw, $text, $(1u64 << Scope::$scope as u32)|*),)*
        ];
    };
}

keywords! {
    everywhere {
    Vmap "vmap"; Include "include"; Define "define"; Redefine "redefine"; Undefine "undefine";
    Describe "describe"; Hook "hook"; Device "device"; Devices "devices"; Table "table";
    Chain "chain"; Rule "rule"; Set "set"; Element "element"; Map "map"; Flowtable "flowtable";
    Handle "handle"; Ruleset "ruleset"; Socket "socket"; Tproxy "tproxy"; Accept "accept";
    Drop "drop"; Continue "continue"; Jump "jump"; Goto "goto"; Return "return"; Inet "inet";
    Netdev "netdev"; Add "add"; Replace "replace"; Update "update"; Create "create";
    Insert "insert"; Delete "delete"; Get "get"; List "list"; Reset "reset"; Flush "flush";
    Rename "rename"; Import "import"; Export "export"; Monitor "monitor"; Position "position";
    Index "index"; Comment "comment"; Constant "constant"; Interval "interval"; Dynamic "dynamic";
    AutoMerge "auto-merge"; Timeout "timeout"; GcInterval "gc-interval"; Elements "elements";
    Expires "expires"; Policy "policy"; Size "size"; Flow "flow"; Offload "offload"; Meter "meter";
    Counter "counter"; Log "log"; Queue "queue"; Limit "limit"; Quota "quota"; Hour "hour";
    Day "day"; Reject "reject"; Snat "snat"; Dnat "dnat"; Masquerade "masquerade";
    Redirect "redirect"; Random "random"; Th "th"; Bridge "bridge"; Ether "ether"; Type "type";
    Typeof "typeof"; Vlan "vlan"; Arp "arp"; Ip "ip"; Ecn "ecn"; Time "time"; Icmp "icmp";
    Icmpv6 "icmpv6"; Igmp "igmp"; Ip6 "ip6"; Priority "priority"; Ah "ah"; Esp "esp"; Comp "comp";
    Flags "flags"; Udp "udp"; Udplite "udplite"; Tcp "tcp"; Dccp "dccp"; Sctp "sctp"; Rt "rt";
    Rt0 "rt0"; Rt2 "rt2"; Srh "srh"; Hbh "hbh"; Frag "frag"; Dst "dst"; Mh "mh"; Meta "meta";
    Mark "mark"; Iif "iif"; Iifname "iifname"; Iiftype "iiftype"; Oif "oif"; Oifname "oifname";
    Oiftype "oiftype"; Skuid "skuid"; Skgid "skgid"; Nftrace "nftrace"; Rtclassid "rtclassid";
    Ibriport "ibriport"; Ibrname "ibrname"; Obriport "obriport"; Obrname "obrname";
    Pkttype "pkttype"; Cpu "cpu"; Iifgroup "iifgroup"; Oifgroup "oifgroup"; Cgroup "cgroup";
    Ct "ct"; Numgen "numgen"; Jhash "jhash"; Symhash "symhash"; Dup "dup"; Fwd "fwd"; Fib "fib";
    Osf "osf"; Synproxy "synproxy"; Notrack "notrack"; All "all"; Exists "exists";
    Missing "missing"; Exthdr "exthdr"; Ipsec "ipsec"; Secmark "secmark"; Xt "xt";
    }
    within {
    Chains "chains" in CmdList CmdMonitor; Sets "sets" in CmdList CmdMonitor;
    Tables "tables" in CmdList CmdMonitor; Rules "rules" in CmdMonitor; Trace "trace" in CmdMonitor;
    Transparent "transparent" in Socket; Wildcard "wildcard" in Socket;
    Cgroupv2 "cgroupv2" in Socket; Level "level" in Log Socket;
    To "to" in Dup Fwd Ip Ip6 Nat Queue Tproxy; Performance "performance" in Policy;
    Memory "memory" in Policy; Meters "meters" in CmdList; Flowtables "flowtables" in CmdList;
    Limits "limits" in CmdList; Maps "maps" in CmdList; Secmarks "secmarks" in CmdList;
    Synproxys "synproxys" in CmdList; Hooks "hooks" in CmdList;
    Name "name" in Counter Limit Osf Quota Synproxy; Packets "packets" in Counter Ct Limit;
    Bytes "bytes" in Counter Ct Limit Quota; Counters "counters" in CmdList CmdReset;
    Quotas "quotas" in CmdList CmdReset; Prefix "prefix" in Ip Ip6 Log Nat;
    Snaplen "snaplen" in Log; QueueThreshold "queue-threshold" in Log; Group "group" in Igmp Log;
    Num "num" in Queue; Bypass "bypass" in Queue; Fanout "fanout" in Queue; Rate "rate" in Limit;
    Burst "burst" in Limit; Second "second" in Limit; Minute "minute" in Limit;
    Week "week" in Limit; Over "over" in Ct Limit Quota; Used "used" in Quota;
    Until "until" in Quota; With "with" in Reject; Icmpx "icmpx" in Reject;
    FullyRandom "fully-random" in Nat; Persistent "persistent" in Nat; Port "port" in Nat;
    Ll "ll" in At; Nh "nh" in At; Saddr "saddr" in Arp Ct Eth Fib Ip Ip6 Ipsec;
    Daddr "daddr" in Arp Ct Eth Fib Ip Ip6 Ipsec; Id "id" in Ct Frag Icmp Ip Vlan;
    Cfi "cfi" in Vlan; Dei "dei" in Vlan; Pcp "pcp" in Vlan; Htype "htype" in Arp;
    Ptype "ptype" in Arp; Hlen "hlen" in Arp; Plen "plen" in Arp; Operation "operation" in Arp;
    Version "version" in Ip Ip6 Osf; Hdrlength "hdrlength" in Ah Dst Hbh Ip Mh Rt;
    Dscp "dscp" in Ip Ip6 Type; Length "length" in Ip Ip6 Meta Sctp SctpChunk Tcp Udp;
    FragOff "frag-off" in Frag Ip; Ttl "ttl" in Ip Osf; Protocol "protocol" in Ct Ip Meta Type;
    Checksum "checksum" in Icmp Igmp Ip Mh Sctp Tcp Udp Udplite; Lsrr "lsrr" in Ip; Rr "rr" in Ip;
    Ssrr "ssrr" in Ip; Ra "ra" in Ip; Ptr "ptr" in Ip; Value "value" in Ip;
    Option "option" in Ip Tcp; Options "options" in Ip Tcp; Ackseq "ackseq" in Tcp;
    Doff "doff" in Tcp; Window "window" in Tcp; Urgptr "urgptr" in Tcp; Echo "echo" in Tcp;
    Eol "eol" in Tcp; Maxseg "maxseg" in Synproxy Tcp; Mss "mss" in Synproxy Tcp; Nop "nop" in Tcp;
    Noop "noop" in Tcp; Sack "sack" in SctpChunk Tcp; Sack0 "sack0" in Tcp; Sack1 "sack1" in Tcp;
    Sack2 "sack2" in Tcp; Sack3 "sack3" in Tcp; SackPermitted "sack-permitted" in Synproxy Tcp;
    SackPerm "sack-perm" in Synproxy Tcp; Timestamp "timestamp" in Synproxy Tcp;
    Fastopen "fastopen" in Tcp; Mptcp "mptcp" in Tcp; Md5sig "md5sig" in Tcp; Left "left" in Tcp;
    Right "right" in Tcp; Count "count" in Ct Tcp; Tsval "tsval" in Tcp; Tsecr "tsecr" in Tcp;
    Subtype "subtype" in Tcp; Gateway "gateway" in Icmp; Code "code" in Icmp;
    ParamProblem "param-problem" in Icmp; MaxDelay "max-delay" in Icmp; Mtu "mtu" in Icmp Rt;
    Sequence "sequence" in Ah Esp Icmp Tcp; Mrt "mrt" in Igmp; Flowlabel "flowlabel" in Ip6;
    Hoplimit "hoplimit" in Ip6; Nexthdr "nexthdr" in Ah Comp Dst Frag Hbh Ip6 Mh Rt;
    Reserved "reserved" in Ah Frag Mh Tcp; Spi "spi" in Ah Esp Ipsec; Cpi "cpi" in Comp;
    Csumcov "csumcov" in Udplite; Sport "sport" in Dccp Sctp Tcp Th Udp Udplite;
    Dport "dport" in Ct Dccp Sctp Tcp Th Udp Udplite; Chunk "chunk" in Sctp; Vtag "vtag" in Sctp;
    Data "data" in SctpChunk; Init "init" in SctpChunk; InitAck "init-ack" in SctpChunk;
    Heartbeat "heartbeat" in SctpChunk; HeartbeatAck "heartbeat-ack" in SctpChunk;
    Abort "abort" in SctpChunk; Shutdown "shutdown" in SctpChunk;
    ShutdownAck "shutdown-ack" in SctpChunk; Error "error" in SctpChunk;
    CookieEcho "cookie-echo" in SctpChunk; CookieAck "cookie-ack" in SctpChunk;
    Ecne "ecne" in SctpChunk; Cwr "cwr" in SctpChunk;
    ShutdownComplete "shutdown-complete" in SctpChunk; AsconfAck "asconf-ack" in SctpChunk;
    ForwardTsn "forward-tsn" in SctpChunk; Asconf "asconf" in SctpChunk; Tsn "tsn" in SctpChunk;
    Stream "stream" in SctpChunk; Ssn "ssn" in SctpChunk; Ppid "ppid" in SctpChunk;
    InitTag "init-tag" in SctpChunk; ARwnd "a-rwnd" in SctpChunk;
    NumOutboundStreams "num-outbound-streams" in SctpChunk;
    NumInboundStreams "num-inbound-streams" in SctpChunk; InitialTsn "initial-tsn" in SctpChunk;
    CumTsnAck "cum-tsn-ack" in SctpChunk; NumGapAckBlocks "num-gap-ack-blocks" in SctpChunk;
    NumDupTsns "num-dup-tsns" in SctpChunk; LowestTsn "lowest-tsn" in SctpChunk;
    Seqno "seqno" in SctpChunk; NewCumTsn "new-cum-tsn" in SctpChunk; Addr "addr" in Ip Ip6 Nat Rt;
    Reserved2 "reserved2" in Frag; MoreFragments "more-fragments" in Frag; Nexthop "nexthop" in Rt;
    SegLeft "seg-left" in Rt; LastEntry "last-entry" in Rt; Tag "tag" in Rt; Sid "sid" in Rt;
    Classid "classid" in Rt Type; Avgpkt "avgpkt" in Ct; L3proto "l3proto" in Ct;
    ProtoSrc "proto-src" in Ct; ProtoDst "proto-dst" in Ct; Zone "zone" in Ct;
    Original "original" in Ct; Reply "reply" in Ct; Direction "direction" in Ct;
    Event "event" in Ct; Expectation "expectation" in Ct; Expiration "expiration" in Ct;
    Helper "helper" in Ct; Helpers "helpers" in Ct; Label "label" in Ct; State "state" in Ct;
    Status "status" in Ct; Inc "inc" in Numgen; Seed "seed" in Hash; Mod "mod" in Hash Numgen;
    Offset "offset" in Hash Numgen; Wscale "wscale" in Synproxy;
    Xml "xml" in CmdExport CmdImport CmdMonitor; Json "json" in CmdExport CmdImport CmdMonitor;
    Vm "vm" in CmdExport CmdImport CmdMonitor; Reqid "reqid" in Ipsec; Spnum "spnum" in Ipsec;
    In "in" in Ipsec; Out "out" in Ipsec;
    }
}

const SLOTS: usize = 2048;

const fn hash(word: &[u8]) -> usize {
    let mut hash = 0x811c_9dc5u32;
    let mut rest = word;
    while let [byte, after @ ..] = rest {
        hash = (hash ^ *byte as u32).wrapping_mul(0x0100_0193);
        rest = after;
    }
    (hash ^ (hash >> 15)) as usize % SLOTS
}

/// Place in [`KEYWORDS`] plus one, by hash of the text; the next free slot where two meet.
#[expect(
    clippy::indexing_slicing,
    reason = "computed by the compiler, which refuses a place that is not there; `get` is not for constants"
)]
static INDEX: [u16; SLOTS] = {
    let mut slots = [0u16; SLOTS];
    let mut row = 0;
    while row < KEYWORDS.len() {
        let mut slot = hash(KEYWORDS[row].1.as_bytes());
        while slots[slot] != 0 {
            slot = (slot + 1) % SLOTS;
        }
        slots[slot] = row as u16 + 1;
        row += 1;
    }
    slots
};

/// The longest keyword, in bytes.
const LONGEST: usize = 20;

impl Kw {
    /// The keyword that is written so, in whatever scope.
    pub fn from_text(word: &[u8]) -> Kw {
        if word.len() > LONGEST {
            return Kw::None;
        }
        let mut slot = hash(word);
        while let Some(row) = INDEX.get(slot).and_then(|place| place.checked_sub(1)) {
            match KEYWORDS.get(usize::from(row)) {
                Some((kw, text, _)) if text.as_bytes() == word => return *kw,
                _ => {}
            }
            slot = (slot + 1) % SLOTS;
        }
        Kw::None
    }

    fn row(self) -> Option<&'static (Kw, &'static str, u64)> {
        KEYWORDS.get((self as usize).checked_sub(1)?)
    }

    /// As written; empty for [`Kw::None`].
    pub fn text(self) -> &'static str {
        self.row().map_or("", |row| row.1)
    }

    /// Whether the word is a keyword there, and cannot be a name.
    pub fn is_reserved(self, scope: Scope) -> bool {
        self.row()
            .is_some_and(|row| row.2 == 0 || row.2 & (1u64 << scope as u32) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keyword_is_found_by_its_text() {
        for (index, (kw, text, _)) in KEYWORDS.iter().enumerate() {
            assert_eq!(*kw as usize, index + 1);
            assert_eq!(Kw::from_text(text.as_bytes()), *kw, "{text}");
            assert_eq!(kw.text(), *text);
            assert!(text.len() <= LONGEST, "{text}");
        }
        assert_eq!(Kw::from_text(b"lan"), Kw::None);
        assert_eq!(Kw::from_text(b""), Kw::None);
        assert_eq!(Kw::from_text(b"a-word-longer-than-all-keywords"), Kw::None);
    }

    #[test]
    fn words_are_reserved_in_their_scope() {
        assert!(Kw::Tcp.is_reserved(Scope::None));
        assert!(!Kw::Saddr.is_reserved(Scope::None));
        assert!(Kw::Saddr.is_reserved(Scope::Ip));
        assert!(!Kw::None.is_reserved(Scope::Ip));
    }
}
