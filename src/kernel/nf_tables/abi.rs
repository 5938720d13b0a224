//! Numbers of the nf_tables netlink interface.
//!
//! What `rustables::sys` has (generated from the kernel headers of the build machine) is taken from there;
//! what is newer than the oldest headers we build with stands here, from Linux 6.18.

/// `NFNL_SUBSYS_NFTABLES` of `linux/netfilter/nfnetlink.h`.
pub const SUBSYSTEM: u16 = 10;

/// The netlink message type of an nf_tables message.
pub const fn message(kind: u16) -> u16 {
    (SUBSYSTEM << 8) | kind
}

// enum nf_tables_msg_types
pub const NEWTABLE: u16 = 0;
pub const GETTABLE: u16 = 1;
pub const DELTABLE: u16 = 2;
pub const NEWCHAIN: u16 = 3;
pub const GETCHAIN: u16 = 4;
pub const DELCHAIN: u16 = 5;
pub const NEWRULE: u16 = 6;
pub const GETRULE: u16 = 7;
pub const DELRULE: u16 = 8;
pub const NEWSET: u16 = 9;
pub const GETSET: u16 = 10;
pub const DELSET: u16 = 11;
pub const NEWSETELEM: u16 = 12;
pub const GETSETELEM: u16 = 13;
pub const DELSETELEM: u16 = 14;
pub const NEWGEN: u16 = 15;
pub const GETGEN: u16 = 16;
pub const TRACE: u16 = 17;
pub const NEWOBJ: u16 = 18;
pub const GETOBJ: u16 = 19;
pub const DELOBJ: u16 = 20;
pub const NEWFLOWTABLE: u16 = 22;
pub const GETFLOWTABLE: u16 = 23;
pub const DELFLOWTABLE: u16 = 24;
// Linux 6.3: no error when the object is not there
pub const DESTROYTABLE: u16 = 26;
pub const DESTROYCHAIN: u16 = 27;
pub const DESTROYRULE: u16 = 28;
pub const DESTROYSET: u16 = 29;
pub const DESTROYSETELEM: u16 = 30;
pub const DESTROYOBJ: u16 = 31;
pub const DESTROYFLOWTABLE: u16 = 32;

/// `NFNL_MSG_BATCH_BEGIN` and `NFNL_MSG_BATCH_END` of `linux/netfilter/nfnetlink.h`.
pub const BATCH_BEGIN: u16 = 16;
pub const BATCH_END: u16 = 17;
/// `enum nfnl_batch_attributes`
pub const BATCH_GENID: u16 = 1;

// enum nft_verdict_attributes, Linux 5.9
pub const NFTA_VERDICT_CHAIN_ID: u16 = 3;
// enum nft_chain_attributes, Linux 5.9
pub const NFTA_CHAIN_ID: u16 = 11;
// enum nft_rule_attributes, Linux 5.9
pub const NFTA_RULE_CHAIN_ID: u16 = 11;

// Linux 6.13: enum nft_bitwise_attributes
pub const NFTA_BITWISE_SREG2: u16 = 8;
// Linux 6.13: enum nft_bitwise_ops
pub const NFT_BITWISE_MASK_XOR: u32 = 0;
pub const NFT_BITWISE_LSHIFT: u32 = 1;
pub const NFT_BITWISE_RSHIFT: u32 = 2;
pub const NFT_BITWISE_AND: u32 = 3;
pub const NFT_BITWISE_OR: u32 = 4;
pub const NFT_BITWISE_XOR: u32 = 5;

// Linux 6.2: enum nft_inner_attributes
pub const NFTA_INNER_NUM: u16 = 1;
pub const NFTA_INNER_TYPE: u16 = 2;
pub const NFTA_INNER_FLAGS: u16 = 3;
pub const NFTA_INNER_HDRSIZE: u16 = 4;
pub const NFTA_INNER_EXPR: u16 = 5;

// Linux 6.2: enum nft_payload_bases
pub const NFT_PAYLOAD_INNER_HEADER: u32 = 3;
pub const NFT_PAYLOAD_TUN_HEADER: u32 = 4;

// Linux 6.16: enum nft_set_attributes
pub const NFTA_SET_TYPE: u16 = 19;
pub const NFTA_SET_COUNT: u16 = 20;

// Linux 6.18: enum nft_devices_attributes
pub const NFTA_DEVICE_NAME: u16 = 1;
pub const NFTA_DEVICE_PREFIX: u16 = 2;

/// `NFT_EXPR_MAXNUM`-like bound of our own: expressions inside `dynset` and `inner`.
pub const MAX_DEPTH: u8 = 4;
