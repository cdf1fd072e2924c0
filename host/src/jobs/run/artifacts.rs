//! Files that a level names, from the machine to the artifacts directory.

use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::send::words;
use super::shop::{Shop, chain};
use super::station::Station;
use crate::jobs::events::{Scene, What};
use crate::jobs::server::{Event, script};

/// Fetches them. Patterns are the shell's; what is not there is left out. `below` is the place in the artifacts directory.
pub(super) async fn fetch(
    shop: &Shop,
    station: &mut Station,
    scene: Scene,
    directory: &str,
    patterns: &[String],
    below: Option<&str>,
) -> Result<(), String> {
    let Some(top) = &shop.setup.options.artifacts else {
        return Ok(());
    };
    if patterns.is_empty() {
        return Ok(());
    }
    shop.stream().emit(What::FetchingArtifacts {
        scene: scene.clone(),
    });
    let to = below.map_or_else(|| top.clone(), |below| top.join(below));
    match fetched(station, directory, patterns, &to).await {
        Ok(files) => {
            shop.stream().emit(What::FetchedArtifacts {
                scene,
                directory: to.display().to_string(),
                files,
            });
            Ok(())
        }
        Err(error) => {
            shop.stream().emit(What::ArtifactsFailed {
                scene,
                error: error.clone(),
            });
            Err(error)
        }
    }
}

async fn fetched(
    station: &mut Station,
    directory: &str,
    patterns: &[String],
    to: &Path,
) -> Result<Vec<String>, String> {
    let failed = |error: &dyn std::error::Error| chain(error);
    let mut text = format!(
        "set +f; shopt -s nullglob globstar; cd {}; found=()\nfor one in",
        script::quoted(directory)
    );
    for pattern in patterns {
        text.push(' ');
        text.push_str(&glob(pattern));
    }
    text.push_str(
        "; do [[ ! -e $one && ! -L $one ]] || found+=(\"./$one\"); done\n\
         ((${#found[@]})) || exit 0\n\
         { tar -c --sort=name --no-unquote --ignore-failed-read -- \"${found[@]}\" 2> /dev/null || [[ $? == 1 ]]; } | gzip -c -1\n\
         ((PIPESTATUS[0] == 0))\n",
    );
    let script = script::pieces([text]);
    let mut archive = tempfile::tempfile().map_err(|error| failed(&error))?;
    let server = station.server().await.map_err(|error| failed(&error))?;
    let mut running = server
        .begin(&script)
        .await
        .map_err(|error| failed(&error))?;
    let mut length = 0;
    let status = loop {
        match running.next().await.map_err(|error| failed(&error))? {
            Event::Output(bytes) => {
                length += bytes.len();
                archive.write_all(&bytes).map_err(|error| failed(&error))?;
            }
            Event::Ended(status) => break status,
        }
    };
    if status != 0 {
        return Err(words(b"", status));
    }
    archive.rewind().map_err(|error| failed(&error))?;
    let to = to.to_owned();
    let unpacked = tokio::task::spawn_blocking(move || unpack(archive, length, to)).await;
    unpacked.map_err(|error| failed(&error))?
}

/// By the tar of this machine; answers the paths of the files. It follows no link out of the directory, and makes nothing outside of it.
fn unpack(archive: std::fs::File, length: usize, to: PathBuf) -> Result<Vec<String>, String> {
    std::fs::create_dir_all(&to)
        .map_err(|error| format!("cannot make `{}`: {error}", to.display()))?;
    if length == 0 {
        return Ok(Vec::new());
    }
    let ended = Command::new("tar")
        .args([
            "-x",
            "-z",
            "-v",
            "--quoting-style=literal",
            "--no-same-owner",
            "--directory",
        ])
        .arg(&to)
        .stdin(archive)
        .output()
        .map_err(|error| format!("cannot start `tar`: {error}"))?;
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
        return Err(format!("cannot unpack into `{}`: {said}", to.display()));
    }
    let files = ended.stdout.split(|byte| *byte == b'\n');
    let files = files.filter(|line| !line.is_empty() && !line.ends_with(b"/"));
    let files = files.map(|line| String::from_utf8_lossy(line.strip_prefix(b"./").unwrap_or(line)));
    Ok(files.map(|name| name.into_owned()).collect())
}

/// A word that the shell expands as a pattern, and as nothing else.
fn glob(pattern: &str) -> String {
    let mut word = String::new();
    for letter in pattern.chars() {
        let plain = letter.is_alphanumeric() || matches!(letter, '/' | '.' | '_' | '-');
        if !plain && !matches!(letter, '*' | '?' | '[' | ']' | '!' | '^') {
            word.push('\\');
        }
        word.push(letter);
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_all_that_is_special() {
        assert_eq!(
            glob("logs/**/a b$(x)[0-9]?.log"),
            "logs/**/a\\ b\\$\\(x\\)[0-9]?.log"
        );
        assert_eq!(glob("~x"), "\\~x");
    }
}
