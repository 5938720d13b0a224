//! The options that describe a packet, for `trace` and `test`, on the command line and in batch files.

use clap::{Args, Parser};
use hookscope::flow::Question;
use hookscope::flow::options;
use hookscope::flow::packet::{CtOverride, Fragment};
use std::net::IpAddr;

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Packet")]
pub struct PacketArgs {
    /// The device it arrives on; without it this machine sends the packet
    #[arg(long, value_name = "DEV")]
    pub iif: Option<String>,
    #[arg(long, value_name = "ADDRESS")]
    pub src: Option<IpAddr>,
    #[arg(long, value_name = "ADDRESS")]
    pub dst: Option<IpAddr>,
    /// tcp, udp, icmp, icmpv6, sctp, udplite, dccp, gre, esp, ah or a number
    #[arg(long, value_parser = options::proto)]
    pub proto: Option<u8>,
    #[arg(long, value_name = "PORT")]
    pub sport: Option<u16>,
    #[arg(long, value_name = "PORT")]
    pub dport: Option<u16>,
    /// Names separated by commas: fin, syn, rst, psh, ack, urg, ece, cwr; 'none' for none
    #[arg(long, value_name = "FLAGS", value_parser = options::flags)]
    pub tcp_flags: Option<u8>,
    #[arg(long, value_name = "NUMBER")]
    pub icmp_type: Option<u8>,
    #[arg(long, value_name = "NUMBER")]
    pub icmp_code: Option<u8>,
    /// new, established, related, invalid or untracked, instead of what conntrack says
    #[arg(long, value_name = "STATE", value_parser = options::state)]
    pub ct_state: Option<CtOverride>,
    /// Mark of the packet, or of the socket that sends it
    #[arg(long, value_name = "MARK", value_parser = options::number)]
    pub mark: Option<u32>,
    /// Bytes at the IP layer
    #[arg(long, value_name = "BYTES")]
    pub length: Option<u32>,
    /// TTL or hop limit
    #[arg(long)]
    pub ttl: Option<u8>,
    #[arg(long, value_name = "0-63", value_parser = options::number)]
    pub dscp: Option<u32>,
    #[arg(long, value_name = "MAC", value_parser = options::mac)]
    pub ether_src: Option<[u8; 6]>,
    /// Whom the frame is for; without it this machine
    #[arg(long, value_name = "MAC", value_parser = options::mac)]
    pub ether_dst: Option<[u8; 6]>,
    /// VLAN identifier of the frame
    #[arg(long, value_name = "ID")]
    pub vlan: Option<u16>,
    /// User whose socket sends it
    #[arg(long)]
    pub uid: Option<u32>,
    #[arg(long)]
    pub gid: Option<u32>,
    /// A fragment: 'first', 'later', 'last', or an offset in units of 8 bytes, with '+' when more follow
    #[arg(long, value_name = "WHICH", value_parser = options::fragment, num_args = 0..=1, default_missing_value = "later")]
    pub fragment: Option<Fragment>,
    /// Bytes behind the transport header, in hex
    #[arg(long, value_name = "HEX", value_parser = parse_hex)]
    pub payload: Option<Bytes>,
    /// A whole Ethernet frame in hex, instead of the fields
    #[arg(long, value_name = "FRAME", value_parser = parse_hex)]
    pub hex: Option<Bytes>,
    /// The moment, for rules about time: seconds since 1970, or 2024-01-31T13:00:00 (UTC); without it, now
    #[arg(long, value_name = "TIME", value_parser = options::time)]
    pub time: Option<i64>,
}

/// Bytes, so that clap does not take them for a list of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl PacketArgs {
    /// The question; `now` in nanoseconds since 1970.
    pub fn question(self, now: i64) -> Question {
        Question {
            iif: self.iif,
            src: self.src,
            dst: self.dst,
            proto: self.proto,
            sport: self.sport,
            dport: self.dport,
            tcp_flags: self.tcp_flags,
            icmp_type: self.icmp_type,
            icmp_code: self.icmp_code,
            ct_state: self.ct_state,
            mark: self.mark.unwrap_or(0),
            length: self.length,
            ttl: self.ttl,
            // Too large a number is refused with the rest of the packet.
            dscp: self
                .dscp
                .map_or(0, |dscp| u8::try_from(dscp).unwrap_or(u8::MAX)),
            ether_src: self.ether_src,
            ether_dst: self.ether_dst,
            vlan: self.vlan,
            uid: self.uid,
            gid: self.gid,
            fragment: self.fragment,
            payload: self.payload.map(|bytes| bytes.0).unwrap_or_default(),
            frame: self.hex.map(|bytes| bytes.0),
            time: Some(self.time.unwrap_or(now)),
        }
    }
}

#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true, name = "packet")]
struct Line {
    #[command(flatten)]
    packet: PacketArgs,
}

/// Read the options of one line of a batch file, quoted as for a shell.
pub fn parse_line(line: &str) -> anyhow::Result<PacketArgs> {
    let words = options::split(line).map_err(anyhow::Error::msg)?;
    let line = Line::try_parse_from(words).map_err(|error| {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        anyhow::anyhow!("{}", first.trim_start_matches("error: "))
    })?;
    Ok(line.packet)
}

fn parse_hex(text: &str) -> Result<Bytes, String> {
    options::hex(text).map(Bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_as_a_shell_does() {
        assert_eq!(
            options::split("a 'b c' \"d \\\" e\" f\\ g ''").unwrap(),
            ["a", "b c", "d \" e", "f g", ""]
        );
        assert!(options::split("'open").is_err());
    }

    #[test]
    fn options_of_a_line() {
        let packet = parse_line("--iif eth0 --src 10.0.0.1 --dst 10.0.0.2 --proto tcp --dport 80 --tcp-flags syn,ack --mark 0x10 --fragment 185+").unwrap();
        assert_eq!(
            (packet.proto, packet.dport, packet.tcp_flags, packet.mark),
            (Some(6), Some(80), Some(18), Some(16))
        );
        assert_eq!(
            packet.fragment,
            Some(Fragment {
                offset: 185,
                more: true
            })
        );
        let error = parse_line("--src 10.0.0").unwrap_err().to_string();
        assert!(error.contains("--src"), "{error}");
        assert!(
            parse_line("--hex abc")
                .unwrap_err()
                .to_string()
                .contains("--hex")
        );
    }
}
