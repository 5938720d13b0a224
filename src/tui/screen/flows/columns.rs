//! Which columns there is room for, and what stands in them.
//!
//! Widths go by all connections of the table, not by those on the screen: columns stay where they are while one moves.

use crate::flow::report::Endpoint;
use crate::model::conntrack::Flow;
use crate::session::flows::Speed;
use crate::tui::clean::{elide, head, width};
use crate::tui::human;
use crate::tui::job::flows::words::{self, ARROW, Changed, SIGN, Side};
use crate::tui::job::flows::{By, View};
use std::net::IpAddr;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Protocol,
    State,
    Source,
    Destination,
    /// Bytes per second, both directions or one.
    Rate,
    RateOriginal,
    RateReply,
    Bytes,
    Packets,
    Left,
    Age,
    About,
}

impl Kind {
    pub fn head(self) -> &'static str {
        match self {
            Kind::Protocol => "proto",
            Kind::State => "state",
            Kind::Source => "source",
            Kind::Destination => "destination",
            Kind::Rate => "bytes/s",
            Kind::RateOriginal => "→ B/s",
            Kind::RateReply => "← B/s",
            Kind::Bytes => "bytes",
            Kind::Packets => "pkts",
            Kind::Left => "left",
            Kind::Age => "age",
            Kind::About => " about",
        }
    }

    /// What a list is ordered by that is ordered by this column.
    pub fn by(self) -> Option<By> {
        match self {
            Kind::State => Some(By::State),
            Kind::Source => Some(By::Source),
            Kind::Destination => Some(By::Destination),
            Kind::Rate | Kind::RateOriginal | Kind::RateReply => Some(By::Rate),
            Kind::Bytes | Kind::Packets => Some(By::Bytes),
            Kind::Left => Some(By::Left),
            Kind::Age => Some(By::Age),
            Kind::Protocol | Kind::About => None,
        }
    }

    /// Numbers stand at the right.
    pub fn is_number(self) -> bool {
        matches!(
            self,
            Kind::Rate
                | Kind::RateOriginal
                | Kind::RateReply
                | Kind::Bytes
                | Kind::Packets
                | Kind::Left
                | Kind::Age
        )
    }
}

/// A column and its width; one more stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    pub kind: Kind,
    pub width: usize,
}

const PROTOCOL: usize = 6;
/// `ESTABLISHED`
const STATE: usize = 11;
/// `1023 KiB`
const BYTES: usize = 8;
const PACKETS: usize = 5;
/// `59m59s`
const TIME: usize = 6;
/// What is said beside is not worth fewer.
const ABOUT: usize = 12;
/// And not worth more.
const LONGEST: usize = 70;
/// Where addresses have less than this, other columns go.
const ADDRESS: usize = 15;

/// What ends of connections are written in: sources, and destinations.
fn addresses(room: usize, view: &View) -> (usize, usize) {
    let (source, destination) = (view.source, view.destination);
    let least = |kind: Kind, columns: usize| columns.max(kind.head().len() + 2);
    let wishes = [
        (source.all, destination.all),
        (source.most, destination.most),
        (source.short, destination.most),
        (source.short, destination.short),
    ];
    for (place, (source, destination)) in wishes.into_iter().enumerate() {
        let source = least(Kind::Source, source);
        let destination = least(Kind::Destination, destination);
        if source + destination <= room {
            // Where not all are whole, no column is left empty.
            let rest = if place == 0 {
                0
            } else {
                room - source - destination
            };
            let more = rest.min(view.destination.all.saturating_sub(destination));
            let rest = rest - more;
            let most = least(Kind::Source, view.source.all);
            return ((source + rest).min(most.max(source)), destination + more);
        }
    }
    let source = least(Kind::Source, source.short).min(room / 2);
    (source, room - source)
}

/// The columns of a list so wide; in front of them is one for a mark, behind them the scroll bar.
pub fn columns(list: u16, view: &View) -> Vec<Column> {
    let flows = &view.ask.flows;
    let mut room = usize::from(list).saturating_sub(2 + PROTOCOL + 1 + STATE + 1);
    let mut take = |wanted: bool, left: usize, width: usize| {
        let fits = wanted && room > left + width;
        if fits {
            room -= width + 1;
        }
        fits
    };
    let rate = take(By::Rate.is_known(flows), 2 * (ADDRESS + 1), BYTES);
    // Addresses are worth more than the time.
    let short = match view.ask.order.by {
        By::Left => 0,
        _ => view.source.short + view.destination.most + 2,
    };
    let left = take(true, short, TIME);
    // The rest only where most addresses have all that they want, and names have their place.
    let needed = view.source.most + view.destination.most + 2;
    let wish = view.about.min(LONGEST / 2) + 3;
    let named = view.about > 0 && take(true, needed, wish);
    let bytes = take(flows.counted, needed, BYTES);
    let age = take(flows.stamped, needed, TIME);
    let packets = take(flows.counted, needed, PACKETS);
    let both = rate && take(true, needed, BYTES);
    let about = if named { wish + 1 } else { 0 };
    let room = room + about;
    let (source, destination) = addresses(room.saturating_sub(about + 2), view);
    let about = room.saturating_sub(source + destination + 2);
    let mut columns = Vec::with_capacity(11);
    let mut put = |there: bool, kind: Kind, width: usize| {
        if there {
            columns.push(Column { kind, width });
        }
    };
    put(true, Kind::Protocol, PROTOCOL);
    put(true, Kind::State, STATE);
    put(true, Kind::Source, source);
    put(true, Kind::Destination, destination);
    put(rate && !both, Kind::Rate, BYTES);
    put(rate && both, Kind::RateOriginal, BYTES);
    put(rate && both, Kind::RateReply, BYTES);
    put(bytes, Kind::Bytes, BYTES);
    put(packets, Kind::Packets, PACKETS);
    put(left, Kind::Left, TIME);
    put(age, Kind::Age, TIME);
    put(
        view.about > 0 && about > ABOUT,
        Kind::About,
        about.saturating_sub(1).min(view.about + 1).min(LONGEST),
    );
    columns
}

/// The column at this place of a line.
pub fn at(columns: &[Column], x: usize) -> Option<Kind> {
    let mut end = 1;
    let mut found = columns.iter().filter(|column| {
        end += column.width + 1;
        x < end
    });
    found.next().map(|column| column.kind)
}

/// An address and its port in so many columns: the port stays whole.
pub fn end(end: Endpoint, text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let Some(port) = end.port.map(|port| format!(":{port}")) else {
        return elide(text, room);
    };
    let (open, close) = match end.address {
        IpAddr::V4(_) => ("", ""),
        IpAddr::V6(_) => ("[", "]"),
    };
    let left = room.saturating_sub(port.len() + open.len() + close.len());
    let address = end.address.to_string();
    if !text.ends_with(&port) || room < port.len() + 3 {
        return elide(text, room);
    }
    if left < 7 {
        // Of so little, the network says more than both ends.
        return format!("{}…{port}", head(&address, room - port.len() - 1));
    }
    let address = elide(&address, left);
    format!("{open}{address}{close}{port}")
}

/// Who began; as whom the other end sees it is said only where there is room.
pub fn source(side: &Side, room: usize) -> String {
    let whole = side.to_string();
    if side.real.is_none() || width(&whole) <= room {
        return self::side(side, room);
    }
    let seen = end(
        side.seen,
        &side.seen.to_string(),
        room.saturating_sub(width(SIGN)),
    );
    format!("{seen}{SIGN}")
}

/// An end of a connection, with what NAT makes of it.
pub fn side(side: &Side, room: usize) -> String {
    let Some(real) = side.real else {
        return end(side.seen, &side.seen.to_string(), room);
    };
    let whole = side.to_string();
    if width(&whole) <= room {
        return whole;
    }
    let (seen, changed) = (side.seen.to_string(), Changed(side.seen, real).to_string());
    let room = room.saturating_sub(width(ARROW));
    let (first, second) = (width(&seen), width(&changed));
    let half = room / 2;
    let first = match () {
        () if first <= half => first,
        () if second <= half => room - second,
        () => half,
    };
    let second = end(real, &changed, room - first);
    format!("{}{ARROW}{second}", end(side.seen, &seen, first))
}

/// A length of time in at most six columns.
pub fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..120 => format!("{seconds}s"),
        120..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

fn per_second(value: f64) -> String {
    // Rates are finite and not negative.
    match value {
        value if value < 0.5 => "0".into(),
        value => human::bytes(value.round() as u64),
    }
}

/// The text of a column, but for what is said beside.
pub fn text(column: Column, view: &View, flow: &Flow, speed: Option<&Speed>) -> String {
    let flows = &view.ask.flows;
    let counters = [flow.counter_original, flow.counter_reply];
    let sum = |what: fn(&crate::model::conntrack::FlowCounter) -> u64| {
        let counters = counters.iter().flatten();
        flow.counter_original?;
        Some(counters.map(what).fold(0, u64::saturating_add))
    };
    let none = || "—".to_owned();
    match column.kind {
        Kind::Protocol => words::protocol(flow),
        Kind::State => words::state(flow).to_owned(),
        Kind::Source => source(&words::source(flow), column.width),
        Kind::Destination => side(&words::destination(flow), column.width),
        Kind::Rate => speed
            .map(|speed| per_second(speed.bytes()))
            .unwrap_or_default(),
        Kind::RateOriginal => speed
            .map(|speed| per_second(speed.original.bytes))
            .unwrap_or_default(),
        Kind::RateReply => speed
            .map(|speed| per_second(speed.reply.bytes))
            .unwrap_or_default(),
        Kind::Bytes => sum(|one| one.bytes).map_or_else(none, human::bytes),
        Kind::Packets => sum(|one| one.packets).map_or_else(none, human::count),
        Kind::Left => flow
            .timeout
            .map_or_else(none, |left| time(Duration::from_secs(left.into()))),
        Kind::Age => flows.age(flow).map_or_else(none, time),
        Kind::About => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(text: &str) -> Endpoint {
        let socket: std::net::SocketAddr = text.parse().expect("an address");
        Endpoint {
            address: socket.ip(),
            port: Some(socket.port()),
        }
    }

    #[test]
    fn ports_and_arrows_stay() {
        let v6 = endpoint("[2001:db8:1234:5678:9abc:def0:1234:5678]:40000");
        let plain = Side {
            seen: v6,
            real: None,
        };
        assert_eq!(side(&plain, 60), v6.to_string());
        assert_eq!(side(&plain, 24), "[2001:db8…34:5678]:40000");
        let nat = Side {
            seen: v6,
            real: Some(endpoint("[2001:db8::7]:40000")),
        };
        assert_eq!(side(&nat, 38), "[2001:db8…34:5678]:40000 ⇒ 2001:db8::7");
        assert_eq!(end(v6, &v6.to_string(), 11), "2001…:40000");
        let port = Side {
            seen: endpoint("192.0.2.1:80"),
            real: Some(endpoint("192.0.2.1:8080")),
        };
        assert_eq!(side(&port, 60), "192.0.2.1:80 ⇒ :8080");
        assert_eq!((port.width(), port.short_width()), (20, 14));
        assert_eq!(source(&port, 20), "192.0.2.1:80 ⇒ :8080");
        assert_eq!(source(&port, 19), "192.0.2.1:80 ⇒");
        for room in 0..60 {
            for one in [&plain, &nat, &port] {
                assert!(width(&side(one, room)) <= room.max(3), "{room}: {one}");
            }
        }
    }

    #[test]
    fn times_take_six_columns() {
        for (seconds, expected) in [
            (0, "0s"),
            (119, "119s"),
            (3599, "59m59s"),
            (86_399, "23h59m"),
            (431_999, "4d23h"),
            (u64::from(u32::MAX), "49710d06h"),
        ] {
            assert_eq!(time(Duration::from_secs(seconds)), expected);
        }
    }
}
