//! `-resend`: a machine that has an earlier tree gets the tree of today, and only what differs travels.
//!
//! Nothing is kept over there to compare with, so nothing can be out of date: the machine lists what it has, and tells the
//! digests of the files that may be the same. What the archive does not have is removed, whoever made it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::send::words;
use super::shop::chain;
use crate::jobs::pack::{Archive, Format, Kind, Manifest};
use crate::jobs::server::{ScriptServer, script};

/// What it takes to turn one tree into the other.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes {
    /// Gone from the archive, or something else in it: removed first. Nothing below another of them.
    remove: Vec<Vec<u8>>,
    send: BTreeSet<Vec<u8>>,
    /// Sent unless their digests are those of the archive.
    ask: Vec<Vec<u8>>,
}

/// One path of the machine's.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    /// As `find` calls it: `f`, `d`, `l` and others.
    kind: u8,
    mode: u32,
    size: u64,
    mtime: u64,
    target: Vec<u8>,
}

/// Sends what differs; the bytes that were sent. None: the machine cannot list or compare (no findutils), or has nothing to
/// compare with, so everything must be sent.
pub(super) async fn update(
    server: &mut ScriptServer,
    path: &str,
    archive: Arc<Archive>,
    format: Format,
) -> Result<Option<u64>, String> {
    let told = |error: &dyn std::error::Error| chain(error);
    let place = script::quoted(path);
    let list = format!(
        "cd -- {place}\ntype -P find xargs sha256sum > /dev/null\n\
         find . -mindepth 1 -printf '%y %m %s %T@ %P\\0%l\\0'\n"
    );
    let listed = server.ask(&script::pieces([list])).await;
    let (0, listed) = listed.map_err(|error| told(&error))? else {
        return Ok(None);
    };
    let Some(listed) = parse(&listed) else {
        return Ok(None);
    };
    let manifest = {
        let archive = Arc::clone(&archive);
        let read = tokio::task::spawn_blocking(move || archive.manifest()).await;
        let read = read.map_err(|error| told(&error))?;
        read.map_err(|error| told(&error))?
    };
    let mut changes = compare(&manifest, &listed);
    if !changes.ask.is_empty() {
        let names = joined(&changes.ask);
        let digests = format!("cd -- {place}\nxargs -0 -r sha256sum -b --\n");
        let digests = script::pieces([digests]);
        let fed = server.feed(&digests, &*names, names.len() as u64);
        let (0, said) = fed.await.map_err(|error| told(&error))? else {
            return Ok(None);
        };
        if !changes.hear(&manifest, &said) {
            return Ok(None);
        }
    }
    if changes.send.is_empty() && changes.remove.is_empty() {
        return Ok(Some(0));
    }
    let remove = joined(&changes.remove);
    let made = tokio::task::spawn_blocking(move || {
        archive.part(format, changes.send.iter().map(Vec::as_slice))
    });
    let made = made.await.map_err(|error| told(&error))?;
    let (file, bytes) = made.map_err(|error| told(&error))?;
    let receive = script::pieces([format!(
        "set -o pipefail\ncd -- {place}\nhead -c {} | xargs -0 -r rm -rf --\n{} | tar -x --no-same-owner\n",
        remove.len(),
        format.unpack()
    )]);
    let length = remove.len() as u64 + bytes;
    let input = tokio::io::AsyncReadExt::chain(&*remove, tokio::fs::File::from_std(file));
    let fed = server.feed(&receive, input, length);
    match fed.await.map_err(|error| told(&error))? {
        (0, _) => Ok(Some(length)),
        (status, said) => Err(words(&said, status)),
    }
}

/// As `xargs -0` reads them, and so that none is taken for an option.
fn joined(paths: &[Vec<u8>]) -> Vec<u8> {
    let each = paths.iter().flat_map(|path| [b"./", &**path, b"\0"]);
    each.flatten().copied().collect()
}

/// None: that is not what our `find` says.
fn parse(text: &[u8]) -> Option<BTreeMap<Vec<u8>, Listed>> {
    let mut listed = BTreeMap::new();
    let mut parts = text.split(|byte| *byte == 0);
    loop {
        let line = parts.next()?;
        let Some(target) = parts.next() else {
            // Behind the last one there is nothing.
            return line.is_empty().then_some(listed);
        };
        let mut fields = line.splitn(5, |byte| *byte == b' ');
        let mut field = || fields.next();
        let number = |field: Option<&[u8]>, radix| {
            let text = std::str::from_utf8(field?).ok()?;
            u64::from_str_radix(text, radix).ok()
        };
        let kind = *field()?.first()?;
        let mode = u32::try_from(number(field(), 8)?).ok()?;
        let size = number(field(), 10)?;
        let seconds = field()?.split(|byte| *byte == b'.').next();
        let one = Listed {
            kind,
            mode,
            size,
            // Times before 1970 are in no archive of ours: they differ.
            mtime: number(seconds, 10).unwrap_or(u64::MAX),
            target: target.to_vec(),
        };
        listed.insert(field()?.to_vec(), one);
    }
}

fn compare(manifest: &Manifest, listed: &BTreeMap<Vec<u8>, Listed>) -> Changes {
    let mut changes = Changes::default();
    // Directories that nobody packed, but something in them.
    let implied: BTreeSet<&[u8]> = manifest
        .entries
        .keys()
        .flat_map(|path| ancestors(path))
        .collect();
    let unfit = listed
        .iter()
        .filter(|(path, there)| match manifest.entries.get(*path) {
            Some(entry) => !entry.kind.is(there.kind),
            None => there.kind != b'd' || !implied.contains(&***path),
        });
    let unfit: BTreeSet<&[u8]> = unfit.map(|(path, _)| path.as_slice()).collect();
    let goes_with_another = |path: &[u8]| ancestors(path).any(|above| unfit.contains(above));
    let lost = |path: &[u8]| unfit.contains(path) || goes_with_another(path);
    let removed = unfit.iter().filter(|path| !goes_with_another(path));
    changes.remove = removed.map(|path| path.to_vec()).collect();
    for (path, entry) in &manifest.entries {
        let there = listed.get(path).filter(|_| !lost(path));
        let same = there.is_some_and(|there| match entry.kind {
            Kind::File => {
                (there.size, there.mode, there.mtime) == (entry.size, entry.mode, entry.mtime)
            }
            Kind::Directory => there.mode == entry.mode,
            Kind::Symlink => there.target == entry.target,
            // Which file it is a link to cannot be seen.
            Kind::Hardlink => false,
            Kind::Other => there.mode == entry.mode,
        });
        if !same {
            changes.send.insert(path.clone());
        } else if entry.kind == Kind::File {
            changes.ask.push(path.clone());
        }
    }
    changes
}

impl Changes {
    /// Reads what `sha256sum` said of what was asked for: a line for each, in order. False: it said something else.
    fn hear(&mut self, manifest: &Manifest, said: &[u8]) -> bool {
        let mut lines = said.split(|byte| *byte == b'\n');
        for path in &self.ask {
            // Behind a backslash if there is something odd in its name.
            let line = lines.next().unwrap_or_default();
            let line = line.strip_prefix(b"\\").unwrap_or(line);
            let (Some(entry), Some((digest, b" *"))) = (
                manifest.entries.get(path),
                line.get(..66).map(|line| line.split_at(64)),
            ) else {
                return false;
            };
            if digest != entry.digest.as_bytes() {
                self.send.insert(path.clone());
            }
        }
        true
    }
}

impl Kind {
    /// What `find` calls it over there.
    fn is(self, kind: u8) -> bool {
        match self {
            Self::File | Self::Hardlink => kind == b'f',
            Self::Directory => kind == b'd',
            Self::Symlink => kind == b'l',
            Self::Other => !matches!(kind, b'f' | b'd' | b'l'),
        }
    }
}

/// The directories above a path, without the top.
fn ancestors(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes.map(|(at, _)| &path[..at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::pack::{PackSpec, pack};

    fn bytes(paths: &[&str]) -> Vec<Vec<u8>> {
        paths.iter().map(|path| path.as_bytes().to_vec()).collect()
    }

    /// Of a directory of this machine, by the find that machines have.
    fn listed(directory: &std::path::Path) -> BTreeMap<Vec<u8>, Listed> {
        let mut find = std::process::Command::new("find");
        find.args([".", "-mindepth", "1", "-printf"])
            .arg("%y %m %s %T@ %P\\0%l\\0")
            .current_dir(directory);
        parse(&find.output().unwrap().stdout).unwrap()
    }

    #[test]
    fn what_is_removed_sent_and_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        let write = |path: &str, text: &str| std::fs::write(at(path), text).unwrap();
        for made in ["a", "gone", "gone/deep", "was-dir"] {
            std::fs::create_dir(at(made)).unwrap();
        }
        for path in [
            "a/same",
            "a/longer",
            "a/touched",
            "a/file",
            "a\nb c",
            "x",
            "gone.txt",
        ] {
            write(path, path);
        }
        std::os::unix::fs::symlink("a/same", at("link")).unwrap();
        let spec = PackSpec {
            directory: dir.path().to_owned(),
            ..PackSpec::default()
        };
        let manifest = pack(&spec).unwrap().manifest().unwrap();
        let all = listed(dir.path());
        let unchanged = compare(&manifest, &all);
        assert_eq!(unchanged.remove, bytes(&[]));
        assert!(unchanged.send.is_empty(), "{unchanged:?}");
        assert_eq!(unchanged.ask.len(), 7);

        write("a/longer", "now it is longer");
        let old = std::time::UNIX_EPOCH;
        let touched = std::fs::File::options().write(true).open(at("a/touched"));
        touched.unwrap().set_modified(old).unwrap();
        std::fs::remove_file(at("x")).unwrap();
        std::fs::remove_file(at("link")).unwrap();
        std::os::unix::fs::symlink("elsewhere", at("link")).unwrap();
        std::fs::remove_dir(at("was-dir")).unwrap();
        write("was-dir", "a file now");
        std::fs::remove_file(at("a/file")).unwrap();
        std::fs::create_dir_all(at("a/file/new")).unwrap();
        write("a/file.txt", "stands between a/file and what is in it");
        let changes = compare(&manifest, &listed(dir.path()));
        assert_eq!(changes.remove, bytes(&["a/file", "a/file.txt", "was-dir"]));
        let wanted = ["a/file", "a/longer", "a/touched", "link", "was-dir", "x"];
        assert_eq!(changes.send, bytes(&wanted).into_iter().collect());
        assert_eq!(changes.ask, bytes(&["a\nb c", "a/same", "gone.txt"]));
        assert_eq!(joined(&changes.remove[..1]), b"./a/file\0");
    }

    #[test]
    fn digests_decide_where_all_else_is_the_same() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a\\b", "c", "d"] {
            std::fs::write(dir.path().join(name), name).unwrap();
        }
        let spec = PackSpec {
            directory: dir.path().to_owned(),
            ..PackSpec::default()
        };
        let manifest = pack(&spec).unwrap().manifest().unwrap();
        let mut changes = compare(&manifest, &listed(dir.path()));
        let digest = |name: &str| manifest.entries[name.as_bytes()].digest.clone();
        let other = "0".repeat(64);
        let said = format!(
            "\\{} *a\\\\b\n{other} *c\n{} *d\n",
            digest("a\\b"),
            digest("d")
        );
        assert!(changes.hear(&manifest, said.as_bytes()));
        assert_eq!(changes.send, bytes(&["c"]).into_iter().collect());
        assert!(!changes.hear(&manifest, b"sha256sum: ./c: No such file\n"));
    }

    #[test]
    fn what_find_never_says() {
        assert_eq!(parse(b""), Some(BTreeMap::new()));
        for text in [
            &b"f 644 1 2.0 a\0"[..],
            b"f 9 1 2 a\0\0",
            b"find: oops\n\0\0",
            b"x",
        ] {
            assert_eq!(parse(text), None, "{}", String::from_utf8_lossy(text));
        }
    }
}
