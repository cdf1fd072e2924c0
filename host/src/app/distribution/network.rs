//! How registries are reached: by the settings that hold for plugins' requests too (`[http]`), else by what the environment
//! says.

use ureq::Proxy;

use super::FetchOptions;
use crate::app::App;
use crate::engine::{EngineError, FailureKind, Result};
use crate::registry::{Client, Network};
use crate::tls::TlsConnector;

impl App {
    /// A conversation with registries. Nothing is connected to yet.
    pub(super) fn registry(&self, options: &FetchOptions) -> Result<Client> {
        let http = self.http()?;
        let tls = TlsConnector::new(http.ca_file.as_deref()).map_err(|why| {
            EngineError::new(FailureKind::Invalid, why).hint("correct `http.ca_file`")
        })?;
        let proxy = match &http.proxy {
            Some(address) => Some(proxy(address, &http.no_proxy)?),
            None => None,
        };
        let network = Network {
            proxy,
            tls,
            plain_http: options.plain_http,
        };
        Ok(Client::new(&network, self.environment().credentials()))
    }
}

/// The proxy at this address, but for these hosts and what is below them.
fn proxy(address: &str, except: &[String]) -> Result<Proxy> {
    // The address may hold a password: it is not repeated.
    let wrong = |_| {
        let message = "the proxy's address cannot be used";
        EngineError::new(FailureKind::Invalid, message)
            .hint("`http.proxy`, or `HTTPS_PROXY` in the environment, is like `http://HOST:PORT`")
    };
    let plain = Proxy::new(address).map_err(wrong)?;
    let mut whole = Proxy::builder(plain.protocol())
        .host(plain.host())
        .port(plain.port());
    if let Some(user) = plain.username() {
        whole = whole.username(user);
    }
    if let Some(password) = plain.password() {
        whole = whole.password(password);
    }
    for entry in except.iter().filter(|entry| !entry.is_empty()) {
        let name = entry.trim_start_matches('*').trim_start_matches('.');
        whole = match name {
            "" => whole.no_proxy("*"),
            name => whole.no_proxy(name).no_proxy(&format!(".{name}")),
        };
    }
    whole.build().map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_are_names_and_what_is_below_them() {
        let except = ["example.com".to_owned(), ".dev".to_owned()];
        let proxy = proxy("http://me:a%40b@proxy.example:3128", &except).unwrap();
        assert_eq!(proxy.host(), "proxy.example");
        assert_eq!((proxy.port(), proxy.password()), (3128, Some("a@b")));
        for (host, direct) in [
            ("example.com", true),
            ("registry.example.com", true),
            ("notexample.com", false),
            ("dev", true),
            ("a.dev", true),
            ("example.org", false),
        ] {
            let uri = format!("https://{host}/").parse().unwrap();
            assert_eq!(proxy.is_no_proxy(&uri), direct, "{host}");
        }
        let all = super::proxy("http://proxy.example", &["*".to_owned()]).unwrap();
        assert!(all.is_no_proxy(&"https://example.org".parse().unwrap()));
    }

    #[test]
    fn a_wrong_address_is_told_without_its_password() {
        let error = proxy("gopher://me:secret@proxy", &[]).unwrap_err();
        assert!(!crate::engine::chain(&error).contains("secret"));
    }
}
