//! Taking secrets out of what was recorded. Three ways at once, because one alone misses something: values that are
//! known (granted secrets, and settings whose names say what they are), in the spellings that programs give them; headers
//! that carry credentials by their nature; and what answers hand out under telling names, such as access tokens.
//!
//! What cannot be known cannot be removed: a password in a text that the plugin composed from nothing we know stays. A
//! cassette is to be looked at before it is given away.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

/// A value below this cannot be told from other text.
const SHORTEST: usize = 4;
/// An encoding below this cannot.
const SHORTEST_ENCODING: usize = 6;

/// Headers of requests and responses that carry nothing but credentials.
const HEADERS: &[&str] = &[
    "authorization",
    "cookie",
    "proxy-authorization",
    "set-cookie",
    "x-amz-security-token",
    "x-api-key",
    "x-auth-key",
    "x-auth-token",
    "x-goog-api-key",
    "x-subject-token",
];

/// Ends of keys whose texts are credentials, in configurations and in JSON answers.
const KEYS: &[&str] = &[
    "accesskey",
    "accesstoken",
    "apikey",
    "authtoken",
    "clientsecret",
    "idtoken",
    "passphrase",
    "password",
    "passwd",
    "privatekey",
    "refreshtoken",
    "secret",
    "secretkey",
    "sessiontoken",
];

/// A secret that is too short to be removed: what is recorded would not be safe, or not be readable.
#[derive(Debug, thiserror::Error)]
#[error("the secret `{0}` has fewer than {SHORTEST} bytes, which cannot be told from other text")]
pub struct TooShort(pub String);

/// What is removed, longest first.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    /// Spelling to what stands for it.
    spellings: BTreeMap<String, String>,
    names: Vec<String>,
}

impl Redactor {
    /// A redactor of granted secrets and of what a configuration holds.
    pub fn new(
        secrets: &[(String, String)],
        config: &Map<String, Value>,
    ) -> Result<Self, TooShort> {
        let mut redactor = Self::default();
        for (name, value) in secrets {
            if !value.is_empty() && !redactor.learn(name, value) {
                return Err(TooShort(name.clone()));
            }
        }
        redactor.learn_from(&Value::Object(config.clone()), "config.");
        Ok(redactor)
    }

    /// The names of what can be removed.
    pub fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    /// Removes this value from now on, wherever it is. Says whether it is long enough.
    fn learn(&mut self, name: &str, value: &str) -> bool {
        if value.len() < SHORTEST {
            return false;
        }
        if self.spellings.contains_key(value) {
            return true;
        }
        if !self.names.iter().any(|known| known == name) {
            self.names.push(name.to_owned());
        }
        let plain = format!("{{{{secret:{name}}}}}");
        let mut add = |spelling: String, stands: &str| {
            if spelling.len() >= SHORTEST {
                self.spellings
                    .entry(spelling)
                    .or_insert_with(|| stands.to_owned());
            }
        };
        add(value.to_owned(), &plain);
        add(percent_encoded(value), &plain);
        let in_json = Value::from(value).to_string();
        add(in_json[1..in_json.len() - 1].to_owned(), &plain);
        let encoded = format!("{{{{secret:{name}:encoded}}}}");
        let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
        add(hex.to_uppercase(), &encoded);
        add(hex, &encoded);
        for shift in 0..3 {
            for core in [
                core_of(&STANDARD_NO_PAD, shift, value),
                core_of(&URL_SAFE_NO_PAD, shift, value),
            ] {
                if core.len() >= SHORTEST_ENCODING {
                    add(core, &encoded);
                }
            }
        }
        true
    }

    /// Learns what stands under telling keys of a JSON value.
    fn learn_from(&mut self, value: &Value, path: &str) {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    match value {
                        Value::String(text) if tells(key) => {
                            self.learn(&format!("{path}{key}"), text);
                        }
                        other => self.learn_from(other, &format!("{path}{key}.")),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn_from(item, path)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Learns what an exchange hands out: values of secrets, and credentials in answers.
    pub fn learn_exchange(&mut self, import: &str, request: &Value, told: &Value) {
        let Some(answer) = told.get("ok") else { return };
        if import == "secrets.get"
            && let (Some(name), Some(value)) = (request.as_str(), answer.as_str())
        {
            self.learn(name, value);
        }
        if import == "http.fetch"
            && let Some(body) = answer.get("body").and_then(Value::as_str)
            && let Ok(body) = serde_json::from_str::<Value>(body)
        {
            self.learn_from(&body, "answer.");
        }
    }

    /// A value without secrets.
    pub fn clean(&self, value: &Value) -> Value {
        // The longest first: a secret may contain another one.
        let mut spellings: Vec<(&String, &String)> = self.spellings.iter().collect();
        spellings.sort_by_key(|(spelling, _)| std::cmp::Reverse(spelling.len()));
        without_headers(&replaced(value, &|text| {
            spellings
                .iter()
                .fold(text.to_owned(), |text, (spelling, stands)| {
                    match text.contains(spelling.as_str()) {
                        true => text.replace(spelling.as_str(), stands),
                        false => text,
                    }
                })
        }))
    }
}

/// The same value with every text in it replaced; bytes that are no text are looked into as well.
pub(super) fn replaced(value: &Value, replace: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::from(replace(text)),
        Value::Array(items) => items.iter().map(|item| replaced(item, replace)).collect(),
        Value::Object(object) => {
            if object.len() == 1
                && let Some(Value::String(text)) = object.get("base64")
                && let Ok(bytes) = STANDARD.decode(text)
            {
                let bytes = replaced_bytes(&bytes, replace);
                return crate::provider::wire::Wire::to_json(&bytes);
            }
            object
                .iter()
                .map(|(key, value)| (key.clone(), replaced(value, replace)))
                .collect()
        }
        other => other.clone(),
    }
}

/// Replaces in the stretches of bytes that are text.
fn replaced_bytes(bytes: &[u8], replace: &impl Fn(&str) -> String) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.extend_from_slice(replace(chunk.valid()).as_bytes());
        out.extend_from_slice(chunk.invalid());
    }
    out
}

/// Headers that are credentials, wherever a list of pairs stands under `headers`. Also for requests that are compared with
/// recorded ones.
pub(super) fn without_headers(value: &Value) -> Value {
    match value {
        Value::Object(object) => object
            .iter()
            .map(|(key, value)| {
                let value = match (key.as_str(), value) {
                    ("headers", Value::Array(pairs)) => pairs.iter().map(without_value).collect(),
                    (_, value) => without_headers(value),
                };
                (key.clone(), value)
            })
            .collect(),
        Value::Array(items) => items.iter().map(without_headers).collect(),
        other => other.clone(),
    }
}

fn without_value(pair: &Value) -> Value {
    match pair.as_array().map(Vec::as_slice) {
        Some([Value::String(name), Value::String(_)])
            if HEADERS.contains(&name.to_ascii_lowercase().as_str()) =>
        {
            Value::Array(vec![name.as_str().into(), "{{removed}}".into()])
        }
        _ => pair.clone(),
    }
}

/// A key whose text is a credential.
fn tells(key: &str) -> bool {
    let plain: String = key
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    KEYS.iter().any(|end| plain.ends_with(end))
}

fn percent_encoded(value: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

/// The part of the base64 text of `…value…` that hangs on the value alone, when `shift` bytes stand before it in a group
/// of three.
fn core_of(encoding: &impl base64::Engine, shift: usize, value: &str) -> String {
    let mut bytes = vec![0; shift];
    bytes.extend_from_slice(value.as_bytes());
    let text = encoding.encode(&bytes);
    let first = (shift * 8).div_ceil(6);
    let end = bytes.len() * 8 / 6;
    text.get(first..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn redactor() -> Redactor {
        let secrets = [("KEY".to_owned(), "s3cr3t+value/42".to_owned())];
        let config = json!({"admin_password": "hunter22", "image": "debian"});
        Redactor::new(&secrets, config.as_object().unwrap()).unwrap()
    }

    #[test]
    fn a_secret_is_gone_in_every_spelling() {
        let redactor = redactor();
        let secret = "s3cr3t+value/42";
        let mut texts = vec![
            secret.to_owned(),
            "s3cr3t%2Bvalue%2F42".to_owned(),
            format!("user=me&key={secret}&x"),
            "hunter22".to_owned(),
        ];
        for before in ["", "u", "me:", "long user name:"] {
            texts.push(STANDARD.encode(format!("{before}{secret}")));
            texts.push(STANDARD.encode(format!("{before}{secret}\n and more")));
            texts.push(URL_SAFE_NO_PAD.encode(format!("{before}{secret}")));
        }
        texts.push(secret.bytes().map(|b| format!("{b:02x}")).collect());
        let mut bytes = vec![0xff, 0x00];
        bytes.extend_from_slice(secret.as_bytes());
        bytes.push(0xfe);
        let value = json!({"texts": texts, "bytes": crate::provider::wire::Wire::to_json(&bytes)});
        let clean = redactor.clean(&value);
        let number = texts.len();
        for (index, text) in clean["texts"].as_array().unwrap().iter().enumerate() {
            assert!(
                text.as_str().unwrap().contains("{{secret:"),
                "{}: {text}",
                texts[index]
            );
        }
        assert_eq!(clean["texts"].as_array().unwrap().len(), number);
        let bytes = STANDARD
            .decode(clean["bytes"]["base64"].as_str().unwrap())
            .unwrap();
        assert!(
            !bytes
                .windows(secret.len())
                .any(|part| part == secret.as_bytes())
        );
        assert_eq!(redactor.names(), ["KEY", "config.admin_password"]);
    }

    #[test]
    fn headers_and_handed_out_tokens_go_as_well() {
        let mut redactor = redactor();
        let request = json!({"headers": [["Authorization", "Basic abc"], ["accept", "x"]]});
        assert_eq!(
            redactor.clean(&request),
            json!({"headers": [["Authorization", "{{removed}}"], ["accept", "x"]]})
        );
        let told =
            json!({"ok": {"status": 200, "body": "{\"access_token\": \"eyJhbGciOi\", \"n\": 1}"}});
        redactor.learn_exchange("http.fetch", &Value::Null, &told);
        let text = redactor.clean(&told).to_string();
        assert!(
            !text.contains("eyJhbGciOi") && text.contains("{{secret:answer.access_token}}"),
            "{text}"
        );
        redactor.learn_exchange(
            "secrets.get",
            &"LATE".into(),
            &json!({"ok": "learned late"}),
        );
        assert_eq!(
            redactor.clean(&"x learned late x".into()),
            "x {{secret:LATE}} x"
        );
    }

    #[test]
    fn a_secret_that_cannot_be_told_from_text_is_refused() {
        let secrets = [("PIN".to_owned(), "123".to_owned())];
        let error = Redactor::new(&secrets, &Map::new()).unwrap_err();
        assert!(error.to_string().contains("`PIN`"));
    }
}
