//! The right to have a secret used: the host puts it into requests towards named hosts, and the plugin never sees it. Weaker
//! than the right to read it, which is `Capabilities::secrets`.

use serde::{Deserialize, Serialize};

use super::capabilities::{Capabilities, Case, pattern_covers, plain_host};

/// One secret, towards one host, in one place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SecretUse {
    pub name: String,
    /// A host or a pattern, as in [`super::HttpRight::host`]. What is derived from the secret (a signature, a token) goes
    /// to no other host either.
    pub host: String,
    #[serde(rename = "in")]
    pub place: Place,
    /// Also where the connection is not encrypted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unencrypted: bool,
}

/// Where in a request a secret may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// In headers, and in the signatures and logins that the host makes.
    Header,
    /// In the query of the address, which servers like to write into their logs.
    Query,
    /// In the body, which a plugin could make the server publish.
    Body,
}

impl Place {
    /// As a manifest writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Query => "query",
            Self::Body => "body",
        }
    }
}

impl SecretUse {
    /// Whoever has this may do that too.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.name == other.name
            && self.place == other.place
            && (self.unencrypted || !other.unencrypted)
            && pattern_covers(&self.host, &other.host, Case::Ignored)
    }
}

impl Capabilities {
    /// This secret may be put there, over such a connection.
    pub fn allows_secret_use(
        &self,
        name: &str,
        host: &str,
        place: Place,
        unencrypted: bool,
    ) -> bool {
        let wanted = SecretUse {
            name: name.to_owned(),
            host: plain_host(host),
            place,
            unencrypted,
        };
        // A `*` that a plugin writes is no pattern.
        !wanted.host.contains('*')
            && self
                .http_secrets
                .iter()
                .any(|granted| granted.covers(&wanted))
    }

    /// Some secret may be put there: text in this place is looked through for placeholders.
    pub fn uses_secrets_in(&self, place: Place) -> bool {
        self.http_secrets.iter().any(|one| one.place == place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn granted() -> Capabilities {
        serde_json::from_value(json!({"http-secrets": [
            {"name": "A", "host": "api.example.com", "in": "header"},
            {"name": "B", "host": "*.example.org", "in": "body", "unencrypted": true},
        ]}))
        .unwrap()
    }

    #[test]
    fn name_host_place_and_encryption_all_count() {
        for (name, host, place, unencrypted, allowed) in [
            ("A", "api.example.com", Place::Header, false, true),
            ("A", "API.example.com.", Place::Header, false, true),
            ("A", "api.example.com", Place::Header, true, false),
            ("A", "api.example.com", Place::Body, false, false),
            ("A", "api.example.com", Place::Query, false, false),
            ("A", "example.com", Place::Header, false, false),
            ("A", "x.api.example.com", Place::Header, false, false),
            ("a", "api.example.com", Place::Header, false, false),
            ("B", "a.example.org", Place::Body, true, true),
            ("B", "a.b.example.org", Place::Body, false, true),
            ("B", "example.org", Place::Body, false, false),
            ("B", "*.example.org", Place::Body, false, false),
            ("B", "example.org.evil.net", Place::Body, false, false),
        ] {
            assert_eq!(
                granted().allows_secret_use(name, host, place, unencrypted),
                allowed,
                "{name} {host} {place:?} {unencrypted}"
            );
        }
        assert!(granted().uses_secrets_in(Place::Body) && !granted().uses_secrets_in(Place::Query));
    }

    #[test]
    fn survives_being_kept() {
        let text = serde_json::to_string(&granted()).unwrap();
        assert_eq!(
            serde_json::from_str::<Capabilities>(&text).unwrap(),
            granted()
        );
        assert!(!text.contains("\"unencrypted\":false"));
    }

    #[test]
    fn reading_and_using_are_two_rights() {
        let read: Capabilities = serde_json::from_value(json!({"secrets": ["A"]})).unwrap();
        assert!(!read.allows_secret_use("A", "api.example.com", Place::Header, false));
        assert!(!granted().allows_secret("A"));
        assert_eq!(granted().missing_from(&read), granted());
        assert_eq!(read.missing_from(&granted()), read);
    }
}
