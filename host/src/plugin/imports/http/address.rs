//! Which addresses a plugin may reach by a name. A name resolves to what its owner says, and that may be this machine,
//! its neighbours, or a cloud's metadata service: so the address decides, not only the name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of address it is when it is not public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inside {
    /// In words, with its article.
    pub(super) kind: &'static str,
    /// Granting a name is not enough, because whoever owns the name could point it here: the address itself must be granted.
    pub(super) by_address_only: bool,
}

impl Inside {
    fn loopback() -> Self {
        Self::narrow("a loopback address")
    }

    fn narrow(kind: &'static str) -> Self {
        Self {
            kind,
            by_address_only: true,
        }
    }

    fn wide(kind: &'static str) -> Self {
        Self {
            kind,
            by_address_only: false,
        }
    }
}

/// None: public.
pub(super) fn inside(address: IpAddr) -> Option<Inside> {
    match address {
        IpAddr::V4(v4) => inside_v4(v4),
        IpAddr::V6(v6) => inside_v6(v6),
    }
}

fn inside_v4(address: Ipv4Addr) -> Option<Inside> {
    let [a, b, c, d] = address.octets();
    Some(match (a, b, c, d) {
        (0, ..) => Inside::narrow("an unspecified address"),
        (127, ..) => Inside::loopback(),
        // Clouds whose metadata service is not link-local: Alibaba, Oracle.
        (100, 100, 100, 200) | (192, 0, 0, 192) => Inside::narrow("a metadata service's address"),
        (10, ..) | (172, 16..=31, ..) | (192, 168, ..) | (100, 64..=127, ..) => {
            Inside::wide("a private address")
        }
        // The metadata service of every other cloud is in here.
        (169, 254, ..) => Inside::narrow("a link-local address"),
        (192, 0, 0 | 2, _)
        | (198, 18..=19, ..)
        | (198, 51, 100, _)
        | (203, 0, 113, _)
        | (192, 88, 99, _) => Inside::wide("a reserved address"),
        (224..=239, ..) => Inside::narrow("a multicast address"),
        (240..=255, ..) => Inside::narrow("a reserved address"),
        _ => return None,
    })
}

fn inside_v6(address: Ipv6Addr) -> Option<Inside> {
    if let Some(v4) = address.to_ipv4_mapped() {
        return inside_v4(v4);
    }
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        inside_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some(Inside::narrow("an unspecified address")),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(Inside::loopback()),
        // IPv4 addresses in IPv6 clothes: compatible, NAT64, 6to4.
        [0, 0, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => embedded(high, low),
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => {
            Some(Inside::narrow("a metadata service's address"))
        }
        [0x64, 0xff9b, ..] => Some(Inside::wide("a private address")),
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x100, 0, 0, 0, ..] => {
            Some(Inside::wide("a reserved address"))
        }
        [first, ..] if first & 0xfe00 == 0xfc00 => Some(Inside::wide("a private address")),
        [first, ..] if first & 0xffc0 == 0xfe80 => Some(Inside::narrow("a link-local address")),
        [first, ..] if first & 0xffc0 == 0xfec0 => Some(Inside::wide("a private address")),
        [first, ..] if first & 0xff00 == 0xff00 => Some(Inside::narrow("a multicast address")),
        _ => None,
    }
}

/// The names that mean this machine wherever they are looked up (RFC 6761).
pub(super) fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || host
            .len()
            .checked_sub(".localhost".len())
            .and_then(|start| host.get(start..))
            .is_some_and(|end| end.eq_ignore_ascii_case(".localhost"))
}

/// What this host is written as can only be this machine.
pub(super) fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    is_localhost(host)
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_internet() {
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "64:ff9b::1.1.1.1",
            "2002:101:101::",
        ] {
            assert_eq!(inside(public.parse().expect(public)), None, "{public}");
        }
        for address in [
            "0.0.0.0",
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
        ] {
            assert!(
                inside(address.parse().expect(address)).is_some(),
                "{address}"
            );
        }
    }

    #[test]
    fn what_a_names_owner_must_not_point_to() {
        for (address, narrow) in [
            ("127.0.0.1", true),
            ("169.254.169.254", true),
            ("100.100.100.200", true),
            ("192.0.0.192", true),
            ("fd00:ec2::254", true),
            ("::ffff:169.254.169.254", true),
            ("64:ff9b::169.254.169.254", true),
            ("fe80::1", true),
            ("0.0.0.0", true),
            ("10.0.0.1", false),
            ("fd00::1", false),
            ("100.64.0.1", false),
        ] {
            let found = inside(address.parse().expect(address)).expect(address);
            assert_eq!(found.by_address_only, narrow, "{address}");
        }
        for (host, here) in [
            ("localhost", true),
            ("LocalHost.", true),
            ("a.localhost", true),
            ("127.9.9.9", true),
            ("[::1]", true),
            ("[::ffff:127.0.0.1]", true),
            ("localhost.example.com", false),
            ("notlocalhost", false),
            ("10.0.0.1", false),
            ("2130706433", false),
        ] {
            assert_eq!(is_this_machine(host), here, "{host}");
        }
    }
}
