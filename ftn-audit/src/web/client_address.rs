//! Whose address it is: the peer's, unless the peer is a proxy of ours.

use std::net::IpAddr;

use http::HeaderName;
use ipnet::IpNet;

use super::{
    RequestHead,
    forwarded::{forwarded, listed},
    headers::{FORWARDED, X_FORWARDED_FOR},
};

/// Which peers are believed when they say for whom they speak, and where they say it.
#[derive(Clone, Default)]
pub(super) struct Proxies {
    pub(super) networks: Vec<IpNet>,
    pub(super) header: Option<HeaderName>,
}

impl Proxies {
    /// The client's address: the first one, walking from the peer away, that is not one of the proxies. Where the trail
    /// ends, it is the last one that a proxy vouched for.
    pub(super) fn client(&self, peer: IpAddr, head: &RequestHead<'_>) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        match &self.header {
            Some(header) => self.walk(peer, head, header).unwrap_or(peer),
            None => {
                let named = self.walk(peer, head, &FORWARDED);
                let listed = self.walk(peer, head, &X_FORWARDED_FOR);
                match (named, listed) {
                    // A proxy writes one of them and lets the other through, and here it cannot be told which.
                    (Some(named), Some(listed)) if named != listed => peer,
                    (Some(client), _) | (None, Some(client)) => client,
                    (None, None) => peer,
                }
            }
        }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// `None` without the header.
    fn walk(&self, peer: IpAddr, head: &RequestHead<'_>, header: &HeaderName) -> Option<IpAddr> {
        let lines = head.header_lines(header);
        if lines.is_empty() {
            return None;
        }
        let mut client = peer;
        for line in lines.into_iter().rev() {
            // What is no text has no address; what its neighbours say counts all the same.
            let line = String::from_utf8_lossy(line);
            let mut hops: Box<dyn Iterator<Item = Option<IpAddr>>> =
                if *header == FORWARDED { Box::new(forwarded(&line)) } else { Box::new(listed(&line)) };
            let known = hops.try_for_each(|hop| {
                client = hop.ok_or(())?;
                if self.trusts(client) { Ok(()) } else { Err(()) }
            });
            if known.is_err() {
                break;
            }
        }
        Some(client)
    }
}
