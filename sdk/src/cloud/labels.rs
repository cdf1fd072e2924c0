//! What is written on everything that is made, in the same request that makes it: whose it is, and the token to find it by.

use crate::{Context, Request};

/// The key of the allocation token.
pub const TOKEN: &str = "runner-token";
/// The key of the source's name.
pub const SOURCE: &str = "runner-source";
/// The key of the books' number: two of them may have a source of one name.
pub const STATE: &str = "runner-state";
/// The key of the instance's name. For people: it identifies nothing.
pub const NAME: &str = "runner-name";

/// The labels of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels(Vec<(&'static str, String)>);

impl Labels {
    /// Those of this instance. Values are as [`label`] makes them, which every cloud takes.
    pub fn of<C>(ctx: &Context<C>, request: &Request) -> Self {
        Self(vec![
            (TOKEN, request.token.clone()),
            (SOURCE, label(&ctx.source)),
            (STATE, ctx.state_id.clone()),
            (NAME, label(&request.name)),
        ])
    }

    /// Those that all instances of this source have: to list by.
    pub fn ours<C>(ctx: &Context<C>) -> Self {
        Self(vec![
            (SOURCE, label(&ctx.source)),
            (STATE, ctx.state_id.clone()),
        ])
    }

    /// The one that everything of one instance has.
    pub fn token(token: &str) -> Self {
        Self(vec![(TOKEN, token.to_owned())])
    }

    /// As a query.
    pub fn form(&self) -> String {
        super::form(self.iter())
    }

    /// As `key:value`, at most so many bytes each, for clouds whose tags are single words.
    pub fn words(&self, bytes: usize) -> Vec<String> {
        self.iter()
            .map(|(key, value)| super::cut(&format!("{key}:{value}"), bytes).to_owned())
            .collect()
    }

    /// As pairs.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (*key, value.as_str()))
    }

    /// As a JSON object.
    pub fn object(&self) -> serde_json::Value {
        self.iter()
            .map(|(key, value)| (key.to_owned(), value.into()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

/// A text as a label: lower-case letters, digits, `-` and `_`, at most 63.
pub fn label(text: &str) -> String {
    let legal = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_alphanumeric() || c == '-' || c == '_' => c,
        _ => '-',
    };
    text.chars().take(63).map(legal).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_what_every_cloud_takes() {
        assert_eq!(label("Debian 12.x"), "debian-12-x");
        assert_eq!(label(&"ä".repeat(100)).len(), 63);
    }

    #[test]
    fn an_instance_says_whose_it_is() {
        let ctx = Context {
            source: "web".into(),
            state_id: "0123456789abcdef".into(),
            config: (),
        };
        let request = Request {
            token: "t".into(),
            name: "Web-3".into(),
            slot: 0,
            workdir: None,
        };
        let labels = Labels::of(&ctx, &request);
        assert!(
            Labels::ours(&ctx)
                .iter()
                .all(|ours| labels.iter().any(|label| label == ours))
        );
        assert_eq!(labels.object()["runner-name"], "web-3");
        assert_eq!(labels.words(15)[..2], ["runner-token:t", "runner-source:w"]);
        assert_eq!(Labels::token("t").form(), "runner-token=t");
    }
}
