//! Matches and targets in the words of `iptables-save`: one function per extension.
//!
//! A function writes what follows `-m NAME` or `-j NAME`, with a space before every word; those of bridge tables
//! put the space after the word, as ebtables does.

mod bridge;
mod conntrack;
mod nat;
mod packet;
mod rate;
mod state;
mod target;
mod transport;

use super::format::w;
use crate::lang::Names;
use crate::model::Family;
use crate::model::xtables::Extension;
pub use nat::{flags as nat_flags, range_text};
pub use rate::{Hashlimit, LIMIT_SCALE, byte_burst, byte_rate, mode, rate_unit};
pub use state::{ADDRESS_TYPES, classid};
pub use target::{REJECT_WITH, REJECT_WITH6, nflog_words};
pub use transport::SCTP_CHUNKS;

/// What words depend on besides the extension itself.
#[derive(Clone, Copy)]
pub struct Context<'c> {
    /// The family of the table.
    pub family: Family,
    pub names: &'c Names,
}

impl Context<'_> {
    fn is_ip6(&self) -> bool {
        self.family == Family::Ip6
    }

    fn bits(&self) -> u8 {
        if self.is_ip6() { 128 } else { 32 }
    }

    fn addr(&self, addr: [u8; 16]) -> String {
        let [a, b, c, d, ..] = addr;
        if self.is_ip6() {
            super::format::ip6(addr)
        } else {
            super::format::ip4([a, b, c, d]).to_string()
        }
    }

    fn mask(&self, mask: [u8; 16]) -> String {
        let [a, b, c, d, ..] = mask;
        if self.is_ip6() {
            super::format::mask6(mask)
        } else {
            super::format::mask4([a, b, c, d])
        }
    }

    /// A set of ipset by its number.
    fn set_name(&self, index: u16) -> String {
        match self.names.ipsets.get(&index) {
            Some(name) => name.clone(),
            None => format!("#{index}"),
        }
    }
}

/// The name after `-m` or `-j`: the kernel's, or the alias that the rule was written with.
pub fn name(extension: &Extension) -> &'static str {
    const STATE_ALIAS: u16 = 1 << 13;
    const NOTRACK_ALIAS: u16 = 1 << 1;
    match extension {
        Extension::Conntrack1(c) if c.match_flags & STATE_ALIAS != 0 => "state",
        Extension::Conntrack2(c) if c.match_flags & STATE_ALIAS != 0 => "state",
        Extension::Conntrack3(c) if c.match_flags & STATE_ALIAS != 0 => "state",
        Extension::Ct2(ct) if ct.flags & NOTRACK_ALIAS != 0 => "NOTRACK",
        _ => extension.name().0,
    }
}

/// Write the options of an extension.
#[rustfmt::skip]
pub fn save(extension: &Extension, cx: &Context<'_>, out: &mut String) {
    use Extension as X;
    match extension {
        X::Tcp(x) => transport::tcp(x, out),
        X::Udp(x) | X::Udplite(x) => transport::udp(x, out),
        X::Icmp(x) => transport::icmp(x, out),
        X::Icmp6(x) => transport::icmp6(x, out),
        X::Sctp(x) => transport::sctp(x, out),
        X::Dccp(x) => transport::dccp(x, out),
        X::Multiport(x) => transport::multiport(x, out),
        X::Esp(x) => transport::spi(x, "--espspi", out),
        X::Ah(x) => transport::spi(x, "--ahspi", out),
        X::Ah6(x) => transport::ah6(x, out),
        X::Ipcomp(x) => transport::ipcomp(x, out),
        X::Tcpmss(x) => transport::tcpmss(x, out),
        X::Frag6(x) => packet::frag6(x, out),
        X::Hbh(x) => packet::opts6(x, "hbh", out),
        X::Dst(x) => packet::opts6(x, "dst", out),
        X::Rt6(x) => packet::rt6(x, out),
        X::Ipv6Header(x) => packet::ipv6header(x, cx, out),
        X::Eui64(_) | X::Socket0(_) | X::Notrack(_) | X::Trace(_) => {}
        X::Mh(x) => packet::mh(x, out),
        X::Srh0(x) => packet::srh(x, out),
        X::Srh1(x) => packet::srh1(x, out),
        X::Ttl(x) => packet::ttl(x, "ttl", out),
        X::Hl(x) => packet::ttl(x, "hl", out),
        X::Dscp(x) => packet::dscp(x, out),
        X::Tos(x) => packet::tos(x, out),
        X::Ecn(x) => packet::ecn(x, out),
        X::Length(x) => packet::length(x, out),
        X::L2tp(x) => packet::l2tp(x, out),
        X::U32(x) => packet::u32(x, out),
        X::String1(x) => packet::string(x, out),
        X::Bpf0(x) => packet::bpf_code(&x.program, x.len, out),
        X::Bpf1(x) => packet::bpf(x, out),
        X::Mac(x) => packet::mac(x, out),
        X::Pkttype(x) => packet::pkttype(x, out),
        X::Iprange(x) => packet::iprange(x, cx, out),
        X::Conntrack1(x) => conntrack::conntrack(&x.as_ref().into(), cx, out),
        X::Conntrack2(x) => conntrack::conntrack(&x.as_ref().into(), cx, out),
        X::Conntrack3(x) => conntrack::conntrack(&x.as_ref().into(), cx, out),
        X::State(x) => conntrack::state(x, out),
        X::Connbytes(x) => conntrack::connbytes(x, out),
        X::Connlabel(x) => conntrack::connlabel(x, cx, out),
        X::Connlimit(x) => conntrack::connlimit(x, cx, out),
        X::Connmark(x) | X::Mark(x) => state::mark(x, out),
        X::Helper(x) => conntrack::helper(x, out),
        X::Cluster(x) => conntrack::cluster(x, out),
        X::Addrtype0(x) => state::addrtype0(x, out),
        X::Addrtype1(x) => state::addrtype(x, out),
        X::Cpu(x) => state::cpu(x, out),
        X::Devgroup(x) => state::devgroup(x, cx, out),
        X::Physdev(x) => state::physdev(x, out),
        X::Realm(x) => state::realm(x, cx, out),
        X::Rpfilter(x) => state::rpfilter(x, out),
        X::Socket1(x) | X::Socket2(x) | X::Socket3(x) => state::socket(x, out),
        X::Owner(x) => state::owner(x, out),
        X::Cgroup0(x) => state::cgroup0(x, out),
        X::Cgroup1(x) => state::cgroup1(x, out),
        X::Cgroup2(x) => state::cgroup2(x, out),
        X::Ipvs(x) => state::ipvs(x, cx, out),
        X::Policy(x) => state::policy(x, cx, out),
        X::Osf(x) => state::osf(x, out),
        X::Comment(x) => state::comment(x, out),
        X::Nfacct0(x) | X::Nfacct1(x) => state::nfacct(x, out),
        X::Time(x) => state::time(x, out),
        X::Set0(x) => state::set0("--match-set", &x.match_set, cx, out),
        X::Set1(x) => state::match_set(&x.match_set, cx, out),
        X::Set2(x) => state::set2(x, cx, out),
        X::Set3(x) => state::set3(x, cx, out),
        X::Set4(x) => state::set4(x, cx, out),
        X::Limit(x) => rate::limit(x, out),
        X::Hashlimit1(x) => rate::hashlimit(&x.into(), cx, out),
        X::Hashlimit2(x) => rate::hashlimit(&x.as_ref().into(), cx, out),
        X::Hashlimit3(x) => rate::hashlimit(&x.as_ref().into(), cx, out),
        X::Quota(x) => rate::quota(x, out),
        X::Rateest(x) => rate::rateest(x, out),
        X::Recent0(x) => rate::recent0(x, out),
        X::Recent1(x) => rate::recent(x, cx, out),
        X::Statistic(x) => rate::statistic(x, out),
        X::EbtLimit(x) => bridge::limit(x, out),
        X::Ebt8023(x) => bridge::ieee8023(x, out),
        X::EbtArp(x) => bridge::arp(x, out),
        X::EbtIp(x) => bridge::ip(x, cx, out),
        X::EbtIp6(x) => bridge::ip6(x, cx, out),
        X::EbtMarkMatch(x) => bridge::mark_match(x, out),
        X::EbtPkttype(x) => bridge::pkttype(x, out),
        X::EbtStp(x) => bridge::stp(x, out),
        X::EbtVlan(x) => bridge::vlan(x, out),
        X::Audit(x) => target::audit(x, out),
        X::Checksum(x) => target::checksum(x, out),
        X::Classify(x) => target::classify(x, cx, out),
        X::Connmark1(x) => target::connmark(x.mode, [x.ctmark, x.ctmask, x.nfmask], None, out),
        X::Connmark2(x) => target::connmark(x.mode, [x.ctmark, x.ctmask, x.nfmask], Some((x.shift_dir, x.shift_bits)), out),
        X::Connsecmark(x) => target::connsecmark(x, out),
        X::Ct0(x) => target::ct(&x.into(), out),
        X::Ct1(x) | X::Ct2(x) => target::ct(x, out),
        X::DscpTarget(x) => w!(out, " --set-dscp 0x{:02x}", x.dscp),
        X::TosTarget(x) => w!(out, " --set-tos 0x{:02x}/0x{:02x}", x.tos_value, x.tos_mask),
        X::TtlTarget(x) => target::ttl(x, "ttl", out),
        X::HlTarget(x) => target::ttl(x, "hl", out),
        X::Hmark(x) => target::hmark(x, cx, out),
        X::Idletimer0(x) => w!(out, " --timeout {} --label {}", x.timeout, x.label.text()),
        X::Idletimer1(x) => target::idletimer(x, out),
        X::Led(x) => target::led(x, out),
        X::Log(x) => target::log(x, out),
        X::MarkTarget(x) => target::mark(x, cx, out),
        X::Snat0(x) => nat::nat(&x.into(), nat::SOURCE, cx, out),
        X::Snat1(x) => nat::nat(&x.into(), nat::SOURCE, cx, out),
        X::Snat2(x) => nat::nat(x, nat::SOURCE, cx, out),
        X::Dnat0(x) => nat::nat(&x.into(), nat::DESTINATION, cx, out),
        X::Dnat1(x) => nat::nat(&x.into(), nat::DESTINATION, cx, out),
        X::Dnat2(x) => nat::nat(x, nat::DESTINATION, cx, out),
        X::Masquerade(x) | X::Redirect(x) => nat::nat(&x.into(), nat::PORTS, cx, out),
        X::Masquerade6(x) | X::Redirect6(x) => nat::nat(&x.into(), nat::PORTS, cx, out),
        X::Netmap(x) => nat::netmap4(x, out),
        X::Netmap6(x) => nat::netmap6(x, out),
        X::Nflog(x) => target::nflog(x, out),
        X::Nfqueue0(x) => w!(out, " --queue-num {}", x.queuenum),
        X::Nfqueue1(x) => target::nfqueue(x.queuenum, x.queues_total, 0, out),
        X::Nfqueue2(x) => target::nfqueue(x.queuenum, x.queues_total, x.flags & 1, out),
        X::Nfqueue3(x) => target::nfqueue(x.queuenum, x.queues_total, x.flags, out),
        X::RateestTarget(x) => rate::rateest_target(x, out),
        X::Reject(x) => target::reject(x, target::REJECT_WITH, out),
        X::Reject6(x) => target::reject(x, target::REJECT_WITH6, out),
        X::Secmark0(x) => w!(out, " --selctx {}", x.secctx.text()),
        X::Secmark1(x) => w!(out, " --selctx {}", x.secctx.text()),
        X::SetTarget0(x) => {
            state::set0("--add-set", &x.add_set, cx, out);
            state::set0("--del-set", &x.del_set, cx, out);
        }
        X::SetTarget1(x) => target::set1(x, cx, out),
        X::SetTarget2(x) => target::set2(x, cx, out),
        X::SetTarget3(x) => target::set3(x, cx, out),
        X::Synproxy(x) => target::synproxy(x, out),
        X::TcpmssTarget(x) => target::tcpmss(x, out),
        X::Tcpoptstrip(x) => target::tcpoptstrip(x, out),
        X::Tee(x) => target::tee(x, cx, out),
        X::Tproxy0(x) => target::tproxy(x.lport.0, &super::format::ip4(x.laddr.0).to_string(), x.mark_value, x.mark_mask, out),
        X::Tproxy1(x) => target::tproxy(x.lport.0, &cx.addr(x.laddr.0), x.mark_value, x.mark_mask, out),
        X::EcnTarget(x) => target::ecn(x, out),
        X::Clusterip(x) => target::clusterip(x, out),
        X::Snpt(x) | X::Dnpt(x) => nat::npt(x, out),
        X::ArpMangle(x) => target::arp_mangle(x, out),
        X::EbtArpreply(x) => bridge::arpreply(x, out),
        X::EbtDnat(x) => bridge::dnat(x, out),
        X::EbtSnat(x) => bridge::snat(x, out),
        X::EbtRedirect(x) => bridge::redirect(x, out),
        X::EbtMark(x) => bridge::mark(x, out),
        X::EbtLog(x) => bridge::log(x, out),
        X::EbtNflog(x) => bridge::nflog(x, out),
    }
}
