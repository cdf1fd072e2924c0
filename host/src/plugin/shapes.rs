//! The generated shapes of `wit/` as JSON: what a tap sees of the imports. One line per type; the rules are
//! `provider::wire`'s.

use serde_json::Value;

use super::bindings::{http, process, types};
use super::convert;
use crate::provider::wire::{Wire, status_from_json, wire_record, wire_variant};

wire_record!(types::Failure { message, remedy });
wire_record!(types::Retryable {
    message,
    remedy,
    retry_after
});
wire_variant!(types::Error {
    ;
    Invalid = "invalid",
    Denied = "denied",
    Exhausted = "exhausted",
    Unavailable = "unavailable",
    Gone = "gone",
    Unsupported = "unsupported",
    Failed = "failed",
});
wire_record!(types::Command {
    argv,
    env,
    cwd,
    tty,
    id
});
wire_record!(types::SshTarget { host, port, user });
wire_record!(process::Captured {
    status,
    stdout,
    stderr
});
wire_record!(http::Request {
    method,
    url,
    headers,
    body,
    timeout,
    auth
});
wire_variant!(http::Auth {
    ;
    Bearer = "bearer",
    Basic = "basic",
    Hmac = "hmac",
    Sigv4 = "sigv4",
    OauthClientCredentials = "oauth-client-credentials",
    OauthJwtBearer = "oauth-jwt-bearer",
    Login = "login",
});
wire_record!(http::Basic { user, password });
wire_variant!(http::Hash { Sha1 = "sha1", Sha256 = "sha256", Sha384 = "sha384", Sha512 = "sha512"; });
wire_variant!(http::TextEncoding { Raw = "raw", Hex = "hex", Base64 = "base64"; });
wire_record!(http::Hmac {
    hash,
    key,
    key_encoding,
    derive,
    text,
    encoding,
    place,
    value
});
wire_variant!(http::HmacPlace { ; Header = "header", Query = "query" });
wire_record!(http::Sigv4 {
    access_key_id,
    secret_access_key,
    session_token,
    region,
    service
});
wire_record!(http::ClientCredentials {
    token_url,
    client_id,
    client_secret,
    authentication,
    scopes,
    parameters
});
wire_variant!(http::ClientAuthentication { Basic = "basic", Body = "body"; });
wire_record!(http::JwtBearer {
    token_url,
    key,
    issuer,
    subject,
    audience,
    scopes
});
wire_record!(http::Login {
    url,
    headers,
    body,
    token,
    expires,
    header,
    prefix
});
wire_variant!(http::Field { ; Header = "header", Json = "json" });
wire_record!(http::Response {
    status,
    headers,
    body
});

impl Wire for types::ExitStatus {
    fn to_json(&self) -> Value {
        match self {
            Self::Code(code) => crate::provider::ExitStatus::Code(*code),
            Self::Signal(signal) => crate::provider::ExitStatus::Signal(*signal),
        }
        .to_json()
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        status_from_json(value).map(convert::guest_exit_status)
    }
}
