//! Reading and replacing legacy tables by getsockopt and setsockopt on a raw socket.
//!
//! Reading a table that does not exist creates it, and then its hooks exist: [`read_tables`] asks only for those
//! that are there. A replacement is atomic; the counters of the old table come back with it. May use `model`.

use super::blob::{self, Blob, BlobError, Entries, HOOKS, Info, hook_names};
use super::names::legacy_tables;
use crate::model::expression::Counter;
use crate::model::xtables::rule::LegacyTable;
use crate::model::{Family, Name};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;

#[derive(Debug, thiserror::Error)]
pub enum LegacyError {
    #[error("table '{table}': {what}: {source}")]
    Kernel {
        table: String,
        what: &'static str,
        source: io::Error,
    },
    #[error("table '{table}': {source}")]
    Blob { table: String, source: BlobError },
    #[error("table '{0}' kept changing while it was read")]
    Restless(String),
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl LegacyError {
    /// The kernel's error number, where it refused.
    pub fn errno(&self) -> Option<i32> {
        match self {
            LegacyError::Kernel { source, .. } | LegacyError::Io(source) => source.raw_os_error(),
            _ => None,
        }
    }
}

/// `XT_TABLE_MAXNAMELEN`
const TABLE_NAME: usize = 32;
/// Numbers of the socket options relative to the family's first one.
const GET_INFO: i32 = 0;
const GET_ENTRIES: i32 = 1;
const SET_REPLACE: i32 = 0;
const SET_ADD_COUNTERS: i32 = 1;
const GET_REVISION_MATCH: [i32; 2] = [2, 4];

/// A raw socket of one family.
pub struct LegacySocket {
    fd: OwnedFd,
    family: Family,
    level: i32,
    base: i32,
}

impl LegacySocket {
    /// # Errors
    /// Without `CAP_NET_RAW`, or in a family without legacy tables.
    pub fn open(family: Family) -> io::Result<LegacySocket> {
        let (domain, level, base) = match family {
            Family::Ip => (libc::AF_INET, libc::SOL_IP, 64),
            Family::Ip6 => (libc::AF_INET6, libc::SOL_IPV6, 64),
            Family::Arp => (libc::AF_INET, libc::SOL_IP, 96),
            _ => return Err(io::ErrorKind::Unsupported.into()),
        };
        // SAFETY: socket takes no pointers.
        let fd = unsafe {
            libc::socket(
                domain,
                libc::SOCK_RAW | libc::SOCK_CLOEXEC,
                libc::IPPROTO_RAW,
            )
        };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(LegacySocket {
            // SAFETY: the descriptor was just made and belongs to nobody else.
            fd: unsafe { OwnedFd::from_raw_fd(fd) },
            family,
            level,
            base,
        })
    }

    /// Fill `buffer` with an option's value; returns how many bytes the kernel gave.
    fn get(&self, option: i32, buffer: &mut [u8]) -> io::Result<usize> {
        let mut len =
            libc::socklen_t::try_from(buffer.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: the kernel writes at most `len` bytes to the buffer, which has that many.
        let result = unsafe {
            libc::getsockopt(
                self.fd.as_raw_fd(),
                self.level,
                self.base + option,
                buffer.as_mut_ptr().cast(),
                &raw mut len,
            )
        };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(len as usize)
    }

    fn set(&self, option: i32, value: &[u8]) -> io::Result<()> {
        let len =
            libc::socklen_t::try_from(value.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: the kernel reads `len` bytes of the value. Pointers inside of it are the caller's care.
        let result = unsafe {
            libc::setsockopt(
                self.fd.as_raw_fd(),
                self.level,
                self.base + option,
                value.as_ptr().cast(),
                len,
            )
        };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// `IPT_SO_GET_INFO`. Creates the table when it does not exist.
    pub fn info(&self, table: &str) -> io::Result<Info> {
        // struct ipt_getinfo: name, valid_hooks, hook_entry, underflow, num_entries, size
        let hooks = hook_names(self.family).len();
        let mut buffer = vec![0u8; TABLE_NAME + 4 + 4 * hooks * 2 + 8];
        put_name(&mut buffer, table)?;
        self.get(GET_INFO, &mut buffer)?;
        let words: Vec<u32> = buffer
            .get(TABLE_NAME..)
            .unwrap_or_default()
            .chunks_exact(4)
            .filter_map(|word| word.try_into().ok().map(u32::from_ne_bytes))
            .collect();
        let [valid_hooks, rest @ ..] = words.as_slice() else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let (entry, rest) = rest.split_at(hooks);
        let (underflow, rest) = rest.split_at(hooks);
        let [num_entries, size] = rest else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let all = |words: &[u32]| {
            let mut places = [0; HOOKS];
            for (place, word) in places.iter_mut().zip(words) {
                *place = *word;
            }
            places
        };
        Ok(Info {
            valid_hooks: *valid_hooks,
            hook_entry: all(entry),
            underflow: all(underflow),
            num_entries: *num_entries,
            size: *size,
        })
    }

    /// `IPT_SO_GET_ENTRIES`: the bytes of a table of this size.
    fn entries(&self, table: &str, size: u32) -> io::Result<Entries> {
        // struct ipt_get_entries: name, size, entries aligned to 8 bytes
        const HEAD: usize = TABLE_NAME + 8;
        let mut entries = Entries::zeroed(size as usize);
        let buffer = entries.behind(HEAD).ok_or(io::ErrorKind::InvalidInput)?;
        put_name(buffer, table)?;
        if let Some(place) = buffer.get_mut(TABLE_NAME..TABLE_NAME + 4) {
            place.copy_from_slice(&size.to_ne_bytes());
        }
        self.get(GET_ENTRIES, buffer)?;
        Ok(entries)
    }

    /// The newest revision up to `newest` of a match or target that the kernel has in this family.
    pub fn newest_revision(&self, target: bool, name: &str, newest: u8) -> Option<u8> {
        let option = match (self.family, target) {
            // ARPT_SO_GET_REVISION_TARGET
            (Family::Arp, true) => 3,
            (Family::Arp, false) => return None,
            // IP6T_SO_GET_REVISION_MATCH is 68, the IPv4 one 66
            (Family::Ip6, false) => GET_REVISION_MATCH[1],
            (Family::Ip6, true) => GET_REVISION_MATCH[1] + 1,
            (_, false) => GET_REVISION_MATCH[0],
            (_, true) => GET_REVISION_MATCH[0] + 1,
        };
        (0..=newest).rev().find(|revision| {
            // struct xt_get_revision: name, revision
            let mut buffer = [0u8; 30];
            let bytes = name.as_bytes();
            if bytes.len() >= 29 {
                return false;
            }
            if let Some(place) = buffer.get_mut(..bytes.len()) {
                place.copy_from_slice(bytes);
            }
            if let Some(place) = buffer.last_mut() {
                *place = *revision;
            }
            self.get(option, &mut buffer).is_ok()
        })
    }

    /// Read a table; it must exist already, or it will.
    pub fn table(&self, table: &str) -> Result<LegacyTable, LegacyError> {
        let blob = self.blob(table)?;
        blob::decode(self.family, table, &blob.info, &blob.bytes).map_err(|source| {
            LegacyError::Blob {
                table: table.to_owned(),
                source,
            }
        })
    }

    /// The bytes of a table; it must exist already, or it will.
    pub fn blob(&self, table: &str) -> Result<Blob, LegacyError> {
        let kernel = |what| {
            move |source| LegacyError::Kernel {
                table: table.to_owned(),
                what,
                source,
            }
        };
        for _ in 0..50 {
            let info = self
                .info(table)
                .map_err(kernel("cannot ask for its size"))?;
            let blob = match self.entries(table, info.size) {
                Ok(blob) => blob,
                // The table was replaced by one of another size in between.
                Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => continue,
                Err(error) => return Err(kernel("cannot read its entries")(error)),
            };
            // Replaced by one of the same size: the chains may begin elsewhere.
            if self
                .info(table)
                .map_err(kernel("cannot ask for its size"))?
                != info
            {
                continue;
            }
            return Ok(Blob {
                info,
                bytes: Arc::new(blob),
            });
        }
        Err(LegacyError::Restless(table.to_owned()))
    }

    /// Replace a table by one `IPT_SO_SET_REPLACE`. Returns the counters of the old table's entries, in order.
    ///
    /// The kernel starts all counters at zero; [`Self::add_counters`] brings back what is to be kept. The bytes are
    /// copied if others share them, and not changed.
    pub fn replace(&self, table: &str, new: &mut Blob) -> io::Result<Vec<Counter>> {
        let old = self.info(table)?;
        let info = &new.info;
        let mut counters = vec![0u64; old.num_entries as usize * 2];
        // struct ipt_replace: name, valid_hooks, num_entries, size, hook_entry, underflow, num_counters, counters
        let hooks = hook_names(self.family).len();
        let mut head = vec![0u8; TABLE_NAME];
        put_name(&mut head, table)?;
        let words = [info.valid_hooks, info.num_entries, info.size]
            .into_iter()
            .chain(info.hook_entry.into_iter().take(hooks))
            .chain(info.underflow.into_iter().take(hooks))
            .chain([old.num_entries]);
        for word in words {
            head.extend(word.to_ne_bytes());
        }
        head.resize(head.len().next_multiple_of(8), 0);
        // The kernel writes `num_counters` pairs there, which is the vector's length.
        head.extend((counters.as_mut_ptr() as u64).to_ne_bytes());
        let entries = Arc::make_mut(&mut new.bytes);
        let value = entries
            .behind(head.len())
            .ok_or(io::ErrorKind::InvalidInput)?;
        if let Some(place) = value.get_mut(..head.len()) {
            place.copy_from_slice(&head);
        }
        self.set(SET_REPLACE, value)?;
        Ok(counters
            .chunks_exact(2)
            .map(|pair| Counter {
                bytes: pair.get(1).copied().unwrap_or(0),
                packets: pair.first().copied().unwrap_or(0),
            })
            .collect())
    }

    /// `IPT_SO_SET_ADD_COUNTERS`: add to the counters of every entry.
    pub fn add_counters(&self, table: &str, counters: &[Counter]) -> io::Result<()> {
        let mut value = vec![0u8; TABLE_NAME];
        put_name(&mut value, table)?;
        let count = u32::try_from(counters.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        value.extend(count.to_ne_bytes());
        value.resize(value.len().next_multiple_of(8), 0);
        for counter in counters {
            value.extend(counter.packets.to_ne_bytes());
            value.extend(counter.bytes.to_ne_bytes());
        }
        self.set(SET_ADD_COUNTERS, &value)
    }
}

fn put_name(buffer: &mut [u8], name: &str) -> io::Result<()> {
    let bytes = crate::model::text::to_bytes(name);
    if bytes.len() >= TABLE_NAME {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    match buffer.get_mut(..bytes.len()) {
        Some(place) => {
            place.copy_from_slice(&bytes);
            Ok(())
        }
        None => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Read one table that exists.
pub fn read_table(family: Family, table: &str) -> Result<LegacyTable, LegacyError> {
    LegacySocket::open(family)?.table(table)
}

/// Read all tables of a family that exist, newest first, as `/proc` lists them. Creates none.
pub fn read_tables(family: Family) -> Result<Vec<LegacyTable>, LegacyError> {
    each_table(family, LegacySocket::table)
}

/// The bytes of all tables of a family, likewise.
pub fn read_blobs(family: Family) -> Result<Vec<(Name, Blob)>, LegacyError> {
    each_table(family, |socket, name| {
        Ok((Name::from(name), socket.blob(name)?))
    })
}

fn each_table<T>(
    family: Family,
    read: impl Fn(&LegacySocket, &str) -> Result<T, LegacyError>,
) -> Result<Vec<T>, LegacyError> {
    let names = legacy_tables(family)?;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let socket = LegacySocket::open(family)?;
    names.iter().map(|name| read(&socket, name)).collect()
}
