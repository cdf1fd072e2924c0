//! The Query API: what a request looks like, how an answer is read, and what its errors mean.

use roxmltree::{Document, Node};
use runner_sdk::cloud::form;
use runner_sdk::http;
use runner_sdk::http::auth::{SigV4, secret};
use runner_sdk::{Error, ErrorKind, Result};

use crate::Config;

/// The API's version; old ones are kept for ever.
const VERSION: &str = "2016-11-15";

/// A request being built.
#[derive(Clone)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn new(action: &str) -> Self {
        Self(vec![
            ("Action".to_owned(), action.to_owned()),
            ("Version".to_owned(), VERSION.to_owned()),
        ])
    }

    #[must_use]
    pub(crate) fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }
}

/// An answer, or a part of one: XML without what nobody needs.
pub(crate) struct Element {
    name: String,
    text: String,
    children: Vec<Self>,
}

impl Element {
    fn of(node: Node<'_, '_>) -> Self {
        Self {
            name: node.tag_name().name().to_owned(),
            text: node.text().unwrap_or_default().trim().to_owned(),
            children: node
                .children()
                .filter(Node::is_element)
                .map(Self::of)
                .collect(),
        }
    }

    /// All elements at this path below.
    pub(crate) fn all(&self, path: &[&str]) -> Vec<&Self> {
        path.iter().fold(vec![self], |found, name| {
            found
                .into_iter()
                .flat_map(|one| &one.children)
                .filter(|child| child.name == *name)
                .collect()
        })
    }

    /// The text of the first element at this path.
    pub(crate) fn text(&self, path: &[&str]) -> Option<String> {
        let first = self.all(path).first().map(|one| one.text.clone());
        first.filter(|text| !text.is_empty())
    }
}

/// Sends it, signed by the host.
pub(crate) fn call(config: &Config, query: Query) -> Result<Element> {
    let host = match &config.endpoint {
        Some(own) => format!("{own}:{}", config.port),
        None => format!("ec2.{}.amazonaws.com", config.location),
    };
    let action = query
        .0
        .first()
        .map_or_else(String::new, |(_, action)| action.clone());
    let fields = form(query.0);
    // What only looks must look like it: the host lets nothing else out of a call that is about no instance.
    let request = if action.starts_with("Describe") {
        http::get(format!("https://{host}/?{fields}"))
    } else {
        http::post(format!("https://{host}/"))
            .header(
                "content-type",
                "application/x-www-form-urlencoded; charset=utf-8",
            )
            .body(fields)
    };
    let response = request
        .sign(SigV4 {
            access_key_id: secret(&config.key_id_secret),
            secret_access_key: config.key_secret.clone(),
            session_token: config.session_secret.clone(),
            region: config.location.clone(),
            service: "ec2".to_owned(),
        })
        .send()?;
    let body = String::from_utf8_lossy(&response.body).into_owned();
    let answer = Document::parse(&body).map(|document| Element::of(document.root_element()));
    match (response.success(), answer) {
        (Ok(_), Ok(answer)) => Ok(answer),
        (Ok(_), Err(error)) => Err(Error::unavailable(format!(
            "`{action}` was answered with something that is no XML: {error}"
        ))),
        (Err(error), Ok(answer)) => Err(explained(error, &action, &answer)),
        (Err(error), Err(_)) => Err(error.context(action)),
    }
}

/// What codes mean, by how they begin or end; the first that fits counts. What is not here means what its status does.
const CODES: &[(ErrorKind, &[&str])] = &[
    (
        ErrorKind::Gone,
        &["InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed"],
    ),
    (
        ErrorKind::Exhausted,
        &[
            "Insufficient",
            "LimitExceeded",
            "CountExceeded",
            "MaxSpotInstanceCountExceeded",
            "ResourceCountExceeded",
            "AddressLimitExceeded",
        ],
    ),
    (
        ErrorKind::Unavailable,
        &[
            "RequestLimitExceeded",
            "Throttling",
            "ServiceUnavailable",
            "Unavailable",
            "InternalError",
            "InternalFailure",
            "RequestExpired",
        ],
    ),
    (
        ErrorKind::Denied,
        &[
            "AuthFailure",
            "UnauthorizedOperation",
            "InvalidClientTokenId",
            "SignatureDoesNotMatch",
            "OptInRequired",
            "Blocked",
            "MissingAuthenticationToken",
        ],
    ),
    (
        ErrorKind::Invalid,
        &[
            "Invalid",
            "Missing",
            "Unsupported",
            "UnknownParameter",
            "VPCIdNotSpecified",
            "MalformedAMIID",
        ],
    ),
];

/// An error with Amazon's own words and our kind.
fn explained(mut error: Error, action: &str, answer: &Element) -> Error {
    let Some(code) = answer.text(&["Errors", "Error", "Code"]) else {
        return error.context(action);
    };
    let message = answer
        .text(&["Errors", "Error", "Message"])
        .unwrap_or_default();
    error.message = format!("{action}: {}", message.trim_end_matches('.'));
    if !message.contains(&code) {
        error.message += &format!(" ({code})");
    }
    // A limit of requests is not one of machines, though it is called alike.
    let fits = |word: &str| {
        code.starts_with(word) || (code.ends_with(word) && code != "RequestLimitExceeded")
    };
    if let Some((kind, _)) = CODES
        .iter()
        .find(|(_, words)| words.iter().any(|word| fits(word)))
    {
        error.kind = *kind;
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Element {
        Element::of(Document::parse(text).unwrap().root_element())
    }

    #[test]
    fn parts_are_found_by_their_path() {
        let answer = read(
            "<R xmlns='http://ec2.amazonaws.com/'><set><item><id>a</id><in><item><id>no</id></item></in></item>\
             <item><id> b </id></item></set><next/></R>",
        );
        let ids: Vec<_> = answer
            .all(&["set", "item"])
            .iter()
            .filter_map(|item| item.text(&["id"]))
            .collect();
        assert_eq!(ids, ["a", "b"]);
        assert_eq!(answer.text(&["next"]), None);
    }

    #[test]
    fn codes_become_kinds() {
        for (code, kind) in [
            ("InsufficientInstanceCapacity", ErrorKind::Exhausted),
            ("VcpuLimitExceeded", ErrorKind::Exhausted),
            ("RequestLimitExceeded", ErrorKind::Unavailable),
            ("InvalidInstanceID.NotFound", ErrorKind::Gone),
            ("InvalidAMIID.NotFound", ErrorKind::Invalid),
            ("UnauthorizedOperation", ErrorKind::Denied),
            ("SomethingNew", ErrorKind::Failed),
        ] {
            let answer = read(&format!(
                "<Response><Errors><Error><Code>{code}</Code><Message>Told why.</Message></Error></Errors></Response>"
            ));
            let error = explained(Error::failed("400"), "RunInstances", &answer);
            assert_eq!(
                (error.kind, error.message.as_str()),
                (kind, format!("RunInstances: Told why ({code})").as_str())
            );
        }
    }
}
