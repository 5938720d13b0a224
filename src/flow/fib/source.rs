//! May a packet with this source come in here: `fib_validate_source` with `rp_filter`, `accept_local` and the rest.

use super::{FibView, FlowKey, LOOPBACK};
use crate::flow::settings::Settings;
use crate::model::network::RouteKind;
use std::net::IpAddr;

/// Why a source address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceFault {
    /// One of this machine's own.
    Local,
    /// No address of a station.
    Martian,
    ReversePath,
}

impl FibView<'_> {
    /// `fib_validate_source`: may a packet from `key.src` to `key.dst` come in on this device?
    /// `key.oif` is where it would go on.
    pub fn validate4(
        &self,
        key: &FlowKey,
        device: u32,
        settings: &Settings,
    ) -> Result<(), SourceFault> {
        let (IpAddr::V4(src), own) = (key.src, settings.device4(device)) else {
            return Ok(());
        };
        let filter = own.rp_filter;
        if filter == 0 && (device != key.oif || !own.send_redirects) {
            if own.accept_local {
                return Ok(());
            }
            if !self.custom4 && !self.custom_local4 {
                return if self.is_own_address4(src) {
                    Err(SourceFault::Local)
                } else {
                    Ok(())
                };
            }
        }
        let mut back = FlowKey {
            src: key.dst,
            dst: key.src,
            iif: if key.oif != 0 { key.oif } else { LOOPBACK },
            oif: 0,
            mark: if own.src_valid_mark { key.mark } else { 0 },
            sport: key.dport,
            dport: key.sport,
            ..*key
        };
        let last_resort = || {
            if filter != 0 {
                Err(SourceFault::ReversePath)
            } else {
                Ok(())
            }
        };
        let Ok(found) = self.lookup(&back) else {
            return last_resort();
        };
        match found.kind {
            RouteKind::Unicast => {}
            RouteKind::Local if own.accept_local => {}
            RouteKind::Local => return Err(SourceFault::Local),
            _ => return Err(SourceFault::Martian),
        }
        if found.uses(device) || (found.kind == RouteKind::Local && device == LOOPBACK) {
            return Ok(());
        }
        if !self
            .network
            .addresses_of(device)
            .any(|a| a.local.address.is_ipv4())
        {
            return last_resort();
        }
        if filter == 1 {
            return Err(SourceFault::ReversePath);
        }
        back.oif = device;
        back.ignore_linkdown = true;
        // Only whether the sender is on the link depends on it.
        let _ = self.lookup(&back);
        Ok(())
    }
}
