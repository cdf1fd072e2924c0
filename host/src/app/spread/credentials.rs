//! Credentials of clouds that a project does not say: the variables and files that the clouds' own tools read.
//!
//! All of them come from one place, so that what one place says of a server is never joined with a password from another.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use serde_json::Value;

use super::invalid;
use crate::engine::Result;

/// What the user's environment says of clouds.
#[derive(Clone, Default)]
pub struct CloudEnvironment {
    /// `OS_…`, as OpenStack's clients read them.
    pub openstack: BTreeMap<String, String>,
    /// `GOOGLE_APPLICATION_CREDENTIALS`: the file of a service account.
    pub google: Option<PathBuf>,
}

/// Without what is secret.
impl fmt::Debug for CloudEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudEnvironment")
            .field("openstack", &self.openstack.keys())
            .field("google", &self.google)
            .finish()
    }
}

/// Variables of OpenStack's clients.
#[derive(Default)]
pub(super) struct OpenStack(BTreeMap<String, String>);

impl OpenStack {
    /// Those of the environment.
    pub(super) fn of(environment: &CloudEnvironment) -> Self {
        Self(environment.openstack.clone())
    }

    /// Those of a file with a variable a line, as a shell reads it, and none of anywhere else.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|error| {
            invalid(format!("cannot read the variables of `{}`", path.display())).because(error)
        })?;
        Self::parse(&text, &path.display().to_string())
    }

    /// The same of a text. `name` is what it is called in errors.
    pub(super) fn parse(text: &str, name: &str) -> Result<Self> {
        let mut all = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (variable, value) = assignment(line).ok_or_else(|| {
                invalid(format!("`{name}`:{} is not `NAME=VALUE`", number + 1)).hint(
                    "nothing in such a text is run or expanded: only names, values and comments",
                )
            })?;
            all.insert(variable, value);
        }
        Ok(Self(all))
    }

    /// The first of these that is there and not empty.
    pub(super) fn get(&self, names: &[&str]) -> &str {
        let mut found = names.iter().filter_map(|name| self.0.get(*name));
        found
            .find(|value| !value.is_empty())
            .map_or("", String::as_str)
    }
}

/// `NAME=VALUE`, `export NAME='VALUE'`. None: something else, which only a shell would understand.
fn assignment(line: &str) -> Option<(String, String)> {
    let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
    let (name, value) = line.split_once('=')?;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(legal) {
        return None;
    }
    let quote = value.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let value = match quote {
        Some(quote) => {
            let (inner, rest) = value[1..].split_once(quote)?;
            let rest = rest.trim();
            if !rest.is_empty() && !rest.starts_with('#') {
                return None;
            }
            inner
        }
        None => value.split(" #").next().unwrap_or_default().trim_end(),
    };
    // A single quote keeps everything as it is; elsewhere these would mean something.
    if quote != Some('\'') && value.contains(['$', '`', '\\']) {
        return None;
    }
    Some((name.to_owned(), value.to_owned()))
}

/// The file of a service account that Google's own tools would take, where nobody says anything: its content.
pub(super) fn google(environment: &CloudEnvironment, home: &Path) -> Result<Option<String>> {
    let own = home.join(".config/gcloud/application_default_credentials.json");
    let path = match &environment.google {
        Some(path) => path.clone(),
        None if own.is_file() => own,
        None => return Ok(None),
    };
    let text = fs::read_to_string(&path).map_err(|error| {
        invalid(format!(
            "cannot read Google's default credentials `{}`",
            path.display()
        ))
        .because(error)
    })?;
    let kind = serde_json::from_str::<Value>(&text)
        .ok()
        .and_then(|account| Some(account.get("type")?.as_str()?.to_owned()));
    if kind.as_deref() == Some("service_account") {
        return Ok(Some(text));
    }
    Err(invalid(format!(
        "Google's default credentials `{}` are not those of a service account, but {}",
        path.display(),
        kind.map_or("something else".to_owned(), |kind| format!("`{kind}`"))
    ))
    .hint(
        "`key` of the backend, or the secret GOOGLE_CREDENTIALS, is the JSON of a service account; with `credentials: access-token` \
         it is what `gcloud auth print-access-token` prints",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_a_file() {
        for (line, wanted) in [
            ("OS_USERNAME=me", Some(("OS_USERNAME", "me"))),
            (
                "export OS_PASSWORD='a $b \\c' # it",
                Some(("OS_PASSWORD", "a $b \\c")),
            ),
            ("A=\"b c\"", Some(("A", "b c"))),
            ("A=b c # d", Some(("A", "b c"))),
            ("A=", Some(("A", ""))),
            ("A=$B", None),
            ("A=\"`b`\"", None),
            ("A='b", None),
            ("A='b'c", None),
            ("echo hello", None),
            ("read -sr A=b", None),
        ] {
            let told = assignment(line);
            let told = told
                .as_ref()
                .map(|(name, value)| (name.as_str(), value.as_str()));
            assert_eq!(told, wanted, "{line}");
        }
    }

    #[test]
    fn files_are_read_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stack.env");
        fs::write(&path, "# mine\n\nOS_TENANT_NAME=t\nOS_PROJECT_NAME=\n").unwrap();
        let read = OpenStack::read(&path).unwrap();
        assert_eq!(read.get(&["OS_PROJECT_NAME", "OS_TENANT_NAME"]), "t");
        assert_eq!(read.get(&["OS_USERNAME"]), "");
        fs::write(&path, "A=b\nif true\n").unwrap();
        let error = OpenStack::read(&path).err().unwrap().to_string();
        assert!(
            error.ends_with("stack.env`:2 is not `NAME=VALUE`"),
            "{error}"
        );
    }

    #[test]
    fn googles_default_credentials() {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path();
        let mut environment = CloudEnvironment::default();
        assert_eq!(google(&environment, home).unwrap(), None);
        let own = home.join(".config/gcloud");
        fs::create_dir_all(&own).unwrap();
        let own = own.join("application_default_credentials.json");
        fs::write(&own, "{\"type\": \"authorized_user\"}").unwrap();
        let error = google(&environment, home).unwrap_err().to_string();
        assert!(error.ends_with("but `authorized_user`"), "{error}");
        let named = home.join("named");
        fs::write(&named, "{\"type\": \"service_account\"}").unwrap();
        environment.google = Some(named);
        let found = google(&environment, home).unwrap().unwrap();
        assert!(found.contains("service_account"));
    }
}
