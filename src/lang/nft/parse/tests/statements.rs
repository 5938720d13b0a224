//! What statements are read as.

use super::*;

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
