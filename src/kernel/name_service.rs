//! Names of accounts and hosts, wherever this machine keeps them: its files, else its name service by way of
//! getent(1). The program itself does not load the modules of the name service: it may be static, and run on another
//! machine than the one that it was built on.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::process::{Command, Stdio};

/// The number of a user.
pub fn user(name: &str) -> Option<u32> {
    account("passwd", name, NAME).and_then(|account| account.number)
}

/// The number of a group.
pub fn group(name: &str) -> Option<u32> {
    account("group", name, NAME).and_then(|account| account.number)
}

/// What a user is called.
pub fn user_name(number: u32) -> Option<String> {
    account("passwd", &number.to_string(), NUMBER).map(|account| account.name)
}

/// The addresses of a host, in order and each once. The error says why there are none.
pub fn addresses(host: &str) -> Result<Vec<IpAddr>, String> {
    let found = ask("ahosts", host).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "the name service does not have it".to_owned(),
        _ => error.to_string(),
    })?;
    let mut addresses: Vec<IpAddr> = found.lines().filter_map(address).collect();
    addresses.sort();
    addresses.dedup();
    Ok(addresses)
}

/// `ADDRESS STREAM NAME`; that of a link-local address names its device, too.
fn address(line: &str) -> Option<IpAddr> {
    let word = line.split_whitespace().next()?;
    word.split('%').next()?.parse().ok()
}

#[derive(Debug, PartialEq, Eq)]
struct Account {
    name: String,
    number: Option<u32>,
}

/// Fields of a line of `/etc/passwd` and `/etc/group`.
const NAME: usize = 0;
const NUMBER: usize = 2;

fn account(database: &str, key: &str, field: usize) -> Option<Account> {
    let file = fs::read(format!("/etc/{database}")).unwrap_or_default();
    find(&String::from_utf8_lossy(&file), key, field).or_else(|| {
        // getent takes what looks like a number for one.
        let is_number = key.bytes().all(|byte| byte.is_ascii_digit());
        if is_number != (field == NUMBER) {
            return None;
        }
        find(&ask(database, key).ok()?, key, field)
    })
}

/// The first line that has `key` in `field`.
fn find(lines: &str, key: &str, field: usize) -> Option<Account> {
    lines
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.get(field) == Some(&key))
        .and_then(|fields| {
            Some(Account {
                name: (*fields.get(NAME)?).to_owned(),
                number: fields.get(NUMBER).and_then(|number| number.parse().ok()),
            })
        })
}

/// What getent(1) answers: lines in the form of the database's file.
///
/// [`io::ErrorKind::NotFound`] when there is no such key.
fn ask(database: &str, key: &str) -> io::Result<String> {
    /// What getent ends with when a key is not found.
    const NO_SUCH_KEY: i32 = 2;
    if key.is_empty() || key.starts_with('-') || key.contains('\0') {
        return Err(io::ErrorKind::NotFound.into());
    }
    let answer = Command::new("getent")
        .args([database, key])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map_err(|error| io::Error::other(format!("getent cannot be run: {error}")))?;
    match answer.status.code() {
        Some(0) => Ok(String::from_utf8_lossy(&answer.stdout).into_owned()),
        Some(NO_SUCH_KEY) => Err(io::ErrorKind::NotFound.into()),
        _ => Err(io::Error::other(format!("getent: {}", answer.status))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_either_name() {
        let text = "root:x:0:0:root:/root:/bin/sh\nbroken\nmail:x:8:8::/:\nalso:x:8:9::/:\n";
        assert_eq!(find(text, "mail", NAME).unwrap().number, Some(8));
        assert_eq!(find(text, "8", NUMBER).unwrap().name, "mail");
        assert_eq!(find(text, "x", NAME), None);
        assert_eq!(find("odd:x:y:\n", "odd", NAME).unwrap().number, None);
        assert_eq!(user("root"), Some(0));
        assert_eq!(user_name(0).as_deref(), Some("root"));
        assert_eq!(group("root"), Some(0));
    }

    #[test]
    fn the_name_service_is_asked() {
        assert!(ask("passwd", "root").unwrap().starts_with("root:"));
        let unknown = ask("passwd", "no-such-account").unwrap_err();
        assert_eq!(unknown.kind(), io::ErrorKind::NotFound);
        assert_eq!(user("no-such-account"), None);
        assert_eq!(user("--help"), None);
        // A number is no name, whatever account has it.
        assert_eq!(user("0"), None);
        assert_eq!(user_name(u32::MAX - 7), None);
    }

    #[test]
    fn hosts_are_found() {
        let loopback = addresses("localhost").unwrap();
        assert!(loopback.iter().all(|address| address.is_loopback()));
        assert!(!loopback.is_empty());
        assert_eq!(address("fe80::1%eth0     STREAM x"), "fe80::1".parse().ok());
        assert_eq!(
            addresses("-x").unwrap_err(),
            "the name service does not have it"
        );
    }
}
