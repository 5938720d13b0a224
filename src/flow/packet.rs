//! A question: one packet, as a person describes it, and what is wrong with descriptions that make no sense.
//! May use `model` only.

use super::frame::{self, Link, Skb};
use crate::model::Network;
use std::net::IpAddr;
use thiserror::Error;

pub const IPPROTO_ICMP: u8 = 1;
pub const IPPROTO_TCP: u8 = 6;
pub const IPPROTO_UDP: u8 = 17;
pub const IPPROTO_DCCP: u8 = 33;
pub const IPPROTO_GRE: u8 = 47;
pub const IPPROTO_ESP: u8 = 50;
pub const IPPROTO_AH: u8 = 51;
pub const IPPROTO_ICMPV6: u8 = 58;
pub const IPPROTO_SCTP: u8 = 132;
pub const IPPROTO_UDPLITE: u8 = 136;

pub const ETH_P_IP: u16 = 0x0800;
pub const ETH_P_ARP: u16 = 0x0806;
pub const ETH_P_8021Q: u16 = 0x8100;
pub const ETH_P_8021AD: u16 = 0x88a8;
pub const ETH_P_IPV6: u16 = 0x86dd;

/// Words of the options for protocols, and their numbers.
pub const PROTOCOLS: &[(&str, u8)] = &[
    ("tcp", IPPROTO_TCP),
    ("udp", IPPROTO_UDP),
    ("icmp", IPPROTO_ICMP),
    ("icmpv6", IPPROTO_ICMPV6),
    ("sctp", IPPROTO_SCTP),
    ("udplite", IPPROTO_UDPLITE),
    ("dccp", IPPROTO_DCCP),
    ("gre", IPPROTO_GRE),
    ("esp", IPPROTO_ESP),
    ("ah", IPPROTO_AH),
];

/// TCP flags by name, as bits of the header's fourteenth byte.
pub const TCP_FLAGS: &[(&str, u8)] = &[
    ("fin", 1),
    ("syn", 2),
    ("rst", 4),
    ("psh", 8),
    ("ack", 16),
    ("urg", 32),
    ("ece", 64),
    ("cwr", 128),
];

/// True for protocols whose header begins with two ports.
pub fn has_ports(proto: u8) -> bool {
    matches!(
        proto,
        IPPROTO_TCP | IPPROTO_UDP | IPPROTO_DCCP | IPPROTO_SCTP | IPPROTO_UDPLITE
    )
}

/// The word for a protocol, or its number.
pub fn protocol_name(proto: u8) -> String {
    PROTOCOLS
        .iter()
        .find(|(_, number)| *number == proto)
        .map_or_else(|| proto.to_string(), |(name, _)| (*name).to_owned())
}

/// What conntrack is told to say instead of looking the packet up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CtOverride {
    New,
    Established,
    Related,
    Invalid,
    Untracked,
}

/// Which fragment of a datagram the packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Units of 8 bytes.
    pub offset: u16,
    /// More fragments follow.
    pub more: bool,
}

/// One packet as it is asked about. What is absent has the usual value.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The device it arrives on; absent: this machine sends it.
    pub iif: Option<String>,
    pub src: Option<IpAddr>,
    pub dst: Option<IpAddr>,
    pub proto: Option<u8>,
    pub sport: Option<u16>,
    pub dport: Option<u16>,
    /// See [`TCP_FLAGS`]; absent: `syn`.
    pub tcp_flags: Option<u8>,
    pub icmp_type: Option<u8>,
    pub icmp_code: Option<u8>,
    pub ct_state: Option<CtOverride>,
    pub mark: u32,
    /// Bytes at the IP layer.
    pub length: Option<u32>,
    pub ttl: Option<u8>,
    pub dscp: u8,
    pub ether_src: Option<[u8; 6]>,
    pub ether_dst: Option<[u8; 6]>,
    /// 802.1Q identifier.
    pub vlan: Option<u16>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub fragment: Option<Fragment>,
    pub payload: Vec<u8>,
    /// A whole Ethernet frame, instead of the fields.
    pub frame: Option<Vec<u8>>,
    /// Nanoseconds since 1970, for rules about time.
    pub time: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QuestionError {
    #[error("--{0} is missing; every packet needs it")]
    Missing(&'static str),
    #[error("--src {src} and --dst {dst} are of different families; give two of one")]
    Families { src: IpAddr, dst: IpAddr },
    #[error(
        "--iif '{0}': there is no such device; 'ip link' lists the devices of this network namespace"
    )]
    UnknownDevice(String),
    #[error(
        "--iif '{0}': the device is down and receives nothing; bring it up or name another one"
    )]
    DeviceDown(String),
    #[error(
        "--{option} makes no sense with protocol {proto}, which has no ports; use tcp, udp, udplite, sctp or dccp"
    )]
    NoPorts { option: &'static str, proto: String },
    #[error("--{0} makes no sense without --proto; name the protocol")]
    NoProtocol(&'static str),
    #[error("--tcp-flags makes no sense with protocol {0}; use --proto tcp")]
    FlagsWithout(String),
    #[error("--{option} makes no sense with protocol {proto}; use --proto icmp or icmpv6")]
    IcmpWithout { option: &'static str, proto: String },
    #[error(
        "--proto {proto} belongs to the other family than {address}; use icmp with IPv4 and icmpv6 with IPv6"
    )]
    IcmpFamily { proto: String, address: IpAddr },
    #[error("--hex is a whole frame and --{0} is a field of one; give one of them")]
    FrameAndField(&'static str),
    #[error("--hex needs --iif: a frame arrives on some device")]
    FrameWithoutDevice,
    #[error("--hex: {0}")]
    Frame(String),
    #[error(
        "--length {given}: the packet's headers and payload take {needed} bytes; give at least {least}"
    )]
    Length {
        given: u32,
        needed: usize,
        least: usize,
    },
    #[error(
        "--{0} describes an arriving frame; give --iif too, or leave it out for packets this machine sends"
    )]
    OnlyArriving(&'static str),
    #[error(
        "--uid and --gid are of sockets of this machine; leave them out for a packet that arrives on '{0}'"
    )]
    OwnerOfArriving(String),
    #[error("--dscp {0}: values are 0 to 63")]
    Dscp(u8),
    #[error("--vlan {0}: identifiers are 0 to 4095")]
    Vlan(u16),
    #[error("the packet is {0} bytes long; an IP packet has at most 65535")]
    TooLong(usize),
}

impl Question {
    /// Hold the fields against each other and against the devices, and make the packet.
    /// Absent source addresses of local packets stay unspecified: routing chooses them.
    pub fn build(&self, network: &Network) -> Result<Skb, QuestionError> {
        let iif = match &self.iif {
            None => None,
            Some(name) => {
                let link = network
                    .link_by_name(name)
                    .ok_or_else(|| QuestionError::UnknownDevice(name.clone()))?;
                if !link.is_up() {
                    return Err(QuestionError::DeviceDown(name.clone()));
                }
                Some(link)
            }
        };
        if let (Some(name), true) = (&self.iif, self.uid.is_some() || self.gid.is_some()) {
            return Err(QuestionError::OwnerOfArriving(name.clone()));
        }
        if let Some(bytes) = &self.frame {
            self.no_fields_beside_frame()?;
            if iif.is_none() {
                return Err(QuestionError::FrameWithoutDevice);
            }
            return frame::parse(bytes).map_err(QuestionError::Frame);
        }
        let arriving = [
            ("ether-src", self.ether_src.is_some()),
            ("ether-dst", self.ether_dst.is_some()),
            ("vlan", self.vlan.is_some()),
        ];
        if iif.is_none()
            && let Some((option, _)) = arriving.into_iter().find(|(_, given)| *given)
        {
            return Err(QuestionError::OnlyArriving(option));
        }
        let dst = self.dst.ok_or(QuestionError::Missing("dst"))?;
        let src = match (self.src, dst) {
            (Some(src), dst) if src.is_ipv4() != dst.is_ipv4() => {
                return Err(QuestionError::Families { src, dst });
            }
            (Some(src), _) => src,
            (None, _) if iif.is_some() => return Err(QuestionError::Missing("src")),
            (None, IpAddr::V4(_)) => IpAddr::from([0u8; 4]),
            (None, IpAddr::V6(_)) => IpAddr::from([0u8; 16]),
        };
        self.check_transport(dst)?;
        if self.dscp > 63 {
            return Err(QuestionError::Dscp(self.dscp));
        }
        if let Some(vlan) = self.vlan.filter(|vlan| *vlan > 4095) {
            return Err(QuestionError::Vlan(vlan));
        }
        let mut skb = frame::build(self, src, dst)?;
        if let Some(link) = iif {
            let own: [u8; 6] = link.address.as_slice().try_into().unwrap_or_default();
            skb.mac = Some(Link {
                destination: self.ether_dst.unwrap_or(own),
                source: self.ether_src.unwrap_or([2, 0, 0, 0, 0, 1]),
                protocol: skb.protocol,
            });
            skb.vlan = self.vlan.map(|id| (ETH_P_8021Q, id));
        }
        skb.mark = self.mark;
        Ok(skb)
    }

    fn no_fields_beside_frame(&self) -> Result<(), QuestionError> {
        let fields = [
            ("src", self.src.is_some()),
            ("dst", self.dst.is_some()),
            ("proto", self.proto.is_some()),
            ("sport", self.sport.is_some()),
            ("dport", self.dport.is_some()),
            ("tcp-flags", self.tcp_flags.is_some()),
            ("icmp-type", self.icmp_type.is_some()),
            ("icmp-code", self.icmp_code.is_some()),
            ("length", self.length.is_some()),
            ("ttl", self.ttl.is_some()),
            ("ether-src", self.ether_src.is_some()),
            ("ether-dst", self.ether_dst.is_some()),
            ("vlan", self.vlan.is_some()),
            ("fragment", self.fragment.is_some()),
            ("payload", !self.payload.is_empty()),
        ];
        match fields.into_iter().find(|(_, given)| *given) {
            Some((option, _)) => Err(QuestionError::FrameAndField(option)),
            None => Ok(()),
        }
    }

    fn check_transport(&self, dst: IpAddr) -> Result<(), QuestionError> {
        let ports = [("sport", self.sport), ("dport", self.dport)];
        let port = ports.into_iter().find(|(_, port)| port.is_some());
        let icmp = [("icmp-type", self.icmp_type), ("icmp-code", self.icmp_code)];
        let icmp = icmp.into_iter().find(|(_, value)| value.is_some());
        let Some(proto) = self.proto else {
            if let Some((option, _)) = port {
                return Err(QuestionError::NoProtocol(option));
            }
            if self.tcp_flags.is_some() {
                return Err(QuestionError::NoProtocol("tcp-flags"));
            }
            if let Some((option, _)) = icmp {
                return Err(QuestionError::NoProtocol(option));
            }
            return Ok(());
        };
        if let Some((option, _)) = port
            && !has_ports(proto)
        {
            let proto = protocol_name(proto);
            return Err(QuestionError::NoPorts { option, proto });
        }
        if self.tcp_flags.is_some() && proto != IPPROTO_TCP {
            return Err(QuestionError::FlagsWithout(protocol_name(proto)));
        }
        if let Some((option, _)) = icmp
            && !matches!(proto, IPPROTO_ICMP | IPPROTO_ICMPV6)
        {
            let proto = protocol_name(proto);
            return Err(QuestionError::IcmpWithout { option, proto });
        }
        let other = match proto {
            IPPROTO_ICMP => dst.is_ipv6(),
            IPPROTO_ICMPV6 => dst.is_ipv4(),
            _ => false,
        };
        if other && icmp.is_some() {
            return Err(QuestionError::IcmpFamily {
                proto: protocol_name(proto),
                address: dst,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::network::{Link as Device, link_flags};
    use std::sync::Arc;

    fn network() -> Network {
        let links = vec![Device {
            index: 2,
            name: "eth0".into(),
            flags: link_flags::UP,
            ..super::super::fib::tests::device()
        }];
        Network {
            links: Arc::new(links),
            ..Network::default()
        }
    }

    fn base() -> Question {
        Question {
            iif: Some("eth0".into()),
            src: Some("10.0.0.1".parse().unwrap()),
            dst: Some("10.0.0.2".parse().unwrap()),
            ..Question::default()
        }
    }

    #[test]
    fn nonsense_is_refused_with_the_option_named() {
        let refuse = |question: Question| question.build(&network()).unwrap_err().to_string();
        assert!(
            refuse(Question {
                src: Some("::1".parse().unwrap()),
                ..base()
            })
            .contains("different families")
        );
        assert!(
            refuse(Question {
                iif: Some("no0".into()),
                ..base()
            })
            .contains("--iif 'no0'")
        );
        assert!(
            refuse(Question {
                sport: Some(1),
                ..base()
            })
            .contains("--sport makes no sense without --proto")
        );
        assert!(
            refuse(Question {
                proto: Some(47),
                dport: Some(1),
                ..base()
            })
            .contains("protocol gre, which has no ports")
        );
        assert!(
            refuse(Question {
                frame: Some(vec![0; 20]),
                ..base()
            })
            .contains("--src is a field")
        );
        assert!(
            refuse(Question {
                length: Some(4),
                proto: Some(6),
                ..base()
            })
            .contains("--length 4")
        );
        assert!(
            refuse(Question {
                uid: Some(0),
                ..base()
            })
            .contains("--uid")
        );
    }

    #[test]
    fn a_packet_has_the_length_asked_for() {
        let question = Question {
            proto: Some(6),
            length: Some(60),
            ..base()
        };
        let skb = question.build(&network()).unwrap();
        assert_eq!(skb.data.len(), 60);
        assert_eq!(skb.l4().offset, 20);
        assert_eq!(skb.u16_at(22), Some(0));
        assert_eq!(skb.mac.unwrap().protocol, ETH_P_IP);
    }
}
