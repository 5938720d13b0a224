//! What the words mean, and what is said about wrong ones.

use super::*;
use crate::model::network::{RouteKind, RuleAction, metric, scope, table};
use std::net::IpAddr;

fn link(index: u32, name: &str) -> Link {
    Link {
        index,
        name: name.into(),
        alt_names: vec![format!("other-{name}").into()],
        hardware: 1,
        kind: None,
        slave_kind: None,
        flags: 0,
        mtu: 1500,
        address: Vec::new(),
        operstate: 0,
        carrier: None,
        master: None,
        lower: None,
        lower_netns: None,
        group: 0,
        alias: None,
        txqlen: 0,
        qdisc: "noqueue".into(),
        vlan: None,
        vrf_table: (name == "red").then_some(77),
        xdp: Vec::new(),
        tc: Default::default(),
        stats: None,
        raw: Vec::new(),
    }
}

fn read(text: &str) -> Result<RouteChange, Box<ParseError>> {
    let names = Names::built_in();
    let links = [link(2, "eth0"), link(3, "wan"), link(4, "red")];
    let context = ParseContext {
        names: &names,
        links: &links,
        family: None,
    };
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    parse_words(&words, &context).map(|parsed| parsed.change)
}

fn route(text: &str) -> crate::model::network::OwnedRoute {
    match read(text).unwrap().object {
        RoutingObject::Route(route) => route,
        other => panic!("{other:?}"),
    }
}

#[test]
fn routes() {
    let one = route("route add default via 192.0.2.1 dev eth0 metric 100 proto static");
    assert_eq!(one.destination.to_string(), "0.0.0.0/0");
    assert_eq!(one.body.gateway, Some(IpAddr::from([192, 0, 2, 1])));
    assert_eq!((one.body.oif, one.body.metric), (Some(2), Some(100)));
    assert_eq!((one.body.protocol, one.body.scope), (4, scope::UNIVERSE));

    let one = route("r a 10/8 dev other-wan src 10.1 ta 1000 mtu lock 1400 advmss 5 rto_min 2s");
    assert_eq!(one.destination.to_string(), "10.0.0.0/8");
    assert_eq!((one.body.oif, one.body.table), (Some(3), 1000));
    assert_eq!(one.body.scope, scope::LINK);
    let metrics = one.body.rare.unwrap().metrics;
    let values: Vec<_> = metrics.iter().map(|m| (m.kind, m.number())).collect();
    let locks = 1 << metric::MTU | 1 << metric::RTO_MIN;
    assert_eq!(
        values,
        [
            (2, Some(1400)),
            (8, Some(5)),
            (13, Some(2000)),
            (1, Some(locks))
        ]
    );

    let one = route("route append blackhole 2001:db8::/32");
    assert_eq!(
        (one.body.kind, one.body.family),
        (RouteKind::Blackhole, FibFamily::Ip6)
    );
    assert_eq!(
        route("route add local 10.0.0.1 dev eth0").body.table,
        table::LOCAL
    );
    assert_eq!(
        route("route add 10.0.0.0/8 vrf red dev eth0").body.table,
        77
    );

    let one = route(
        "route replace 10.0.0.0/255.0.0.0 nexthop via 192.0.2.1 weight 3 nexthop via inet6 fe80::1 dev wan onlink",
    );
    let hops = one.body.hops();
    assert_eq!((hops[0].weight, hops[1].oif, hops[1].flags), (3, 3, 4));
    assert!(hops[1].via.as_ref().unwrap().ip().is_some());
    assert_eq!(one.body.scope, scope::UNIVERSE);

    let one = route("route del 10.0.0.0/8");
    assert_eq!(
        (one.body.kind, one.body.scope),
        (RouteKind::Unspec, scope::NOWHERE)
    );
    assert_eq!(one.body.protocol, 0);
}

#[test]
fn rules() {
    let change = read("rule add not from 10.0.0.0/8 iif lo fwmark 5/0xff pref 9 goto 100").unwrap();
    let RoutingObject::Rule {
        rule,
        with_priority,
    } = change.object
    else {
        panic!();
    };
    assert!(with_priority);
    assert_eq!(
        (rule.mark, rule.mask, rule.priority),
        (Some(5), Some(255), 9)
    );
    assert_eq!((rule.action, rule.table), (RuleAction::Goto(Some(100)), 0));
    let change = read("rule del to 2001:db8::/32").unwrap();
    let RoutingObject::Rule {
        rule,
        with_priority,
    } = change.object
    else {
        panic!();
    };
    assert!(!with_priority);
    assert_eq!((rule.family, rule.table, rule.dst_len), (10, 0, 32));
    assert_eq!(rule.action, RuleAction::Unknown(0));
}

#[test]
fn neighbours_and_next_hops() {
    let change =
        read("neigh replace 10.0.0.1 lladdr 2:0:0:0:0:1 dev eth0 nud stale router").unwrap();
    let RoutingObject::Neighbour(one) = change.object else {
        panic!();
    };
    assert_eq!((one.state, one.flags, one.index), (4, 0x80, 2));
    let change = read("nexthop add id 9 group 1,3/2 type resilient buckets 8").unwrap();
    let RoutingObject::Nexthop(one) = change.object else {
        panic!();
    };
    assert_eq!((one.group[0].weight, one.group[1].weight), (3, 1));
    assert_eq!(one.resilient.unwrap().buckets, 8);
}

#[test]
fn mistakes_are_shown_where_they_are() {
    for (text, column, words) in [
        ("route add default vai 192.0.2.1", 19, "did you mean 'via'"),
        ("route add 10.0.0.0/8 dev eht0", 26, "did you mean 'eth0'"),
        (
            "route add 10.0.0.0/8 dev",
            26,
            "a value is missing after 'dev'",
        ),
        ("route add 10.0.0.0/33 dev eth0", 11, "between 0 and 32"),
        (
            "route add 10.0.0.0/8 metric many",
            29,
            "is not a value of 'metric'",
        ),
        (
            "route add 10.0.0.0/8 via 2001:db8::1",
            26,
            "other address family",
        ),
        ("route add 10.0.0.0/8 table mian", 28, "did you mean 'main'"),
        ("route add dev eth0", 20, "the destination is missing"),
        ("route ad default via 192.0.2.1", 0, ""),
        ("route dd default", 7, "did you mean 'add'"),
        ("route list", 7, "does not say what to change"),
        ("ruote add default", 1, "did you mean 'route'"),
        ("link set eth0 up", 1, "hookscope does not"),
        ("rule add form 10.0.0.0/8", 10, "did you mean 'from'"),
        (
            "rule add from 10.0.0.0/8 table 9 l3mdev",
            32,
            "names a table",
        ),
        (
            "neigh add 10.0.0.1 lladdr 2:0 dev eth0 nud parmanent",
            44,
            "permanent",
        ),
        ("neigh add 10.0.0.1", 20, "the device is missing"),
        ("nexthop add id 0 dev eth0", 16, "from 1 on"),
        ("nexthop del", 13, "the number of the next hop"),
        (
            "route add 10.0.0.0/8 nexthop via 1.2.3.4 wieght 2",
            42,
            "did you mean 'weight'",
        ),
        (
            "route add 10.0.0.0/8 encap mpsl 100",
            28,
            "did you mean 'mpls'",
        ),
        (
            "route add 10.0.0.0/8 encap bpf in obj x",
            28,
            "does not load",
        ),
    ] {
        let result = read(text);
        if words.is_empty() {
            assert!(result.is_ok(), "{text}");
            continue;
        }
        let error = result.unwrap_err();
        assert_eq!((error.line, error.column), (1, column), "{text}: {error}");
        assert!(error.to_string().contains(words), "{text}: {error}");
    }
}

#[test]
fn batches() {
    let names = Names::built_in();
    let links = [link(2, "eth0")];
    let context = ParseContext {
        names: &names,
        links: &links,
        family: None,
    };
    let text = "# comment\n\nroute add 10.0.0.0/8 \\\n\tdev \"eth0\" # why\n-6 rule add table 9\n";
    let changes = parse_batch(text, &context).unwrap();
    let lines: Vec<_> = changes.iter().map(|change| change.line).collect();
    assert_eq!(lines, [3, 5]);
    assert_eq!(changes[0].text, "route add 10.0.0.0/8 dev eth0");
    let text = "route add 10.0.0.0/8 \\\n  dev eht0\nroute add 1.x\nrule add 'pref 5\n";
    let errors = parse_batch(text, &context).unwrap_err();
    let places: Vec<_> = errors.iter().map(|e| (e.line, e.column)).collect();
    assert_eq!(places, [(2, 7), (3, 11), (4, 10)]);
    assert!(
        errors[0]
            .to_string()
            .ends_with("\n    dev eht0\n        ^^^^")
    );
}

#[test]
fn long_lines_are_shown_in_part() {
    let error = read(&format!(
        "route add 10.0.0.0/8 {} vai 1.2.3.4",
        "mtu 1400 ".repeat(5000)
    ))
    .unwrap_err()
    .to_string();
    assert!(error.len() < 600 && error.contains("'vai'"), "{error}");
    let caret = error.lines().last().unwrap().find('^').unwrap();
    let line: Vec<char> = error.lines().nth(1).unwrap().chars().collect();
    assert_eq!(line[caret..caret + 3], ['v', 'a', 'i']);
    let error = read(&format!("route add {}", "x".repeat(1 << 20))).unwrap_err();
    assert!(error.to_string().len() < 600);
}

/// Any text is read or refused, and never more than that.
#[test]
fn nonsense_never_panics() {
    let pool = [
        "route",
        "rule",
        "neigh",
        "nexthop",
        "add",
        "del",
        "replace",
        "via",
        "dev",
        "eth0",
        "nexthop",
        "encap",
        "mpls",
        "seg6",
        "segs",
        "mode",
        "::1",
        "10.0.0.0/8",
        "/",
        "0x",
        "-",
        ",",
        "é",
        "\\",
        "'",
        "\"",
        "#",
        "\n",
        "lock",
        "mtu",
        "rtt",
        "1e9s",
        "99999999999",
        "group",
        "1,2/3",
        "type",
        "resilient",
        "geneve_opts",
        "1:2:3é",
        "ip",
        "dst",
        "id",
        "table",
        "to",
        "as",
        "expires",
        "4294967295",
        "default",
        "inet6",
        "mpls",
        "ioam6",
        "trace",
    ];
    let names = Names::built_in();
    let context = ParseContext {
        names: &names,
        links: &[],
        family: None,
    };
    let mut state = 7u64;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..12 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
            text.push_str(pool[(state >> 33) as usize % pool.len()]);
            text.push(' ');
        }
        if let Err(errors) = parse_batch(&text, &context) {
            assert!(!errors[0].to_string().is_empty());
        }
    }
}
