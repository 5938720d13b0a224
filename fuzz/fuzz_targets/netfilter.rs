//! Any bytes as the other answers of netfilter: connections, hook functions.
#![no_main]

use hookscope::kernel::conntrack::decode_flow;
use hookscope::kernel::hooks::decode_hook;
use hookscope::kernel::netlink::Messages;
use hookscope::lang::conntrack::flow_line;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for message in Messages::new(data).map_while(Result::ok) {
        if let Ok(flow) = decode_flow(message.payload) {
            flow_line(&flow, Some(1 << 60));
        }
        let _ = decode_hook(message.payload);
    }
});
