//! Whole files: commands, blocks, variables, includes, errors, and too much of everything.

use super::*;

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
        "table t {\n chain c {\n jump { jump { drop; }\n }\n }\n}\n",
        "add rule t c ipsec spi",
        "add rule t c dnat to 55, 192.168.3.2",
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
