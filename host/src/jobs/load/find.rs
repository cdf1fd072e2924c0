//! Where the project file is, and what it says about itself before it is parsed.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use runner_core::matrix::{Dialect, Problem};

const NAMES: [&str; 2] = ["spread.yaml", ".spread.yaml"];

/// Larger than any file of a project; the largest real one has 100 kB.
const LARGEST: u64 = 8 * 1024 * 1024;

/// Reads a file of a project. One that never ends, or that waits for a writer, is none.
pub(super) fn read(file: &Path) -> io::Result<Vec<u8>> {
    let kind = std::fs::metadata(file)?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !kind.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let mut bytes = Vec::new();
    File::open(file)?
        .take(LARGEST + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other(format!("larger than {LARGEST} bytes")));
    }
    Ok(bytes)
}

/// A project file, read.
pub(super) struct Found {
    pub(super) file: PathBuf,
    pub(super) bytes: Vec<u8>,
}

/// The nearest project file, from this directory upwards. One that cannot be read is passed over, as it always was; the
/// error names it.
pub(super) fn find(directory: &Path) -> Result<Found, Problem> {
    let mut passed: Option<(PathBuf, io::Error)> = None;
    for directory in directory.ancestors() {
        for name in NAMES {
            let file = directory.join(name);
            match read(&file) {
                Ok(bytes) => return Ok(Found { file, bytes }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => passed = passed.or(Some((file, error))),
            }
        }
    }
    let message = "cannot load project file from .: cannot find spread.yaml or .spread.yaml";
    let problem = Problem::new(message);
    Err(match passed {
        Some((file, error)) => {
            problem.hint(format!("`{}` cannot be read: {error}", file.display()))
        }
        None => problem.hint(format!(
            "it is looked for in `{}` and the directories above; `runner test lint` checks one",
            directory.display()
        )),
    })
}

/// The dialect that a comment at the top asks for, `# spread-variant=plus`.
pub(super) fn variant_comment(bytes: &[u8]) -> Option<Dialect> {
    let text = String::from_utf8_lossy(bytes);
    text.lines()
        .map(str::trim)
        .take_while(|line| line.is_empty() || line.starts_with('#') || *line == "---")
        .filter_map(|line| line.split_once("spread-variant="))
        .find_map(|(_, rest)| {
            let word = rest
                .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
                .next();
            Dialect::from_str(word?).ok()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments() {
        for (text, wanted) in [
            ("# spread-variant=plus\nproject: x\n", Some(Dialect::Plus)),
            ("#spread-variant=plus, for CI\n", Some(Dialect::Plus)),
            (
                "# about us\n\n# uses spread-variant=plus\n",
                Some(Dialect::Plus),
            ),
            ("# spread-variant=other\n", None),
            ("project: x\n# spread-variant=plus\n", None),
            ("", None),
        ] {
            assert_eq!(variant_comment(text.as_bytes()), wanted, "{text}");
        }
    }
}
