//! The scripts of `provision.d`, `acquire.d`, … beside a source's file: which folders there are, which files of one are run,
//! and in which order.
//!
//! Only lists them, by the rules of Debian's run-parts, which crcache names; running them is the engine's.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::error::{Position, Problem, shown_path};

/// What scripts can be run at. The folder of each is `WORD.d`.
pub const POINTS: [&str; 5] = ["provision", "acquire", "release", "check", "discard"];

/// The scripts of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scripts {
    /// To be run in this order: by name, byte by byte (the C locale).
    pub paths: Vec<PathBuf>,
    /// Files that look like scripts and are not run, with the reason. To be shown, not to fail on.
    pub warnings: Vec<Problem>,
}

/// The scripts of a folder, in the order they are run.
pub fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(examine(folder)?.paths)
}

/// The scripts of a folder (executable files whose names are of `A-Z a-z 0-9 _ -` only), and what only looks like
/// one.
pub fn examine(folder: &Path) -> io::Result<Scripts> {
    let mut paths = Vec::new();
    for entry in folder.read_dir()? {
        paths.push(entry?.path());
    }
    paths.sort_by(|one, two| one.file_name().cmp(&two.file_name()));
    let mut scripts = Scripts::default();
    for path in paths {
        match judge(&path) {
            Verdict::Run => scripts.paths.push(path),
            Verdict::Ignore => {}
            Verdict::Warn(message, hint) => {
                let problem = Problem::at(Position::whole(&path), message);
                scripts.warnings.push(problem.hint(hint));
            }
        }
    }
    Ok(scripts)
}

enum Verdict {
    Run,
    Ignore,
    Warn(String, String),
}

fn judge(path: &Path) -> Verdict {
    let name = path.file_name().unwrap_or_default().as_bytes();
    let legal = !name.is_empty()
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        Err(error) => {
            return Verdict::Warn(
                format!("is not run: {error}"),
                "remove it, or mend the link".into(),
            );
        }
    };
    if !metadata.is_file() {
        return Verdict::Ignore;
    }
    let executable = metadata.permissions().mode() & 0o111 != 0;
    match (legal, executable) {
        (true, true) => Verdict::Run,
        (false, true) => Verdict::Warn(
            "is not run because of its name".into(),
            "run-parts takes names of letters, digits, `_` and `-` only, so no ending like `.sh`"
                .into(),
        ),
        (true, false) if is_script(path) => Verdict::Warn(
            "is not run because it is not executable".into(),
            format!("`chmod +x {}`", shown_path(path)),
        ),
        _ => Verdict::Ignore,
    }
}

/// It begins like a script; a `README` does not.
fn is_script(path: &Path) -> bool {
    let mut begin = [0; 2];
    File::open(path).is_ok_and(|mut file| file.read_exact(&mut begin).is_ok()) && begin == *b"#!"
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn by_the_rules_of_run_parts() {
        let temp = tempfile::tempdir().unwrap();
        let files = [
            ("10-b", 0o755, "#!/bin/sh\n"),
            ("2_a", 0o700, ""),
            ("Zz", 0o755, ""),
            ("a", 0o755, ""),
            ("B", 0o111, ""),
            ("10-b.sh", 0o755, ""),
            ("10-b~", 0o755, ""),
            (".hidden", 0o755, ""),
            ("é", 0o755, ""),
            ("forgotten", 0o644, "#!/bin/sh\n"),
            ("README", 0o644, "read me"),
            ("README.md", 0o644, "read me"),
        ];
        for (name, mode, content) in files {
            let path = temp.path().join(name);
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::create_dir(temp.path().join("folder")).unwrap();
        std::os::unix::fs::symlink("a", temp.path().join("link")).unwrap();
        std::os::unix::fs::symlink("nothing", temp.path().join("broken")).unwrap();

        let scripts = examine(temp.path()).unwrap();
        assert_eq!(list(temp.path()).unwrap(), scripts.paths);
        let names: Vec<_> = scripts
            .paths
            .iter()
            .map(|p| p.file_name().unwrap().to_str().unwrap())
            .collect();
        assert_eq!(names, ["10-b", "2_a", "B", "Zz", "a", "link"]);
        let warned: Vec<_> = scripts
            .warnings
            .iter()
            .map(|w| {
                w.position
                    .as_ref()
                    .unwrap()
                    .file
                    .file_name()
                    .unwrap()
                    .to_str()
                    .unwrap()
            })
            .collect();
        assert_eq!(
            warned,
            [".hidden", "10-b.sh", "10-b~", "broken", "forgotten", "é"]
        );
    }

    #[test]
    fn a_folder_that_is_none() {
        let temp = tempfile::tempdir().unwrap();
        assert_eq!(examine(temp.path()).unwrap(), Scripts::default());
        assert!(list(&temp.path().join("none")).is_err());
    }

    #[test]
    fn the_same_as_the_real_run_parts() {
        // Where the system has it (Debian's; others share the name only).
        let Ok(version) = std::process::Command::new("run-parts")
            .arg("--version")
            .output()
        else {
            return;
        };
        if !String::from_utf8_lossy(&version.stdout).contains("Debian") {
            return;
        }
        let temp = tempfile::tempdir().unwrap();
        for name in [
            "b", "a", "A", "10", "9", "x.sh", "_u", "-dash", "x~", "k-9_",
        ] {
            let path = temp.path().join(name);
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let output = std::process::Command::new("run-parts")
            .arg("--test")
            .arg(temp.path())
            .env("LC_ALL", "C")
            .output()
            .unwrap();
        let theirs: Vec<PathBuf> = String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(PathBuf::from)
            .collect();
        assert_eq!(list(temp.path()).unwrap(), theirs);
    }
}
