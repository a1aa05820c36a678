//! The hops that proxies noted in a header, and the addresses they have.

use std::net::{IpAddr, SocketAddr};

/// The hops of one line of `X-Forwarded-For`, or of a header like it, the nearest first.
pub(super) fn listed(line: &str) -> impl Iterator<Item = Option<IpAddr>> {
    line.rsplit(',').map(|hop| address(hop.trim()))
}

/// The hops of one line of `Forwarded` (RFC 7239), the nearest first. A line that breaks the grammar is one hop of which
/// nothing is known: where its quotes end is anybody's guess.
pub(super) fn forwarded(line: &str) -> impl Iterator<Item = Option<IpAddr>> {
    elements(line).unwrap_or_else(|| vec![None]).into_iter().rev()
}

/// An address, with a port or without, as `for=` and `X-Forwarded-For` have it. Names that a proxy made up are none.
fn address(node: &str) -> Option<IpAddr> {
    let bracketed = || node.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let with_port = || node.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address = node.parse().ok().or_else(with_port).or_else(bracketed)?;
    Some(address.to_canonical())
}

/// `forwarded-element *( "," forwarded-element )`; `None` for what is not.
fn elements(line: &str) -> Option<Vec<Option<IpAddr>>> {
    let mut hops = Vec::new();
    let mut hop = None;
    let mut rest = line.trim_start();
    loop {
        if rest.is_empty() {
            hops.push(hop);
            return Some(hops);
        }
        if !rest.starts_with([',', ';']) {
            let (name, value, tail) = pair(rest)?;
            if name.eq_ignore_ascii_case("for") {
                hop = address(&value);
            }
            rest = tail.trim_start();
        }
        match rest.chars().next() {
            Some(',') => hops.push(hop.take()),
            Some(';') | None => {}
            Some(_) => return None,
        }
        rest = rest.get(1..).unwrap_or_default().trim_start();
    }
}

/// `token "=" ( token / quoted-string )`, and what follows it.
fn pair(text: &str) -> Option<(&str, String, &str)> {
    let (name, rest) = text.split_once('=')?;
    let Some(quoted) = rest.strip_prefix('"') else {
        let end = rest.find([',', ';']).unwrap_or(rest.len());
        let (value, rest) = rest.split_at(end);
        return Some((name, value.trim_end().to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    loop {
        match characters.next()? {
            (end, '"') => return Some((name, value, &quoted[end + 1..])),
            (_, '\\') => value.push(characters.next()?.1),
            (_, character) => value.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(hops: impl Iterator<Item = Option<IpAddr>>) -> Vec<String> {
        hops.map(|hop| hop.map_or_else(|| "-".to_owned(), |address| address.to_string())).collect()
    }

    #[test]
    fn nodes_are_addresses_with_or_without_a_port() {
        for (node, expected) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1:4711", Some("192.0.2.1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:4711", Some("2001:db8::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("unknown", None),
            ("_hidden", None),
            ("", None),
            ("192.0.2.1.", None),
            ("192.0.2.256", None),
            ("192.0.2.1:99999", None),
            ("0300.0.2.1", None),
            ("[192.0.2.1]", None),
            ("fe80::1%eth0", None),
            ("example.org", None),
        ] {
            assert_eq!(address(node).map(|address| address.to_string()).as_deref(), expected, "{node}");
        }
    }

    #[test]
    fn forwarded_is_read_as_its_grammar_has_it() {
        for (line, expected) in [
            ("for=192.0.2.1", &["192.0.2.1"][..]),
            ("For=\"[2001:db8:cafe::17]:4711\"", &["2001:db8:cafe::17"]),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", &["192.0.2.60"]),
            ("for=192.0.2.43, for=198.51.100.17", &["198.51.100.17", "192.0.2.43"]),
            ("proto=https;FOR=192.0.2.1 ; host=\"a,b;for=10.0.0.1\" ,for=unknown", &["-", "192.0.2.1"]),
            ("for=\"192.0.2\\.1\"", &["192.0.2.1"]),
            ("by=203.0.113.43", &["-"]),
            ("", &["-"]),
            (",,", &["-", "-", "-"]),
            ("for=\"192.0.2.1", &["-"]),
            ("for=\"x\\", &["-"]),
            ("for", &["-"]),
            ("for=\"192.0.2.1\"x, for=192.0.2.2", &["-"]),
        ] {
            assert_eq!(told(forwarded(line)), expected, "{line}");
        }
    }

    #[test]
    fn lists_are_walked_from_the_right() {
        assert_eq!(told(listed("192.0.2.1, x,  10.0.0.1:80")), ["10.0.0.1", "-", "192.0.2.1"]);
        assert_eq!(told(listed("")), ["-"]);
    }
}
