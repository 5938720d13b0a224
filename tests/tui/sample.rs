//! A small firewall for the tests, built from the kernel's attributes, and a state to press keys on.

use hookscope::kernel::netlink::AttrWriter;
use hookscope::model::network::{
    Fib, FibFamily, Link, Network, PolicyRule, Prefix, RouteBody, RouteKind, RouteTableBuilder,
    TcHooks,
};
use hookscope::model::*;
use hookscope::session::*;
use hookscope::tui::keymap::Keymap;
use hookscope::tui::theme::{Depth, Theme};
use hookscope::tui::{Effect, Event, Settings, State, job, key, update};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Size;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

fn expression(list: &mut AttrWriter, name: &str, fill: impl FnOnce(&mut AttrWriter)) {
    list.nest(1, |e| {
        e.text(1, name).nest(2, fill);
    });
}

pub fn verdict(list: &mut AttrWriter, code: i32, chain: Option<&str>) {
    expression(list, "immediate", |e| {
        e.be32(1, 0).nest(2, |data| {
            data.nest(2, |verdict| {
                verdict.be32(1, code as u32);
                if let Some(chain) = chain {
                    verdict.text(2, chain);
                }
            });
        });
    });
}

pub fn counter(list: &mut AttrWriter, packets: u64, bytes: u64) {
    expression(list, "counter", |e| {
        e.be64(1, bytes).be64(2, packets);
    });
}

fn compare(list: &mut AttrWriter, value: &[u8]) {
    expression(list, "cmp", |e| {
        e.be32(1, 1).be32(2, 0).nest(3, |data| {
            data.put(1, value);
        });
    });
}

pub fn tcp_dport(list: &mut AttrWriter, port: u16) {
    expression(list, "meta", |e| {
        e.be32(1, 1).be32(2, 16);
    });
    compare(list, &[6]);
    payload(list, 2, 2, 2);
    compare(list, &port.to_be_bytes());
}

fn payload(list: &mut AttrWriter, base: u32, offset: u32, len: u32) {
    expression(list, "payload", |e| {
        e.be32(1, 1).be32(2, base).be32(3, offset).be32(4, len);
    });
}

/// In tables of family `ip`.
pub fn saddr_in(list: &mut AttrWriter, set: &str) {
    payload(list, 1, 12, 4);
    expression(list, "lookup", |e| {
        e.text(1, set).be32(2, 1);
    });
}

pub fn rule(fill: impl FnOnce(&mut AttrWriter)) -> Vec<u8> {
    let mut writer = AttrWriter::new();
    writer.nest(4, fill);
    writer.into_bytes()
}

pub fn chain(name: &str, base: Option<(&str, u32, i32, Policy)>, rules: &[Vec<u8>]) -> Chain {
    let mut list = RuleList::default();
    for (place, rule) in rules.iter().enumerate() {
        list.push(place as u64 + 4, rule);
    }
    list.read = true;
    Chain {
        name: name.into(),
        handle: 1,
        base: base.map(|(kind, hook, priority, policy)| BaseChain {
            kind: kind.into(),
            hook,
            priority,
            policy: Some(policy),
            devices: Vec::new(),
            device_list: false,
            counters: None,
        }),
        flags: 0,
        use_count: 0,
        userdata: Vec::new(),
        rules: list,
        raw: Vec::new(),
    }
}

pub fn set(name: &str, addresses: u32) -> Set {
    let mut list = ElementList::default();
    for address in 0..addresses {
        let mut writer = AttrWriter::new();
        writer.nest(1, |key| {
            key.put(1, &(0x0a00_0001 + address).to_be_bytes());
        });
        list.push(writer.as_bytes());
    }
    Set {
        name: name.into(),
        handle: 2,
        flags: 0,
        key_type: 7,
        key_len: 4,
        data_type: None,
        data_len: None,
        object_type: None,
        timeout: None,
        gc_interval: None,
        size: None,
        field_lens: Vec::new(),
        policy: None,
        expressions: Vec::new(),
        userdata: Vec::new(),
        count: None,
        elements: Elements::Read(Arc::new(list)),
        raw: Vec::new(),
    }
}

pub fn table(family: Family, name: &str, chains: Vec<Chain>, sets: Vec<Set>) -> Arc<Table> {
    Arc::new(Table {
        family,
        name: name.into(),
        handle: 1,
        flags: 0,
        owner: None,
        use_count: 0,
        userdata: Vec::new(),
        chains: chains.into_iter().map(Arc::new).collect(),
        sets: sets.into_iter().map(Arc::new).collect(),
        objects: Vec::new(),
        flowtables: Vec::new(),
        raw: Vec::new(),
    })
}

/// Two tables: one written by hand, one of iptables-nft.
pub fn ruleset() -> Ruleset {
    let accept = |list: &mut AttrWriter| verdict(list, 1, None);
    let input = [
        rule(|l| {
            tcp_dport(l, 22);
            counter(l, 48_211_003, 3_567_614_222);
            accept(l);
        }),
        rule(|l| {
            saddr_in(l, "blocklist");
            counter(l, 1_203, 90_233);
            verdict(l, 0, None);
        }),
        rule(|l| {
            tcp_dport(l, 443);
            verdict(l, -3, Some("web"));
        }),
    ];
    let web = [rule(accept)];
    let long = "a-chain-with-a-really-long-name-that-nobody-would-type-by-hand";
    let escape = hookscope::model::text::from_bytes(b"bad\xff\x1b[31mname");
    Ruleset {
        generation: 7,
        tables: vec![
            table(
                Family::Ip,
                "guard",
                vec![
                    chain("input", Some(("filter", 1, 0, Policy::Drop)), &input),
                    chain("output", Some(("filter", 3, 0, Policy::Accept)), &[]),
                    chain("web", None, &web),
                    chain(long, None, &web),
                    chain("日本語", None, &[]),
                    chain(&escape, None, &[]),
                ],
                vec![set("blocklist", 3)],
            ),
            table(
                Family::Ip6,
                "filter",
                vec![
                    chain("INPUT", Some(("filter", 1, 0, Policy::Accept)), &[]),
                    chain("DOCKER-USER", None, &[]),
                ],
                vec![],
            ),
        ],
        ..Ruleset::default()
    }
}

fn link(index: u32, name: &str) -> Link {
    Link {
        index,
        name: name.into(),
        alt_names: Vec::new(),
        hardware: 1,
        kind: None,
        slave_kind: None,
        flags: 0x1_1043,
        mtu: 1500,
        address: vec![2, 0, 0, 0, 0, 1],
        operstate: 6,
        carrier: Some(true),
        master: None,
        lower: None,
        lower_netns: None,
        group: 0,
        alias: None,
        txqlen: 1000,
        qdisc: "noqueue".into(),
        vlan: None,
        vrf_table: None,
        xdp: Vec::new(),
        tc: TcHooks::default(),
        stats: None,
        raw: Vec::new(),
    }
}

fn policy(priority: u32, table: u32) -> PolicyRule {
    PolicyRule {
        priority,
        table,
        ..PolicyRule::new(2)
    }
}

/// A default route, a connected one, a blackhole, and `more` routes of BGP.
pub fn network(more: u32) -> Network {
    let mut main = RouteTableBuilder::new(FibFamily::Ip4, 254);
    let body = |gateway: Option<[u8; 4]>, protocol: u8, kind: RouteKind| RouteBody {
        gateway: gateway.map(Into::into),
        oif: Some(2),
        protocol,
        kind,
        ..RouteBody::new(FibFamily::Ip4, 254)
    };
    let default = main.add_body(body(Some([10, 0, 0, 1]), 16, RouteKind::Unicast));
    let connected = main.add_body(body(None, 2, RouteKind::Unicast));
    let blackhole = main.add_body(body(None, 4, RouteKind::Blackhole));
    let bgp = main.add_body(body(Some([10, 0, 0, 9]), 186, RouteKind::Unicast));
    main.push(Prefix::any4(), default);
    main.push(Prefix::new([10, 0, 0, 0].into(), 24), connected);
    main.push(Prefix::new([192, 0, 2, 0].into(), 24), blackhole);
    for net in 0..more {
        let address = std::net::Ipv4Addr::from(0x2000_0000 + net * 256);
        main.push(Prefix::new(address.into(), 24), bgp);
    }
    Network {
        links: Arc::new(vec![link(1, "lo"), link(2, "eth0")]),
        rules: Arc::new(vec![policy(0, 255), policy(32766, 254), policy(32767, 253)]),
        routes: Arc::new(Fib {
            tables: vec![Arc::new(main.finish())],
            other: Vec::new(),
        }),
        ..Network::default()
    }
}

pub fn picture(ruleset: Ruleset, network: Network) -> Arc<Picture> {
    Arc::new(Picture {
        source: Source::Live {
            host: "edge-1".into(),
            netns: None,
        },
        ruleset: Arc::new(ruleset),
        network,
        names: Arc::default(),
        rates: Arc::default(),
        progress: Progress {
            complete: true,
            ..Progress::default()
        },
        changes: Arc::default(),
        evidence: Evidence {
            read_at: SystemTime::UNIX_EPOCH,
            resyncs: 0,
            problem: None,
        },
        beside: None,
    })
}

/// The interface as a value: keys go in, effects and screens come out.
pub struct Bench {
    pub state: State,
    pub effects: Vec<Effect>,
    index: Option<Arc<job::Index>>,
}

impl Bench {
    pub fn new(width: u16, height: u16, theme: &str) -> Bench {
        let none = |_: &str| None;
        let settings = Settings {
            theme: Theme::load(theme, Depth::Rgb, &none).unwrap(),
            keymap: Keymap::load("default", &none).unwrap(),
            keymap_name: "default".into(),
            read_only: false,
            remote: false,
        };
        Bench {
            state: State::new(Arc::new(settings), Size { width, height }),
            effects: Vec::new(),
            index: None,
        }
    }

    /// Update, and do the jobs that come out of it at once.
    pub fn send(&mut self, event: Event) -> &mut Bench {
        let mut effects = update(&mut self.state, event);
        while !effects.is_empty() {
            let mut next = Vec::new();
            for effect in effects {
                if let Effect::Job(job) = effect {
                    if let Some(answer) =
                        job::run(job, &mut self.index, &|| true, &|| true, &|_| {})
                    {
                        next.extend(update(&mut self.state, Event::Answer(answer)));
                    }
                } else {
                    self.effects.push(effect);
                }
            }
            effects = next;
        }
        self
    }

    pub fn show(&mut self, picture: Arc<Picture>) -> &mut Bench {
        self.send(Event::Session(SessionEvent::Picture(picture)))
    }

    /// Keys as in a keymap file, separated by blanks.
    pub fn keys(&mut self, keys: &str) -> &mut Bench {
        for key in keys.split_whitespace() {
            let key = key::Key::parse(key).unwrap_or_else(|| panic!("no key: {key}"));
            self.send(Event::Key(key));
        }
        self
    }

    pub fn text(&mut self, text: &str) -> &mut Bench {
        self.send(Event::Paste(text.into()))
    }

    pub fn tick(&mut self, seconds: u64) -> &mut Bench {
        let now = self.state.now + Duration::from_secs(seconds);
        self.send(Event::Tick(now))
    }

    /// The screen as text.
    pub fn screen(&self) -> String {
        let Size { width, height } = self.state.size;
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal
            .draw(|frame| hookscope::tui::render(&self.state, frame))
            .unwrap();
        let buffer = terminal.backend().buffer().clone();
        let mut out = String::new();
        for y in 0..height {
            let mut line = String::new();
            let mut skip = 0;
            for x in 0..width {
                let symbol = buffer[(x, y)].symbol();
                if skip > 0 {
                    skip -= 1;
                    continue;
                }
                skip = unicode_width::UnicodeWidthStr::width(symbol).saturating_sub(1);
                line.push_str(symbol);
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}
