//! Texts there and back, and mistakes where they stand.

use super::parse::{Machine, text};
use super::print;
use crate::model::Names;
use crate::model::ipset::{IpSet, IpSetWhat};

fn machine() -> Machine {
    Machine {
        protocols: [("tcp", 6), ("udp", 17), ("vrrp", 112), ("icmp", 1)]
            .map(|(name, number)| (name.to_owned(), number))
            .into(),
        ..Machine::default()
    }
}

fn printed(input: &str) -> String {
    let mut sets: Vec<IpSet> = Vec::new();
    for (change, ..) in text(input, machine(), false).expect("a text") {
        match change.what {
            IpSetWhat::Create(set) => sets.push(*set),
            IpSetWhat::Add(name, element) => {
                let set = sets.iter_mut().find(|set| set.name == name).expect("a set");
                set.elements.push(*element);
            }
            other => panic!("{other:?}"),
        }
    }
    let names = Names {
        protocols: machine()
            .protocols
            .into_iter()
            .map(|(a, b)| (b, a))
            .collect(),
        ..Names::default()
    };
    let mut out = Vec::new();
    print::sets(&sets, &names, &mut out).expect("room");
    String::from_utf8(out).expect("text")
}

#[test]
fn a_text_is_printed_as_it_was() {
    let input = "\
create a bitmap:ip range 10.0.0.0-10.0.0.255 netmask 28 timeout 600 counters comment skbinfo
add a 10.0.0.16 timeout 299 packets 5 bytes 500 comment \"hello x\" skbmark 0x10/0xff skbprio a:b skbqueue 3
create p bitmap:port range 0-1024
add p 22-25
create b hash:ip,port,net family inet hashsize 1024 maxelem 65536
add b 192.0.2.1,vrrp:0,198.51.100.0/28 nomatch
add b 192.0.2.1,icmp:echo-request,198.51.100.0/28
add b 192.0.2.1,icmp:3/2,198.51.100.0/28
create m hash:ip,mark family inet markmask 0x0000ffff
add m 192.0.2.1,0x00000063
create e hash:ip,mac family inet
add e 192.0.2.1,01:23:45:67:89:AB
create i hash:net,iface family inet6 bucketsize 12 initval 0x12345678
add i 2001:db8::/32,physdev:eth wildcard
create l list:set size 8
add l b
";
    let expected = input.replace("icmp:3/2", "icmp:protocol-unreachable");
    assert_eq!(printed(input), expected);
}

#[test]
fn mistakes_say_where() {
    for (line, place, message) in [
        ("crate a hash:ip", "crate", "did you mean `create`"),
        ("create a hash:ipp", "hash:ipp", "did you mean `hash:ip`"),
        ("create a bitmap:port", "bitmap:port", "needs a range"),
        ("create a hash:ip range 1-2", "range", "have no range"),
        ("add nothing 1.2.3.4", "nothing", "there is no set"),
        ("create a hash:ip\nadd a 1.2.3", "1.2.3", "no address"),
        ("create a hash:ip\nadd a 2001:db8::1", "2001:db8::1", "IPv4"),
        (
            "create a hash:ip\nadd a 1.2.3.4,tcp:80",
            "1.2.3.4,tcp:80",
            "too much",
        ),
        (
            "create a hash:net\nadd a 1.2.3.4/33",
            "1.2.3.4/33",
            "0 to 32",
        ),
        (
            "create a hash:ip\nadd a 1.2.3.4 timeout",
            "timeout",
            "needs a value",
        ),
        ("create a hash:ip\ncreate a hash:ip", "a", "there is a set"),
        ("swap a b", "a", "there is no set"),
    ] {
        let wrongs = text(line, machine(), false).expect_err(line);
        let wrong = wrongs.first().expect("a mistake");
        assert_eq!(&line[wrong.start..wrong.end], place, "{line}");
        assert!(wrong.message.contains(message), "{line}: {}", wrong.message);
    }
}
