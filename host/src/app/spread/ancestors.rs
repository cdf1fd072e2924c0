//! The ancestors' own types of backends, in terms of the plugins that stand for them: which plugin, and how its keys are called.
//!
//! What is said here is only what a `spread.yaml` says and the plugin would not understand. Keys that the plugin knows under
//! the same name (`location` of linode, `networks`) have been taken over already, and so have keys that only the plugin has.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use runner_core::matrix::Size;
use serde_json::{Map, Value};

use crate::engine::{EngineError, Result};
use crate::jobs::run::{Login, Wish};

use super::credentials::{self, CloudEnvironment, OpenStack};
use super::invalid;

const MEBI: u64 = 1 << 20;
const GIBI: u64 = 1 << 30;

/// The keys of a plugin, and the values of secrets that it is told only the names of.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub(super) options: Map<String, Value>,
    pub(super) secrets: BTreeMap<String, String>,
}

/// What is around a project.
pub(super) struct Around<'a> {
    pub(super) directory: &'a Path,
    pub(super) home: &'a Path,
    pub(super) cloud: &'a CloudEnvironment,
    /// There is a command of LXD's.
    pub(super) lxc: bool,
}

/// The plugin for a type. Types that have no other are plugins' names.
pub(super) fn plugin_of(kind: &str) -> &str {
    match kind {
        "lxd" => "incus",
        "google" => "gce",
        _ => kind,
    }
}

/// Says in the plugin's terms what the project says in the ancestor's.
pub(super) fn translate(wish: &Wish<'_>, around: &Around<'_>, keys: &mut Keys) -> Result<()> {
    match wish.backend.kind.as_str() {
        "lxd" => lxd(wish, around, keys),
        "qemu" => qemu(wish, around, keys)?,
        "google" => google(wish, around, keys)?,
        "linode" => linode(wish, keys),
        "openstack" => openstack(wish, around, keys)?,
        // The user's own types say what their plugins want.
        _ => {}
    }
    Ok(())
}

impl Keys {
    fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.options.insert(key.to_owned(), value.into());
    }

    fn has(&self, key: &str) -> bool {
        self.options.contains_key(key)
    }

    /// Unless the project says it in the plugin's own words.
    fn set_default(&mut self, key: &str, value: impl Into<Value>) {
        let value = value.into();
        self.options.entry(key.to_owned()).or_insert(value);
    }

    /// What is not empty takes the place of what there is.
    fn set_some(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.set(key, value);
        }
    }

    /// In whole units, rounded up. `preserve-size` is what the plugin does when it is told nothing.
    fn set_size(&mut self, key: &str, size: Option<Size>, say: impl Fn(u64) -> Value) {
        match size {
            Some(Size::Bytes(bytes)) => self.set(key, say(bytes)),
            Some(Size::Preserve) => {
                self.options.remove(key);
            }
            None => {}
        }
    }

    /// The value of a secret, where the project has one; otherwise it is the user's.
    fn secret(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.secrets.insert(name.to_owned(), value.to_owned());
        }
    }

    /// The user to log in as. Root is what the ancestor means by none; not every image lets it in.
    fn user(&mut self, login: &Login) {
        if login.username.is_empty() {
            self.options.remove("username");
        } else {
            self.set("username", login.username.clone());
        }
    }
}

/// `ubuntu-22.04-64` and the like: distribution, release, and whether an architecture follows that is the usual one.
fn distribution(name: &str) -> Option<(&str, &str)> {
    let name = name.strip_suffix("-64").unwrap_or(name);
    let (distribution, release) = name.split_once('-')?;
    let known = release.starts_with(|c: char| c.is_ascii_alphanumeric());
    (known && !distribution.contains(['/', ':'])).then_some((distribution, release))
}

fn lxd(wish: &Wish<'_>, around: &Around<'_>, keys: &mut Keys) {
    let (backend, system) = (wish.backend, wish.system);
    if around.lxc {
        keys.set_default("client", "lxc");
    }
    // One of the server's own by this name comes first, as there.
    if let Some((distribution, release)) = distribution(&system.image)
        && !system.image.contains([':', '/'])
    {
        // Only LXD's client knows Ubuntu's own server.
        let image = match distribution {
            "ubuntu" if around.lxc => format!("ubuntu:{release}"),
            _ => format!("images:{distribution}/{}", release.replace('-', "/")),
        };
        keys.set_default("or-image", image);
    }
    let whole = |bytes: u64| -> Value {
        if bytes.is_multiple_of(MEBI) {
            format!("{}MiB", bytes / MEBI).into()
        } else {
            bytes.to_string().into()
        }
    };
    keys.set_size("memory", backend.memory, whole);
    keys.set_size("storage", system.storage, whole);
}

fn qemu(wish: &Wish<'_>, around: &Around<'_>, keys: &mut Keys) -> Result<()> {
    let (backend, system) = (wish.backend, wish.system);
    let image = if system.image.contains('/') {
        around.directory.join(&system.image)
    } else {
        qemu_image(around.home, &system.image)
    };
    if !keys.options.contains_key("image-format") {
        keys.set("image-format", image_format(&image)?);
    }
    keys.set("image", image.display().to_string());
    let mebibytes = |bytes: u64| format!("{}M", bytes.div_ceil(MEBI)).into();
    keys.set_size("memory", backend.memory, mebibytes);
    keys.set_size("storage", system.storage, mebibytes);
    keys.user(&wish.login);
    // An image cannot know a password that was made up just now. Without one the host makes a key, and tells the image's
    // cloud-init.
    if wish.login.invented {
        keys.options.remove("password");
    } else {
        keys.set_some("password", &wish.login.password);
    }
    Ok(())
}

/// Where the ancestor's images are.
fn qemu_image(home: &Path, name: &str) -> PathBuf {
    let folder = home.join(".spread/qemu");
    let named = |ending: &str| folder.join(format!("{name}{ending}"));
    let endings = [".img", ".qcow2", ""];
    let there = endings.iter().map(|ending| named(ending));
    let mut there = there.filter(|path| path.is_file());
    there.next().unwrap_or_else(|| named(".img"))
}

/// By what it begins with. Nobody writes to an image, so no guest can make us read it as something else.
fn image_format(path: &Path) -> Result<&'static str> {
    let mut magic = [0; 4];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    match read {
        Ok(()) if magic == *b"QFI\xfb" => Ok("qcow2"),
        Ok(()) => Ok("raw"),
        Err(error) => Err(
            invalid(format!("cannot read the image `{}`", path.display()))
                .hint("`image` of a system of the type `qemu` is a path, or the name of a file `NAME.img` in `~/.spread/qemu`")
                .because(error),
        ),
    }
}

fn google(wish: &Wish<'_>, around: &Around<'_>, keys: &mut Keys) -> Result<()> {
    let (backend, system) = (wish.backend, wish.system);
    let place = split_location(wish, "PROJECT/ZONE")?;
    keys.set("project", place.0);
    keys.set("location", place.1);
    keys.set("image", google_image(&system.image));
    keys.set_default("plan", "n1-standard-1");
    keys.set_some("plan", &system.plan);
    keys.set_size("storage", system.storage, |bytes| {
        bytes.div_ceil(GIBI).into()
    });
    keys.set_some("min-cpu-platform", &system.cpu_family);
    keys.user(&wish.login);
    let key = &wish.login.key;
    let json = if key.is_empty() {
        credentials::google(around.cloud, around.home)?.unwrap_or_default()
    } else if key.trim_start().starts_with('{') {
        key.clone()
    } else {
        let path = around.directory.join(key);
        fs::read_to_string(&path).map_err(|error| {
            invalid(format!(
                "`key` of backend `{}` is neither JSON nor the path of a file that can be read: `{}`",
                backend.name,
                path.display()
            ))
            .because(error)
        })?
    };
    keys.secret("GOOGLE_CREDENTIALS", &json);
    Ok(())
}

/// Names of the well-known distributions, in Google's terms; others are images of the user's own project.
fn google_image(name: &str) -> String {
    let Some((distribution, release)) = distribution(name) else {
        return name.to_owned();
    };
    match distribution {
        "ubuntu" => {
            let digits = release.replace('.', "");
            // Since 24.04 families are named by their architecture, too.
            let family = match digits.parse::<u32>() {
                Ok(..2310) => format!("ubuntu-{digits}-lts"),
                Ok(number) if release.ends_with(".04") && number / 100 % 2 == 0 => {
                    format!("ubuntu-{digits}-lts-amd64")
                }
                Ok(_) => format!("ubuntu-{digits}-amd64"),
                Err(_) => return name.to_owned(),
            };
            format!("ubuntu-os-cloud/{family}")
        }
        // Not `sid`, which only one's own project can have.
        "debian" if release.parse::<u32>().is_ok() => format!("debian-cloud/debian-{release}"),
        "centos" => format!(
            "centos-cloud/centos-stream-{}",
            release.trim_start_matches("stream-")
        ),
        "rocky" => format!("rocky-linux-cloud/rocky-linux-{release}"),
        "fedora" => format!("fedora-cloud/fedora-cloud-{release}-x86-64"),
        _ => name.to_owned(),
    }
}

fn linode(wish: &Wish<'_>, keys: &mut Keys) {
    let system = wish.system;
    keys.set("image", linode_image(&system.image));
    keys.set_some("plan", &system.plan);
    // The disk is the plan's.
    keys.options.remove("storage");
    keys.user(&wish.login);
    keys.secret("LINODE_TOKEN", &wish.login.key);
}

/// Names of the distributions that Linode has; others are images of the user's own.
fn linode_image(name: &str) -> String {
    const THEIRS: [&str; 7] = [
        "almalinux",
        "alpine",
        "debian",
        "fedora",
        "opensuse",
        "rocky",
        "ubuntu",
    ];
    match distribution(name) {
        Some((distribution, release)) if THEIRS.contains(&distribution) => {
            format!("linode/{distribution}{release}")
        }
        _ => name.to_owned(),
    }
}

fn openstack(wish: &Wish<'_>, around: &Around<'_>, keys: &mut Keys) -> Result<()> {
    let (backend, system) = (wish.backend, wish.system);
    let key = &wish.login.key;
    // Without an account the key is no password: in the plus dialect it is variables, or the path of a file of them.
    let (file, text) = match (backend.account.is_empty(), key.as_str()) {
        (false, _) | (true, "") => (None, false),
        (true, key) => (
            Some(around.directory.join(key)).filter(|path| path.is_file()),
            key.contains("OS_") && key.contains('='),
        ),
    };
    let given = match &file {
        Some(path) => OpenStack::read(path)?,
        None if text => OpenStack::parse(key, "key")?,
        // The user's own go nowhere but where the user's environment says.
        None if !backend.endpoint.is_empty() || keys.has("identity") => OpenStack::default(),
        None => OpenStack::of(around.cloud),
    };
    let password = file.is_none() && !text && !key.is_empty();
    let or = |own: &str, names: &[&str]| match own {
        "" => given.get(names).to_owned(),
        own => own.to_owned(),
    };
    let endpoint = or(&backend.endpoint, &["OS_AUTH_URL"]);
    let by_the_plugins_key = backend.endpoint.is_empty() && keys.has("identity");
    if !endpoint.is_empty() && !by_the_plugins_key {
        let Some((host, port, path)) = url(&endpoint) else {
            return Err(invalid(format!(
                "`endpoint` of backend `{}`, or OS_AUTH_URL, is not the address of an identity service: `{endpoint}`",
                backend.name
            ))
            .hint("it looks like `https://keystone.example.com:5000/v3`"));
        };
        keys.set("identity", host);
        keys.set("identity-port", port);
        keys.set("identity-path", path);
        keys.set_default("ports", vec![443, 8774, 9292, 9696, port]);
    }
    let own_account = !backend.account.is_empty() || keys.has("user") || keys.has("credential");
    keys.set_some("user", &backend.account);
    let application = given.get(&["OS_APPLICATION_CREDENTIAL_ID"]);
    if !own_account && !application.is_empty() {
        keys.set("credential", application);
    } else if !own_account {
        keys.set_some("user", given.get(&["OS_USERNAME"]));
        let domain = given.get(&["OS_USER_DOMAIN_NAME", "OS_DEFAULT_DOMAIN"]);
        keys.set_some("user-domain", domain);
    }
    if !keys.has("credential") {
        let project = given.get(&["OS_PROJECT_NAME", "OS_TENANT_NAME"]);
        if !keys.has("project") {
            keys.set_some("project", project);
        }
        let domain = given.get(&["OS_PROJECT_DOMAIN_NAME", "OS_DEFAULT_DOMAIN"]);
        if !keys.has("project-domain") {
            keys.set_some("project-domain", domain);
        }
    }
    keys.options.remove("location");
    keys.set_some("location", given.get(&["OS_REGION_NAME"]));
    match backend.location.split_once('/') {
        Some(_) => {
            let place = split_location(wish, "PROJECT/REGION")?;
            keys.set("project", place.0);
            keys.set("location", place.1);
        }
        // Who says project and region elsewhere names an availability zone here.
        None => keys.set_some("zone", &backend.location),
    }
    keys.set("image", system.image.clone());
    keys.set_default("plan", "m1.medium");
    keys.set_some("plan", &system.plan);
    if !system.networks.is_empty() {
        keys.set("networks", system.networks.clone());
    }
    if !system.groups.is_empty() {
        keys.set("security-groups", system.groups.clone());
    }
    keys.set_size("storage", system.storage, |bytes| {
        bytes.div_ceil(GIBI).into()
    });
    keys.user(&wish.login);
    let secret = if password {
        key
    } else if own_account {
        // Somebody else's password is not tried for an account of the project's.
        ""
    } else if keys.has("credential") {
        given.get(&["OS_APPLICATION_CREDENTIAL_SECRET"])
    } else {
        given.get(&["OS_PASSWORD"])
    };
    keys.secret("OS_SECRET", secret);
    Ok(())
}

fn split_location<'a>(wish: &Wish<'a>, form: &str) -> Result<(&'a str, &'a str)> {
    let location = &wish.backend.location;
    let parts = location.split_once('/');
    let parts = parts.filter(|(one, other)| !one.is_empty() && !other.is_empty());
    parts.ok_or_else(|| -> EngineError {
        invalid(format!(
            "`location` of backend `{}` must look like {form}, not `{location}`",
            wish.backend.name
        ))
    })
}

/// Host, port and path of an address that is asked over TLS.
fn url(text: &str) -> Option<(String, u16, String)> {
    let rest = text.strip_prefix("https://")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (authority, 443),
    };
    let path = path.trim_end_matches('/');
    // Clients find the version out; there is one that everybody has.
    let path = match path {
        "" => "/v3".to_owned(),
        path if path.ends_with("v3") => format!("/{path}"),
        path => format!("/{path}/v3"),
    };
    (!host.is_empty()).then(|| (host.to_owned(), port, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_by_their_systems_names() {
        for (name, google) in [
            ("ubuntu-22.04-64", "ubuntu-os-cloud/ubuntu-2204-lts"),
            ("ubuntu-24.04-64", "ubuntu-os-cloud/ubuntu-2404-lts-amd64"),
            ("ubuntu-25.10-64", "ubuntu-os-cloud/ubuntu-2510-amd64"),
            ("debian-12-64", "debian-cloud/debian-12"),
            ("debian-sid-64", "debian-sid-64"),
            ("centos-9-64", "centos-cloud/centos-stream-9"),
            ("my-project/my-family", "my-project/my-family"),
            ("my-own-image", "my-own-image"),
            ("image", "image"),
        ] {
            assert_eq!(google_image(name), google);
        }
        assert_eq!(distribution("fedora-41-64"), Some(("fedora", "41")));
        assert_eq!(distribution("images:debian-12"), None);
    }

    #[test]
    fn addresses() {
        let told = |text| url(text).map(|(host, port, path)| format!("{host} {port} {path}"));
        assert_eq!(
            told("https://k.example").as_deref(),
            Some("k.example 443 /v3")
        );
        assert_eq!(
            told("https://k.example:5000/v3/").as_deref(),
            Some("k.example 5000 /v3")
        );
        assert_eq!(
            told("https://k.example/identity").as_deref(),
            Some("k.example 443 /identity/v3")
        );
        for text in [
            "http://k.example",
            "k.example:5000",
            "https://:5000",
            "https://k:x",
        ] {
            assert_eq!(told(text), None, "{text}");
        }
    }
}
