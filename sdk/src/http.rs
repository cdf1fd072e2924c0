//! HTTP(S) requests to granted hosts. Redirects are not followed. The host can use secrets that the plugin never sees:
//! [`Request::bearer`], [`Request::sign`], and [`auth::secret`] as text in headers.

pub mod auth;

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::provider::runner::plugin::http as wit;
use crate::{Error, Result};

/// A request being built; [`Request::send`] sends it.
///
/// ```no_run
/// # fn main() -> runner_sdk::Result<()> {
/// let answer = runner_sdk::http::post("https://api.example.com/v1/machines")
///     .bearer("CLOUD_TOKEN")
///     .json(&std::collections::HashMap::from([("size", "small")]))?
///     .send()?
///     .success()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request(wit::Request);

/// What the server answered.
#[derive(Clone, Debug)]
pub struct Response {
    /// The request, for messages.
    pub request: String,
    /// The status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// At most 8 MiB.
    pub body: Vec<u8>,
}

/// A `GET` of this URL.
pub fn get(url: impl Into<String>) -> Request {
    Request::new("GET", url)
}

/// A `POST` to this URL.
pub fn post(url: impl Into<String>) -> Request {
    Request::new("POST", url)
}

/// A `DELETE` of this URL.
pub fn delete(url: impl Into<String>) -> Request {
    Request::new("DELETE", url)
}

impl Request {
    /// A request with any method, in upper case.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self(wit::Request {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: None,
            auth: None,
        })
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.0.body = body.into();
        self
    }

    /// Sets a JSON body and its content type.
    pub fn json(self, body: &impl Serialize) -> Result<Self> {
        let bytes = serde_json::to_vec(body)?;
        Ok(self.header("content-type", "application/json").body(bytes))
    }

    /// For the whole exchange; the host's default is 30 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout = Some(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// `authorization: Bearer …` with this secret, put in by the host.
    pub fn bearer(self, secret: impl Into<String>) -> Self {
        self.sign(auth::Auth::Bearer(secret.into()))
    }

    /// `authorization: Basic …`, made by the host; either text may be [`auth::secret`].
    pub fn basic(self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.sign(auth::Basic {
            user: user.into(),
            password: password.into(),
        })
    }

    /// Lets the host authorise the request, when everything else of it is final.
    ///
    /// ```no_run
    /// use runner_sdk::http::{self, auth};
    ///
    /// # fn main() -> runner_sdk::Result<()> {
    /// http::post("https://ec2.eu-west-1.amazonaws.com/")
    ///     .header("content-type", "application/x-www-form-urlencoded")
    ///     .body("Action=DescribeInstances&Version=2016-11-15")
    ///     .sign(auth::SigV4 {
    ///         access_key_id: auth::secret("AWS_ACCESS_KEY_ID"),
    ///         secret_access_key: "AWS_SECRET_ACCESS_KEY".into(),
    ///         session_token: None,
    ///         region: "eu-west-1".into(),
    ///         service: "ec2".into(),
    ///     })
    ///     .send()?
    ///     .success()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sign(mut self, auth: impl Into<auth::Auth>) -> Self {
        self.0.auth = Some(auth.into());
        self
    }

    /// Sends it. A status of 400 and above is an answer, not an error: see [`Response::success`].
    pub fn send(self) -> Result<Response> {
        let request = format!("{} {}", self.0.method, self.0.url);
        let response = wit::fetch(&self.0)?;
        Ok(Response {
            request,
            status: response.status,
            headers: response.headers,
            body: response.body,
        })
    }
}

impl Response {
    /// Itself when the status is below 400, else an error of the kind that the status usually means: 401 and 403
    /// `denied`, 404 and 410 `gone`, 429 `exhausted`, 408 and 5xx `unavailable`, other `failed`. `retry-after` in
    /// seconds is passed on.
    pub fn success(self) -> Result<Self> {
        let make = match self.status {
            ..=399 => return Ok(self),
            401 | 403 => Error::denied,
            404 | 410 => Error::gone,
            429 => Error::exhausted,
            408 | 500.. => Error::unavailable,
            _ => Error::failed,
        };
        let mut error = make(format!(
            "`{}` was answered with {}",
            self.request, self.status
        ));
        if let Some(seconds) = self
            .header("retry-after")
            .and_then(|text| text.parse().ok())
        {
            error = error.retry_after(Duration::from_secs(seconds));
        }
        Err(error)
    }

    /// The first header with this name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Error::from(error).context(format!("`{}`", self.request)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn statuses_become_kinds() {
        for (status, kind) in [
            (401, ErrorKind::Denied),
            (404, ErrorKind::Gone),
            (409, ErrorKind::Failed),
            (429, ErrorKind::Exhausted),
            (503, ErrorKind::Unavailable),
        ] {
            let response = Response {
                request: "GET http://x/".into(),
                status,
                headers: vec![("retry-after".into(), "7".into())],
                body: Vec::new(),
            };
            let error = response.success().unwrap_err();
            assert_eq!(error.kind, kind);
            assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
        }
    }
}
