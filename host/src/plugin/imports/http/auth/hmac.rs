//! `hmac`: a keyed hash over a text that the plugin composes. The plugin knows its cloud's way of writing requests down;
//! the host knows the key.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::{digest, hmac};

use super::super::invalid;
use super::super::outgoing::{Outgoing, header_name};
use super::super::placeholder::Escape;
use super::super::vault::Vault;
use crate::plugin::Place;
use crate::plugin::bindings::http::{Hash, Hmac, HmacPlace, TextEncoding};
use crate::plugin::bindings::types::Error;

/// Steps in making a key from a key.
const MOST_STEPS: usize = 8;

/// Signs, and puts the signature where it belongs.
pub(super) fn sign(how: &Hmac, request: &mut Outgoing, vault: &mut Vault<'_>) -> Result<(), Error> {
    let to = request.to.clone();
    let text = vault.fill(&to, &how.text, Place::Header, Escape::Nothing)?;
    let signature = match &how.key {
        Some(key) => {
            let key = vault.text(&to, key, Place::Header)?;
            let key = decoded(&key, how.key_encoding)?;
            keyed(how, key, &text)?
        }
        None if how.derive.is_empty() => digest::digest(plain(how.hash), &text).as_ref().to_vec(),
        None => return Err(invalid("`hmac.derive` needs a key")),
    };
    let signature = match how.encoding {
        TextEncoding::Hex => hex(&signature),
        TextEncoding::Base64 => BASE64_STANDARD.encode(&signature),
        TextEncoding::Raw => return Err(invalid("a signature is written in `hex` or `base64`")),
    };
    vault.scrub.derived(&signature);
    let value = vault.text(&to, &how.value, Place::Header)?;
    let value = value.replace("{signature}", &signature);
    match &how.place {
        HmacPlace::Header(name) => request.add(header_name(name)?, &value),
        HmacPlace::Query(name) => {
            request.add_query(name, &value);
            Ok(())
        }
    }
}

fn keyed(how: &Hmac, key: Vec<u8>, text: &[u8]) -> Result<Vec<u8>, Error> {
    if how.derive.len() > MOST_STEPS {
        return Err(invalid(format!(
            "`hmac.derive` has {} steps, and at most {MOST_STEPS} are allowed",
            how.derive.len()
        )));
    }
    let algorithm = match how.hash {
        Hash::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => hmac::HMAC_SHA256,
        Hash::Sha384 => hmac::HMAC_SHA384,
        Hash::Sha512 => hmac::HMAC_SHA512,
    };
    let once = |key: &[u8], text: &[u8]| {
        let key = hmac::Key::new(algorithm, key);
        hmac::sign(&key, text).as_ref().to_vec()
    };
    let mut key = key;
    for step in &how.derive {
        key = once(&key, step.as_bytes());
    }
    Ok(once(&key, text))
}

fn plain(hash: Hash) -> &'static digest::Algorithm {
    match hash {
        Hash::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => &digest::SHA256,
        Hash::Sha384 => &digest::SHA384,
        Hash::Sha512 => &digest::SHA512,
    }
}

fn decoded(key: &str, encoding: TextEncoding) -> Result<Vec<u8>, Error> {
    match encoding {
        TextEncoding::Raw => Ok(key.as_bytes().to_vec()),
        TextEncoding::Base64 => BASE64_STANDARD
            .decode(key.trim())
            .map_err(|_| invalid("the key of `hmac` is not Base64")),
        TextEncoding::Hex => {
            unhex(key.trim()).ok_or_else(|| invalid("the key of `hmac` is not hexadecimal"))
        }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}
