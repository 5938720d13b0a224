//! The SSH session that this program runs in, if it does: reads the environment and /proc.

use crate::flow::cut::Session;
use std::fs;
use std::io::Read;
use std::net::SocketAddr;

/// From `SSH_CONNECTION`, here or in the environment of a process that this one comes from: sudo takes it away.
pub fn session() -> Option<Session> {
    if let Some(found) = std::env::var("SSH_CONNECTION")
        .ok()
        .as_deref()
        .and_then(parse)
    {
        return Some(found);
    }
    let mut process = std::os::unix::process::parent_id();
    // Nobody nests terminals as deep as this.
    for _ in 0..64 {
        if process <= 1 {
            return None;
        }
        let environment = read(&format!("/proc/{process}/environ"));
        let found = environment
            .split(|byte| *byte == 0)
            .filter_map(|entry| entry.strip_prefix(b"SSH_CONNECTION="))
            .find_map(|value| parse(std::str::from_utf8(value).ok()?));
        if found.is_some() {
            return found;
        }
        process = parent(process)?;
    }
    None
}

fn parent(process: u32) -> Option<u32> {
    // `PID (NAME) STATE PPID ...`: the name may hold anything, parentheses too.
    let stat = read(&format!("/proc/{process}/stat"));
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// A file of /proc, which does not say how large it is: with room enough it takes one read. Empty when it cannot be read.
fn read(path: &str) -> Vec<u8> {
    const ROOM: usize = 8 << 10;
    let mut bytes = Vec::with_capacity(ROOM);
    let whole = fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
    match whole {
        Ok(_) => bytes,
        Err(_) => Vec::new(),
    }
}

/// `CLIENT PORT SERVER PORT`
fn parse(text: &str) -> Option<Session> {
    let mut words = text.split_whitespace();
    let mut end = || -> Option<SocketAddr> {
        let address = words.next()?;
        // A link-local address comes with its device.
        let address = address.split('%').next()?.parse().ok()?;
        Some(SocketAddr::new(address, words.next()?.parse().ok()?))
    };
    Some(Session {
        peer: end()?,
        local: end()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sshd_tells() {
        let session = parse("192.0.2.7 50000 10.0.0.1 22").unwrap();
        assert_eq!(session.peer, "192.0.2.7:50000".parse().unwrap());
        assert_eq!(session.local.port(), 22);
        let v6 = parse("fe80::1%eth0 1 2001:db8::1 2222").unwrap();
        assert_eq!(v6.peer.ip(), "fe80::1".parse::<std::net::IpAddr>().unwrap());
        for text in ["", "1.2.3.4 5", "x 1 y 2", "1.2.3.4 99999 1.2.3.4 1"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
