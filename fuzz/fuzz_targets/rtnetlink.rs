//! Any bytes as notifications of rtnetlink: decoded, applied to a network, and its routes and rules printed.
#![no_main]

use hookscope::kernel::netlink::Messages;
use hookscope::kernel::route::{RouteEvent, RouteLoader, RouteMessage, decode_event};
use hookscope::lang::route::{Context, Names, Out, route, rule};
use hookscope::model::Network;
use hookscope::model::network::FibFamily;
use libfuzzer_sys::fuzz_target;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

fuzz_target!(|data: &[u8]| {
    let mut network = Network::default();
    let mut changes = Vec::new();
    let mut loader = RouteLoader::new();
    for message in Messages::new(data).map_while(Result::ok) {
        if let Ok(RouteEvent::Change(change)) = decode_event(&message) {
            changes.push(change);
        }
        if let Ok(route) = RouteMessage::split(message.payload) {
            let _ = loader.add(&route);
        }
    }
    let dumped = loader.finish();
    network.apply(changes);
    let names = Names::built_in();
    let device = |index: u32| format!("if{index}").into();
    let context = Context { names: &names, device: &device, one_table: false };
    for json in [false, true] {
        let mut out = Out::new(json);
        for fib in [network.routes.as_ref(), &dumped] {
            for table in &fib.tables {
                for one in table.iter() {
                    route(&mut out, one, &context);
                }
                let address = match table.family {
                    FibFamily::Ip4 => IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
                    FibFamily::Ip6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
                };
                let _ = table.lookup(address);
            }
        }
        for one in network.rules.iter() {
            rule(&mut out, one, &context);
        }
        out.take();
    }
});
