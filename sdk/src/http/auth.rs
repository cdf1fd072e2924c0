//! How the host authorises a request with secrets that the plugin never sees. The manifest asks for them under
//! `http-secrets`, with the hosts that they may go to.

use crate::bindings::provider::runner::plugin::http as wit;

pub use wit::{
    Auth, Basic, ClientAuthentication, ClientCredentials, Field, Hash, Hmac, HmacPlace, JwtBearer,
    Login, Sigv4 as SigV4, TextEncoding,
};

/// Text that stands for a secret: in a header, and where it was granted in a query or a body. The host puts the value in,
/// escaped as a query, a form or JSON needs it.
///
/// ```
/// use runner_sdk::http::auth::secret;
///
/// assert_eq!(secret("CLOUD_TOKEN"), "{{secret:CLOUD_TOKEN}}");
/// ```
pub fn secret(name: &str) -> String {
    format!("{{{{secret:{name}}}}}")
}

macro_rules! into_auth {
    ($($kind:ty => $case:ident),* $(,)?) => {
        $(impl From<$kind> for Auth {
            fn from(how: $kind) -> Self {
                Self::$case(how)
            }
        })*
    };
}

into_auth! {
    Basic => Basic,
    Hmac => Hmac,
    SigV4 => Sigv4,
    ClientCredentials => OauthClientCredentials,
    JwtBearer => OauthJwtBearer,
    Login => Login,
}
