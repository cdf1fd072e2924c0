//! What a fresh machine is told, in cloud-init's words, which nearly all images of nearly all clouds understand.

use serde_json::json;

/// How to log in, and how patient to be: the configuration keys that all clouds share. A provider's own configuration has it as
/// `#[serde(flatten)]`, and its manifest's schema has these keys with the defaults.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Login {
    /// The user to log in as.
    pub username: String,
    /// The operator's own user data, see [`fill`].
    pub user_data: Option<String>,
    /// Seconds for a machine to run and to have an address.
    pub patience: u64,
    /// Seconds after which to look again for what was just made and cannot be seen.
    pub settle: u64,
}

/// What a new machine is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// The user to log in as.
    pub username: String,
    /// The public key that is to let it in, a line of `authorized_keys`. The host made it and keeps the other half.
    pub key: String,
    /// For the image's cloud-init.
    pub user_data: String,
}

impl Guest {
    pub(crate) fn new(login: &Login, key: String) -> Self {
        let user_data = match &login.user_data {
            Some(own) => fill(own, &login.username, &key),
            None => user_data(&login.username, &key),
        };
        Self {
            username: login.username.clone(),
            key,
            user_data,
        }
    }
}

/// User data that lets this user in with this key (a line of `authorized_keys`), as root when it is somebody else.
pub fn user_data(username: &str, key: &str) -> String {
    let keys = [key.trim()];
    let config = if username == "root" {
        json!({
            "disable_root": false,
            "users": [{"name": "root", "ssh_authorized_keys": keys}],
        })
    } else {
        json!({
            "users": [{
                "name": username,
                "ssh_authorized_keys": keys,
                "sudo": "ALL=(ALL) NOPASSWD:ALL",
                "shell": "/bin/sh",
                "lock_passwd": true,
            }],
        })
    };
    // JSON is YAML.
    format!("#cloud-config\n{config}\n")
}

/// The operator's own user data, with `{username}` and `{ssh-key}` filled in.
pub fn fill(user_data: &str, username: &str, key: &str) -> String {
    user_data
        .replace("{username}", username)
        .replace("{ssh-key}", key.trim())
}

/// At most so many bytes of it, between characters.
pub fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_get_their_key() {
        for (user, expected) in [
            ("root", "\"disable_root\":false"),
            ("me", "\"sudo\":\"ALL=(ALL) NOPASSWD:ALL\""),
        ] {
            let data = user_data(user, "ssh-ed25519 AAAA runner\n");
            assert!(
                data.starts_with("#cloud-config\n") && data.contains(expected),
                "{data}"
            );
            assert!(data.contains("[\"ssh-ed25519 AAAA runner\"]"), "{data}");
        }
        assert_eq!(fill("{username}: {ssh-key}", "me", "k\n"), "me: k");
        assert_eq!(cut("äö", 3), "ä");
    }
}
