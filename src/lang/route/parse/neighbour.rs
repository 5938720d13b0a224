//! The words of `ip neigh add` and its kin.

use super::ParseContext;
use super::value::{self, Result};
use super::words::{Keyword, Words, keyword, names_of};
use crate::lang::route::number;
use crate::model::network::{FibFamily, Neighbour, neighbour_flags, neighbour_state};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    LinkAddress,
    State,
    Proxy,
    Router,
    Use,
    Managed,
    ExternLearn,
    Device,
    Protocol,
}

/// In iproute2's order; `true` where the beginning of a word is enough.
const KEYS: &[Keyword<Key>] = &[
    ("lladdr", true, Key::LinkAddress),
    ("nud", false, Key::State),
    ("proxy", true, Key::Proxy),
    ("router", false, Key::Router),
    ("use", false, Key::Use),
    ("managed", false, Key::Managed),
    ("extern_learn", true, Key::ExternLearn),
    ("dev", false, Key::Device),
    ("protocol", true, Key::Protocol),
];

/// The words after `neigh add`.
pub(super) fn neighbour(mut words: Words<'_>, context: &ParseContext<'_>) -> Result<Neighbour> {
    let mut one = Neighbour::new(0, std::net::Ipv4Addr::UNSPECIFIED.into());
    let mut address = None;
    let mut device = None;
    let mut family = context.family;
    while let Some(word) = words.next() {
        let text = word.text.as_str();
        let Some(key) = keyword(KEYS, text) else {
            let word = if text == "to" {
                words.value("to", "an address")?
            } else {
                word
            };
            let Some(ip) = value::ip(&word.text) else {
                return Err(words.unknown(
                    word,
                    "is not an address and not a word of a neighbour",
                    "an address, lladdr, dev, nud, proxy, router, ...",
                    names_of(KEYS),
                ));
            };
            let own = FibFamily::of(ip);
            if family.is_some_and(|family| family != own) {
                return Err(words.wrong(word, "is of the other address family", "one address"));
            }
            if address.replace(ip).is_some() {
                return Err(words.wrong(word, "is a second address", "one address"));
            }
            continue;
        };
        match key {
            Key::LinkAddress => {
                let expected = "an address such as 02:00:00:00:00:01";
                one.link_address = value::value(&mut words, text, expected, |text| match text {
                    "null" => Some(Vec::new()),
                    other => value::link_address(other),
                })?;
            }
            Key::State => {
                let expected =
                    "permanent, reachable, noarp, none, stale, incomplete, delay, probe or failed";
                one.state = value::value(&mut words, text, expected, state)?;
            }
            Key::Proxy => {
                let ip = value::address(&mut words, text, &mut family)?;
                one.flags |= neighbour_flags::PROXY;
                // A proxy need not be of a device.
                device.get_or_insert(0);
                if address.replace(ip).is_some() {
                    return Err(words.missing("a second address", "one address"));
                }
            }
            Key::Router => one.flags |= neighbour_flags::ROUTER,
            Key::Use => one.flags |= neighbour_flags::USE,
            Key::Managed => {
                one.extended_flags |= neighbour_flags::EXT_MANAGED;
                one.state = 0;
            }
            Key::ExternLearn => one.flags |= neighbour_flags::EXT_LEARNED,
            Key::Device => device = Some(value::device(&mut words, text, context)?),
            Key::Protocol => {
                one.protocol = Some(value::named8(&mut words, text, &context.names.protocols)?);
            }
        }
    }
    let Some(ip) = address else {
        return Err(words.missing("the neighbour's address is missing", "an address"));
    };
    let Some(index) = device else {
        return Err(words.missing("the device is missing", "dev and its name"));
    };
    one.address = Some(ip);
    one.family = FibFamily::of(ip).to_wire();
    one.index = index;
    Ok(one)
}

/// `NUD_*` by name or number; a number is one bit.
fn state(text: &str) -> Option<u16> {
    use neighbour_state as nud;
    let table = [
        ("permanent", true, nud::PERMANENT),
        ("reachable", true, nud::REACHABLE),
        ("noarp", false, nud::NOARP),
        ("none", false, 0),
        ("stale", false, nud::STALE),
        ("incomplete", false, nud::INCOMPLETE),
        ("delay", false, nud::DELAY),
        ("probe", false, nud::PROBE),
        ("failed", true, nud::FAILED),
    ];
    keyword(&table, text).or_else(|| {
        let bits = u16::try_from(number(text)?).ok()?;
        (bits < 0x100 && bits.count_ones() <= 1).then_some(bits)
    })
}
