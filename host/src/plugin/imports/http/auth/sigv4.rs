//! AWS Signature Version 4, in headers, as AWS documents it ("Create a signed AWS API request"). Works for everything that
//! speaks it: AWS itself, and the object stores and clouds that imitate it.

use std::collections::BTreeMap;
use std::time::SystemTime;

use jiff::Timestamp;
use percent_encoding::{percent_decode_str, utf8_percent_encode};
use ring::{digest, hmac};
use ureq::http::{HeaderName, header};

use super::super::outgoing::Outgoing;
use super::super::placeholder::STRICT;
use super::super::vault::Vault;
use super::super::{failed, invalid};
use super::hmac::hex;
use crate::plugin::Place;
use crate::plugin::bindings::http::Sigv4;
use crate::plugin::bindings::types::Error;

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const PAYLOAD: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// Signs the request as it is.
pub(super) fn sign(
    how: &Sigv4,
    request: &mut Outgoing,
    vault: &mut Vault<'_>,
    now: SystemTime,
) -> Result<(), Error> {
    for (what, text) in [("region", &how.region), ("service", &how.service)] {
        let good = !text.is_empty()
            && text.len() <= 64
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !good {
            return Err(invalid(format!("`sigv4.{what}` is not a name")));
        }
    }
    let to = request.to.clone();
    let id = vault.text(&to, &how.access_key_id, Place::Header)?;
    let key = vault.value(&to, &how.secret_access_key, Place::Header)?;
    let token = how.session_token.as_ref();
    let token = token
        .map(|name| vault.value(&to, name, Place::Header))
        .transpose()?;
    let keys = Keys {
        id: &id,
        key: &key,
        token: token.as_deref(),
        region: &how.region,
        service: &how.service,
    };
    let now = Timestamp::try_from(now).map_err(|_| failed("the machine's clock is off"))?;
    let signature = keys.sign(request, now)?;
    vault.scrub.derived(&signature);
    Ok(())
}

/// What a signature is made with.
struct Keys<'a> {
    id: &'a str,
    key: &'a str,
    token: Option<&'a str>,
    region: &'a str,
    service: &'a str,
}

impl Keys<'_> {
    fn sign(&self, request: &mut Outgoing, now: Timestamp) -> Result<String, Error> {
        let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let date = now.strftime("%Y%m%d").to_string();
        let payload = sha256(&request.body);
        request.add(DATE, &time)?;
        if let Some(token) = self.token {
            request.add(TOKEN, token)?;
        }
        if self.is_s3() {
            request.add(PAYLOAD, &payload)?;
        }
        let headers = signed_headers(request)?;
        let names: Vec<&str> = headers.keys().map(String::as_str).collect();
        let names = names.join(";");
        let mut canonical = format!(
            "{}\n{}\n{}\n",
            request.method,
            self.path(&request.to.path),
            query(request.to.query.as_deref().unwrap_or_default()),
        );
        for (name, value) in &headers {
            canonical.push_str(&format!("{name}:{value}\n"));
        }
        canonical.push_str(&format!("\n{names}\n{payload}"));

        let scope = format!("{date}/{}/{}/aws4_request", self.region, self.service);
        let text = format!(
            "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
            sha256(canonical.as_bytes())
        );
        let mut key = format!("AWS4{}", self.key).into_bytes();
        for step in [&date, self.region, self.service, "aws4_request"] {
            key = keyed(&key, step.as_bytes());
        }
        let signature = hex(&keyed(&key, text.as_bytes()));
        request.add(
            header::AUTHORIZATION,
            &format!(
                "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
                self.id
            ),
        )?;
        Ok(signature)
    }

    /// S3 takes paths as they are, because they are names of objects.
    fn is_s3(&self) -> bool {
        matches!(
            self.service,
            "s3" | "s3express" | "s3-object-lambda" | "s3-outposts"
        )
    }

    fn path(&self, path: &str) -> String {
        if self.is_s3() {
            return path.to_owned();
        }
        let mut segments: Vec<&str> = Vec::new();
        for segment in path.split('/') {
            match segment {
                "" | "." => {}
                ".." => drop(segments.pop()),
                segment => segments.push(segment),
            }
        }
        let mut normal = String::new();
        for segment in &segments {
            normal.push('/');
            // Encoded in the request already, and once more here.
            normal.extend(utf8_percent_encode(segment, STRICT));
        }
        if normal.is_empty() || path.ends_with('/') {
            normal.push('/');
        }
        normal
    }
}

/// All headers but those that are changed on the way, or that the connection adds.
fn signed_headers(request: &Outgoing) -> Result<BTreeMap<String, String>, Error> {
    let mut headers = BTreeMap::from([("host".to_owned(), request.to.authority())]);
    for (name, value) in &request.headers {
        if matches!(name.as_str(), "user-agent" | "x-amzn-trace-id") {
            continue;
        }
        let value = value.to_str().map_err(|_| {
            invalid(format!(
                "the header `{name}` cannot be signed: it is not ASCII"
            ))
        })?;
        let value = value.split(' ').filter(|part| !part.is_empty());
        let value = value.collect::<Vec<_>>().join(" ");
        headers
            .entry(name.as_str().to_owned())
            .and_modify(|all| {
                all.push(',');
                all.push_str(&value);
            })
            .or_insert(value);
    }
    Ok(headers)
}

/// Sorted, and encoded in the one way that counts.
fn query(query: &str) -> String {
    let encode = |text: &str| {
        let bytes: Vec<u8> = percent_decode_str(text).collect();
        percent_encoding::percent_encode(&bytes, STRICT).to_string()
    };
    let mut pairs: Vec<_> = query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(name, value)| (encode(name), encode(value)))
        .collect();
    pairs.sort();
    let pairs: Vec<_> = pairs
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn keyed(key: &[u8], text: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::imports::http::url;
    use ureq::http::{HeaderValue, Method};

    /// The key of AWS' own examples.
    const KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    struct Case {
        method: &'static str,
        url: &'static str,
        header: Option<(&'static str, &'static str)>,
        body: &'static str,
        scope: (&'static str, &'static str),
        token: Option<&'static str>,
        expected: &'static str,
    }

    impl Case {
        fn new(method: &'static str, url: &'static str, expected: &'static str) -> Self {
            Self {
                method,
                url,
                header: None,
                body: "",
                scope: ("us-east-1", "service"),
                token: None,
                expected,
            }
        }
    }

    /// The first four are AWS' published vectors (`get-vanilla`, `get-vanilla-query-order-key-case`,
    /// `post-x-www-form-urlencoded`, and the one of its guide); the others were computed with botocore.
    #[test]
    fn signatures_are_those_of_aws() {
        let cases = [
            Case::new(
                "GET",
                "https://example.amazonaws.com/",
                "host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            Case::new(
                "GET",
                "https://example.amazonaws.com/?Param2=value2&Param1=value1",
                "host;x-amz-date, Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            Case {
                header: Some(("content-type", "application/x-www-form-urlencoded")),
                body: "Param1=value1",
                ..Case::new(
                    "POST",
                    "https://example.amazonaws.com/",
                    "content-type;host;x-amz-date, Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
                )
            },
            Case {
                header: Some((
                    "content-type",
                    "application/x-www-form-urlencoded; charset=utf-8",
                )),
                scope: ("us-east-1", "iam"),
                ..Case::new(
                    "GET",
                    "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
                    "content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
                )
            },
            Case {
                header: Some(("content-type", "application/x-www-form-urlencoded")),
                body: "Action=RunInstances&MinCount=1&ImageId=ami-1",
                scope: ("eu-west-1", "ec2"),
                token: Some("AQoDYXdzEPT//////////wEXAMPLE"),
                ..Case::new(
                    "POST",
                    "https://ec2.eu-west-1.amazonaws.com/",
                    "content-type;host;x-amz-date;x-amz-security-token, Signature=dfefdaf6d6384b806b396a23d5a99c4d6ba2c05fbf33b539fee2621a0ca6265a",
                )
            },
            Case {
                header: Some(("x-amz-meta", "  a   b ")),
                ..Case::new(
                    "GET",
                    "https://example.amazonaws.com/a/b%20c/../d%2Fe//f/",
                    "host;x-amz-date;x-amz-meta, Signature=c0f547f628680edaa38f15158bab7bf2e7dbea40da37ff84e76da387f890fa7b",
                )
            },
            Case {
                header: Some(("content-type", "text/plain")),
                body: "hello",
                scope: ("eu-central-1", "s3"),
                ..Case::new(
                    "PUT",
                    "https://bucket.s3.eu-central-1.amazonaws.com/a/b%20c/../d%2Fe//f",
                    "content-type;host;x-amz-content-sha256;x-amz-date, Signature=0d694e857b2260c99295242885f72febbcabd71df407959375d42d95c72840d8",
                )
            },
            Case::new(
                "GET",
                "https://example.amazonaws.com:8443/%E1%88%B4?b=%20&a=x%2Fy&a=",
                "host;x-amz-date, Signature=ce8a893cf8792eecbadc2f97a32bf4afdad1e299c0b07ab19270af0892e0b2c6",
            ),
        ];
        let now: Timestamp = "2015-08-30T12:36:00Z".parse().expect("a time");
        for case in cases {
            let header = case.header.map(|(name, value)| {
                let name = HeaderName::from_static(name);
                (name, HeaderValue::from_static(value))
            });
            let mut request = Outgoing {
                method: Method::from_bytes(case.method.as_bytes()).expect("a method"),
                to: url::destination(case.url).expect(case.url),
                headers: header.into_iter().collect(),
                body: case.body.into(),
            };
            let keys = Keys {
                id: "AKIDEXAMPLE",
                key: KEY,
                token: case.token,
                region: case.scope.0,
                service: case.scope.1,
            };
            keys.sign(&mut request, now).expect("signs");
            let signed = request
                .headers
                .iter()
                .find(|(name, _)| *name == header::AUTHORIZATION)
                .and_then(|(_, value)| value.to_str().ok())
                .expect("a header");
            assert!(signed.ends_with(case.expected), "{}: {signed}", case.url);
            assert!(signed.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/"));
        }
    }
}
