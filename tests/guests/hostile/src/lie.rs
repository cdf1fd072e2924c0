//! False answers: malformed, oversized, forged.

use runner_sdk::{Allocated, Entry, Error, Request, SshTarget};

/// Escape sequences that would clear the screen, set the title and write a line that was never said.
const FORGERY: &str =
    "\u{1b}[2J\u{1b}]0;owned\u{7}\r\u{1b}[32mok: all is well\u{1b}[0m\u{9b}31m\u{202e}";

/// What `allocate` answers.
pub(crate) fn about_allocated(mode: &str, request: &Request) -> Allocated {
    let honest = Allocated::new(format!("hostile:{}", request.token));
    match mode {
        "handle-empty" => Allocated::new(""),
        "handle-huge" => Allocated::new("h".repeat(1 << 20)),
        "handle-control" => Allocated::new(format!("h{FORGERY}")),
        "handle-same" => Allocated::new("the same for everybody"),
        "answer-huge" => Allocated::new("a".repeat(64 << 20)),
        // Not through the SDK, which cuts what is too long.
        "attributes-many" => with(
            honest,
            (0..33).map(|number| (format!("key {number}"), "v".into())),
        ),
        "attributes-flood" => with(
            honest,
            (0..100_000).map(|number| (format!("key {number}"), "v".repeat(200))),
        ),
        "attribute-huge" => with(honest, [("key".into(), "v".repeat(20_000))]),
        "attribute-forged" => with(honest, [(FORGERY.into(), FORGERY.into())]),
        // An option of ssh's where a host is expected, and a host nobody granted.
        "access-option" => {
            honest.by_ssh(target("-oProxyCommand=touch /tmp/runner-hostile-escaped"))
        }
        "access-foreign" => honest.by_ssh(target("not-granted.invalid")),
        _ => honest,
    }
}

/// An error whose text is an attack.
pub(crate) fn error(mode: &str) -> Option<Error> {
    match mode {
        "error-forged" => Some(Error::failed(FORGERY).remedy(FORGERY)),
        "error-huge" => Some(Error::failed("e".repeat(8 << 20))),
        _ => None,
    }
}

/// What `list` answers.
pub(crate) fn about_list(mode: &str, target: &str, mut found: Vec<Entry>) -> Vec<Entry> {
    let entry = |token: String| Entry {
        handle: format!("hostile:{token}"),
        token,
    };
    match mode {
        // Somebody else's token.
        "list-foreign" => found.push(entry(target.to_owned())),
        "list-malformed" => found.push(entry(format!("../{FORGERY}"))),
        "list-empty" => found.clear(),
        "list-huge" => {
            found.extend((0..2_000_000_u32).map(|number| entry(format!("{number:032x}"))))
        }
        _ => {}
    }
    found
}

fn with(
    mut answer: Allocated,
    attributes: impl IntoIterator<Item = (String, String)>,
) -> Allocated {
    answer.attributes.extend(attributes);
    answer
}

fn target(host: &str) -> SshTarget {
    SshTarget {
        host: host.to_owned(),
        port: None,
        user: None,
    }
}
