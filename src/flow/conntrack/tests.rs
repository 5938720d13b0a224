//! Tuples and states of first packets and of known flows.

use super::*;
use crate::flow::Question;
use crate::flow::frame;

fn packet(src: &str, dst: &str, flags: u8) -> Skb {
    let question = Question {
        proto: Some(6),
        sport: Some(4000),
        dport: Some(80),
        tcp_flags: Some(flags),
        ..Question::default()
    };
    frame::build(&question, src.parse().unwrap(), dst.parse().unwrap()).unwrap()
}

fn flow(state: u8, flags: u32) -> Flow {
    let tuple = |src: &str, dst: &str, sport, dport| ModelTuple {
        src: src.parse().unwrap(),
        dst: dst.parse().unwrap(),
        protocol: 6,
        ports: Ports::Ports {
            src: sport,
            dst: dport,
        },
        zone: None,
        unknown: Vec::new(),
    };
    Flow {
        family: 2,
        original: tuple("10.0.0.1", "10.0.0.2", 4000, 80),
        reply: tuple("10.0.0.2", "10.0.0.1", 80, 4000),
        status: flags | status::CONFIRMED,
        timeout: None,
        mark: Some(7),
        zone: None,
        id: None,
        use_count: None,
        protocol_state: Some(ProtocolState::Tcp {
            state,
            scale_original: None,
            scale_reply: None,
            flags_original: None,
            flags_reply: None,
        }),
        counter_original: None,
        counter_reply: None,
        rare: None,
    }
}

fn track(flows: &[Flow], skb: &Skb) -> Tracked {
    let table = Table::new(flows);
    let tracker = Tracker {
        table: &table,
        zone: 0,
        checksum: true,
        tcp_loose: true,
        answers: None,
        prerouting: true,
    };
    tracker.track(skb)
}

#[test]
fn first_packets() {
    let state = |flags| track(&[], &packet("10.0.0.1", "10.0.0.2", flags)).info;
    assert_eq!(state(0x02), CtInfo::New);
    assert_eq!(state(0x10), CtInfo::New);
    assert_eq!(state(0x12), CtInfo::None);
    assert_eq!(state(0x11), CtInfo::None);
    assert_eq!(state(0x00), CtInfo::None);
    assert_eq!(state(0x03), CtInfo::None);
}

#[test]
fn known_flows() {
    let ack = packet("10.0.0.1", "10.0.0.2", 0x10);
    // An acknowledgement before the answer does not fit SYN_SENT.
    assert_eq!(track(&[flow(1, 0)], &ack).info, CtInfo::None);
    let established = track(&[flow(2, status::SEEN_REPLY)], &ack);
    assert_eq!(established.info, CtInfo::Established);
    let entry = established.entry.unwrap();
    assert!(entry.has(status::ASSURED));
    assert_eq!((entry.mark, entry.tcp_state), (7, Some(3)));
    let syn = packet("10.0.0.1", "10.0.0.2", 0x02);
    assert_eq!(track(&[flow(1, 0)], &syn).info, CtInfo::New);
}

#[test]
fn icmp_tuples_turn_around() {
    let echo = Tuple {
        src: "10.0.0.1".parse().unwrap(),
        dst: "10.0.0.2".parse().unwrap(),
        proto: 1,
        sport: 77,
        dport: 0x0800,
    };
    let answer = echo.invert().unwrap();
    assert_eq!((answer.sport, answer.dport), (77, 0));
    assert_eq!(answer.invert(), Some(echo));
    assert_eq!(
        Tuple {
            dport: 0x0900,
            ..echo
        }
        .invert(),
        None
    );
}

#[test]
fn an_icmp_answer_fits_several_flows_that_differ() {
    let ping = |id, timeout, mark| {
        let mut flow = flow(0, 0);
        let side = |tuple: &mut ModelTuple, kind| {
            tuple.protocol = 1;
            tuple.ports = Ports::Icmp { id, kind, code: 0 };
        };
        side(&mut flow.original, 8);
        side(&mut flow.reply, 0);
        (flow.timeout, flow.mark, flow.protocol_state) = (Some(timeout), Some(mark), None);
        flow
    };
    // The second and the third look alike to rules.
    let flows = [ping(1, 10, 7), ping(2, 20, 8), ping(3, 15, 8)];
    let table = Table::new(&flows);
    let mut tracker = Tracker {
        table: &table,
        zone: 0,
        checksum: true,
        tcp_loose: true,
        answers: None,
        prerouting: true,
    };
    let answer = |kind| {
        let question = Question {
            proto: Some(1),
            icmp_type: Some(kind),
            ..Question::default()
        };
        let (src, dst) = ("10.0.0.2".parse().unwrap(), "10.0.0.1".parse().unwrap());
        frame::build(&question, src, dst).unwrap()
    };
    assert_eq!(tracker.questions(&answer(0)), [1, 0]);
    assert_eq!(tracker.questions(&answer(8)), [] as [usize; 0]);
    tracker.answers = Some(0);
    let tracked = tracker.track(&answer(0));
    assert_eq!(tracked.info, CtInfo::EstablishedReply);
    assert_eq!(tracked.entry.map(|entry| entry.mark), Some(7));
}
