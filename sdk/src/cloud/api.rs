//! Requests to a JSON API: its errors become ours, with its own words.

use serde_json::Value;

use crate::http::auth::Auth;
use crate::http::{Request, Response};
use crate::{Error, ErrorKind, Result};

/// An API: where it is, who asks, and how it complains.
#[derive(Clone, Debug)]
pub struct Api {
    base: String,
    auth: Option<Auth>,
    headers: Vec<(String, String)>,
    says: &'static [&'static str],
    full: &'static [&'static str],
}

/// An answer of any status.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The body; null when there is none.
    pub body: Value,
    error: Option<Error>,
}

impl Api {
    /// The API whose paths begin with this URL.
    pub fn new(base: impl Into<String>) -> Self {
        Self {
            base: base.into(),
            auth: None,
            headers: Vec::new(),
            says: &[],
            full: &[],
        }
    }

    /// Who asks.
    #[must_use]
    pub fn sign(mut self, auth: impl Into<Auth>) -> Self {
        self.auth = Some(auth.into());
        self
    }

    /// A header on every request.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Where in the body of an error its words are, as JSON pointers; the first that is there counts.
    #[must_use]
    pub fn says(mut self, pointers: &'static [&'static str]) -> Self {
        self.says = pointers;
        self
    }

    /// Words (in lower case) of errors that mean that a quota, or the cloud, is used up.
    #[must_use]
    pub fn full_when(mut self, words: &'static [&'static str]) -> Self {
        self.full = words;
        self
    }

    /// The same API under another URL.
    #[must_use]
    pub fn at(&self, base: impl Into<String>) -> Self {
        Self {
            base: base.into(),
            ..self.clone()
        }
    }

    /// A `GET` of this path.
    pub fn get(&self, path: &str) -> Result<Reply> {
        self.send("GET", path, None)
    }

    /// A `POST` to this path. An answer of 400, 404, 409 or 422 is then `invalid`: what was asked for is wrong.
    pub fn post(&self, path: &str, body: &Value) -> Result<Reply> {
        self.send("POST", path, Some(body))
    }

    /// A `DELETE` of this path.
    pub fn delete(&self, path: &str) -> Result<Reply> {
        self.send("DELETE", path, None)
    }

    /// Any request.
    pub fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Reply> {
        let mut request = Request::new(method, format!("{}{path}", self.base))
            .header("accept", "application/json");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.json(body)?;
        }
        if let Some(auth) = &self.auth {
            request = request.sign(auth.clone());
        }
        self.read(request.send()?, method)
    }

    fn read(&self, response: Response, method: &str) -> Result<Reply> {
        let status = response.status;
        let parsed = serde_json::from_slice(&response.body);
        let body = match parsed {
            Ok(body) => body,
            Err(_) if response.body.is_empty() || status >= 400 => Value::Null,
            Err(error) => {
                return Err(Error::unavailable(format!(
                    "`{}` was answered with something that is no JSON: {error}",
                    response.request
                )));
            }
        };
        let error = response
            .success()
            .err()
            .map(|error| self.explained(error, status, method, &body));
        Ok(Reply {
            status,
            body,
            error,
        })
    }

    /// What an error means, and what the cloud says about it.
    fn explained(&self, mut error: Error, status: u16, method: &str, body: &Value) -> Error {
        let said = self
            .says
            .iter()
            .find_map(|pointer| body.pointer(pointer)?.as_str());
        if method == "POST" && matches!(status, 400 | 404 | 409 | 422) {
            error.kind = ErrorKind::Invalid;
        }
        // The words may be in a code beside the message.
        let all = body.to_string().to_lowercase();
        if self.full.iter().any(|word| all.contains(word)) {
            error.kind = ErrorKind::Exhausted;
        }
        if let Some(said) = said {
            error.message = format!("{}: {}", error.message, said.trim_end_matches('.'));
        }
        error
    }
}

impl Reply {
    /// The body when the status is below 400, else the error.
    pub fn success(self) -> Result<Value> {
        match self.error {
            None => Ok(self.body),
            Some(error) => Err(error),
        }
    }

    /// The body; none when the answer is that there is no such thing (404 or 410).
    pub fn found(self) -> Result<Option<Value>> {
        match self.status {
            404 | 410 => Ok(None),
            _ => self.success().map(Some),
        }
    }
}

/// The text (or number) at this JSON pointer of an answer; `failed` when there is none.
pub fn text(body: &Value, pointer: &str) -> Result<String> {
    match body.pointer(pointer) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        _ => Err(Error::failed(format!("the answer has no `{pointer}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn reply(method: &str, status: u16, body: &Value) -> Reply {
        let api = Api::new("https://x")
            .says(&["/error/message"])
            .full_when(&["quota"]);
        let response = Response {
            request: format!("{method} https://x/"),
            status,
            headers: vec![("retry-after".into(), "3".into())],
            body: if body.is_null() {
                Vec::new()
            } else {
                serde_json::to_vec(body).unwrap()
            },
        };
        api.read(response, method).unwrap()
    }

    #[test]
    fn errors_have_the_clouds_words_and_our_kinds() {
        let said = |text: &str| json!({"error": {"message": text}});
        for (method, status, body, kind) in [
            ("POST", 400, said("no such image."), ErrorKind::Invalid),
            ("POST", 403, said("Quota exceeded"), ErrorKind::Exhausted),
            ("POST", 409, said("taken"), ErrorKind::Invalid),
            ("GET", 404, said("no such machine"), ErrorKind::Gone),
            ("GET", 401, said("who are you"), ErrorKind::Denied),
            ("GET", 502, Value::Null, ErrorKind::Unavailable),
        ] {
            let error = reply(method, status, &body).success().unwrap_err();
            assert_eq!(error.kind, kind, "{error}");
        }
        let error = reply("POST", 400, &said("no such image."))
            .success()
            .unwrap_err();
        assert!(
            error.message.ends_with("answered with 400: no such image"),
            "{error}"
        );
    }

    #[test]
    fn nothing_is_an_answer_too() {
        assert_eq!(
            reply("DELETE", 204, &Value::Null).success(),
            Ok(Value::Null)
        );
        assert_eq!(reply("GET", 404, &Value::Null).found(), Ok(None));
        assert!(text(&json!({"a": [{"id": 7}]}), "/a/0/id").is_ok_and(|id| id == "7"));
    }
}
