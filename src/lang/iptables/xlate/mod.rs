//! Extensions in nft syntax, word for word as the translations of libxtables 1.8, which `nft list` prints.
//!
//! Not every extension has a translation; nft then prints `xt match NAME`. The translations are text for
//! readers: some of them are not what nft would read back.

mod bridge;
mod conntrack;
mod matches;
mod targets;
mod transport;

use crate::lang::Names;
use crate::model::Family;
use crate::model::xtables::Extension;

/// What a translation depends on besides the extension.
#[derive(Clone, Copy)]
pub struct Context<'c> {
    pub family: Family,
    /// The transport protocol that the rule compared before; 0 for none.
    pub proto: u8,
    pub names: &'c Names,
}

impl Context<'_> {
    fn is_ip6(&self) -> bool {
        self.family == Family::Ip6
    }

    fn ip(&self) -> &'static str {
        if self.is_ip6() { "ip6" } else { "ip" }
    }

    fn addr(&self, addr: [u8; 16]) -> String {
        let [a, b, c, d, ..] = addr;
        if self.is_ip6() {
            super::format::ip6(addr)
        } else {
            super::format::ip4([a, b, c, d]).to_string()
        }
    }
}

/// Text in pieces: a piece that begins with a word or a bracket is kept apart from what stands before it.
#[derive(Default)]
pub struct Pieces(String);

impl Pieces {
    fn add(&mut self, piece: impl AsRef<str>) {
        let piece = piece.as_ref();
        let word = |c: char| c.is_ascii_alphanumeric() || "(){}[]".contains(c);
        let space = |c: char| c.is_ascii_whitespace();
        if !self.0.is_empty() && !self.0.ends_with(space) && piece.starts_with(word) {
            self.0.push(' ');
        }
        self.0.push_str(piece);
    }

    /// Without the space.
    fn join(&mut self, piece: &str) {
        self.0.push_str(piece);
    }

    fn done(self) -> String {
        self.0.trim_ascii_end().to_owned()
    }
}

/// `add!(pieces, "format", ...)`
macro_rules! add {
    ($to:expr, $($arg:tt)*) => {
        $to.add(format!($($arg)*))
    };
}
use add;

/// `!= ` where a condition is inverted.
fn ne(inverted: bool) -> &'static str {
    if inverted { "!= " } else { "" }
}

/// ` !=` where a condition is inverted.
fn not(inverted: bool) -> &'static str {
    if inverted { " !=" } else { "" }
}

/// `1` or `1-2`
fn range<T: PartialEq + std::fmt::Display>([from, to]: [T; 2]) -> String {
    if from == to {
        from.to_string()
    } else {
        format!("{from}-{to}")
    }
}

/// The translation, where there is one.
#[rustfmt::skip]
pub fn xlate(extension: &Extension, cx: &Context<'_>) -> Option<String> {
    use Extension as X;
    let mut p = Pieces::default();
    let out = &mut p;
    match extension {
        X::Tcp(x) => transport::tcp(x, out),
        X::Udp(x) => transport::udp(x, out),
        X::Icmp(x) => transport::icmp(x, out)?,
        X::Icmp6(x) => transport::icmp6(x, out)?,
        X::Sctp(x) => transport::sctp(x, out)?,
        X::Dccp(x) => transport::dccp(x, out)?,
        X::Multiport(x) => transport::multiport(x, cx, out),
        X::Esp(x) => transport::esp(x, out),
        X::Ah(x) => transport::ah(x, out),
        X::Ah6(x) => transport::ah6(x, out),
        X::Ipcomp(x) => transport::ipcomp(x, out),
        X::Tcpmss(x) => transport::tcpmss(x, out),
        X::Frag6(x) => matches::frag6(x, out),
        X::Hbh(x) => matches::hbh(x, out)?,
        X::Rt6(x) => matches::rt6(x, out)?,
        X::Mh(x) => matches::mh(x, out),
        X::Ttl(x) => matches::ttl(x, out)?,
        X::Hl(x) => matches::hl(x, out)?,
        X::Dscp(x) => add!(out, "{} dscp {}0x{:02x}", cx.ip(), ne(x.invert != 0), x.dscp),
        X::Ecn(x) => matches::ecn(x, out)?,
        X::Length(x) => add!(out, "meta length {}{}", ne(x.invert != 0), range([x.min, x.max])),
        X::Mac(x) => add!(out, "ether saddr{} {}", not(x.invert != 0), super::format::mac(&x.srcaddr)),
        X::Pkttype(x) => matches::pkttype(x, out),
        X::Iprange(x) => matches::iprange(x, cx, out),
        X::Conntrack3(x) => conntrack::conntrack(x, cx, out),
        X::Connbytes(x) => conntrack::connbytes(x, out)?,
        X::Connlabel(x) => conntrack::connlabel(x, cx, out),
        X::Connmark(x) => { add!(out, "ct mark"); matches::mark(x, out); }
        X::Mark(x) => { add!(out, "mark"); matches::mark(x, out); }
        X::Helper(x) => add!(out, "ct helper{} \"{}\"", not(x.invert != 0), x.name.text()),
        X::Cluster(x) => conntrack::cluster(x, out),
        X::Addrtype1(x) => matches::addrtype(x, out),
        X::Cpu(x) => add!(out, "cpu{} {}", not(x.invert != 0), x.cpu),
        X::Devgroup(x) => matches::devgroup(x, cx, out),
        X::Realm(x) => matches::realm(x, cx, out),
        X::Rpfilter(x) => matches::rpfilter(x, out)?,
        X::Owner(x) => matches::owner(x, out)?,
        X::Cgroup0(x) => add!(out, "meta cgroup {}{}", ne(x.invert != 0), x.id),
        X::Cgroup1(x) if x.has_path == 0 => matches::classid(x.has_classid, x.invert_classid, x.classid, out),
        X::Cgroup2(x) if x.has_path == 0 => {
            matches::classid(x.has_classid, x.invert_classid, super::save::classid(x), out);
        }
        X::Policy(x) => matches::policy(x, out)?,
        X::Comment(_) => {}
        X::Time(x) => matches::time(x, out)?,
        X::Limit(x) => matches::limit(x.avg, x.burst, out),
        X::EbtLimit(x) => matches::limit(x.avg, x.burst, out),
        X::Hashlimit1(x) => matches::hashlimit(&x.into(), cx, out)?,
        X::Hashlimit2(x) => matches::hashlimit(&x.as_ref().into(), cx, out)?,
        X::Hashlimit3(x) => matches::hashlimit(&x.as_ref().into(), cx, out)?,
        X::Quota(x) => add!(out, "quota {}{} bytes", if x.flags & 1 != 0 { "over " } else { "" }, x.quota),
        X::Statistic(x) => matches::statistic(x, out)?,
        X::EbtIp(x) => bridge::ip(x, cx, out),
        X::EbtIp6(x) => bridge::ip6(x, cx, out),
        X::EbtMarkMatch(x) => bridge::mark_match(x, out),
        X::EbtPkttype(x) => bridge::pkttype(x, out),
        X::EbtVlan(x) => bridge::vlan(x, out),
        X::EbtDnat(x) => bridge::dnat(x, out),
        X::EbtSnat(x) => bridge::snat(x, out)?,
        X::EbtRedirect(x) => bridge::redirect(x, out),
        X::EbtMark(x) => bridge::mark(x, out)?,
        X::EbtLog(x) => bridge::log(x, out),
        X::EbtNflog(x) => bridge::nflog(x, out),
        X::Audit(_) => out.add("log level audit"),
        X::Classify(x) => targets::classify(x, out),
        X::Connmark1(x) => targets::connmark(x.mode, [x.ctmark, x.ctmask, x.nfmask], None, out)?,
        X::Connmark2(x) => targets::connmark(x.mode, [x.ctmark, x.ctmask, x.nfmask], Some((x.shift_dir, x.shift_bits)), out)?,
        X::Ct1(x) | X::Ct2(x) if x.flags & 1 != 0 => out.add("notrack"),
        X::DscpTarget(x) => add!(out, "{} dscp set 0x{:02x}", cx.ip(), x.dscp),
        X::TosTarget(x) => targets::tos(x, out),
        X::Log(x) => targets::log(x, out)?,
        // arptables has a MARK of its own, without a translation.
        X::MarkTarget(x) if cx.family != Family::Arp => targets::mark(x, out),
        X::Snat0(x) => targets::nat("snat", &x.into(), cx, out)?,
        X::Snat1(x) => targets::nat("snat", &x.into(), cx, out)?,
        X::Dnat0(x) => targets::nat("dnat", &x.into(), cx, out)?,
        X::Dnat1(x) => targets::nat("dnat", &x.into(), cx, out)?,
        X::Dnat2(x) => targets::nat("dnat", x, cx, out)?,
        X::Masquerade(x) => targets::nat("masquerade", &x.into(), cx, out)?,
        X::Masquerade6(x) => targets::nat("masquerade", &x.into(), cx, out)?,
        X::Redirect(x) => targets::nat("redirect", &x.into(), cx, out)?,
        X::Redirect6(x) => targets::nat("redirect", &x.into(), cx, out)?,
        X::Nflog(x) => targets::nflog(x, out),
        X::Nfqueue0(x) => add!(out, "queue num {} ", x.queuenum),
        X::Nfqueue1(x) => targets::nfqueue(x.queuenum, x.queues_total, 0, out),
        X::Nfqueue2(x) => targets::nfqueue(x.queuenum, x.queues_total, x.flags & 1, out),
        X::Nfqueue3(x) => targets::nfqueue(x.queuenum, x.queues_total, x.flags, out),
        X::Reject(x) => targets::reject(x, "icmp", super::save::REJECT_WITH, 3, out),
        X::Reject6(x) => targets::reject(x, "icmpv6", super::save::REJECT_WITH6, 4, out),
        X::Synproxy(x) => targets::synproxy(x, out),
        X::TcpmssTarget(x) => targets::tcpmss(x, out),
        X::Tee(x) => targets::tee(x, cx, out),
        X::Trace(_) => out.add("nftrace set 1"),
        _ => return None,
    }
    Some(p.done())
}
