//! Whether a component's imports and exports fit this host and its own manifest.

use std::collections::BTreeSet;

use super::component::Contract;
use super::error::{LoadError, LoadErrorKind};
use super::manifest::{Kind, Manifest};
use super::sections::Shape;
use super::text::printable;
use crate::provider::Optional;

/// The contract's package, and the versions of it that this host speaks, the newest first. Versions with the same first number
/// that is not 0 are compatible, in both directions.
const PACKAGE: &str = "runner:plugin/";
const OURS: [(Version, Contract); 2] = [
    (Version::new(0, 2, 0), Contract::V0_2),
    (Version::new(0, 1, 0), Contract::V0_1),
];

/// The newest, as it stands in names of interfaces.
const NEWEST: &str = "0.2.0";

/// All of them, for people.
const SPOKEN: &str = "0.2.0 and 0.1.0";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    major: u64,
    minor: u64,
    patch: u64,
}

impl Version {
    const fn new(major: u64, minor: u64, patch: u64) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }

    /// `1.2.3`; pre-releases and builds are nobody's contract.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| {
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| part.parse().ok()).flatten()
        });
        let version = Self {
            major: parts.next()??,
            minor: parts.next()??,
            patch: parts.next()??,
        };
        parts.next().is_none().then_some(version)
    }

    fn compatible(self, other: Self) -> bool {
        match (self.major, self.minor) {
            (0, 0) => self == other,
            (0, minor) => (other.major, other.minor) == (0, minor),
            (major, _) => other.major == major,
        }
    }
}

/// Checks that the component fits, and tells which version of the contract it speaks and which optional interfaces it has.
pub(super) fn check(
    subject: &str,
    manifest: &Manifest,
    shape: &Shape,
) -> Result<(Contract, Optional), LoadError> {
    let wrong = |message: String| LoadError::new(LoadErrorKind::Incompatible, subject, message);

    for name in shape.imports.iter().chain(&shape.exports) {
        if let Some((_, version)) = ours(name)
            && spoken(version).is_none()
        {
            return Err(wrong(format!(
                "the plugin is built for version {} of the plugin contract (`{}`), this `runner` speaks {SPOKEN}",
                printable(version),
                printable(name),
            ))
            .hint("build the plugin with the SDK of this version, or use a `runner` that fits it"));
        }
    }
    let mut contract = None;
    for (name, version) in shape.exports.iter().filter_map(|name| ours(name)) {
        let found = spoken(version);
        if contract.is_some() && contract != found {
            return Err(wrong(format!(
                "its exports are of more than one version of the plugin contract: `{PACKAGE}{}@{}` beside others",
                printable(name),
                printable(version)
            ))
            .hint(format!("build all of it for one version, best {NEWEST}")));
        }
        contract = found;
    }
    let contract = contract.unwrap_or(Contract::V0_2);
    if shape.asynchronous || shape.imports.iter().any(|name| is_wasi_3(name)) {
        return Err(wrong(
            "the plugin needs asynchronous features of the component model, which plugins do not get"
                .to_owned(),
        )
        .hint("build it with `--sync` (componentize-qjs), or with plain functions for WASI 0.2"));
    }

    if let Some(name) = shape.imports.iter().find(|name| !is_offered(name)) {
        return Err(not_offered(subject, name));
    }

    let has = |interface: &str| {
        shape
            .exports
            .iter()
            .any(|name| ours(name).is_some_and(|(found, _)| found == interface))
    };
    let (kind, required) = match manifest.kind {
        Kind::Provider => ("provider", &["provider"][..]),
        Kind::Hook => ("hook", &["hook", "routing"][..]),
    };
    if !required.iter().any(|interface| has(interface)) {
        let name = |interface: &&str| format!("`{PACKAGE}{interface}@{NEWEST}`");
        let world = |interface: &&str| format!("`{PACKAGE}{interface}-plugin`");
        let list = |name: &dyn Fn(&&str) -> String| {
            required.iter().map(name).collect::<Vec<_>>().join(" or ")
        };
        return Err(wrong(format!(
            "its manifest says that it is a {kind}, but it does not export {}{}",
            list(&name),
            exported(&shape.exports)
        ))
        .hint(format!("build it for the world {}", list(&world))));
    }
    let is_hook = manifest.kind == Kind::Hook;
    if manifest.points.is_some() && !has("hook") {
        return Err(wrong(format!(
            "its manifest names `points`, but it does not export `{PACKAGE}hook@{NEWEST}`"
        ))
        .hint("only what exports `hook` is told of events: remove `points`, or export it"));
    }
    let optional = Optional {
        liveness: has("liveness"),
        inventory: has("inventory"),
        facts: has("facts"),
        power: has("power"),
        signals: has("signals"),
        reuse: has("reuse"),
        copy: manifest.copy,
        hook: is_hook && has("hook"),
        routing: is_hook && has("routing"),
    };
    Ok((contract, optional))
}

/// Which of our versions this one is compatible with.
fn spoken(version: &str) -> Option<Contract> {
    let theirs = Version::parse(version)?;
    let mut ours = OURS.into_iter();
    ours.find(|(version, _)| version.compatible(theirs))
        .map(|(_, contract)| contract)
}

/// Interface and version of a name of our package.
fn ours(name: &str) -> Option<(&str, &str)> {
    let rest = name.strip_prefix(PACKAGE)?;
    // A name without a version is built against a working copy of the contract: no version fits.
    Some(rest.split_once('@').unwrap_or((rest, "(none)")))
}

/// The packages of WASI whose interfaces are linked (`imports::link`), granted or not.
const WASI: [&str; 7] = [
    "cli",
    "clocks",
    "filesystem",
    "http",
    "io",
    "random",
    "sockets",
];

/// Whether an import is one of those that are linked. Compiling a component takes long, and linking comes after it: what cannot be
/// there is told before.
fn is_offered(name: &str) -> bool {
    let wasi = |name: &str| {
        let package = name.strip_prefix("wasi:")?.split_once('/')?.0;
        Some(WASI.contains(&package))
    };
    ours(name).is_some() || wasi(name) == Some(true)
}

fn not_offered(subject: &str, name: &str) -> LoadError {
    LoadError::new(
        LoadErrorKind::Incompatible,
        subject,
        format!("it imports `{}`, which no plugin gets", printable(name)),
    )
    .hint("what reaches outside are the interfaces of the contract (`runner:plugin`), and WASI 0.2")
}

fn is_wasi_3(name: &str) -> bool {
    name.strip_prefix("wasi:")
        .and_then(|rest| rest.split_once('@'))
        .is_some_and(|(_, version)| version.starts_with("0.3."))
}

/// What it exports instead, for the message.
fn exported(exports: &BTreeSet<String>) -> String {
    let names: Vec<_> = exports
        .iter()
        .take(5)
        .map(|name| format!("`{}`", printable(name)))
        .collect();
    if names.is_empty() {
        "; it exports nothing".to_owned()
    } else {
        format!("; it exports {}", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::fixtures::MANIFEST;

    fn run(kind: &str, imports: &[&str], exports: &[&str]) -> Result<Optional, String> {
        let manifest = MANIFEST.replace("provider", kind);
        let manifest = Manifest::parse(manifest.as_bytes()).unwrap();
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let shape = Shape {
            imports: names(imports),
            exports: names(exports),
            ..Shape::default()
        };
        check("x.wasm", &manifest, &shape)
            .map(|(contract, optional)| {
                assert_eq!(contract, Contract::V0_2);
                optional
            })
            .map_err(|error| format!("{error} ({})", error.hint.clone().unwrap_or_default()))
    }

    #[test]
    fn finds_what_is_optional() {
        let all = [
            "runner:plugin/provider@0.2.0",
            "runner:plugin/liveness@0.2.0",
            "runner:plugin/inventory@0.2.7",
            "runner:plugin/facts@0.2.0",
            "runner:plugin/power@0.2.0",
            "runner:plugin/signals@0.2.0",
            "runner:plugin/reuse@0.2.0",
            "example:other/power@9.0.0",
        ];
        let everything = Optional {
            liveness: true,
            inventory: true,
            facts: true,
            power: true,
            signals: true,
            reuse: true,
            ..Optional::default()
        };
        assert_eq!(run("provider", &[], &all), Ok(everything));
        assert_eq!(run("provider", &[], &all[..1]), Ok(Optional::default()));
        let foreign = [all[0], "example:other/power@0.2.0"];
        assert_eq!(run("provider", &[], &foreign), Ok(Optional::default()));
        let of_hook = |hook, routing| {
            Ok(Optional {
                hook,
                routing,
                ..Optional::default()
            })
        };
        let both = ["runner:plugin/hook@0.2.0", "runner:plugin/routing@0.2.0"];
        assert_eq!(run("hook", &[], &both), of_hook(true, true));
        assert_eq!(run("hook", &[], &both[..1]), of_hook(true, false));
        assert_eq!(run("hook", &[], &both[1..]), of_hook(false, true));
    }

    #[test]
    fn points_need_somebody_to_tell() {
        let manifest = MANIFEST.replace("\"provider\"", "\"hook\", \"points\": [\"check\"]");
        let manifest = Manifest::parse(manifest.as_bytes()).unwrap();
        let shape = |export: &str| Shape {
            exports: [format!("runner:plugin/{export}@0.2.0")].into(),
            ..Shape::default()
        };
        assert!(check("x.wasm", &manifest, &shape("hook")).is_ok());
        let error = check("x.wasm", &manifest, &shape("routing")).unwrap_err();
        assert!(error.to_string().contains("names `points`"), "{error}");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let provider = "runner:plugin/provider@0.2.0";
        for (kind, imports, exports, said) in [
            (
                "provider",
                &[][..],
                &["runner:plugin/provider@0.3.0"][..],
                "built for version 0.3.0 of the plugin contract (`runner:plugin/provider@0.3.0`), this `runner` speaks 0.2.0 and 0.1.0",
            ),
            (
                "provider",
                &["runner:plugin/process@1.0.0"],
                &[provider],
                "built for version 1.0.0",
            ),
            (
                "provider",
                &[],
                &["runner:plugin/provider"],
                "built for version (none)",
            ),
            (
                "provider",
                &[],
                &["runner:plugin/provider@0.2.0-rc.1"],
                "built for version 0.2.0-rc.1",
            ),
            (
                "hook",
                &[],
                &[provider],
                "does not export `runner:plugin/hook@0.2.0` or `runner:plugin/routing@0.2.0`; it exports `runner:plugin/provider@0.2.0`",
            ),
            (
                "provider",
                &[],
                &[],
                "it exports nothing (build it for the world `runner:plugin/provider-plugin`)",
            ),
            (
                "provider",
                &["wasi:http/types@0.3.0"],
                &[provider],
                "build it with `--sync`",
            ),
            (
                "provider",
                &["wasi:http/types@0.2.10", "wasi:keyvalue/store@0.2.0"],
                &[provider],
                "it imports `wasi:keyvalue/store@0.2.0`, which no plugin gets (what reaches",
            ),
            (
                "provider",
                &["acme:cloud/\u{1b}api@1.0.0"],
                &[provider],
                "it imports `acme:cloud/\\u{1b}api@1.0.0`, which no plugin gets",
            ),
            ("provider", &["hello"], &[provider], "it imports `hello`"),
            (
                "provider",
                &["runner:plugin/\u{1b}[2J@7"],
                &[],
                "\\u{1b}[2J",
            ),
        ] {
            let error = run(kind, imports, exports).unwrap_err();
            assert!(error.contains(said), "{error}");
            assert!(!error.contains('\u{1b}'));
        }
    }

    #[test]
    fn the_version_before_is_spoken_too() {
        let manifest = Manifest::parse(MANIFEST.as_bytes()).unwrap();
        let found = |exports: &[&str]| {
            let shape = Shape {
                imports: ["runner:plugin/process@0.1.0".to_owned()].into(),
                exports: exports.iter().map(|name| (*name).to_owned()).collect(),
                ..Shape::default()
            };
            check("x.wasm", &manifest, &shape)
                .map(|(contract, optional)| (contract, optional.liveness))
                .map_err(|error| error.to_string())
        };
        let old = [
            "runner:plugin/provider@0.1.3",
            "runner:plugin/liveness@0.1.0",
        ];
        assert_eq!(found(&old), Ok((Contract::V0_1, true)));
        let mixed = [
            "runner:plugin/provider@0.2.0",
            "runner:plugin/liveness@0.1.0",
        ];
        let said = found(&mixed).unwrap_err();
        assert!(said.contains("more than one version"), "{said}");
    }

    #[test]
    fn versions_are_compatible_as_in_cargo() {
        let v = |text| Version::parse(text).unwrap();
        for (one, other, fits) in [
            ("0.1.0", "0.1.9", true),
            ("0.1.9", "0.1.0", true),
            ("0.1.0", "0.2.0", false),
            ("0.1.0", "1.1.0", false),
            ("1.0.0", "1.9.0", true),
            ("1.0.0", "2.0.0", false),
            ("0.0.1", "0.0.2", false),
        ] {
            assert_eq!(v(one).compatible(v(other)), fits, "{one} {other}");
        }
        for bad in [
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "1.2.+3",
            "1.2.x",
            "1.2.99999999999999999999",
        ] {
            assert_eq!(Version::parse(bad), None, "{bad}");
        }
        let words = OURS.map(|(v, _)| format!("{}.{}.{}", v.major, v.minor, v.patch));
        assert_eq!(
            (words[0].as_str(), words.join(" and ").as_str()),
            (NEWEST, SPOKEN)
        );
    }
}
