//! Data types of the nft language: number, name, byte order, size, symbols.
//!
//! The numbers are those that nft stores with sets (`NFTA_SET_KEY_TYPE`); the kernel does not interpret them.
//! Types of concatenations pack up to five type numbers of six bits into one.

use super::number::Order;
use super::symbols;

/// How values of a type are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As the base type writes them.
    Inherit,
    Invalid,
    Verdict,
    Integer,
    /// Raw payload: hexadecimal without leading zeros.
    Hex,
    Text,
    LinkAddress,
    Ip,
    Ip6,
    Protocol,
    /// A symbol, in quotes or not.
    Symbol {
        quotes: bool,
    },
    Time,
    Mark,
    Realm,
    DeviceGroup,
    ClassId,
    InterfaceIndex,
    Date,
    Hour,
    Label,
    Cgroup,
}

/// How the base type `integer` formats the values of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digits {
    Inherit,
    Decimal,
    /// Hexadecimal with at least so many digits.
    Hex(usize),
}

#[derive(Debug)]
pub struct DataType {
    pub id: u32,
    /// As in `type` declarations of sets.
    pub name: &'static str,
    pub order: Order,
    /// bits; 0: any
    pub size: u32,
    pub base: Option<&'static DataType>,
    pub form: Form,
    pub digits: Digits,
    pub symbols: &'static symbols::Table,
    /// Values may be written as prefixes.
    pub prefix: bool,
}

impl DataType {
    pub fn is(&self, other: &'static DataType) -> bool {
        std::ptr::eq(self, other)
    }
}

/// A type as an expression has it.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    Basic(&'static DataType),
    /// `integer` with a byte order of its own, as sets store it.
    Integer(Order),
    /// The packed type numbers of a concatenation.
    Concat(u32),
}

impl PartialEq for Type {
    fn eq(&self, other: &Type) -> bool {
        match (self, other) {
            (Type::Basic(a), Type::Basic(b)) => std::ptr::eq(*a, *b),
            (Type::Integer(a), Type::Integer(b)) => a == b,
            (Type::Concat(a), Type::Concat(b)) => a == b,
            _ => false,
        }
    }
}

const BITS: u32 = 6;
const MASK: u32 = (1 << BITS) - 1;

impl Type {
    pub fn id(self) -> u32 {
        match self {
            Type::Basic(basic) => basic.id,
            Type::Integer(_) => INTEGER.id,
            Type::Concat(id) => id,
        }
    }

    /// The basic type; none for concatenations.
    pub fn basic(self) -> Option<&'static DataType> {
        match self {
            Type::Basic(basic) => Some(basic),
            Type::Integer(_) => Some(&INTEGER),
            Type::Concat(_) => None,
        }
    }

    pub fn is(self, basic: &'static DataType) -> bool {
        matches!(self, Type::Basic(this) if std::ptr::eq(this, basic))
    }

    pub fn order(self) -> Order {
        match self {
            Type::Basic(basic) => basic.order,
            Type::Integer(order) => order,
            Type::Concat(_) => Order::Invalid,
        }
    }

    pub fn size(self) -> u32 {
        match self {
            Type::Basic(basic) => basic.size,
            Type::Integer(_) => 0,
            Type::Concat(id) => subtypes(id).map(|t| padded(t.size)).sum(),
        }
    }

    /// The root of the type's bases: integer, string, ...
    pub fn root(self) -> Option<&'static DataType> {
        let mut this = self.basic()?;
        while let Some(base) = this.base {
            this = base;
        }
        Some(this)
    }

    pub fn is_text(self) -> bool {
        self.root().is_some_and(|root| root.id == STRING.id)
    }

    /// The direct base is `bitmask`.
    pub fn is_bitmask(self) -> bool {
        self.basic()
            .and_then(|basic| basic.base)
            .is_some_and(|base| base.id == BITMASK.id)
    }

    pub fn allows_prefix(self) -> bool {
        matches!(self, Type::Basic(basic) if basic.prefix)
    }

    /// Number of fields of a concatenation.
    pub fn subtype_count(self) -> u32 {
        match self {
            Type::Concat(id) => subtypes(id).count() as u32,
            _ => 0,
        }
    }

    pub fn name(self) -> String {
        match self {
            Type::Basic(basic) => basic.name.to_owned(),
            Type::Integer(_) => INTEGER.name.to_owned(),
            Type::Concat(id) => {
                let names: Vec<_> = subtypes(id).map(|t| t.name).collect();
                names.join(" . ")
            }
        }
    }
}

/// `size` bits rounded up to whole 32-bit registers.
pub fn padded(size: u32) -> u32 {
    size.div_ceil(32) * 32
}

/// The types of a concatenation, first field first.
pub fn subtypes(id: u32) -> impl Iterator<Item = &'static DataType> {
    let fields = (u32::BITS - id.leading_zeros()).div_ceil(BITS);
    (0..fields)
        .rev()
        .map_while(move |n| match (id >> (BITS * n)) & MASK {
            0 => None,
            sub => Some(lookup(sub).unwrap_or(&INVALID)),
        })
}

/// Field `n` of a packed type, counted from the last field.
pub fn subtype_at(id: u32, n: u32) -> &'static DataType {
    lookup((id.checked_shr(BITS * n).unwrap_or(0)) & MASK).unwrap_or(&INVALID)
}

/// Append a field to a packed type; beyond five fields the first are shifted out, as in nft.
pub fn append_subtype(id: u32, subtype: u32) -> u32 {
    (id << BITS) | (subtype & MASK)
}

/// `NFT_DATA_VERDICT`
const DATA_VERDICT: u32 = 0xffff_ff00;

/// The type that a set declares by number.
pub fn from_kernel(id: u32) -> Option<Type> {
    if id == DATA_VERDICT {
        return Some(Type::Basic(&VERDICT));
    }
    if id & !MASK != 0 {
        return subtypes(id)
            .all(|t| t.id != INVALID.id)
            .then_some(Type::Concat(id));
    }
    lookup(id).map(Type::Basic)
}

pub fn lookup(id: u32) -> Option<&'static DataType> {
    TYPES.iter().copied().find(|t| t.id == id)
}

/// The names of all types.
pub fn names() -> impl Iterator<Item = &'static str> {
    TYPES.iter().map(|kind| kind.name)
}

pub fn by_name(name: &str) -> Option<&'static DataType> {
    TYPES.iter().copied().find(|t| t.name == name)
}

const fn plain(id: u32, name: &'static str, order: Order, size: u32) -> DataType {
    DataType {
        id,
        name,
        order,
        size,
        base: Some(&INTEGER),
        form: Form::Inherit,
        digits: Digits::Inherit,
        symbols: &symbols::NONE,
        prefix: false,
    }
}

const fn symbolic(
    id: u32,
    name: &'static str,
    order: Order,
    size: u32,
    symbols: &'static symbols::Table,
) -> DataType {
    DataType {
        form: Form::Symbol { quotes: false },
        symbols,
        ..plain(id, name, order, size)
    }
}

const fn formed(id: u32, name: &'static str, order: Order, size: u32, form: Form) -> DataType {
    DataType {
        form,
        ..plain(id, name, order, size)
    }
}

const fn flags(
    id: u32,
    name: &'static str,
    order: Order,
    size: u32,
    table: &'static symbols::Table,
) -> DataType {
    DataType {
        base: Some(&BITMASK),
        ..symbolic(id, name, order, size, table)
    }
}

use Order::{Big, Host};
const ANY: Order = Order::Invalid;

pub static INVALID: DataType = DataType {
    base: None,
    form: Form::Invalid,
    ..plain(0, "invalid", ANY, 0)
};
pub static VERDICT: DataType = DataType {
    base: None,
    form: Form::Verdict,
    ..plain(1, "verdict", ANY, 0)
};
pub static NFPROTO: DataType = symbolic(2, "nf_proto", ANY, 8, &symbols::NFPROTO);
pub static BITMASK: DataType = DataType {
    digits: Digits::Hex(1),
    ..plain(3, "bitmask", ANY, 0)
};
pub static INTEGER: DataType = DataType {
    base: None,
    form: Form::Integer,
    ..plain(4, "integer", ANY, 0)
};
/// `integer`, written in hexadecimal: raw payload.
pub static HEX: DataType = formed(4, "integer", ANY, 0, Form::Hex);
pub static STRING: DataType = DataType {
    base: None,
    form: Form::Text,
    ..plain(5, "string", Host, 0)
};
pub static LLADDR: DataType = formed(6, "ll_addr", Big, 0, Form::LinkAddress);
pub static IPADDR: DataType = DataType {
    prefix: true,
    ..formed(7, "ipv4_addr", Big, 32, Form::Ip)
};
pub static IP6ADDR: DataType = DataType {
    prefix: true,
    ..formed(8, "ipv6_addr", Big, 128, Form::Ip6)
};
pub static ETHERADDR: DataType = DataType {
    base: Some(&LLADDR),
    ..plain(9, "ether_addr", Big, 48)
};
pub static ETHERTYPE: DataType = DataType {
    digits: Digits::Hex(4),
    ..symbolic(10, "ether_type", Big, 16, &symbols::ETHERTYPE)
};
pub static ARPOP: DataType = symbolic(11, "arp_op", Big, 16, &symbols::ARPOP);
pub static INET_PROTOCOL: DataType = formed(12, "inet_proto", ANY, 8, Form::Protocol);
pub static INET_SERVICE: DataType = formed(13, "inet_service", Big, 16, Form::Integer);
pub static ICMP_TYPE: DataType = symbolic(14, "icmp_type", Big, 8, &symbols::ICMP_TYPE);
pub static TCP_FLAG: DataType = flags(15, "tcp_flag", Big, 8, &symbols::TCP_FLAG);
pub static DCCP_PKTTYPE: DataType = symbolic(16, "dccp_pkttype", ANY, 4, &symbols::DCCP_PKTTYPE);
pub static MH_TYPE: DataType = symbolic(17, "mh_type", Big, 8, &symbols::MH_TYPE);
pub static TIME: DataType = formed(18, "time", Host, 32, Form::Time);
pub static MARK: DataType = DataType {
    digits: Digits::Hex(8),
    prefix: true,
    ..formed(19, "mark", Host, 32, Form::Mark)
};
pub static IFINDEX: DataType = formed(20, "iface_index", Host, 32, Form::InterfaceIndex);
pub static ARPHRD: DataType = symbolic(21, "iface_type", Host, 16, &symbols::ARPHRD);
pub static REALM: DataType = DataType {
    prefix: true,
    ..formed(22, "realm", Host, 32, Form::Realm)
};
pub static CLASSID: DataType = formed(23, "classid", Host, 32, Form::ClassId);
pub static UID: DataType = formed(24, "uid", Host, 32, Form::Integer);
pub static GID: DataType = formed(25, "gid", Host, 32, Form::Integer);
pub static CT_STATE: DataType = flags(26, "ct_state", Host, 32, &symbols::CT_STATE);
pub static CT_DIR: DataType = symbolic(27, "ct_dir", ANY, 8, &symbols::CT_DIR);
pub static CT_STATUS: DataType = flags(28, "ct_status", Host, 32, &symbols::CT_STATUS);
pub static ICMP6_TYPE: DataType = symbolic(29, "icmpv6_type", Big, 8, &symbols::ICMP6_TYPE);
/// Not registered by number in nft: sets of labels cannot be declared by `type`.
pub static CT_LABEL: DataType = DataType {
    form: Form::Label,
    ..flags(30, "ct_label", Host, 128, &symbols::NONE)
};
pub static PKTTYPE: DataType = symbolic(31, "pkt_type", Host, 8, &symbols::PKTTYPE);
pub static ICMP_CODE: DataType = symbolic(32, "icmp_code", Big, 8, &symbols::ICMP_CODE);
pub static ICMPV6_CODE: DataType = symbolic(33, "icmpv6_code", Big, 8, &symbols::ICMPV6_CODE);
pub static ICMPX_CODE: DataType = symbolic(34, "icmpx_code", Big, 8, &symbols::ICMPX_CODE);
pub static DEVGROUP: DataType = DataType {
    prefix: true,
    ..formed(35, "devgroup", Host, 32, Form::DeviceGroup)
};
pub static DSCP: DataType = DataType {
    digits: Digits::Hex(2),
    ..symbolic(36, "dscp", Big, 6, &symbols::DSCP)
};
pub static ECN: DataType = DataType {
    digits: Digits::Hex(1),
    ..symbolic(37, "ecn", Big, 2, &symbols::ECN)
};
pub static FIB_ADDRTYPE: DataType = symbolic(38, "fib_addrtype", Host, 32, &symbols::FIB_ADDRTYPE);
pub static BOOLEAN: DataType = symbolic(39, "boolean", ANY, 1, &symbols::BOOLEAN);
/// Not registered by number in nft.
pub static CT_EVENT: DataType = flags(40, "ct_event", Host, 32, &symbols::CT_EVENT);
pub static IFNAME: DataType = DataType {
    base: Some(&STRING),
    ..plain(41, "ifname", Host, 128)
};
pub static IGMP_TYPE: DataType = symbolic(42, "igmp_type", Big, 8, &symbols::IGMP_TYPE);
pub static DATE: DataType = formed(43, "time", Host, 64, Form::Date);
pub static HOUR: DataType = formed(44, "hour", Host, 32, Form::Hour);
pub static DAY: DataType = DataType {
    form: Form::Symbol { quotes: true },
    ..symbolic(45, "day", Host, 8, &symbols::DAY)
};
pub static CGROUPV2: DataType = formed(46, "cgroupsv2", Host, 64, Form::Cgroup);

static TYPES: [&DataType; 45] = [
    &INVALID,
    &VERDICT,
    &NFPROTO,
    &BITMASK,
    &INTEGER,
    &STRING,
    &LLADDR,
    &IPADDR,
    &IP6ADDR,
    &ETHERADDR,
    &ETHERTYPE,
    &ARPOP,
    &INET_PROTOCOL,
    &INET_SERVICE,
    &ICMP_TYPE,
    &TCP_FLAG,
    &DCCP_PKTTYPE,
    &MH_TYPE,
    &TIME,
    &MARK,
    &IFINDEX,
    &ARPHRD,
    &REALM,
    &CLASSID,
    &UID,
    &GID,
    &CT_STATE,
    &CT_DIR,
    &CT_STATUS,
    &ICMP6_TYPE,
    &PKTTYPE,
    &ICMP_CODE,
    &ICMPV6_CODE,
    &ICMPX_CODE,
    &DEVGROUP,
    &DSCP,
    &ECN,
    &FIB_ADDRTYPE,
    &BOOLEAN,
    &IFNAME,
    &IGMP_TYPE,
    &DATE,
    &HOUR,
    &DAY,
    &CGROUPV2,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_concatenations_unpack() {
        for (index, a) in TYPES.iter().enumerate() {
            assert!(
                TYPES.iter().skip(index + 1).all(|b| a.id != b.id),
                "{}",
                a.name
            );
        }
        let id = append_subtype(append_subtype(0, IPADDR.id), INET_SERVICE.id);
        let names: Vec<_> = subtypes(id).map(|t| t.name).collect();
        assert_eq!(names, ["ipv4_addr", "inet_service"]);
        assert_eq!(Type::Concat(id).size(), 64);
        assert_eq!(subtype_at(id, 0).name, "inet_service");
    }
}
