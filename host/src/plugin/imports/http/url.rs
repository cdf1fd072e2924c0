//! What of an HTTP request the host lets through before it looks at the grant: an absolute address without tricks, a
//! method that is one, headers that do not change where the request goes or how it is framed.

use ureq::http::{HeaderName, HeaderValue, Method, Uri, header};

use super::placeholder;
use crate::plugin::text;

const LONGEST_URL: usize = 8 << 10;
const MOST_HEADERS: usize = 100;
const LONGEST_HEADERS: usize = 64 << 10;

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Destination {
    /// `https`.
    pub(super) encrypted: bool,
    /// As it stands in the address; brackets around IPv6.
    pub(super) host: String,
    pub(super) port: u16,
    /// Begins with `/`.
    pub(super) path: String,
    /// May hold placeholders.
    pub(super) query: Option<String>,
}

impl Destination {
    /// Host and port, as the server gets them: without the port where that is the scheme's own.
    pub(super) fn authority(&self) -> String {
        match (self.encrypted, self.port) {
            (true, 443) | (false, 80) => self.host.clone(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }

    /// The whole address, when nothing is left to fill in.
    pub(super) fn uri(&self) -> Result<Uri, String> {
        let scheme = if self.encrypted { "https" } else { "http" };
        let query = self.query.as_deref();
        let (mark, query) = query.map_or(("", ""), |query| ("?", query));
        let text = format!("{scheme}://{}{}{mark}{query}", self.authority(), self.path);
        text.parse().map_err(|e| format!("{e}"))
    }
}

/// Reads an absolute `http` or `https` address.
pub(super) fn destination(url: &str) -> Result<Destination, String> {
    if url.len() > LONGEST_URL {
        return Err(format!(
            "it has {} bytes, and at most {LONGEST_URL} are allowed",
            url.len()
        ));
    }
    // `http` drops fragments without a word, and with them what a plugin thought it sent.
    if url.contains('#') {
        return Err("it has a fragment (`#`), which is never sent".to_owned());
    }
    let uri: Uri = url.parse().map_err(|e| format!("{e}"))?;
    let (encrypted, port) = match uri.scheme_str() {
        Some("http") => (false, 80),
        Some("https") => (true, 443),
        _ => return Err("it must start with `http://` or `https://`".to_owned()),
    };
    let Some(authority) = uri.authority() else {
        return Err("it has no host".to_owned());
    };
    if authority.as_str().contains('@') {
        return Err("it has a user name or password in it; send them as a header".to_owned());
    }
    let host = authority.host();
    if !is_host(host) {
        return Err("its host is neither a name nor an address".to_owned());
    }
    // `authority.port_u16` is none for a port that is no number, which is then not the default.
    let port = match authority.as_str()[host.len()..].strip_prefix(':') {
        None => port,
        Some(digits) => match digits.parse() {
            Ok(port) if port != 0 && digits.bytes().all(|b| b.is_ascii_digit()) => port,
            _ => return Err("its port is not a number from 1 to 65535".to_owned()),
        },
    };
    if placeholder::is_in(uri.path().as_bytes()) {
        return Err("a secret can stand in its query and not in its path".to_owned());
    }
    Ok(Destination {
        encrypted,
        host: host.to_owned(),
        port,
        path: uri.path().to_owned(),
        query: uri.query().map(str::to_owned),
    })
}

fn is_host(host: &str) -> bool {
    match host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            (1..=255).contains(&host.len())
                && host
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        }
    }
}

/// Reads a method.
pub(super) fn method(name: &str) -> Result<Method, String> {
    let known = name.len() <= 32
        && name
            .bytes()
            .all(|b| b.is_ascii_uppercase() || matches!(b, b'-' | b'_'));
    match Method::from_bytes(name.as_bytes()) {
        // A tunnel would reach what the grant does not name; TRACE shows what proxies add.
        Ok(Method::CONNECT | Method::TRACE) => Err("it is not available to plugins".to_owned()),
        Ok(method) if known => Ok(method),
        _ => Err("it is not a method in upper case".to_owned()),
    }
}

/// Reads headers. The values are as they came, with placeholders in them.
pub(super) fn headers(given: &[(String, String)]) -> Result<Vec<(HeaderName, String)>, String> {
    let size: usize = given
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if given.len() > MOST_HEADERS || size > LONGEST_HEADERS {
        return Err(format!(
            "there are {} with {size} bytes; at most {MOST_HEADERS} with {LONGEST_HEADERS} bytes are allowed",
            given.len()
        ));
    }
    let mut headers = Vec::with_capacity(given.len());
    for (name, value) in given {
        let shown = text::printable_cut(name, 80);
        let read =
            HeaderName::from_bytes(name.as_bytes()).map_err(|e| format!("`{shown}`: {e}"))?;
        if is_ours(&read) {
            return Err(format!("`{shown}` is set by the host"));
        }
        HeaderValue::from_str(value).map_err(|e| format!("`{shown}`: {e}"))?;
        // The host unpacks what it asked for, and looks into what it unpacked.
        if read != header::ACCEPT_ENCODING {
            headers.push((read, value.clone()));
        }
    }
    Ok(headers)
}

/// Headers that say where a request goes, how long it is, or what the connection does: a plugin that could set them could
/// smuggle a second request, or reach another host behind the granted one.
fn is_ours(name: &HeaderName) -> bool {
    const OURS: [HeaderName; 8] = [
        header::HOST,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::CONNECTION,
        header::UPGRADE,
        header::TE,
        header::TRAILER,
        header::EXPECT,
    ];
    OURS.contains(name) || name.as_str() == "keep-alive" || name.as_str().starts_with("proxy-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn destinations() {
        for (url, host, port) in [
            ("https://api.example.com/v1?x=1", "api.example.com", 443),
            ("http://api.example.com", "api.example.com", 80),
            ("http://10.0.0.1:8080/", "10.0.0.1", 8080),
            ("https://[::1]:444/", "[::1]", 444),
        ] {
            let found = destination(url).expect(url);
            assert_eq!((found.host.as_str(), found.port), (host, port));
            assert_eq!(destination(&found.uri().expect(url).to_string()), Ok(found));
        }
        for bad in [
            "",
            "/x",
            "api.example.com",
            "ftp://a/",
            "file:///etc/passwd",
            "http://",
            "http://user@host/",
            "http://user:pw@host/",
            "http://a b/",
            "http://a:0/",
            "http://a:99999/",
            "http://a:/",
            "http://a:+80/",
            "http://a/#x",
            "http://a\r\nx/",
            "http://[::1/",
            "http://a%00b/",
            "http://[v1.x]/",
            "http://a/{{secret:A}}/b",
            "http://{{secret:A}}/",
            "http://a:{{secret:A}}/",
        ] {
            assert!(destination(bad).is_err(), "{bad}");
        }
        assert!(destination(&format!("http://a/{}", "x".repeat(9000))).is_err());
        let query = destination("https://a:443/b?k={{secret:A}}").expect("a placeholder");
        assert_eq!(query.query.as_deref(), Some("k={{secret:A}}"));
        assert_eq!(query.authority(), "a");
    }

    #[test]
    fn methods() {
        for good in ["GET", "POST", "PROPFIND", "M-SEARCH"] {
            assert!(method(good).is_ok(), "{good}");
        }
        for bad in ["", "get", "CONNECT", "TRACE", "G T", "A\r\nB"] {
            assert!(method(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn headers_cannot_reframe_the_request() {
        let one = |name: &str, value: &str| headers(&[(name.to_owned(), value.to_owned())]);
        assert!(one("Authorization", "Bearer x").is_ok());
        assert_eq!(one("Accept-Encoding", "br"), Ok(Vec::new()));
        for (name, value) in [
            ("Host", "internal"),
            ("content-length", "0"),
            ("Transfer-Encoding", "chunked"),
            ("connection", "x"),
            ("Proxy-Authorization", "x"),
            ("a b", "x"),
            ("", "x"),
            ("x", "a\r\nHost: b"),
            ("x", "\0"),
        ] {
            assert!(one(name, value).is_err(), "{name}");
        }
        assert!(headers(&vec![("a".to_owned(), "b".to_owned()); 101]).is_err());
    }

    proptest! {
        /// Whatever is accepted is understood by the library that connects as it was understood by the check.
        #[test]
        fn there_is_one_reading_of_an_address(
            scheme in "(https?|HTTP|ftp|)(://|:/|:)",
            host in r"[a-z0-9.@:\[\]%/?#\\ {}*-]{0,24}",
            rest in "[ -~]{0,24}",
        ) {
            if let Ok(found) = destination(&format!("{scheme}{host}{rest}")) {
                let uri = found.uri().expect("whole");
                prop_assert_eq!(uri.host(), Some(found.host.as_str()));
                let port = if found.encrypted { 443 } else { 80 };
                prop_assert_eq!(uri.port_u16().unwrap_or(port), found.port);
                prop_assert_eq!(uri.path(), found.path.as_str());
                prop_assert!(!uri.to_string().contains('@') || !uri.authority().expect("one").as_str().contains('@'));
                prop_assert_eq!(destination(&uri.to_string()), Ok(found));
            }
        }
    }
}
