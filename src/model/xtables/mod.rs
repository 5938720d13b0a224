//! xtables extensions: what a match or target of iptables and its relatives holds, as typed structures.
//!
//! The same structures serve the legacy tables and the `match` and `target` expressions of nf_tables.
//! [`REGISTRY`] says which structure belongs to which name, family and revision; the bytes are read and written
//! by `kernel::xtables`. Uses nothing but the rest of `model`.

pub mod bridge;
pub mod layout;
pub mod protocol;
pub mod rule;
pub mod state;
pub mod target;

use super::family::Family;
use bridge::*;
use layout::{Field, Walker};
use protocol::*;
use state::*;
use target::*;

/// Which part of a rule an extension is. Watchers of bridge tables are targets of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExtensionKind {
    Match,
    Target,
}

/// The families in whose tables an extension may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Families {
    /// `NFPROTO_UNSPEC` in the kernel
    Any,
    Ip,
    Ip6,
    /// `ip` and `ip6`
    Inet,
    Arp,
    Bridge,
}

impl Families {
    pub fn holds(self, family: Family) -> bool {
        match self {
            Families::Any => true,
            Families::Ip => matches!(family, Family::Ip | Family::Inet),
            Families::Ip6 => matches!(family, Family::Ip6 | Family::Inet),
            Families::Inet => matches!(family, Family::Ip | Family::Ip6 | Family::Inet),
            Families::Arp => family == Family::Arp,
            Families::Bridge => family == Family::Bridge,
        }
    }
}

/// One row: under which name and revision the kernel knows a structure.
#[derive(Clone, Copy)]
pub struct Registration {
    pub kind: ExtensionKind,
    pub families: Families,
    pub name: &'static str,
    pub revision: u32,
    /// A value with all bits zero, to be filled in.
    pub zero: fn() -> Extension,
}

macro_rules! extensions {
    ($($variant:ident($ty:ty) = $kind:ident $families:ident $name:literal $revision:literal;)*) => {
        /// A match or target, understood. One variant per name and revision.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum Extension {
            $($variant($ty),)*
        }

        /// Every extension that this build understands; the first row that fits counts.
        pub const REGISTRY: &[Registration] = &[
            $(Registration {
                kind: ExtensionKind::$kind,
                families: Families::$families,
                name: $name,
                revision: $revision,
                zero: || Extension::$variant(<$ty as Field>::zero()),
            },)*
        ];

        impl Extension {
            /// Hand every scalar to the walker, in the order of the structure.
            pub fn walk(&mut self, walker: &mut dyn Walker) {
                match self {
                    $(Extension::$variant(layout) => {
                        layout.walk(walker);
                        walker.align(<$ty as Field>::ALIGN);
                    })*
                }
            }

            /// The kernel's name and the revision.
            pub fn name(&self) -> (&'static str, u32) {
                match self {
                    $(Extension::$variant(_) => ($name, $revision),)*
                }
            }

            pub fn kind(&self) -> ExtensionKind {
                match self {
                    $(Extension::$variant(_) => ExtensionKind::$kind,)*
                }
            }
        }
    };
}

#[rustfmt::skip]
mod registry {
    use super::*;
    extensions! {
        // matches
        Tcp(Tcp)                    = Match Any "tcp" 0;
        Udp(Udp)                    = Match Any "udp" 0;
        Udplite(Udp)                = Match Any "udplite" 0;
        Icmp(Icmp)                  = Match Any "icmp" 0;
        Icmp6(Icmp)                 = Match Any "icmp6" 0;
        Sctp(Box<Sctp>)             = Match Any "sctp" 0;
        Dccp(Dccp)                  = Match Any "dccp" 0;
        Multiport(Multiport)        = Match Any "multiport" 1;
        Esp(Spi)                    = Match Any "esp" 0;
        Ah(Spi)                     = Match Ip  "ah" 0;
        Ah6(Ah6)                    = Match Ip6 "ah" 0;
        Ipcomp(Ipcomp)              = Match Any "ipcomp" 0;
        Frag6(Frag6)                = Match Any "frag" 0;
        Hbh(Opts6)                  = Match Any "hbh" 0;
        Dst(Opts6)                  = Match Any "dst" 0;
        Rt6(Box<Rt6>)               = Match Any "rt" 0;
        Ipv6Header(Ipv6Header)      = Match Any "ipv6header" 0;
        Eui64(Number)               = Match Any "eui64" 0;
        Mh(Mh)                      = Match Any "mh" 0;
        Srh0(Srh)                   = Match Any "srh" 0;
        Srh1(Box<Srh1>)             = Match Any "srh" 1;
        Ttl(Ttl)                    = Match Any "ttl" 0;
        Hl(Ttl)                     = Match Any "hl" 0;
        Dscp(Dscp)                  = Match Any "dscp" 0;
        Tos(Tos)                    = Match Any "tos" 1;
        Ecn(Ecn)                    = Match Any "ecn" 0;
        Length(Length)              = Match Any "length" 0;
        Tcpmss(TcpMss)              = Match Any "tcpmss" 0;
        L2tp(L2tp)                  = Match Any "l2tp" 0;
        U32(Box<U32>)               = Match Any "u32" 0;
        String1(Box<StringMatch>)   = Match Any "string" 1;
        Bpf0(Box<Bpf0>)             = Match Any "bpf" 0;
        Bpf1(Box<Bpf1>)             = Match Any "bpf" 1;
        Mac(Mac)                    = Match Any "mac" 0;
        Pkttype(PktType)            = Match Inet "pkttype" 0;
        Iprange(IpRange)            = Match Any "iprange" 1;
        Conntrack1(Box<Conntrack1>) = Match Any "conntrack" 1;
        Conntrack2(Box<Conntrack2>) = Match Any "conntrack" 2;
        Conntrack3(Box<Conntrack3>) = Match Any "conntrack" 3;
        State(State)                = Match Any "state" 0;
        Connbytes(Connbytes)        = Match Any "connbytes" 0;
        Connlabel(Connlabel)        = Match Any "connlabel" 0;
        Connlimit(Connlimit)        = Match Any "connlimit" 1;
        Connmark(Mark)              = Match Any "connmark" 1;
        Mark(Mark)                  = Match Any "mark" 1;
        Helper(Helper)              = Match Any "helper" 0;
        Cluster(Cluster)            = Match Any "cluster" 0;
        Addrtype0(Addrtype0)        = Match Ip  "addrtype" 0;
        Addrtype1(Addrtype1)        = Match Any "addrtype" 1;
        Cpu(Cpu)                    = Match Any "cpu" 0;
        Devgroup(Devgroup)          = Match Any "devgroup" 0;
        Physdev(Physdev)            = Match Any "physdev" 0;
        Realm(Realm)                = Match Any "realm" 0;
        Rpfilter(Rpfilter)          = Match Any "rpfilter" 0;
        Socket0(Nothing)            = Match Any "socket" 0;
        Socket1(Socket)             = Match Any "socket" 1;
        Socket2(Socket)             = Match Any "socket" 2;
        Socket3(Socket)             = Match Any "socket" 3;
        Owner(Owner)                = Match Any "owner" 1;
        Cgroup0(Cgroup0)            = Match Any "cgroup" 0;
        Cgroup1(Box<Cgroup1>)       = Match Any "cgroup" 1;
        Cgroup2(Box<Cgroup2>)       = Match Any "cgroup" 2;
        Ipvs(Ipvs)                  = Match Any "ipvs" 0;
        Policy(Box<Policy>)         = Match Any "policy" 0;
        Osf(Osf)                    = Match Any "osf" 0;
        Comment(Box<Comment>)       = Match Any "comment" 0;
        Nfacct0(Nfacct)             = Match Any "nfacct" 0;
        Nfacct1(Nfacct)             = Match Any "nfacct" 1;
        Time(Time)                  = Match Any "time" 0;
        Set0(Set0)                  = Match Any "set" 0;
        Set1(Set1)                  = Match Any "set" 1;
        Set2(Set1)                  = Match Any "set" 2;
        Set3(Set3)                  = Match Any "set" 3;
        Set4(Set4)                  = Match Any "set" 4;
        EbtLimit(EbtLimit)          = Match Bridge "limit" 0;
        Limit(Limit)                = Match Any "limit" 0;
        Hashlimit1(Hashlimit1)      = Match Any "hashlimit" 1;
        Hashlimit2(Box<Hashlimit2>) = Match Any "hashlimit" 2;
        Hashlimit3(Box<Hashlimit3>) = Match Any "hashlimit" 3;
        Quota(Quota)                = Match Any "quota" 0;
        Rateest(RateestMatch)       = Match Any "rateest" 0;
        Recent0(Box<Recent0>)       = Match Any "recent" 0;
        Recent1(Box<Recent1>)       = Match Any "recent" 1;
        Statistic(Statistic)        = Match Any "statistic" 0;
        Ebt8023(Ebt8023)            = Match Bridge "802_3" 0;
        EbtArp(EbtArp)              = Match Bridge "arp" 0;
        EbtIp(EbtIp)                = Match Bridge "ip" 0;
        EbtIp6(EbtIp6)              = Match Bridge "ip6" 0;
        EbtMarkMatch(EbtMarkMatch)  = Match Bridge "mark_m" 0;
        EbtPkttype(EbtPktType)      = Match Bridge "pkttype" 0;
        EbtStp(EbtStp)              = Match Bridge "stp" 0;
        EbtVlan(EbtVlan)            = Match Bridge "vlan" 0;

        // targets
        Audit(Audit)                = Target Any "AUDIT" 0;
        Checksum(Checksum)          = Target Any "CHECKSUM" 0;
        Classify(Classify)          = Target Any "CLASSIFY" 0;
        Connmark1(Connmark1)        = Target Any "CONNMARK" 1;
        Connmark2(Connmark2)        = Target Any "CONNMARK" 2;
        Connsecmark(Connsecmark)    = Target Any "CONNSECMARK" 0;
        Ct0(Ct0)                    = Target Any "CT" 0;
        Ct1(Ct1)                    = Target Any "CT" 1;
        Ct2(Ct1)                    = Target Any "CT" 2;
        Notrack(Nothing)            = Target Any "NOTRACK" 0;
        DscpTarget(DscpTarget)      = Target Any "DSCP" 0;
        TosTarget(TosTarget)        = Target Any "TOS" 1;
        TtlTarget(Ttl)              = Target Any "TTL" 0;
        HlTarget(Ttl)               = Target Any "HL" 0;
        Hmark(Hmark)                = Target Any "HMARK" 0;
        Idletimer0(Idletimer0)      = Target Any "IDLETIMER" 0;
        Idletimer1(Idletimer1)      = Target Any "IDLETIMER" 1;
        Led(Led)                    = Target Any "LED" 0;
        Log(Log)                    = Target Any "LOG" 0;
        MarkTarget(MarkTarget)      = Target Any "MARK" 2;
        Snat0(NatRange4)            = Target Any "SNAT" 0;
        Snat1(NatRange)             = Target Any "SNAT" 1;
        Snat2(NatRange2)            = Target Any "SNAT" 2;
        Dnat0(NatRange4)            = Target Any "DNAT" 0;
        Dnat1(NatRange)             = Target Any "DNAT" 1;
        Dnat2(NatRange2)            = Target Any "DNAT" 2;
        Masquerade(NatRange4)       = Target Ip  "MASQUERADE" 0;
        Masquerade6(NatRange)       = Target Ip6 "MASQUERADE" 0;
        Netmap(NatRange4)           = Target Ip  "NETMAP" 0;
        Netmap6(NatRange)           = Target Ip6 "NETMAP" 0;
        Redirect(NatRange4)         = Target Ip  "REDIRECT" 0;
        Redirect6(NatRange)         = Target Ip6 "REDIRECT" 0;
        Nflog(Nflog)                = Target Any "NFLOG" 0;
        Nfqueue0(Nfqueue0)          = Target Any "NFQUEUE" 0;
        Nfqueue1(Nfqueue1)          = Target Any "NFQUEUE" 1;
        Nfqueue2(Nfqueue3)          = Target Any "NFQUEUE" 2;
        Nfqueue3(Nfqueue3)          = Target Any "NFQUEUE" 3;
        RateestTarget(Rateest)      = Target Any "RATEEST" 0;
        Reject(Reject)              = Target Ip  "REJECT" 0;
        Reject6(Reject)             = Target Ip6 "REJECT" 0;
        Secmark0(Secmark0)          = Target Any "SECMARK" 0;
        Secmark1(Secmark1)          = Target Any "SECMARK" 1;
        SetTarget0(SetTarget0)      = Target Any "SET" 0;
        SetTarget1(SetTarget1)      = Target Any "SET" 1;
        SetTarget2(SetTarget2)      = Target Any "SET" 2;
        SetTarget3(SetTarget3)      = Target Any "SET" 3;
        Synproxy(Synproxy)          = Target Any "SYNPROXY" 0;
        TcpmssTarget(TcpmssTarget)  = Target Any "TCPMSS" 0;
        Tcpoptstrip(Tcpoptstrip)    = Target Any "TCPOPTSTRIP" 0;
        Tee(Tee)                    = Target Any "TEE" 1;
        Tproxy0(Tproxy0)            = Target Any "TPROXY" 0;
        Tproxy1(Tproxy1)            = Target Any "TPROXY" 1;
        Trace(Nothing)              = Target Any "TRACE" 0;
        EcnTarget(EcnTarget)        = Target Any "ECN" 0;
        Clusterip(Clusterip)        = Target Any "CLUSTERIP" 0;
        Snpt(Npt)                   = Target Any "SNPT" 0;
        Dnpt(Npt)                   = Target Any "DNPT" 0;
        ArpMangle(ArpMangle)        = Target Arp "mangle" 0;
        EbtArpreply(EbtNat)         = Target Bridge "arpreply" 0;
        EbtDnat(EbtNat)             = Target Bridge "dnat" 0;
        EbtSnat(EbtNat)             = Target Bridge "snat" 0;
        EbtRedirect(EbtRedirect)    = Target Bridge "redirect" 0;
        EbtMark(EbtMark)            = Target Bridge "mark" 0;
        EbtLog(EbtLog)              = Target Bridge "log" 0;
        EbtNflog(Nflog)             = Target Bridge "nflog" 0;
    }
}
pub use registry::{Extension, REGISTRY};

/// The row for an extension in a table of `family`.
pub fn registration(
    kind: ExtensionKind,
    family: Family,
    name: &str,
    revision: u32,
) -> Option<&'static Registration> {
    use std::collections::HashMap;
    use std::sync::LazyLock;
    type Rows = HashMap<(ExtensionKind, &'static str, u32), Vec<&'static Registration>>;
    static INDEX: LazyLock<Rows> = LazyLock::new(|| {
        let mut rows = Rows::new();
        for row in REGISTRY {
            rows.entry((row.kind, row.name, row.revision))
                .or_default()
                .push(row);
        }
        rows
    });
    INDEX
        .get(&(kind, name, revision))?
        .iter()
        .find(|row| row.families.holds(family))
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_by_its_own_name() {
        for row in REGISTRY {
            let family = match row.families {
                Families::Any | Families::Ip | Families::Inet => Family::Ip,
                Families::Ip6 => Family::Ip6,
                Families::Arp => Family::Arp,
                Families::Bridge => Family::Bridge,
            };
            let found = registration(row.kind, family, row.name, row.revision).expect(row.name);
            let value = (found.zero)();
            assert_eq!(value, (row.zero)(), "{} {}", row.name, row.revision);
            assert_eq!(value.name(), (row.name, row.revision));
            assert_eq!(value.kind(), row.kind);
        }
    }
}
