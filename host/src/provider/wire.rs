//! What passes the port and the imports, as JSON that a person can read: for cassettes, and for whoever looks on
//! (`plugin::Tap`). Not an interface for programs: results of the command line have shapes of their own, in `report`.
//!
//! Bytes are text where they are UTF-8, else `{"base64": "…"}`. Records are objects without their empty fields, variants
//! are `"case"` or `{"case": …}`, and an outcome is `{"ok": …}` or `{"error": …}`.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use runner_core::id::{InstanceName, Token};
use serde_json::{Map, Value};

use super::{
    Access, Allocated, Command, Direction, Doomed, ErrorKind, ExitStatus, Facts, HostKeys,
    Instance, Listed, ProviderError, Request, SshAccess, SshKey, SshTarget,
};

/// Something that has a shape in JSON.
pub(crate) trait Wire: Sized {
    /// As JSON.
    fn to_json(&self) -> Value;

    /// From it; the error says what is wrong with it.
    fn from_json(value: &Value) -> Result<Self, String>;
}

/// `{word: inner}`.
pub(crate) fn tagged(word: &str, inner: Value) -> Value {
    Value::Object(Map::from_iter([(word.to_owned(), inner)]))
}

/// The case of a variant that carries something.
pub(crate) fn case_of(value: &Value) -> Result<(&str, &Value), String> {
    let object = value.as_object().filter(|object| object.len() == 1);
    let case = object.and_then(|object| object.iter().next());
    case.map(|(word, inner)| (word.as_str(), inner))
        .ok_or_else(|| format!("`{value}` is no variant"))
}

/// The field of a record; absent is `null`.
pub(crate) fn field<T: Wire>(value: &Value, name: &str) -> Result<T, String> {
    T::from_json(value.get(name.replace('_', "-")).unwrap_or(&Value::Null))
        .map_err(|why| format!("`{name}`: {why}"))
}

/// Puts a field where it belongs, unless there is nothing in it.
pub(crate) fn put(into: &mut Map<String, Value>, name: &str, value: Value) {
    let empty = match &value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => false,
    };
    if !empty {
        into.insert(name.replace('_', "-"), value);
    }
}

/// A record, by its fields.
macro_rules! wire_record {
    ($type:ty { $($field:ident),* $(,)? }) => {
        impl $crate::provider::wire::Wire for $type {
            fn to_json(&self) -> serde_json::Value {
                let mut object = serde_json::Map::new();
                $($crate::provider::wire::put(&mut object, stringify!($field), $crate::provider::wire::Wire::to_json(&self.$field));)*
                serde_json::Value::Object(object)
            }

            fn from_json(value: &serde_json::Value) -> Result<Self, String> {
                Ok(Self { $($field: $crate::provider::wire::field(value, stringify!($field))?),* })
            }
        }
    };
}

/// A variant: the cases without anything, then those that carry something.
macro_rules! wire_variant {
    ($type:ty { $($unit:ident = $bare:literal),* ; $($case:ident = $word:literal),* $(,)? }) => {
        impl $crate::provider::wire::Wire for $type {
            fn to_json(&self) -> serde_json::Value {
                match self {
                    $(Self::$unit => serde_json::Value::from($bare),)*
                    $(Self::$case(inner) => $crate::provider::wire::tagged($word, $crate::provider::wire::Wire::to_json(inner)),)*
                }
            }

            fn from_json(value: &serde_json::Value) -> Result<Self, String> {
                $(if value == $bare { return Ok(Self::$unit); })*
                let (word, inner) = $crate::provider::wire::case_of(value)?;
                $(if word == $word { return $crate::provider::wire::Wire::from_json(inner).map(Self::$case); })*
                let _unused_where_there_is_no_such_case = inner;
                Err(format!("`{word}` is no case"))
            }
        }
    };
}
pub(crate) use {wire_record, wire_variant};

impl Wire for Value {
    fn to_json(&self) -> Value {
        self.clone()
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        Ok(value.clone())
    }
}

impl Wire for () {
    fn to_json(&self) -> Value {
        Value::Null
    }

    fn from_json(_: &Value) -> Result<Self, String> {
        Ok(())
    }
}

impl Wire for bool {
    fn to_json(&self) -> Value {
        // Almost always so: left out.
        if *self {
            Value::Bool(true)
        } else {
            Value::Null
        }
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        match value {
            Value::Null => Ok(false),
            Value::Bool(value) => Ok(*value),
            other => Err(format!("`{other}` is neither true nor false")),
        }
    }
}

impl Wire for String {
    fn to_json(&self) -> Value {
        Value::from(self.as_str())
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        let text = value.as_str().map(str::to_owned);
        text.ok_or_else(|| format!("`{value}` is no text"))
    }
}

macro_rules! wire_number {
    ($($type:ty),*) => {$(
        impl Wire for $type {
            fn to_json(&self) -> Value {
                Value::from(*self)
            }

            fn from_json(value: &Value) -> Result<Self, String> {
                let number = value.as_u64().and_then(|number| Self::try_from(number).ok());
                number.ok_or_else(|| format!("`{value}` is no such number"))
            }
        }
    )*};
}
wire_number!(u16, u32, u64);

/// Not through `u8`, which has no shape of its own: lists of bytes have this one.
impl Wire for Vec<u8> {
    fn to_json(&self) -> Value {
        match std::str::from_utf8(self) {
            Ok(text) => Value::from(text),
            Err(_) => tagged("base64", STANDARD.encode(self).into()),
        }
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        match value {
            Value::Null => Ok(Self::new()),
            Value::String(text) => Ok(text.clone().into_bytes()),
            other => match case_of(other)? {
                ("base64", Value::String(text)) => {
                    STANDARD.decode(text).map_err(|error| error.to_string())
                }
                _ => Err(format!("`{other}` are no bytes")),
            },
        }
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn to_json(&self) -> Value {
        self.iter().map(Wire::to_json).collect()
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        match value {
            Value::Null => Ok(Self::new()),
            Value::Array(items) => items.iter().map(T::from_json).collect(),
            other => Err(format!("`{other}` is no list")),
        }
    }
}

impl<T: Wire> Wire for Option<T> {
    fn to_json(&self) -> Value {
        self.as_ref().map_or(Value::Null, Wire::to_json)
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        match value {
            Value::Null => Ok(None),
            some => T::from_json(some).map(Some),
        }
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn to_json(&self) -> Value {
        Value::Array(vec![self.0.to_json(), self.1.to_json()])
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        match value.as_array().map(Vec::as_slice) {
            Some([first, second]) => Ok((A::from_json(first)?, B::from_json(second)?)),
            _ => Err(format!("`{value}` is no pair")),
        }
    }
}

impl<T: Wire, E: Wire> Wire for Result<T, E> {
    fn to_json(&self) -> Value {
        match self {
            Ok(value) => tagged("ok", value.to_json()),
            Err(error) => tagged("error", error.to_json()),
        }
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        match case_of(value)? {
            ("ok", inner) => T::from_json(inner).map(Ok),
            ("error", inner) => E::from_json(inner).map(Err),
            (word, _) => Err(format!("`{word}` is neither `ok` nor `error`")),
        }
    }
}

impl Wire for PathBuf {
    fn to_json(&self) -> Value {
        self.to_string_lossy().into()
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        String::from_json(value).map(Self::from)
    }
}

impl Wire for Token {
    fn to_json(&self) -> Value {
        self.as_str().into()
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        String::from_json(value).map(Self::stored)
    }
}

impl Wire for InstanceName {
    fn to_json(&self) -> Value {
        self.as_str().into()
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        String::from_json(value).map(Self::typed)
    }
}

/// A small number in a variant of `case` and nothing else, as exit statuses are.
pub(crate) fn status_from_json(value: &Value) -> Result<ExitStatus, String> {
    let (word, number) = case_of(value)?;
    let number = number.as_u64().and_then(|number| u8::try_from(number).ok());
    match (word, number) {
        ("code", Some(code)) => Ok(ExitStatus::Code(code)),
        ("signal", Some(signal)) => Ok(ExitStatus::Signal(signal)),
        _ => Err(format!("`{value}` is no exit status")),
    }
}

impl Wire for ExitStatus {
    fn to_json(&self) -> Value {
        match self {
            Self::Code(code) => tagged("code", (*code).into()),
            Self::Signal(signal) => tagged("signal", (*signal).into()),
        }
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        status_from_json(value)
    }
}

wire_record!(Request {
    token,
    name,
    slot,
    workdir
});
wire_record!(Instance {
    handle,
    token,
    name,
    workdir
});
wire_record!(Doomed {
    token,
    handle,
    name,
    workdir
});
wire_record!(Command {
    argv,
    env,
    cwd,
    tty,
    id
});
wire_record!(SshTarget { host, port, user });
wire_record!(SshAccess {
    host,
    port,
    user,
    keys,
    certificate,
    password,
    host_keys
});
wire_variant!(SshKey { ; Secret = "secret", File = "file", Agent = "agent" });
wire_variant!(HostKeys { KnownHosts = "known-hosts", FirstUse = "first-use"; Pinned = "pinned" });
wire_record!(Allocated {
    handle,
    access,
    attributes
});
wire_record!(Listed { token, handle });
wire_record!(Facts {
    arch,
    cpus,
    memory,
    os,
    hostname,
    address
});
wire_variant!(Access { Plugin = "plugin"; Ssh = "ssh" });
wire_variant!(Direction { ; Into = "into", OutOf = "out-of" });

/// Written only: an error is made where it happens.
pub(crate) fn error_json(error: &ProviderError) -> Value {
    let mut object = Map::new();
    put(&mut object, "kind", error.kind.word().into());
    put(&mut object, "message", error.message.as_str().into());
    put(&mut object, "remedy", error.remedy.to_json());
    if let ErrorKind::LimitReached { limit } = &error.kind {
        put(&mut object, "limit", (*limit).into());
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back<T: Wire>(value: &T) -> Value {
        let json = value.to_json();
        let text = json.to_string();
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(T::from_json(&read).map(|back| back.to_json()), Ok(json));
        read
    }

    #[test]
    fn bytes_are_text_where_they_can_be() {
        let command = Command {
            argv: vec![b"echo".to_vec(), vec![0xff, 0], Vec::new()],
            env: vec![("A".into(), b"b".to_vec())],
            cwd: None,
            tty: false,
            id: "0".into(),
        };
        let json = there_and_back(&command);
        assert_eq!(
            json.to_string(),
            r#"{"argv":["echo",{"base64":"/wA="},""],"env":[["A","b"]],"id":"0"}"#
        );
        let back = Command::from_json(&json).unwrap();
        assert_eq!((back.argv, back.cwd), (command.argv, None));
    }

    #[test]
    fn variants_and_outcomes_come_back() {
        there_and_back(&Access::Plugin);
        there_and_back(&Access::Ssh(SshAccess {
            host: "h".into(),
            port: Some(22),
            user: None,
            keys: vec![SshKey::Secret("KEY".into())],
            certificate: None,
            password: None,
            host_keys: HostKeys::Pinned(vec!["ssh-ed25519 AAAA".into()]),
        }));
        there_and_back(&Direction::Into(vec![0xfe]));
        there_and_back(&ExitStatus::Signal(9));
        there_and_back(&Ok::<u32, String>(3));
        there_and_back(&Err::<u32, String>("no".into()));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |text: &str| {
            let value: Value = serde_json::from_str(text).unwrap();
            Listed::from_json(&value).unwrap_err()
        };
        assert_eq!(wrong(r#"{"token": 7}"#), "`token`: `7` is no text");
        assert!(Access::from_json(&Value::from("pigeon")).is_err());
        assert!(ExitStatus::from_json(&tagged("code", 256.into())).is_err());
    }
}
