//! States of TCP connections (`nf_conntrack_proto_tcp.c`): `enum tcp_conntrack` in `linux/netfilter/nf_conntrack_tcp.h`.
pub const ESTABLISHED: u8 = 3;
pub const SYN_RECV: u8 = 2;
pub const INVALID: u8 = 10;
pub const IGNORE: u8 = 11;

const SS: u8 = 1;
const SR: u8 = 2;
const ES: u8 = 3;
const FW: u8 = 4;
const CW: u8 = 5;
const LA: u8 = 6;
const TW: u8 = 7;
const CL: u8 = 8;
const S2: u8 = 9;
const IV: u8 = INVALID;
const IG: u8 = IGNORE;

/// New state by direction, kind of segment (syn, synack, fin, ack, rst, none) and old state.
#[rustfmt::skip]
pub const NEXT: [[[u8; 10]; 6]; 2] = [
    [
        [SS, SS, IG, IG, IG, IG, IG, SS, SS, S2],
        [IV, IV, SR, IV, IV, IV, IV, IV, IV, SR],
        [IV, IV, FW, FW, LA, LA, LA, TW, CL, IV],
        [ES, IV, ES, ES, CW, CW, TW, TW, CL, IV],
        [IV, CL, CL, CL, CL, CL, CL, CL, CL, CL],
        [IV, IV, IV, IV, IV, IV, IV, IV, IV, IV],
    ],
    [
        [IV, S2, IV, IV, IV, IV, IV, SS, IV, S2],
        [IV, SR, IG, IG, IG, IG, IG, IG, IG, SR],
        [IV, IV, FW, FW, LA, LA, LA, TW, CL, IV],
        [IV, IG, SR, ES, CW, CW, TW, TW, CL, IG],
        [IV, CL, CL, CL, CL, CL, CL, CL, CL, CL],
        [IV, IV, IV, IV, IV, IV, IV, IV, IV, IV],
    ],
];

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;
const URG: u8 = 32;

/// Combinations that make sense, without PSH, ECE and CWR (`tcp_valid_flags`).
pub fn flags_are_valid(flags: u8) -> bool {
    matches!(
        flags & (FIN | SYN | RST | ACK | URG),
        SYN | 0x22 | 0x12 | RST | 0x14 | 0x11 | 0x31 | ACK | 0x30
    )
}

pub fn kind(flags: u8) -> usize {
    match flags {
        flags if flags & RST != 0 => 4,
        flags if flags & SYN != 0 => usize::from(flags & ACK != 0),
        flags if flags & FIN != 0 => 2,
        flags if flags & ACK != 0 => 3,
        _ => 5,
    }
}
