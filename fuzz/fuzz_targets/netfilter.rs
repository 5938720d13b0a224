//! Any bytes as the other answers of netfilter: connections, hook functions, the trace, log groups.
#![no_main]

use hookscope::kernel::conntrack::decode_flow;
use hookscope::kernel::hooks::decode_hook;
use hookscope::kernel::netlink::Messages;
use hookscope::kernel::{nf_tables, nflog};
use hookscope::flow::observed::Observed;
use hookscope::lang::conntrack::flow_line;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for message in Messages::new(data).map_while(Result::ok) {
        if let Ok(flow) = decode_flow(message.payload) {
            flow_line(&flow, Some(1 << 60));
        }
        let _ = decode_hook(message.payload);
        if let Ok(Some(event)) = nf_tables::trace::decode(&message)
            && let Some(packet) = &event.packet
        {
            let _ = Observed::traced(packet, event.protocol, event.mark).to_string();
        }
        if let Ok(Some(packet)) = nflog::decode(&message) {
            let _ = Observed::packet(&packet.link, &packet.payload, packet.mark).to_string();
        }
    }
});
