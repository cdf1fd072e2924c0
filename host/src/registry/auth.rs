//! Who we are to a registry: user names and passwords out of docker's configuration, and the tokens that they buy.
//!
//! Read are files in docker's format: our own (`runner plugin login`) first, then docker's. Credential helpers are programs that docker
//! starts; they are not started here, and a registry that needs one gets an error that says so.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::error::{RegistryError, RegistryErrorKind, Result, short};

/// A file of more than this is not one of credentials.
const LARGEST: u64 = 1 << 20;

/// Where credentials are looked for.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// Ours, written by `login`.
    own: PathBuf,
    /// Docker's, and those of whoever follows it.
    others: Vec<PathBuf>,
}

/// What is sent to prove who we are.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Login {
    user: String,
    password: String,
}

/// What a registry answers who is not known: how to become so.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
    #[serde(default, rename = "credHelpers", skip_serializing)]
    helpers: BTreeMap<String, String>,
    #[serde(default, rename = "credsStore", skip_serializing)]
    store: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Auth {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    auth: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    #[serde(
        default,
        rename = "identitytoken",
        skip_serializing_if = "Option::is_none"
    )]
    identity_token: Option<String>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl Login {
    /// As the header `Authorization` wants it.
    pub(super) fn header(&self) -> String {
        let both = format!("{}:{}", self.user, self.password);
        format!("Basic {}", STANDARD.encode(both))
    }
}

impl Credentials {
    /// Reads nothing yet.
    pub fn new(own: PathBuf, others: Vec<PathBuf>) -> Self {
        Self { own, others }
    }

    /// Those for a registry; none: it is asked without.
    pub(super) fn find(&self, host: &str) -> Result<Option<Login>> {
        for path in std::iter::once(&self.own).chain(&self.others) {
            let Some(file) = read(path)? else { continue };
            let entry = names(host).find_map(|name| file.auths.get(&name));
            if let Some(login) = entry
                .map(|auth| auth.login(path, host))
                .transpose()?
                .flatten()
            {
                return Ok(Some(login));
            }
            let helper = names(host).find_map(|name| file.helpers.get(&name));
            let stored = entry.and(file.store.as_ref());
            if let Some(helper) = helper.or(stored) {
                return Err(RegistryError::new(
                    RegistryErrorKind::Unauthorized,
                    host,
                    format!(
                        "`{}` leaves its password to the program `docker-credential-{}`, and such programs are not started",
                        path.display(),
                        short(helper)
                    ),
                )
                .hint(format!("`runner plugin login {host}` keeps it in a file of ours")));
            }
        }
        Ok(None)
    }

    /// Remembers a password; answers where.
    pub fn remember(&self, host: &str, user: &str, password: &str) -> Result<&Path> {
        let mut file = read(&self.own)?.unwrap_or_default();
        let both = STANDARD.encode(format!("{user}:{password}"));
        let auth = Auth {
            auth: Some(both),
            ..Auth::default()
        };
        file.auths.insert(host.to_owned(), auth);
        self.write(&file)?;
        Ok(&self.own)
    }

    /// Forgets one; answers whether there was one.
    pub fn forget(&self, host: &str) -> Result<bool> {
        let Some(mut file) = read(&self.own)? else {
            return Ok(false);
        };
        let was_there = file.auths.remove(host).is_some();
        if was_there {
            self.write(&file)?;
        }
        Ok(was_there)
    }

    /// Replaces our file, readable for nobody else at any moment.
    fn write(&self, file: &File) -> Result<()> {
        let failed = |error: std::io::Error| {
            RegistryError::new(
                RegistryErrorKind::Io,
                self.own.display(),
                "cannot be written",
            )
            .because(error)
        };
        let folder = self.own.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(failed)?;
        let draft = self.own.with_extension("new");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut out = options.open(&draft).map_err(failed)?;
        out.set_permissions(fs::Permissions::from_mode(0o600))
            .map_err(failed)?;
        let text = serde_json::to_vec_pretty(file).unwrap_or_default();
        out.write_all(&text)
            .and_then(|()| out.sync_all())
            .map_err(failed)?;
        fs::rename(&draft, &self.own).map_err(failed)
    }
}

impl Auth {
    fn login(&self, path: &Path, host: &str) -> Result<Option<Login>> {
        if self.identity_token.is_some() {
            return Err(RegistryError::new(
                RegistryErrorKind::Unauthorized,
                host,
                format!(
                    "`{}` has an identity token for it, which is not supported",
                    path.display()
                ),
            )
            .hint(format!(
                "`runner plugin login {host}` with a password or an access token"
            )));
        }
        if let (Some(user), Some(password)) = (&self.username, &self.password) {
            return Ok(Some(Login {
                user: user.clone(),
                password: password.clone(),
            }));
        }
        let Some(both) = self.auth.as_deref().filter(|auth| !auth.is_empty()) else {
            return Ok(None);
        };
        let decoded = STANDARD
            .decode(both.trim())
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let Some((user, password)) = decoded.as_deref().and_then(|both| both.split_once(':'))
        else {
            return Err(RegistryError::new(
                RegistryErrorKind::Io,
                path.display(),
                format!("`auth` of `{host}` is not `USER:PASSWORD` in base 64"),
            ));
        };
        Ok(Some(Login {
            user: user.to_owned(),
            password: password.trim_end_matches('\0').to_owned(),
        }))
    }
}

/// The names under which docker and others may have written a registry.
fn names(host: &str) -> impl Iterator<Item = String> {
    let hub = matches!(
        host,
        "docker.io" | "registry-1.docker.io" | "index.docker.io"
    );
    [
        host.to_owned(),
        format!("https://{host}"),
        format!("https://{host}/"),
        format!("http://{host}"),
    ]
    .into_iter()
    .chain(hub.then(|| "https://index.docker.io/v1/".to_owned()))
}

fn read(path: &Path) -> Result<Option<File>> {
    let wrong = |message: &str| RegistryError::new(RegistryErrorKind::Io, path.display(), message);
    let bytes = match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() && metadata.len() <= LARGEST => fs::read(path),
        Ok(_) => return Err(wrong("this is no file of credentials")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(error),
    };
    let bytes = bytes.map_err(|error| wrong("cannot be read").because(error))?;
    serde_json::from_slice(&bytes)
        .map(Some)
        // The cause would quote what stands there.
        .map_err(|error| wrong(&format!("is not docker's format, at line {}", error.line())))
}

impl Challenge {
    /// Reads `WWW-Authenticate`.
    pub(super) fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut parameters: BTreeMap<String, String> = BTreeMap::new();
        let mut rest = rest.trim_start();
        while let Some((name, after)) = rest.split_once('=') {
            let (value, after) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => after.split_at(after.find(',').unwrap_or(after.len())),
            };
            let name = name.trim().to_ascii_lowercase();
            parameters
                .entry(name)
                .or_insert_with(|| value.trim().to_owned());
            rest = after
                .trim_start()
                .strip_prefix(',')
                .unwrap_or_default()
                .trim_start();
        }
        Some(Self::Bearer {
            realm: parameters.remove("realm")?,
            service: parameters.remove("service"),
            scope: parameters.remove("scope"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> (tempfile::TempDir, Credentials) {
        let folder = tempfile::tempdir().unwrap();
        let docker = folder.path().join("config.json");
        fs::write(&docker, text).unwrap();
        let credentials = Credentials::new(folder.path().join("own/auth.json"), vec![docker]);
        (folder, credentials)
    }

    #[test]
    fn dockers_file_is_understood() {
        let both = STANDARD.encode("me:se:cret");
        let (_folder, known) = of(&format!(
            r#"{{"auths": {{"r.example": {{"auth": "{both}"}}, "https://s.example": {{"username": "u", "password": "p"}},
                "empty.example": {{}}, "token.example": {{"identitytoken": "x"}}, "bad.example": {{"auth": "!"}}}},
                "credHelpers": {{"help.example": "pass"}}, "HttpHeaders": {{}}}}"#
        ));
        assert_eq!(
            known.find("r.example").unwrap().unwrap().header(),
            format!("Basic {both}")
        );
        assert_eq!(known.find("s.example").unwrap().unwrap().user, "u");
        assert_eq!(known.find("empty.example").unwrap(), None);
        assert_eq!(known.find("other.example").unwrap(), None);
        for (host, said) in [
            ("token.example", "identity token"),
            ("help.example", "docker-credential-pass"),
            ("bad.example", "not `USER:PASSWORD`"),
        ] {
            let error = known.find(host).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        // With a store, docker leaves empty entries behind as a list of what the store has.
        let (_folder, known) = of(r#"{"auths": {"r.example": {}}, "credsStore": "desktop"}"#);
        assert!(known.find("r.example").is_err());
        assert_eq!(known.find("other.example").unwrap(), None);
        let (_folder, known) = of("{\"auths\": {\"r\": {\"auth\": \"c2VjcmV0\" ");
        let error = known.find("r").unwrap_err().to_string();
        assert!(
            error.contains("at line 1") && !error.contains("c2VjcmV0"),
            "{error}"
        );
    }

    #[test]
    fn ours_comes_first_and_is_private() {
        let (folder, known) =
            of(r#"{"auths": {"r.example": {"username": "docker", "password": "p"}}}"#);
        assert!(!known.forget("r.example").unwrap());
        let path = known
            .remember("r.example", "own", "pa:ss")
            .unwrap()
            .to_owned();
        assert_eq!(path, folder.path().join("own/auth.json"));
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let login = known.find("r.example").unwrap().unwrap();
        assert_eq!(
            (login.user.as_str(), login.password.as_str()),
            ("own", "pa:ss")
        );
        assert!(!format!("{login:?}").contains("pa:ss"));
        assert!(known.forget("r.example").unwrap());
        assert_eq!(known.find("r.example").unwrap().unwrap().user, "docker");
    }

    #[test]
    fn challenges() {
        let header = r#"Bearer realm="https://auth.example/token",service="r.example",scope="repository:a/b:pull,push""#;
        assert_eq!(
            Challenge::parse(header),
            Some(Challenge::Bearer {
                realm: "https://auth.example/token".into(),
                service: Some("r.example".into()),
                scope: Some("repository:a/b:pull,push".into()),
            })
        );
        assert_eq!(Challenge::parse("basic realm=x"), Some(Challenge::Basic));
        assert_eq!(Challenge::parse("Basic"), Some(Challenge::Basic));
        for header in [
            "",
            "Digest realm=x",
            "Bearer",
            "Bearer service=x",
            "Bearer realm=\"x",
            "Bearer ,,,=",
        ] {
            assert_eq!(Challenge::parse(header), None, "{header}");
        }
    }
}
