//! OAuth 2 JWT bearer (RFC 7523), signed with RS256: how Google's service accounts, and some others, get tokens.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use super::super::url::Destination;
use super::super::vault::Vault;
use super::super::{failed, invalid};
use super::login::{Body, Form, Login, destination, form_headers, key, oauth};
use crate::plugin::Place;
use crate::plugin::bindings::http::JwtBearer;
use crate::plugin::bindings::types::Error;

/// How long an assertion is good; Google allows an hour.
const GOOD_FOR: u64 = 600;

/// What is signed, but for the time.
pub(super) struct Assertion {
    key: RsaKeyPair,
    header: Value,
    claims: Value,
}

/// A login with an assertion.
pub(super) fn bearer(
    how: &JwtBearer,
    api: &Destination,
    vault: &mut Vault<'_>,
) -> Result<Login, Error> {
    let to = destination(&how.token_url, vault)?;
    vault.take_given();
    let file = vault.value(&to, &how.key, Place::Header)?;
    // A service account file, or else the key itself.
    let account: Option<Value> = serde_json::from_str(&file).ok();
    let field = |name: &str| account.as_ref()?.get(name)?.as_str().map(str::to_owned);
    let pem = match &account {
        None => file.clone(),
        Some(_) => field("private_key")
            .ok_or_else(|| invalid("the secret is JSON, and has no text `private_key`"))?,
    };
    // Parts of a file can come back by themselves.
    vault.scrub.derived(&pem);
    let key_pair = rsa(&pem)?;
    let issuer = match &how.issuer {
        Some(issuer) => vault.text(&to, issuer, Place::Header)?,
        None => field("client_email").ok_or_else(|| {
            invalid("`issuer` is not given, and the secret is no service account file with a `client_email`")
        })?,
    };
    let mut header = json!({"alg": "RS256", "typ": "JWT"});
    if let Some(id) = field("private_key_id") {
        header["kid"] = id.into();
    }
    let audience = how.audience.as_ref().unwrap_or(&how.token_url);
    let mut claims = json!({"iss": issuer, "aud": audience});
    if let Some(subject) = &how.subject {
        claims["sub"] = subject.as_str().into();
    }
    if !how.scopes.is_empty() {
        claims["scope"] = how.scopes.join(" ").into();
    }
    let assertion = Assertion {
        key: key_pair,
        header,
        claims,
    };
    oauth(
        key(how, api, vault)?,
        to,
        form_headers(),
        Body::Assertion(Box::new(assertion)),
    )
}

fn rsa(pem: &str) -> Result<RsaKeyPair, Error> {
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| {
        invalid("the secret is not a private key in PEM (PKCS #8, `-----BEGIN PRIVATE KEY-----`)")
    })?;
    RsaKeyPair::from_pkcs8(der.secret_pkcs8_der())
        .map_err(|e| invalid(format!("the private key cannot be used: {e}")))
}

impl Assertion {
    /// The form that is sent, signed now.
    pub(super) fn form(&self, now: SystemTime) -> Result<Vec<u8>, Error> {
        let now = now
            .duration_since(UNIX_EPOCH)
            .map_err(|_| failed("the machine's clock is off"))?
            .as_secs();
        let mut claims = self.claims.clone();
        claims["iat"] = now.into();
        claims["exp"] = (now + GOOD_FOR).into();
        let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", encode(&self.header), encode(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                text.as_bytes(),
                &mut signature,
            )
            .map_err(|_| failed("the private key does not sign"))?;
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signature);
        let mut form = Form::default();
        form.add("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
        form.add("assertion", &format!("{text}.{signature}"));
        Ok(form.finish())
    }
}
