//! A component that was looked at but not run: what it says about itself, and what it needs.
//!
//! Nothing here compiles or knows wasmtime. `inspect` is the way from a [`Locator`] to a [`Component`].

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::error::{LoadError, LoadErrorKind};
use super::exports;
use super::locate::{Found, Locator, Origin, PluginDirs, digest_of};
use super::manifest::{Kind, Manifest};
use super::sections;
use super::text::printable;
use crate::provider::Optional;

/// Enough to load a component again, without reading it again where compiled code is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentRef {
    /// SHA-256 of the component file, lower-case hexadecimal.
    pub digest: String,
    pub name: String,
    pub version: String,
    /// Which optional interfaces it exports.
    pub optional: Optional,
    /// Which version of the contract it is built for.
    #[serde(default)]
    pub contract: Contract,
    /// It was part of the program that wrote this.
    pub embedded: bool,
}

/// A version of the contract that this host speaks. Only breaking ones are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Contract {
    // What was written down before there was another.
    #[default]
    #[serde(rename = "0.1")]
    V0_1,
    #[serde(rename = "0.2")]
    V0_2,
}

/// A component and what it says about itself.
#[derive(Clone, Debug)]
pub struct Component {
    pub reference: ComponentRef,
    pub manifest: Manifest,
    /// Interfaces that it may call, such as `runner:plugin/process@0.2.0`, sorted.
    pub imports: Vec<String>,
    /// Interfaces that it offers, sorted.
    pub exports: Vec<String>,
    /// Bytes.
    pub size: u64,
    pub origin: Origin,
    bytes: Cow<'static, [u8]>,
}

/// Finds a component and reads what it says about itself. Nothing of it is run or compiled.
pub fn inspect(dirs: &PluginDirs, locator: &Locator) -> Result<Component, LoadError> {
    Component::read(dirs.find(locator)?)
}

/// Reads what a component that was fetched from somewhere says about itself. Nothing of it is run or compiled.
pub fn inspect_fetched(from: &str, bytes: Vec<u8>) -> Result<Component, LoadError> {
    Component::read(Found {
        subject: printable(from).into_owned(),
        origin: Origin::Fetched(from.to_owned()),
        digest: digest_of(&bytes),
        bytes: Cow::Owned(bytes),
    })
}

impl Component {
    pub(super) fn read(found: Found) -> Result<Self, LoadError> {
        let Found {
            subject,
            origin,
            digest,
            bytes,
        } = found;
        let shape = sections::shape(&bytes).map_err(|damage| damage.about(&subject))?;
        let manifest = shape.manifest.as_deref().ok_or_else(|| {
            LoadError::new(
                LoadErrorKind::Manifest,
                &subject,
                "the component has no manifest (custom section `runner:plugin`)",
            )
            .hint("plugins in Rust have one by the SDK's macro; in other languages `runner plugin pack FILE.wasm --manifest plugin.json -o PLUGIN.wasm` puts it in")
        })?;
        let manifest = Manifest::parse(manifest)
            .map_err(|problem| LoadError::new(LoadErrorKind::Manifest, &subject, problem))?;
        let (contract, optional) = exports::check(&subject, &manifest, &shape)?;
        Ok(Self {
            reference: ComponentRef {
                digest,
                name: manifest.name.clone(),
                version: manifest.version.clone(),
                optional,
                contract,
                embedded: origin == Origin::Embedded,
            },
            size: bytes.len() as u64,
            manifest,
            imports: shape.imports.into_iter().collect(),
            exports: shape.exports.into_iter().collect(),
            origin,
            bytes,
        })
    }

    /// The component file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// It stands in front of another provider.
    pub fn wraps(&self) -> bool {
        let inner = "runner:plugin/provider@";
        self.imports.iter().any(|name| name.starts_with(inner))
    }

    /// It is a hook.
    pub fn is_hook(&self) -> bool {
        self.manifest.kind == Kind::Hook
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{self, MANIFEST};
    use super::*;
    use std::fs;
    use std::path::{Path, PathBuf};

    struct Home {
        _guard: tempfile::TempDir,
        path: PathBuf,
        dirs: PluginDirs,
    }

    fn home() -> Home {
        let guard = tempfile::tempdir().unwrap();
        let path = guard.path().to_owned();
        let dirs = PluginDirs {
            installed: path.join("plugins"),
            components: path.join("components"),
            compiled: path.join("compiled"),
            ssh: path.join("ssh"),
            compiler: None,
        };
        fs::create_dir(&dirs.installed).unwrap();
        Home {
            _guard: guard,
            path,
            dirs,
        }
    }

    fn write(path: &Path, bytes: &[u8]) -> Locator {
        fs::write(path, bytes).unwrap();
        Locator::File(path.to_owned())
    }

    #[test]
    fn a_file_tells_what_it_is() {
        let home = home();
        let bytes = fixtures::provider(MANIFEST);
        let file = write(&home.path.join("x.wasm"), &bytes);
        let component = inspect(&home.dirs, &file).unwrap();
        assert_eq!(
            component.reference,
            ComponentRef {
                digest: digest_of(&bytes),
                name: "test".to_owned(),
                version: "1.0.0".to_owned(),
                optional: Optional {
                    liveness: true,
                    ..Optional::default()
                },
                contract: Contract::V0_2,
                embedded: false,
            }
        );
        assert_eq!(component.size, bytes.len() as u64);
        assert_eq!(component.bytes(), bytes);
        assert_eq!(component.origin, Origin::File(home.path.join("x.wasm")));
        assert!(!component.is_hook());
    }

    #[test]
    fn a_kept_copy_outlives_its_file_and_is_verified() {
        let home = home();
        let bytes = fixtures::provider(MANIFEST);
        let file = write(&home.path.join("x.wasm"), &bytes);
        let component = inspect(&home.dirs, &file).unwrap();
        drop(component.keep(&home.dirs).unwrap());
        drop(component.keep(&home.dirs).unwrap());
        fs::remove_file(home.path.join("x.wasm")).unwrap();
        let kept = home.dirs.kept_path(&component.reference.digest);
        let files: Vec<_> = fs::read_dir(&home.dirs.components)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!(files, std::slice::from_ref(&kept));
        assert_eq!(home.dirs.bytes(&component.reference).unwrap(), bytes);
        let locator = Locator::Kept(component.reference.digest.clone());
        assert_eq!(
            inspect(&home.dirs, &locator).unwrap().reference,
            component.reference
        );

        // Changed, then cut short: refused, and repaired by keeping again where that can be seen.
        let mut changed = bytes.clone();
        changed[20] ^= 1;
        fs::write(&kept, &changed).unwrap();
        let error = home.dirs.bytes(&component.reference).unwrap_err();
        assert_eq!(error.kind, LoadErrorKind::Tampered);
        assert!(error.to_string().contains("was changed"));
        fs::write(&kept, &bytes[..50]).unwrap();
        assert!(home.dirs.bytes(&component.reference).is_err());
        drop(component.keep(&home.dirs).unwrap());
        assert_eq!(home.dirs.bytes(&component.reference).unwrap(), bytes);

        fs::remove_file(&kept).unwrap();
        let error = home.dirs.bytes(&component.reference).unwrap_err();
        assert_eq!(error.kind, LoadErrorKind::NotFound);
        assert!(error.hint.unwrap().contains(&component.reference.digest));
    }

    #[test]
    fn names_are_installed_or_embedded() {
        let home = home();
        let embedded = crate::plugin::embedded::EMBEDDED.iter().map(|one| one.name);
        let mut names: Vec<_> = embedded.collect();
        assert_eq!(home.dirs.names(), names);
        write(
            &home.dirs.installed.join("test.wasm"),
            &fixtures::provider(MANIFEST),
        );
        write(&home.dirs.installed.join("README.md"), b"");
        write(&home.dirs.installed.join("-x.wasm"), b"");
        names.push("test");
        assert_eq!(home.dirs.names(), names);
        let found = inspect(&home.dirs, &Locator::Name("test".to_owned())).unwrap();
        assert!(!found.reference.embedded);
        // An installed one hides the embedded one.
        write(
            &home.dirs.installed.join("local.wasm"),
            &fixtures::provider(MANIFEST),
        );
        let found = inspect(&home.dirs, &Locator::Name("local".to_owned())).unwrap();
        assert!(!found.reference.embedded);

        for (name, said, hint) in [
            (
                "contaner",
                "there is no such plugin",
                "did you mean `container`?",
            ),
            (
                "zzz",
                "there is no such plugin",
                "there are adhoc, budget, chaos",
            ),
            ("../x", "this is not a plugin name", "give a file as"),
            ("a/b", "this is not a plugin name", "give a file as"),
            (
                "\u{1b}",
                "`plugin \\u{1b}`: this is not a plugin name",
                "give a file as",
            ),
        ] {
            let error = inspect(&home.dirs, &Locator::Name(name.to_owned())).unwrap_err();
            assert_eq!(error.kind, LoadErrorKind::NotFound);
            assert!(error.to_string().contains(said), "{error}");
            assert!(error.hint.unwrap().contains(hint));
        }
    }

    #[test]
    fn what_is_wrong_names_the_file() {
        let home = home();
        let path = home.path.join("x.wasm");
        let no_manifest = fixtures::component(None, &[], &["runner:plugin/provider@0.2.0"]);
        for (bytes, kind, said) in [
            (
                &b"hello"[..],
                LoadErrorKind::NotAComponent,
                "this is a text file",
            ),
            (&no_manifest, LoadErrorKind::Manifest, "has no manifest"),
            (
                &fixtures::provider("{}"),
                LoadErrorKind::Manifest,
                "the manifest is wrong: missing field `name`",
            ),
            (
                &fixtures::provider(&MANIFEST.replace("provider", "hook")),
                LoadErrorKind::Incompatible,
                "it is a hook, but it does not export",
            ),
        ] {
            let error = inspect(&home.dirs, &write(&path, bytes)).unwrap_err();
            assert_eq!(error.kind, kind);
            let text = error.to_string();
            assert!(
                text.starts_with(&format!("`{}`: ", path.display())),
                "{text}"
            );
            assert!(text.contains(said), "{text}");
        }
        let wrong = |path: PathBuf| inspect(&home.dirs, &Locator::File(path)).unwrap_err();
        assert_eq!(
            wrong(home.path.join("nosuch")).kind,
            LoadErrorKind::NotFound
        );
        assert!(
            wrong(home.path.clone())
                .to_string()
                .contains("not a regular file")
        );
        let fifo = home.path.join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert!(wrong(fifo).to_string().contains("not a regular file"));
        // 257 MiB that take no room.
        let sparse = home.path.join("sparse");
        let file = fs::File::create(&sparse).unwrap();
        file.set_len(257 << 20).unwrap();
        assert!(wrong(sparse).to_string().contains("larger than 256 MiB"));
        let digests = ["", "../x", &"A".repeat(64), &"a".repeat(64)].map(str::to_owned);
        for digest in digests {
            let error = inspect(&home.dirs, &Locator::Kept(digest)).unwrap_err();
            assert_eq!(error.kind, LoadErrorKind::NotFound);
        }
    }

    #[test]
    fn a_reference_survives_being_kept() {
        let home = home();
        let file = write(&home.path.join("x"), &fixtures::provider(MANIFEST));
        let reference = inspect(&home.dirs, &file).unwrap().reference;
        let text = serde_json::to_string(&reference).unwrap();
        assert_eq!(
            serde_json::from_str::<ComponentRef>(&text).unwrap(),
            reference
        );
    }

    #[test]
    fn what_is_embedded_is_sound() {
        let home = home();
        for name in home.dirs.names() {
            let component = inspect(&home.dirs, &Locator::Name(name.clone())).unwrap();
            assert_eq!(component.reference.name, name);
            assert!(component.reference.embedded);
            assert_eq!(component.manifest.check_schema(), Ok(()));
        }
    }
}
