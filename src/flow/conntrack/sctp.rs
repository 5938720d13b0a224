//! Associations of SCTP (`nf_conntrack_proto_sctp.c`).

use super::Entry;
use crate::flow::frame::Skb;

const DATA: u8 = 0;
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const HEARTBEAT: u8 = 4;
const HEARTBEAT_ACK: u8 = 5;
const ABORT: u8 = 6;
const SHUTDOWN: u8 = 7;
const SHUTDOWN_ACK: u8 = 8;
const ERROR: u8 = 9;
const COOKIE_ECHO: u8 = 10;
const COOKIE_ACK: u8 = 11;
const SHUTDOWN_COMPLETE: u8 = 14;

/// `SCTP_CHUNK_FLAG_T`
const FLAG_T: u8 = 1;

const NO: u8 = 0;
const CL: u8 = 1;
const CW: u8 = 2;
const CE: u8 = 3;
const ES: u8 = 4;
const SS: u8 = 5;
const SR: u8 = 6;
const SA: u8 = 7;
const HS: u8 = 8;
const IV: u8 = 9;

/// New state by direction, chunk (init, init ack, abort, shutdown, shutdown ack, error, cookie echo, cookie ack,
/// shutdown complete, heartbeat, heartbeat ack) and old state.
#[rustfmt::skip]
const NEXT: [[[u8; 9]; 11]; 2] = [
    [
        [CL, CL, CW, CE, ES, CL, CL, SA, CW],
        [CL, CL, CW, CE, ES, SS, SR, SA, CL],
        [CL, CL, CL, CL, CL, CL, CL, CL, CL],
        [CL, CL, CW, CE, SS, SS, SR, SA, CL],
        [SA, CL, CW, CE, ES, SA, SA, SA, SA],
        [CL, CL, CW, CE, ES, SS, SR, SA, CL],
        [CL, CL, CE, CE, ES, SS, SR, SA, CL],
        [CL, CL, CW, ES, ES, SS, SR, SA, CL],
        [CL, CL, CW, CE, ES, SS, SR, CL, CL],
        [HS, CL, CW, CE, ES, SS, SR, SA, HS],
        [CL, CL, CW, CE, ES, SS, SR, SA, HS],
    ],
    [
        [IV, CL, CW, CE, ES, SS, SR, SA, IV],
        [IV, CW, CW, CE, ES, SS, SR, SA, IV],
        [IV, CL, CL, CL, CL, CL, CL, CL, IV],
        [IV, CL, CW, CE, SR, SS, SR, SA, IV],
        [IV, CL, CW, CE, ES, SA, SA, SA, IV],
        [IV, CL, CW, CL, ES, SS, SR, SA, IV],
        [IV, CL, CE, CE, ES, SS, SR, SA, IV],
        [IV, CL, CW, ES, ES, SS, SR, SA, IV],
        [IV, CL, CW, CE, ES, SS, SR, CL, IV],
        [IV, CL, CW, CE, ES, SS, SR, SA, HS],
        [IV, CL, CW, CE, ES, SS, SR, SA, ES],
    ],
];

fn next(direction: u8, state: u8, chunk: u8) -> u8 {
    let row = match chunk {
        INIT => 0,
        INIT_ACK => 1,
        ABORT => 2,
        SHUTDOWN => 3,
        SHUTDOWN_ACK => 4,
        ERROR => 5,
        COOKIE_ECHO => 6,
        COOKIE_ACK => 7,
        SHUTDOWN_COMPLETE => 8,
        HEARTBEAT => 9,
        HEARTBEAT_ACK => 10,
        _ => return state,
    };
    NEXT.get(usize::from(direction))
        .and_then(|rows: &[[u8; 9]; 11]| rows.get(row)?.get(usize::from(state)))
        .copied()
        .unwrap_or(IV)
}

struct Chunk {
    kind: u8,
    flags: u8,
    at: usize,
}

/// The chunks, unless their order makes no sense.
fn chunks(skb: &Skb, offset: usize) -> Option<Vec<Chunk>> {
    let mut found = Vec::new();
    let mut alone = false;
    let mut at = offset + 12;
    while at < skb.data.len() {
        let (Some(kind), Some(flags), Some(length)) =
            (skb.u8_at(at), skb.u8_at(at + 1), skb.u16_at(at + 2))
        else {
            break;
        };
        alone |= matches!(kind, INIT | INIT_ACK | SHUTDOWN_COMPLETE);
        let first_only = matches!(kind, COOKIE_ACK | COOKIE_ECHO) || alone;
        if first_only && !found.is_empty() || length == 0 {
            return None;
        }
        found.push(Chunk { kind, flags, at });
        at += usize::from(length).next_multiple_of(4);
    }
    (!found.is_empty()).then_some(found)
}

fn tag_at(skb: &Skb, at: usize) -> Option<u32> {
    let bytes = skb.data.get(at..at + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// `nf_conntrack_sctp_packet`: the state goes on, or the packet does not belong.
pub(super) fn packet(
    skb: &Skb,
    offset: usize,
    entry: &mut Entry,
    direction: u8,
) -> Result<(), &'static str> {
    const WRONG_TAG: &str = "an SCTP verification tag that is not the association's";
    let Some(tag) = tag_at(skb, offset + 4) else {
        return Err("the SCTP header is cut off");
    };
    let Some(chunks) = chunks(skb, offset) else {
        return Err("SCTP chunks that make no sense together");
    };
    let has = |kind: u8| chunks.iter().any(|chunk| chunk.kind == kind);
    if !entry.is_confirmed() {
        if has(ABORT) || has(SHUTDOWN_COMPLETE) || has(COOKIE_ACK) {
            return Err("SCTP without an association and not its beginning");
        }
        entry.sctp_state = NO;
        entry.sctp_tags = [0; 2];
        for chunk in &chunks {
            if matches!(next(0, NO, chunk.kind), NO | IV) {
                return Err("SCTP without an association and not its beginning");
            }
            match chunk.kind {
                INIT => {
                    if tag != 0 {
                        return Err(WRONG_TAG);
                    }
                    entry.sctp_tags[1] =
                        tag_at(skb, chunk.at + 4).ok_or("the SCTP INIT is cut off")?;
                }
                HEARTBEAT => entry.sctp_tags[0] = tag,
                _ => entry.sctp_tags[1] = tag,
            }
        }
    }
    let exempt = [
        INIT,
        SHUTDOWN_COMPLETE,
        COOKIE_ECHO,
        ABORT,
        SHUTDOWN_ACK,
        HEARTBEAT,
        HEARTBEAT_ACK,
    ];
    let [original, reply] = &mut entry.sctp_tags;
    let (own, other) = if direction & 1 == 0 {
        (original, *reply)
    } else {
        (reply, *original)
    };
    if !exempt.into_iter().any(has) && tag != *own {
        return Err(WRONG_TAG);
    }
    for chunk in &chunks {
        let wanted = match chunk.kind {
            INIT => Some(0),
            ABORT | SHUTDOWN_COMPLETE if chunk.flags & FLAG_T != 0 => Some(other),
            ABORT | SHUTDOWN_COMPLETE | COOKIE_ECHO => Some(*own),
            _ => None,
        };
        if wanted.is_some_and(|wanted| wanted != tag) {
            return Err(WRONG_TAG);
        }
        if matches!(chunk.kind, HEARTBEAT | HEARTBEAT_ACK) {
            if *own == 0 {
                *own = tag;
            } else if *own != tag {
                if has(DATA) || chunk.kind == HEARTBEAT_ACK {
                    return Err(WRONG_TAG);
                }
                continue;
            }
        }
        let state = next(direction, entry.sctp_state, chunk.kind);
        if state == IV {
            return Err("SCTP that does not fit the association's state");
        }
        entry.sctp_state = state;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::conntrack::Tuple;
    use crate::model::conntrack::status;

    fn packet_of(tag: u32, kind: u8, rest: &[u8]) -> Skb {
        let mut data = vec![0, 1, 0, 2];
        data.extend(tag.to_be_bytes());
        data.extend([0; 4]);
        data.extend([kind, 0]);
        data.extend((4 + rest.len() as u16).to_be_bytes());
        data.extend(rest);
        Skb {
            data,
            ..Skb::default()
        }
    }

    #[test]
    fn answers_carry_the_tag_of_the_init() {
        let tuple = Tuple {
            src: "10.0.0.1".parse().unwrap(),
            dst: "10.0.0.2".parse().unwrap(),
            proto: 132,
            sport: 1,
            dport: 2,
        };
        let mut entry = Entry::new(tuple, tuple.invert().unwrap(), 0);
        let init = packet_of(0, INIT, &[0x11, 0x22, 0x33, 0x44, 0, 0, 0, 0]);
        assert_eq!(packet(&init, 0, &mut entry, 0), Ok(()));
        entry.status |= status::CONFIRMED;
        let good = packet_of(0x1122_3344, INIT_ACK, &[0; 16]);
        let bad = packet_of(0x1122_3345, INIT_ACK, &[0; 16]);
        assert!(packet(&bad, 0, &mut entry.clone(), 1).is_err());
        assert_eq!(packet(&good, 0, &mut entry, 1), Ok(()));
        let mut fresh = Entry::new(tuple, tuple.invert().unwrap(), 0);
        assert!(packet(&packet_of(5, DATA, &[0; 12]), 0, &mut fresh, 0).is_err());
    }
}
