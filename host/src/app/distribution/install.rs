//! Installing, what must not happen unasked when something is installed, and removing.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use semver::Version;

use super::{App, Candidate, FetchOptions, Place};
use crate::config::{PluginPath, SourceKind};
use crate::engine::{EngineError, FailureKind, Result};
use crate::plugin::{Component, ComponentRef, Locator};
use crate::registry::{
    Lock, Locked, Receipt, RegistryError, RegistryErrorKind, Verdict, Wanted, Which,
};

/// A plugin that is installed now.
#[derive(Debug)]
pub struct Installed {
    pub reference: ComponentRef,
    pub path: PathBuf,
    /// None: from a file.
    pub receipt: Option<Receipt>,
    /// It was there before.
    pub unchanged: bool,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl App {
    /// Installs a component file under its own name.
    pub fn plugin_install_file(&self, file: &Path) -> Result<Installed> {
        let component = self
            .plugins()
            .inspect(&Locator::File(file.to_owned()))
            .map_err(super::super::unloadable)?;
        let folder = self.plugin_dirs().installed;
        // A note about what was there before would be about something else.
        Receipt::remove(&folder, &component.reference.name)?;
        Ok(Installed {
            path: self.put(&component)?,
            reference: component.reference,
            receipt: None,
            unchanged: false,
            notes: Vec::new(),
        })
    }

    /// Installs a plugin out of a registry.
    pub fn plugin_install_wanted(
        &self,
        wanted: &Wanted,
        options: &FetchOptions,
    ) -> Result<Installed> {
        let lock = self.lock()?;
        if let Wanted::Named(name, range) = wanted
            && range.is_any()
            && !options.lock
            && let Some(locked) = lock.as_ref().and_then(|lock| lock.get(name))
        {
            let mut installed = self.install_locked(locked, options)?;
            let path = lock.as_ref().map(|lock| lock.path().display().to_string());
            let path = path.unwrap_or_default();
            installed.notes.push(format!(
                "`{path}` pins it; `--lock` with a range (`{name}@*`) takes another and pins that"
            ));
            return Ok(installed);
        }
        let client = self.registry(options)?;
        let place = self.place(&client, wanted, options)?;
        let candidate = self.candidate(&client, place, options)?;
        self.take(candidate, options)
    }

    /// Installs everything that the project's lock has.
    pub fn plugin_install_locked(&self, options: &FetchOptions) -> Result<Vec<Installed>> {
        let lock = self.lock()?.ok_or_else(|| {
            EngineError::new(
                FailureKind::Invalid,
                "there is no `runner.lock` here or in a directory above that could say what to install",
            )
            .hint("`runner plugin install NAME --lock` installs a plugin and writes it there")
        })?;
        let plugins = lock.plugins().iter();
        plugins
            .map(|one| self.install_locked(one, options))
            .collect()
    }

    fn install_locked(&self, locked: &Locked, options: &FetchOptions) -> Result<Installed> {
        if let Some((component, receipt)) = self.present(&locked.name)
            && component.reference.digest == locked.component.hex()
            && !component.reference.embedded
        {
            return Ok(Installed {
                path: self.installed_path(&locked.name),
                reference: component.reference,
                receipt,
                unchanged: true,
                notes: Vec::new(),
            });
        }
        let client = self.registry(options)?;
        let place = Place {
            repository: locked.from.clone(),
            which: Which::Digest(locked.manifest.clone()),
            range: locked.range.clone(),
            version: Version::parse(&locked.version).ok(),
        };
        let candidate = self.candidate(&client, place, options)?;
        if candidate.receipt.component != locked.component {
            let subject = format!("oci://{}", locked.from);
            return Err(RegistryError::new(
                RegistryErrorKind::Digest,
                subject,
                format!(
                    "`runner.lock` pins the component {}, and the manifest that it names has {}",
                    locked.component, candidate.receipt.component
                ),
            )
            .hint("the lock contradicts itself: write it anew with `--lock`")
            .into());
        }
        self.take(
            candidate,
            &FetchOptions {
                lock: false,
                ..options.clone()
            },
        )
    }

    /// Installs a candidate, if nothing speaks against it, and writes down where it came from.
    pub(super) fn take(&self, candidate: Candidate, options: &FetchOptions) -> Result<Installed> {
        let Candidate {
            component, receipt, ..
        } = candidate;
        let name = &receipt.name;
        let mut lock = self.lock()?;
        let present = self.present(name);
        let before = present
            .as_ref()
            .map(|(component, receipt)| (&component.reference, receipt.as_ref()));
        may_take(&receipt, before, options)?;
        if let Some(locked) = lock.as_ref().and_then(|lock| lock.get(name)) {
            may_replace_locked(&receipt, locked, options)?;
        }
        let mut notes = Vec::new();
        if receipt.signed == Verdict::Unsigned {
            notes.push(format!(
                "nobody whose signature counts has signed `{name}`: that it is its publisher's is only the registry's word"
            ));
        }
        let path = self.put(&component)?;
        receipt.write(&self.plugin_dirs().installed)?;
        if options.lock {
            let mut written = match lock.take() {
                Some(lock) => lock,
                None => Lock::new_in(&self.environment().project()),
            };
            written.put(locked(&receipt));
            written.write()?;
            notes.push(format!("written into `{}`", written.path().display()));
        } else if let Some(locked) = lock.as_ref().and_then(|lock| lock.get(name))
            && locked.component != receipt.component
        {
            let path = lock.as_ref().map(|lock| lock.path().display().to_string());
            notes.push(format!(
                "`{}` still pins version {}: `--lock` writes this one there",
                path.unwrap_or_default(),
                locked.version
            ));
        }
        let before = present.map(|(component, _)| component.reference.digest);
        Ok(Installed {
            unchanged: before.as_ref() == Some(&component.reference.digest),
            reference: component.reference,
            path,
            receipt: Some(receipt),
            notes,
        })
    }

    /// Removes an installed plugin, and from the lock where that has it; answers what the user should know.
    pub fn plugin_remove(&self, name: &str) -> Result<Vec<String>> {
        let path = self.installed_path(name);
        let there = self.plugin_dirs().names().iter().any(|known| known == name);
        if !(there && path.exists()) {
            let built_in = there.then(|| "it is part of this program".to_owned());
            let why =
                built_in.unwrap_or_else(|| "`runner plugin list` shows what is installed".into());
            let message = format!("no plugin `{name}` is installed");
            return Err(EngineError::new(FailureKind::Invalid, message).hint(why));
        }
        std::fs::remove_file(&path).map_err(|error| {
            let message = format!("cannot remove `{}`", path.display());
            EngineError::new(FailureKind::Io, message).because(error)
        })?;
        Receipt::remove(&self.plugin_dirs().installed, name)?;
        let mut notes = Vec::new();
        if let Some(mut lock) = self.lock()?
            && lock.take(name)
        {
            lock.write()?;
            notes.push(format!("taken out of `{}`", lock.path().display()));
        }
        for source in self.config().source_names() {
            let Ok(Some(config)) = self.config().source(&source) else {
                continue;
            };
            if let SourceKind::Provider {
                plugin: PluginPath::Name(used),
            } = &config.kind
                && used == name
            {
                notes.push(format!(
                    "source `{source}` names it; instances that it made can still be used and discarded"
                ));
            }
        }
        Ok(notes)
    }

    fn installed_path(&self, name: &str) -> PathBuf {
        self.plugin_dirs().installed.join(format!("{name}.wasm"))
    }

    /// Writes a component file into its place, at once or not at all.
    fn put(&self, component: &Component) -> Result<PathBuf> {
        let folder = self.plugin_dirs().installed;
        let path = self.installed_path(&component.reference.name);
        let failed = |error: std::io::Error| {
            let message = format!("cannot write `{}`", path.display());
            EngineError::new(FailureKind::Io, message).because(error)
        };
        std::fs::create_dir_all(&folder).map_err(failed)?;
        let mut draft = tempfile::NamedTempFile::new_in(&folder).map_err(failed)?;
        draft.write_all(component.bytes()).map_err(failed)?;
        draft.as_file().sync_all().map_err(failed)?;
        draft.persist(&path).map_err(|error| failed(error.error))?;
        Ok(path)
    }
}

/// What a lock says about a plugin.
pub(super) fn locked(receipt: &Receipt) -> Locked {
    Locked {
        name: receipt.name.clone(),
        version: receipt.version.clone(),
        from: receipt.from.clone(),
        range: receipt.range.clone(),
        manifest: receipt.manifest.clone(),
        component: receipt.component.clone(),
    }
}

/// Whether a plugin may take the place of what its name means now.
fn may_take(
    new: &Receipt,
    before: Option<(&ComponentRef, Option<&Receipt>)>,
    options: &FetchOptions,
) -> std::result::Result<(), RegistryError> {
    let Some((reference, receipt)) = before else {
        return Ok(());
    };
    let error = |message: String| {
        RegistryError::new(
            RegistryErrorKind::Version,
            format!("oci://{}", new.from),
            message,
        )
    };
    if reference.digest == new.component.hex() && !reference.embedded {
        return Ok(());
    }
    if !options.replace {
        let elsewhere = if reference.embedded {
            Some("part of this program".to_owned())
        } else {
            match receipt {
                None => Some("installed from a file".to_owned()),
                Some(receipt) if receipt.from != new.from => {
                    Some(format!("installed from `oci://{}`", receipt.from))
                }
                Some(_) => None,
            }
        };
        if let Some(elsewhere) = elsewhere {
            return Err(error(format!(
                "there is a plugin `{}` {} already, {elsewhere}",
                new.name, reference.version
            ))
            .hint("`--replace` puts this one in its place, for every source that names it"));
        }
    }
    // A version of something else says nothing.
    let same_plugin = receipt.is_some_and(|receipt| receipt.from == new.from);
    let both = (
        Version::parse(&reference.version),
        Version::parse(&new.version),
    );
    match both {
        (Ok(old), Ok(wanted)) if same_plugin && wanted < old && !options.downgrade => Err(error(format!(
            "version {wanted} is older than the installed {old}"
        ))
        .hint("if that is what you want: `--downgrade`; if you expected a newer one, the registry may be holding it back")),
        (Ok(old), Ok(wanted)) if same_plugin && wanted == old && !options.replace => Err(error(format!(
            "version {wanted} is not what it was: installed is {}, published there now {}",
            reference.digest, new.component.hex()
        ))
        .hint("a version that changes after it was published is a mistake or an attack; `--replace` takes it all the same")),
        _ => Ok(()),
    }
}

/// Whether a lock's pin agrees with what is about to be installed.
fn may_replace_locked(
    new: &Receipt,
    locked: &Locked,
    options: &FetchOptions,
) -> std::result::Result<(), RegistryError> {
    let same = locked.from == new.from && locked.version == new.version;
    if !same || locked.component == new.component || options.replace {
        return Ok(());
    }
    let subject = format!("oci://{}", new.from);
    Err(RegistryError::new(
        RegistryErrorKind::Version,
        subject,
        format!(
            "version {} is not what it was: `runner.lock` pins {}, published there now is {}",
            new.version, locked.component, new.component
        ),
    )
    .hint("a version that changes after it was published is a mistake or an attack; `--replace` takes it all the same"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::Contract;
    use crate::provider::Optional;
    use crate::registry::{Digest, Range, Repository};

    fn receipt(from: &str, version: &str, content: &[u8]) -> Receipt {
        Receipt {
            name: "box".into(),
            version: version.into(),
            from: Repository::parse(from).unwrap(),
            range: Range::any(),
            manifest: Digest::of(content),
            component: Digest::of(content),
            signed: Verdict::Unsigned,
            conformance: None,
            tested: None,
        }
    }

    fn present(receipt: &Receipt, embedded: bool) -> ComponentRef {
        ComponentRef {
            digest: receipt.component.hex().to_owned(),
            name: receipt.name.clone(),
            version: receipt.version.clone(),
            optional: Optional::default(),
            contract: Contract::default(),
            embedded,
        }
    }

    #[test]
    fn what_is_not_taken_unasked() {
        let old = receipt("r.example/box", "1.2.0", b"old");
        let plain = FetchOptions::default();
        let replace = FetchOptions {
            replace: true,
            ..FetchOptions::default()
        };
        let downgrade = FetchOptions {
            downgrade: true,
            ..FetchOptions::default()
        };
        let here = present(&old, false);
        let built_in = present(&old, true);
        let newer = receipt("r.example/box", "1.3.0", b"new");
        let older = receipt("r.example/box", "1.1.9", b"new");
        let changed = receipt("r.example/box", "1.2.0", b"new");
        let other = receipt("s.example/box", "1.0.0", b"new");
        let same = receipt("s.example/box", "1.0.0", b"old");
        for (new, before, options, said) in [
            (&newer, None, &plain, None),
            (&newer, Some((&here, Some(&old))), &plain, None),
            (&same, Some((&here, None)), &plain, None),
            (
                &older,
                Some((&here, Some(&old))),
                &plain,
                Some("older than the installed"),
            ),
            (
                &older,
                Some((&here, Some(&old))),
                &replace,
                Some("older than the installed"),
            ),
            (&older, Some((&here, Some(&old))), &downgrade, None),
            (
                &changed,
                Some((&here, Some(&old))),
                &plain,
                Some("not what it was"),
            ),
            (
                &changed,
                Some((&here, Some(&old))),
                &downgrade,
                Some("not what it was"),
            ),
            (&changed, Some((&here, Some(&old))), &replace, None),
            (
                &other,
                Some((&here, Some(&old))),
                &plain,
                Some("installed from `oci://r.example/box`"),
            ),
            (&other, Some((&here, Some(&old))), &replace, None),
            (
                &newer,
                Some((&here, None)),
                &plain,
                Some("installed from a file"),
            ),
            (
                &newer,
                Some((&built_in, None)),
                &plain,
                Some("part of this program"),
            ),
            (&newer, Some((&built_in, None)), &replace, None),
        ] {
            let result = may_take(new, before, options);
            match said {
                None => assert!(result.is_ok(), "{result:?}"),
                Some(said) => {
                    let error = result.unwrap_err();
                    assert!(error.to_string().contains(said), "{error}");
                    assert!(error.hint.is_some());
                }
            }
        }
        let pin = locked(&old);
        assert!(may_replace_locked(&newer, &pin, &plain).is_ok());
        assert!(may_replace_locked(&changed, &pin, &plain).is_err());
        assert!(may_replace_locked(&changed, &pin, &replace).is_ok());
    }
}
