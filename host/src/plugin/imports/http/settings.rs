//! What the operator decided about HTTP for all plugins: certificates, proxy, and where tokens are kept.

use std::path::PathBuf;

/// The operator's settings; a plugin cannot see or change them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpSettings {
    /// Certificates in PEM that are trusted beside the built-in ones.
    pub ca_file: Option<PathBuf>,
    /// `http://USER:PASSWORD@HOST:PORT`; none: everything is reached directly.
    pub proxy: Option<String>,
    /// Hosts that are reached without the proxy.
    pub no_proxy: Vec<String>,
    /// A directory for tokens that several processes can share; none: each has its own.
    pub tokens: Option<PathBuf>,
}

impl HttpSettings {
    /// This host is reached without the proxy: `example.com` stands for itself and everything below it, a leading `.` or
    /// `*.` changes nothing, `*` is every host.
    pub fn skips_proxy(&self, host: &str) -> bool {
        let host = crate::plugin::capabilities::plain_host(host);
        let entries = self.no_proxy.iter().map(|entry| entry.trim());
        entries.filter(|entry| !entry.is_empty()).any(|entry| {
            if entry == "*" {
                return true;
            }
            let entry = entry.to_ascii_lowercase();
            let entry = entry.strip_prefix('*').unwrap_or(&entry);
            let entry = entry.strip_prefix('.').unwrap_or(entry);
            host.strip_suffix(entry)
                .is_some_and(|above| above.is_empty() || above.ends_with('.'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_without_the_proxy() {
        let skips = |entries: &[&str], host: &str| {
            HttpSettings {
                no_proxy: entries.iter().map(|entry| (*entry).to_owned()).collect(),
                ..HttpSettings::default()
            }
            .skips_proxy(host)
        };
        for (entries, host, expected) in [
            (&["example.com"][..], "example.com", true),
            (&["example.com"], "a.EXAMPLE.com.", true),
            (&["example.com"], "notexample.com", false),
            (&[".example.com"], "a.example.com", true),
            (&["*.example.com"], "a.example.com", true),
            (&["a", "10.0.0.1"], "10.0.0.1", true),
            (&["*"], "anything", true),
            (&["", " "], "anything", false),
            (&[], "anything", false),
            (&["::1"], "[::1]", true),
            (&["example.com", ".dev"], "registry.example.com", true),
            (&["example.com", ".dev"], "dev", true),
            (&["example.com", ".dev"], "a.dev", true),
            (&["example.com", ".dev"], "example.org", false),
        ] {
            assert_eq!(skips(entries, host), expected, "{entries:?} {host}");
        }
    }
}
