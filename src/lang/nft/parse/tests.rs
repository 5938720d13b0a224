//! The parser as a whole: what it makes of texts, and what it says of those that are none.

use super::*;
use crate::lang::nft::ast::{Kind, NatKind, Op};
use crate::lang::nft::syntax::*;
use crate::model::expression::DynsetOp;
use crate::model::{Family, Verdict};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

fn commands(text: &str) -> Vec<Command> {
    let (sources, result) = parse(super::text(text), &Options::bare());
    result.unwrap_or_else(|errors| panic!("{}", render::render_all(&sources, &errors)))
}

fn rule_of(text: &str) -> Rule {
    let (sources, result) = parse_rule(super::text(text), &Options::bare());
    result.unwrap_or_else(|errors| panic!("{}", render::render_all(&sources, &errors)))
}

fn statement_of(text: &str) -> Statement {
    let mut rule = rule_of(text);
    assert_eq!(rule.statements.len(), 1, "{text}");
    rule.statements.remove(0).value
}

fn match_of(text: &str) -> (Op, Expr, Expr) {
    match statement_of(text) {
        Statement::Match(Expr {
            kind: Kind::Relational { op, left, right },
            ..
        }) => (op, *left, *right),
        other => panic!("{text}: {other:?}"),
    }
}

/// The first error of a text.
fn error_of(text: &str) -> String {
    let (_, result) = parse(super::text(text), &Options::bare());
    match result {
        Ok(commands) => panic!("{text}: {commands:?}"),
        Err(errors) => errors[0].message.clone(),
    }
}

fn errors_of(text: &str) -> Vec<Diagnostic> {
    let (_, result) = parse(super::text(text), &Options::bare());
    result.expect_err(text)
}

/// A short writing of an expression: what it is made of.
fn shape(expr: &Expr) -> String {
    let list = |items: &[Expr]| items.iter().map(shape).collect::<Vec<_>>().join(" ");
    match &expr.kind {
        Kind::Symbol(word) => word.clone(),
        Kind::SetName(name) => format!("@{name}"),
        Kind::SetLiteral(items) => format!("{{{}}}", list(items)),
        Kind::List(items) => format!("[{}]", list(items)),
        Kind::Concat(items) => format!("<{}>", list(items)),
        Kind::Range(a, b) => format!("{}..{}", shape(a), shape(b)),
        Kind::Prefix(a, len) => format!("{}/{len}", shape(a)),
        Kind::Mapping(a, b) => format!("{}:{}", shape(a), shape(b)),
        Kind::Binop { op, left, right } => {
            format!(
                "({} {} {})",
                shape(left),
                op.symbol().unwrap_or(""),
                shape(right)
            )
        }
        Kind::Map { key, mappings } => format!("{} map {}", shape(key), shape(mappings)),
        Kind::SetElem(element) => format!("elem({})", shape(&element.key)),
        Kind::CatchAll => "*".to_owned(),
        Kind::Value(value) => format!("={value}"),
        Kind::Verdict(verdict) => format!("{verdict:?}"),
        Kind::Payload(payload) => match payload.template() {
            Some(field) => format!("{}.{}", payload.protocol.name, field.token),
            None => format!("raw.{}.{}", payload.offset, expr.len),
        },
        Kind::Exthdr(header) => format!(
            "{}.{}{}",
            header.header.map_or("?", |header| header.name),
            header.template().map_or("?", |field| field.token),
            if header.present { "?" } else { "" }
        ),
        Kind::Meta { key } => format!("meta.{key}"),
        Kind::Ct { key, direction, .. } => format!("ct.{key}.{direction:?}"),
        Kind::Rt { key } => format!("rt.{key}"),
        other => format!("{other:?}"),
    }
}

fn right_of(text: &str) -> String {
    shape(&match_of(text).2)
}

#[test]
fn keys() {
    for (text, expected) in [
        ("ip saddr 1.2.3.4", "ip.saddr"),
        ("ether daddr 00:11:22:33:44:55", "ether.daddr"),
        ("vlan id 5", "vlan.id"),
        ("arp saddr ether 00:11:22:33:44:55", "arp.saddr ether"),
        ("icmpv6 param-problem 3", "icmpv6.parameter-problem"),
        ("th dport 53", "th.dport"),
        ("@th,16,16 53", "th.dport"),
        ("@nh,96,32 7", "raw.96.32"),
        ("iif lo", "meta.4"),
        ("meta iif lo", "meta.4"),
        ("meta l4proto tcp", "meta.16"),
        ("ipsec exists", "meta.25"),
        ("ct original saddr 1.2.3.4", "ct.8.Some(0)"),
        ("ct reply ip6 daddr ::1", "ct.22.Some(1)"),
        ("rt ip6 nexthop ::1", "rt.2"),
        ("rt type 0", "rt.type"),
        ("tcp option maxseg size 1460", "maxseg.size"),
        ("tcp option sack2 right 5", "sack.right"),
        ("tcp option sack-perm exists", "sack-perm.kind?"),
        ("ip option rr addr 1.2.3.4", "rr.addr"),
        ("sctp chunk init a-rwnd 5", "init.a-rwnd"),
        ("exthdr frag exists", "frag.nexthdr?"),
        ("srh sid[2] ::1", "srh.sid[2]"),
        ("ip saddr . tcp dport @s", "<ip.saddr tcp.dport>"),
    ] {
        assert_eq!(shape(&match_of(text).1), expected, "{text}");
    }
    let Kind::Exthdr(second) = match_of("tcp option sack2 right 5").1.kind else {
        panic!()
    };
    assert_eq!(second.offset, 48 + 2 * 64);
}

#[test]
fn values() {
    for (text, expected) in [
        ("tcp dport 22", "22"),
        ("tcp dport 0x16", "22"),
        ("tcp dport 010", "8"),
        ("tcp dport ssh", "ssh"),
        ("tcp dport 22-80", "22..80"),
        ("ip saddr 10.0.0.0/8", "10.0.0.0/8"),
        ("ip saddr 10.0.0.1-10.0.0.9", "10.0.0.1..10.0.0.9"),
        ("ip6 saddr fe80::/10", "fe80::/10"),
        ("ip6 daddr [2001:db8::1]", "2001:db8::1"),
        ("ct state new,established", "[new established]"),
        ("ct state original", "original"),
        ("iifname \"eth*\"", "eth*"),
        ("iifname eth*", "eth*"),
        ("ip saddr @blocked", "@blocked"),
        ("tcp dport { 22, 80-90, 443, }", "{22 80..90 443}"),
        ("tcp dport { 22, { 80, 443 } }", "{22 80 443}"),
        ("tcp flags & (syn | ack) == syn | ack", "(syn | ack)"),
        ("meta mark 1 | 2 ^ 3 & 4 << 5", "(1 | (2 ^ (3 & (4 << 5))))"),
        ("meta mark 1 << 2 << 3", "((1 << 2) << 3)"),
        ("ip protocol tcp", "=6"),
        ("exthdr hbh missing", "=0"),
        ("meta time \"2026-01-01\"", "2026-01-01"),
        (
            "ip saddr . tcp dport { 1.2.3.4 . 22, 10.0.0.0/8 . 80-90 }",
            "{<1.2.3.4 22> <10.0.0.0/8 80..90>}",
        ),
        ("ip saddr . ip daddr 1.2.3.4 . 5.6.7.8", "<1.2.3.4 5.6.7.8>"),
        ("icmp type redirect", "=5"),
        ("meta priority 1:2", "1:2"),
    ] {
        let text = format!("{text}\n");
        assert_eq!(right_of(&text), expected, "{text}");
    }
}

#[test]
fn operators() {
    for (text, expected) in [
        ("tcp dport 22", Op::Implicit),
        ("tcp dport == 22", Op::Eq),
        ("tcp dport eq 22", Op::Eq),
        ("tcp dport != 22", Op::Neq),
        ("tcp dport < 22", Op::Lt),
        ("tcp dport le 22", Op::Lte),
        ("tcp dport gt 22", Op::Gt),
        ("tcp dport >= 22", Op::Gte),
        ("ct state ! new", Op::Neg),
    ] {
        assert_eq!(match_of(text).0, expected, "{text}");
    }
    let (_, left, right) = match_of("meta mark and 0xff == 0x10");
    assert_eq!(
        (shape(&left).as_str(), shape(&right).as_str()),
        ("(meta.3 & 255)", "16")
    );
}

#[test]
fn flags_and_masks() {
    let Statement::Match(Expr {
        kind:
            Kind::FlagCmp {
                op,
                expr,
                mask,
                value,
            },
        ..
    }) = statement_of("tcp flags != syn,ack / syn,ack,rst")
    else {
        panic!()
    };
    assert_eq!(op, Op::Neq);
    assert_eq!(shape(&expr), "tcp.flags");
    assert_eq!(shape(&mask), "[syn ack rst]");
    assert_eq!(shape(&value), "[syn ack]");
    assert!(error_of("add rule t c tcp flags syn / syn").contains("mask"));
}

#[test]
fn statements() {
    assert!(matches!(
        statement_of("counter packets 5 bytes 7"),
        Statement::Counter(counter) if counter.packets == 5 && counter.bytes == 7
    ));
    let Statement::Limit(limit) = statement_of("limit rate over 10 mbytes/second burst 5 kbytes")
    else {
        panic!()
    };
    assert_eq!(
        (limit.rate, limit.unit, limit.burst),
        (10 << 20, 1, 5 << 10)
    );
    assert_eq!((limit.kind, limit.flags), (1, 1));
    let Statement::Limit(limit) = statement_of("limit rate 400/minute") else {
        panic!()
    };
    assert_eq!(
        (limit.rate, limit.unit, limit.burst, limit.kind),
        (400, 60, 5, 0)
    );
    let Statement::Quota(quota) = statement_of("quota over 5 kbytes used 3 bytes") else {
        panic!()
    };
    assert_eq!((quota.bytes, quota.consumed, quota.flags), (5120, 3, 1));
    assert!(matches!(
        statement_of("ct count over 20"),
        Statement::Connlimit {
            count: 20,
            over: true
        }
    ));
    let Statement::Log(log) = statement_of(
        "log prefix \"in: \" level warn group 2 flags tcp sequence,options flags ip options",
    ) else {
        panic!()
    };
    assert_eq!(
        log.prefix.map(|prefix| prefix.value).as_deref(),
        Some("in: ")
    );
    assert_eq!((log.level, log.group, log.flags), (Some(4), Some(2), 7));
    assert!(matches!(
        statement_of("reject with tcp reset"),
        Statement::Reject(RejectWith::TcpReset)
    ));
    assert!(matches!(
        statement_of("reject with icmpx type admin-prohibited"),
        Statement::Reject(RejectWith::Icmpx(_))
    ));
    let Statement::Queue { expr, flags } = statement_of("queue flags bypass,fanout to 1-3") else {
        panic!()
    };
    assert_eq!(
        (expr.map(|expr| shape(&expr)).as_deref(), flags),
        (Some("1..3"), 3)
    );
    assert!(matches!(
        statement_of("queue"),
        Statement::Queue {
            expr: None,
            flags: 0
        }
    ));
    assert!(matches!(statement_of("notrack"), Statement::Notrack));
    let Statement::Synproxy(synproxy) =
        statement_of("synproxy mss 1460 wscale 7 timestamp sack-perm")
    else {
        panic!()
    };
    assert_eq!(
        (synproxy.mss, synproxy.wscale, synproxy.flags),
        (1460, 7, 15)
    );
    assert!(
        matches!(statement_of("flow add @f"), Statement::FlowOffload(name) if &*name.value == "f")
    );
    assert!(matches!(
        statement_of("reset tcp option sack-perm"),
        Statement::OptStrip(_)
    ));
    assert!(matches!(
        statement_of("last used 1h"),
        Statement::Last {
            set: true,
            msecs: 3_600_000
        }
    ));
    let Statement::Object(reference) = statement_of("counter name tcp dport map { 22 : \"a\" }")
    else {
        panic!()
    };
    assert_eq!(
        (reference.kind, shape(&reference.expr).as_str()),
        (1, "tcp.dport map {22:a}")
    );
    let rule = rule_of("iif lo counter accept comment \"loopback\" # handle 4\n");
    assert_eq!(rule.statements.len(), 3);
    assert_eq!(
        rule.comment.map(|comment| comment.value).as_deref(),
        Some("loopback")
    );
}

#[test]
fn verdicts() {
    let verdict = |text: &str| match statement_of(text) {
        Statement::Verdict(expr) => shape(&expr),
        other => panic!("{other:?}"),
    };
    assert_eq!(verdict("accept"), "Accept");
    assert_eq!(
        verdict("jump next"),
        format!("{:?}", Verdict::Jump("next".into()))
    );
    assert_eq!(
        verdict("tcp dport vmap { 22 : accept, 80-90 : drop, * : continue }"),
        "tcp.dport map {22:Accept 80..90:Drop *:Continue}"
    );
    assert_eq!(verdict("iifname vmap @zones"), "meta.6 map @zones");
    let Statement::Chain { goto: true, rules } =
        statement_of("goto {\n tcp dport 1 accept\n drop;\n }")
    else {
        panic!()
    };
    assert_eq!(rules.len(), 2);
}

#[test]
fn nat() {
    let nat = |text: &str| match statement_of(text) {
        Statement::Nat {
            kind,
            family,
            addr_port,
            prefix,
            interval,
            addr,
            port,
            flags,
        } => (
            kind,
            family,
            (addr_port, prefix, interval),
            addr.map(|expr| shape(&expr)),
            port.map(|expr| shape(&expr)),
            flags,
        ),
        other => panic!("{other:?}"),
    };
    let (kind, family, _, addr, port, flags) =
        nat("dnat ip to 10.0.0.1-10.0.0.3:80-90 random,persistent");
    assert!(matches!(kind, NatKind::Dnat));
    assert_eq!(family, Some(Family::Ip));
    assert_eq!(addr.as_deref(), Some("10.0.0.1..10.0.0.3"));
    assert_eq!(port.as_deref(), Some("80..90"));
    assert_eq!(flags, 12);
    let (_, _, words, addr, ..) =
        nat("dnat ip addr . port to tcp dport map { 80 : 10.0.0.1 . 8080 }");
    assert_eq!(words, (true, false, false));
    assert_eq!(addr.as_deref(), Some("tcp.dport map {80:<10.0.0.1 8080>}"));
    let (_, _, words, addr, ..) =
        nat("snat ip prefix to ip saddr map { 10.0.0.0/24 : 10.1.0.0/24 }");
    assert_eq!(words, (false, true, false));
    assert_eq!(
        addr.as_deref(),
        Some("ip.saddr map {10.0.0.0/24:10.1.0.0/24}")
    );
    let (kind, _, _, addr, port, _) = nat("redirect to :8080");
    assert!(matches!(kind, NatKind::Redirect));
    assert_eq!((addr, port.as_deref()), (None, Some("8080")));
    let (kind, .., flags) = nat("masquerade fully-random");
    assert!(matches!(kind, NatKind::Masquerade));
    assert_eq!(flags, 16);
}

#[test]
fn settings() {
    let Statement::Meta { key: 3, expr } = statement_of("mark set ct mark and 0xff or 0x100")
    else {
        panic!()
    };
    assert_eq!(shape(&expr), "((ct.3.None & 255) | 256)");
    assert!(matches!(
        statement_of("meta nftrace set 1"),
        Statement::Meta { key: 12, .. }
    ));
    assert!(matches!(
        statement_of("ct mark set mark"),
        Statement::Ct {
            key: 3,
            direction: None,
            ..
        }
    ));
    assert!(matches!(
        statement_of("ct helper set \"ftp\""),
        Statement::Object(ObjectRef { kind: 3, .. })
    ));
    assert!(matches!(
        statement_of("ct timeout set \"t\""),
        Statement::Object(ObjectRef { kind: 7, .. })
    ));
    assert!(matches!(
        statement_of("meta secmark set \"s\""),
        Statement::Object(ObjectRef { kind: 8, .. })
    ));
    assert!(matches!(
        statement_of("ip ttl set 5"),
        Statement::Payload { .. }
    ));
    assert!(matches!(
        statement_of("tcp option maxseg size set rt mtu"),
        Statement::Exthdr { .. }
    ));
    assert!(error_of("add rule t c frag id set 1").contains("cannot be set"));
    let Statement::Set {
        op,
        set,
        key,
        data,
        stmts,
    } = statement_of("update @s { ip saddr timeout 5s limit rate 1/second : tcp dport }")
    else {
        panic!()
    };
    assert_eq!((op, &*set.value), (DynsetOp::Update, "s"));
    assert_eq!(shape(&key), "elem(ip.saddr)");
    assert_eq!(data.map(|data| shape(&data)).as_deref(), Some("tcp.dport"));
    assert_eq!(stmts.len(), 1);
    let Statement::Meter {
        name, size, key, ..
    } = statement_of("meter m size 128 { ip saddr timeout 60s limit rate 10/second }")
    else {
        panic!()
    };
    assert_eq!((&*name.value, size), ("m", Some(128)));
    assert_eq!(shape(&key), "elem(ip.saddr)");
}

const RULESET: &str = r#"#!/usr/sbin/nft -f
flush ruleset

define lan = 192.168.0.0/16
define ports = { 22, 80 }

table inet filter { # comment
    comment "the filter"
    flags dormant;
    set blocked {
        typeof ip saddr . tcp dport
        flags interval,timeout
        timeout 1h30m; gc-interval 10s
        size 1000
        counter
        elements = { 10.0.0.0/8 . 22 timeout 5m comment "x",
                     # nothing
                     1.2.3.4 . 80-90 counter packets 1 bytes 2 expires 3s }
    }
    map verdicts {
        type ipv4_addr : verdict
        elements = { 1.2.3.4 : jump lan_in, * : drop }
    }
    map counters { type inet_service : counter; }
    counter hits { packets 3 bytes 4; comment "c" }
    ct helper ftp { type "ftp" protocol tcp; l3proto ip; }
    ct timeout slow { protocol tcp; policy = { established : 100, close : 4 }; }
    flowtable f { hook ingress priority filter - 5; devices = { eth0, "eth1" }; counter; }
    chain input {
        type filter hook input priority filter + 5; policy drop;
        define local = { 1.1.1.1, 2.2.2.2 }
        ip saddr $lan tcp dport $ports \
            accept comment "two lines"
        ip daddr { $local, 3.3.3.3 } drop # handle 7
    }
    chain lan_in { }
}
add rule inet filter lan_in index 2 tcp dport 1-5 accept
insert rule inet filter lan_in handle 5 drop
replace rule inet filter lan_in handle 6 counter
delete element inet filter blocked { 1.2.3.4 . 80 }
rename chain inet filter lan_in inside
destroy table ip6 old
reset counters table inet filter
filter input tcp dport 5 accept
"#;

#[test]
fn a_ruleset() {
    let commands = commands(RULESET);
    let verbs: Vec<Verb> = commands.iter().map(|command| command.verb).collect();
    use Verb::*;
    assert_eq!(
        verbs,
        [
            Flush, Add, Add, Insert, Replace, Delete, Rename, Destroy, Reset, Add
        ]
    );
    let What::Table {
        family: Family::Inet,
        body,
        ..
    } = &commands[1].what
    else {
        panic!()
    };
    assert_eq!(body.flags, 1);
    assert_eq!(body.items.len(), 9);
    let TableItem::Set { body: set, .. } = &body.items[0] else {
        panic!()
    };
    assert_eq!(set.timeout.as_ref().map(|at| at.value), Some(5_400_000));
    assert_eq!(set.gc_interval.as_ref().map(|at| at.value), Some(10_000));
    assert_eq!(set.flags.as_ref().map(|at| at.value), Some(4 | 16));
    assert_eq!(set.statements.len(), 1);
    assert_eq!(
        set.elements.as_ref().map(shape).as_deref(),
        Some("{elem(<10.0.0.0/8 22>) elem(<1.2.3.4 80..90>)}")
    );
    let TableItem::Chain(_, input) = &body.items[7] else {
        panic!()
    };
    let hook = input.hook.as_ref().unwrap();
    assert_eq!(hook.priority.name.as_deref(), Some("filter"));
    assert_eq!(hook.priority.offset, 5);
    assert_eq!(
        input.policy.as_ref().map(|at| at.value),
        Some(PolicyWord::Drop)
    );
    assert_eq!(input.rules.len(), 2);
    let values: Vec<String> = input.rules[0]
        .statements
        .iter()
        .filter_map(|statement| match &statement.value {
            Statement::Match(Expr {
                kind: Kind::Relational { right, .. },
                ..
            }) => Some(shape(right)),
            _ => None,
        })
        .collect();
    assert_eq!(values, ["192.168.0.0/16", "{22 80}"]);
    let What::Rule {
        position, table, ..
    } = &commands[2].what
    else {
        panic!()
    };
    assert!(matches!(position, Some(Position::Index(at)) if at.value == 2));
    assert_eq!(&*table.name.value, "filter");
    assert!(matches!(&commands[9].what, What::Rule { table, .. } if table.family == Family::Ip));
}

#[test]
fn places_are_those_of_the_words() {
    let rule = rule_of("ip saddr 1.2.3.4 counter accept");
    let text = "ip saddr 1.2.3.4 counter accept";
    let at = |span: Span| &text[span.start as usize..span.end as usize];
    let words: Vec<&str> = rule.statements.iter().map(|s| at(s.span)).collect();
    assert_eq!(words, ["ip saddr 1.2.3.4", "counter", "accept"]);
    let (_, left, right) = match_of(text.split(" counter").next().unwrap());
    assert_eq!((at(left.span), at(right.span)), ("ip saddr", "1.2.3.4"));
}

#[test]
fn what_nft_refuses() {
    for text in [
        "table t { chain c { accept } }",
        "table t { chain c { } }\n chain d { }",
        "add rule t c tcp dport { }",
        "add rule t c tcp dport { 1,\n\n 2 }",
        "add table log",
        "add chain ip t counter",
        "add set t s { type nothing; }",
        "add chain t c { type filter hook nowhere priority 0; }",
        "add rule t c ip saddr $undefined",
        "define a = 1\ndefine a = 2",
        "add rule t c fib saddr . daddr oif",
        "add rule t c tcp option 256 exists",
        "add rule t c limit rate 5/second burst 0 packets",
        "add rule t c",
        "list ruleset",
        "add rule t c accept comment \"a\" comment \"b\"",
        "add element t s { 80:8080, }  }",
        "add rule t c ip saddr 1.2.3.4 # no newline",
        "insert chain t c",
        "add chain t c { policy drop; policy drop; }",
    ] {
        errors_of(text);
    }
    let long = format!("add rule t c accept comment \"{}\"", "x".repeat(129));
    assert!(error_of(&long).contains("128 bytes"));
}

#[test]
fn names_may_be_words_of_other_places() {
    commands(
        "add table t\nadd chain t saddr\nadd set t mtu { type mark; }\nadd rule t saddr jump port\n",
    );
    commands("table t { counter second { }\n}\n");
    assert!(error_of("table t { counter packets { }\n}\n").contains("word of the language"));
}

#[test]
fn near_words() {
    let errors = errors_of("add rule t c tcp dprot 22");
    assert_eq!(errors[0].help.as_deref(), Some("did you mean `dport`?"));
    let errors = errors_of("add rule t c acept");
    assert_eq!(errors[0].help.as_deref(), Some("did you mean `accept`?"));
    let errors = errors_of("add rule t c dport 22");
    assert!(errors[0].help.as_deref().unwrap().contains("`tcp dport`"));
    let errors = errors_of("tabel ip t { }");
    assert_eq!(errors[0].help.as_deref(), Some("did you mean `table`?"));
    let errors = errors_of("define lan = 1.2.3.4\nadd rule t c ip saddr $lna");
    assert_eq!(errors[0].help.as_deref(), Some("did you mean `$lan`?"));
    let errors = errors_of("add set t s { type ipv4_adr; }");
    assert_eq!(errors[0].help.as_deref(), Some("did you mean `ipv4_addr`?"));
}

#[test]
fn several_errors_in_one_run() {
    let text = "table ip t {\n chain a {\n   tcp dprt 5 accept\n  accept\n  udp dport { 1, 2 \n  drop\n }\n chain b {\n  counter foo\n }\n}\nadd rulle t c\n";
    let lines: Vec<usize> = {
        let (sources, result) = parse(super::text(text), &Options::bare());
        let errors = result.expect_err("errors");
        errors
            .iter()
            .map(|error| render::place(&sources, error.span).unwrap().line)
            .collect()
    };
    assert_eq!(lines, [3, 6, 9, 12]);
}

#[test]
fn variables_live_in_their_block() {
    commands(
        "define a = 1\ntable t {\n chain c { redefine a = 2; tcp dport $a; }\n chain d { tcp dport $a; }\n}\n",
    );
    errors_of("table t {\n chain c { define a = 2; }\n chain d { tcp dport $a; }\n}\n");
    errors_of("define a = 1\nundefine a\nadd rule t c tcp dport $a\n");
    commands(
        "define p = drop_all\ndefine d = { eth0, eth1 }\ndefine n = -10\ntable netdev t { chain c { type filter hook ingress devices = $d priority $n; jump $p; }; }\n",
    );
    let options = Options {
        variables: vec![("port".to_owned(), "{ 22, 80 }".to_owned())],
        ..Options::bare()
    };
    let (_, result) = parse(
        super::text("define x = 1\nadd rule t c tcp dport $port"),
        &options,
    );
    assert_eq!(result.expect("commands").len(), 1);
    // Every definition doubles the one before.
    let mut bomb = "define a0 = { 1, 2 }\n".to_owned();
    for n in 1..60 {
        bomb += &format!("define a{n} = {{ $a{}, $a{} }}\n", n - 1, n - 1);
    }
    assert!(error_of(&bomb).contains("too large"));
    let mut deep = "define a0 = 1\n".to_owned();
    for n in 1..5000 {
        deep += &format!("define a{n} = $a{} | 1\n", n - 1);
    }
    assert!(error_of(&deep).contains("too many operations"));
}

struct Tree(BTreeMap<&'static str, &'static str>);

impl Files for Tree {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let path = path.to_str().unwrap();
        match self.0.get(path) {
            Some(text) => Ok(text.as_bytes().to_vec()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>> {
        let prefix = format!("{}/", directory.to_str().unwrap().trim_end_matches('/'));
        let inside = self.0.keys().filter_map(|path| path.strip_prefix(&prefix));
        Ok(inside
            .map(|rest| Entry {
                name: rest.split('/').next().unwrap().to_owned(),
                directory: rest.contains('/'),
            })
            .collect())
    }
}

fn with_files(
    files: &[(&'static str, &'static str)],
    text: &str,
) -> (Sources, Result<Vec<Command>, Vec<Diagnostic>>) {
    let tree = Tree(files.iter().copied().collect());
    let options = Options {
        include_paths: vec!["/etc".into()],
        variables: Vec::new(),
        files: &tree,
    };
    parse(super::text(text), &options)
}

#[test]
fn includes() {
    let files = [
        ("/etc/a.nft", "add table a\n"),
        ("/etc/d/2.nft", "add table two\n"),
        ("/etc/d/1.nft", "add table one\n"),
        ("/etc/d/no.txt", "nonsense\n"),
        ("/etc/d/sub/x.nft", "nonsense\n"),
        ("/rules", "accept\ncounter\n"),
        ("/bad", "add table ok\nadd tabel x\n"),
        ("/loop", "include \"/loop\"\ninclude \"/loop\"\n"),
    ];
    let (_, result) = with_files(
        &files,
        "include \"a.nft\"\ninclude \"d/*.nft\"\nadd table end\n",
    );
    let names: Vec<String> = result
        .expect("commands")
        .iter()
        .map(|command| match &command.what {
            What::Table {
                id: Id::Name(name), ..
            } => name.value.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(names, ["a", "one", "two", "end"]);
    let (_, result) = with_files(
        &files,
        "table t { chain c {\n include \"/rules\"\n drop\n }\n}\n",
    );
    let commands = result.expect("commands");
    let What::Table { body, .. } = &commands[0].what else {
        panic!()
    };
    assert!(matches!(&body.items[0], TableItem::Chain(_, chain) if chain.rules.len() == 3));
    let (_, result) = with_files(&files, "include \"/none\"\n");
    assert!(result.expect_err("no file")[0].message.contains("no file"));
    let (_, result) = with_files(&files, "include \"/none*\"\n");
    assert!(result.expect("nothing").is_empty());
    let (sources, result) = with_files(&files, "\ninclude \"/bad\"\n");
    let text = render::render_all(&sources, &result.expect_err("an error"));
    assert!(
        text.starts_with("included from <test>:2:\n/bad:2:5: error: "),
        "{text}"
    );
    let (_, result) = with_files(&files, "include \"/loop\"\n");
    assert!(
        result.expect_err("a loop")[0]
            .message
            .contains("levels deep")
    );
}

#[test]
fn nothing_is_too_much() {
    let deep = |open: &str| format!("add rule t c tcp dport {}", open.repeat(200_000));
    for open in [
        "(",
        "{",
        "jump {",
        "meter m { ip saddr ",
        "$a",
        "-",
        "jhash ",
    ] {
        errors_of(&deep(open));
    }
    let many = format!("add rule t c meta mark {}1", "1 | ".repeat(100_000));
    assert!(error_of(&many).contains("too many operations"));
    let set: Vec<String> = (0..100_000).map(|n| n.to_string()).collect();
    let text = format!("add element t s {{ {} }}", set.join(","));
    let commands = commands(&text);
    let What::Elements { elements, .. } = &commands[0].what else {
        panic!()
    };
    assert!(matches!(&elements.kind, Kind::SetLiteral(list) if list.len() == 100_000));
    let errors = errors_of(&"accept x\n".repeat(1000));
    assert!(errors.len() <= 20);
}

#[test]
fn parts_by_themselves() {
    let bare = Options::bare();
    let (_, expr) = parse_expression(super::text("ip saddr . tcp dport"), &bare);
    assert_eq!(shape(&expr.expect("a key")), "<ip.saddr tcp.dport>");
    let (_, element) = parse_element(super::text("10.0.0.0/8 timeout 5s : accept"), &bare);
    assert_eq!(
        shape(&element.expect("an element")),
        "elem(10.0.0.0/8):Accept"
    );
    let (_, rule) = parse_rule(super::text("accept; drop"), &bare);
    assert!(rule.is_err());
    let (_, rule) = parse_rule(super::text(""), &bare);
    assert!(rule.is_err());
}
