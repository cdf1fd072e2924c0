//! How registries are reached: by the settings that hold for plugins' requests too (`[http]`), else by what the environment
//! says.

use std::sync::Arc;

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
        let network = Network {
            proxy: http.proxy.as_deref().map(proxy).transpose()?,
            direct: Arc::new(move |host| http.skips_proxy(host)),
            tls,
            plain_http: options.plain_http,
        };
        Ok(Client::new(&network, self.environment().credentials()))
    }
}

/// The proxy at this address.
fn proxy(address: &str) -> Result<Proxy> {
    // The address may hold a password: it is not repeated.
    Proxy::new(address).map_err(|_| {
        let message = "the proxy's address cannot be used";
        EngineError::new(FailureKind::Invalid, message)
            .hint("`http.proxy`, or `HTTPS_PROXY` in the environment, is like `http://HOST:PORT`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_password() {
        let proxy = proxy("http://me:a%40b@proxy.example:3128").unwrap();
        assert_eq!(proxy.host(), "proxy.example");
        assert_eq!((proxy.port(), proxy.password()), (3128, Some("a@b")));
    }

    #[test]
    fn a_wrong_address_is_told_without_its_password() {
        let error = proxy("gopher://me:secret@proxy").unwrap_err();
        assert!(!crate::engine::chain(&error).contains("secret"));
    }
}
