//! `plugin new`: a project that builds with its language's ordinary tools and passes `plugin test` as it is.
//!
//! A project is a template of `sdk/templates`, what `sdk` has for the language, and the contract's WIT files. The Rust SDK
//! is copied into it (`vendor/runner-sdk`): it is on no registry, a path into somebody's checkout is no dependency, and with
//! generated bindings alone the author would begin with what the SDK is for. The bindings for C (`sdk/templates/c/gen`) are as
//! `wit-bindgen c` writes them, so that an author of C does not have to build that first.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::error::AuthorError;
use super::files;
use crate::plugin::Manifest;

/// What a project can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Rust,
    Python,
    Js,
    C,
}

/// Where carried folders go in a project.
type Part = (&'static str, &'static str);

/// What the templates are called until they have a name.
const PLACEHOLDER: &str = "new-plugin";
/// Where the contract lies in a project whose toolchain reads WIT.
const DEPS: &str = "wit/deps/runner-plugin";

impl Language {
    /// Its template.
    fn template(self) -> &'static str {
        match self {
            Self::Rust => "sdk/templates/rust",
            Self::Python => "sdk/templates/python",
            Self::Js => "sdk/templates/js",
            Self::C => "sdk/templates/c",
        }
    }

    /// What comes beside the template.
    fn parts(self) -> &'static [Part] {
        match self {
            Self::Rust => &[
                ("sdk/src", "vendor/runner-sdk/src"),
                ("wit", "vendor/runner-sdk/wit"),
            ],
            Self::Python => &[("sdk/python", "."), ("wit", DEPS)],
            Self::Js => &[("sdk/js", "."), ("wit", DEPS)],
            Self::C => &[("sdk/c", "src"), ("wit", DEPS)],
        }
    }
}

/// A project that was written.
#[derive(Debug)]
pub struct Project {
    pub directory: PathBuf,
    /// Paths in it, sorted.
    pub files: Vec<PathBuf>,
}

/// Writes a project into a directory that does not exist yet, or is empty.
pub fn new_project(
    name: &str,
    language: Language,
    directory: &Path,
) -> Result<Project, AuthorError> {
    if !Manifest::is_name(name) {
        return Err(AuthorError::new(format!("`{name}` is no plugin name"))
            .hint("a lower-case letter, then up to 63 lower-case letters, digits and hyphens"));
    }
    claim(directory)?;
    let mut written = Vec::new();
    let mut write = |path: PathBuf, bytes: &[u8]| {
        let full = directory.join(&path);
        create(&full, bytes).map_err(|error| AuthorError::file("write", &full, error))?;
        written.push(path);
        Ok::<_, AuthorError>(())
    };
    for (path, bytes) in files::below(language.template()) {
        write(path.into(), &named(bytes, name))?;
    }
    for (folder, place) in language.parts() {
        for (path, bytes) in files::below(folder) {
            write(Path::new(place).join(path), bytes)?;
        }
    }
    written.sort();
    Ok(Project {
        directory: directory.to_owned(),
        files: written,
    })
}

/// Makes the directory; one with something in it is somebody's.
fn claim(directory: &Path) -> Result<(), AuthorError> {
    let made = fs::create_dir(directory);
    let there = made
        .as_ref()
        .is_err_and(|error| error.kind() == ErrorKind::AlreadyExists);
    if !there {
        return made.map_err(|error| AuthorError::file("write", directory, error));
    }
    let mut entries =
        fs::read_dir(directory).map_err(|error| AuthorError::file("read", directory, error))?;
    if entries.next().is_some() {
        return Err(AuthorError::new(format!(
            "`{}` is there already, and not empty",
            directory.display()
        ))
        .hint("choose another name, or another place with `--directory`"));
    }
    Ok(())
}

/// Writes a file that must not be there.
fn create(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::File::create_new(path)?.write_all(bytes)
}

/// A template's text with the project's name in it.
fn named(bytes: &[u8], name: &str) -> Vec<u8> {
    match str::from_utf8(bytes) {
        Ok(text) => text.replace(PLACEHOLDER, name).into_bytes(),
        Err(_) => bytes.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Language; 4] = [Language::Rust, Language::Python, Language::Js, Language::C];

    fn text(project: &Project, path: &str) -> String {
        fs::read_to_string(project.directory.join(path)).unwrap()
    }

    #[test]
    fn every_language_has_a_project_under_its_own_name() {
        let home = tempfile::tempdir().unwrap();
        for language in ALL {
            let directory = home.path().join(format!("{language:?}"));
            let project = new_project("shed", language, &directory).unwrap();
            let manifest = Manifest::read(text(&project, "plugin.json").as_bytes()).unwrap();
            assert_eq!(manifest.name, "shed");
            assert_eq!(manifest.check_schema(), Ok(()));
            for path in &project.files {
                let bytes = fs::read(directory.join(path)).unwrap();
                let told = String::from_utf8_lossy(&bytes);
                assert!(!told.contains(PLACEHOLDER), "{}", path.display());
            }
            for path in ["README.md", ".gitignore", ".github/workflows/plugin.yml"] {
                assert!(project.files.contains(&path.into()), "{language:?}: {path}");
            }
        }
    }

    /// What a template names of the contract is what the contract is called now.
    #[test]
    fn templates_speak_the_version_of_the_contract() {
        let (_, types) = files::below("wit")
            .find(|(path, _)| *path == "types.wit")
            .unwrap();
        let types = str::from_utf8(types).unwrap();
        let version = types
            .lines()
            .find_map(|line| {
                line.strip_prefix("package runner:plugin@")?
                    .strip_suffix(';')
            })
            .unwrap();
        let mut seen = 0;
        for file in ["sdk/templates", "sdk/js", "sdk/python", "sdk/c"]
            .into_iter()
            .flat_map(files::below)
        {
            let text = String::from_utf8_lossy(file.1);
            for named in text.split("runner:plugin/").skip(1) {
                let end = named.find(|c: char| !c.is_ascii_alphanumeric() && !"-.@".contains(c));
                let name = named[..end.unwrap_or(named.len())].trim_end_matches('.');
                let Some((_, spoken)) = name.split_once('@') else {
                    continue;
                };
                assert_eq!(spoken, version, "{}", file.0);
                seen += 1;
            }
        }
        assert!(seen > 6, "{seen}");
    }

    /// The copied SDK asks for what the SDK asks for.
    #[test]
    fn the_copied_sdk_has_the_dependencies_of_the_sdk() {
        let read = |path: &str| {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
            let text = fs::read_to_string(root.join(path)).unwrap();
            text.parse::<toml::Table>().unwrap()
        };
        let copied = read("sdk/templates/rust/vendor/runner-sdk/Cargo.toml");
        let sdk = read("sdk/Cargo.toml");
        let workspace = read("Cargo.toml");
        let names = |table: &toml::Table| {
            let names = table["dependencies"].as_table().unwrap().keys();
            names.cloned().collect::<Vec<_>>()
        };
        assert_eq!(names(&copied), names(&sdk));
        for name in names(&sdk) {
            assert_eq!(
                copied["dependencies"][&name], workspace["workspace"]["dependencies"][&name],
                "{name}"
            );
        }
        assert_eq!(copied["package"]["version"], sdk["package"]["version"]);
        for key in ["edition", "rust-version", "license"] {
            assert_eq!(
                copied["package"][key], workspace["workspace"]["package"][key],
                "{key}"
            );
        }
    }

    #[test]
    fn nobodys_files_are_written_over() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("shed");
        fs::create_dir(&directory).unwrap();
        new_project("shed", Language::Js, &directory).unwrap();
        let error = new_project("shed", Language::Js, &directory).unwrap_err();
        assert!(error.to_string().contains("not empty"), "{error}");
        let error = new_project("shed", Language::C, &directory.join("a/b")).unwrap_err();
        assert!(error.io, "{error}");
        for name in ["", "Shed", "../x", "1st", "a b"] {
            let error = new_project(name, Language::C, &home.path().join("x")).unwrap_err();
            assert!(error.to_string().contains("no plugin name"), "{error}");
        }
        assert!(!home.path().join("x").exists());
    }
}
