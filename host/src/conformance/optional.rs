//! What only some providers export, each against what the instance itself says.

use std::io::Read as _;

use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;

use super::behaviour::{Miss, Shown};
use super::bench::{Bench, command, plain, status, told};
use super::commands::printed;
use crate::provider::{Direction, ErrorKind, Stdio};

fn failed<T>(why: impl Into<String>) -> Result<T, Miss> {
    Err(Miss::Failed(why.into()))
}

fn not_exported<T>(interface: &str) -> Result<T, Miss> {
    Err(Miss::NotShown(format!(
        "the plugin exports no `{interface}`"
    )))
}

async fn takes_commands(bench: &Bench) -> Result<(), Miss> {
    let output = bench.sh("echo here", &[]).await?;
    match printed(output)? == b"here\n" {
        true => Ok(()),
        false => failed("it takes commands, and loses what they print"),
    }
}

pub(super) async fn check(bench: &Bench) -> Shown {
    if !bench.provider().optional().liveness {
        return not_exported("liveness");
    }
    let held = bench.main().await?;
    for _ in 0..2 {
        bench.provider().check(&held.instance).await?;
    }
    takes_commands(bench).await?;
    Ok("twice".to_owned())
}

pub(super) async fn probe(bench: &Bench) -> Shown {
    if !bench.provider().optional().facts {
        return not_exported("facts");
    }
    let held = bench.main().await?;
    let facts = bench.provider().probe(&held.instance).await?;
    let mut seen = Vec::new();
    if let Some(arch) = &facts.arch {
        let printed = printed(bench.sh("uname -m", &[]).await?)?;
        let machine = String::from_utf8_lossy(&printed).trim().to_owned();
        if *arch != machine {
            return failed(format!(
                "`arch` is `{arch}`, and `uname -m` prints `{machine}`"
            ));
        }
        seen.push(format!("arch {arch}"));
    }
    match facts.cpus {
        Some(0) => return failed("`cpus` is 0"),
        Some(cpus) => seen.push(format!("{cpus} processors")),
        None => {}
    }
    match facts.memory {
        Some(memory) if memory < 1 << 20 => return failed(format!("`memory` is {memory} bytes")),
        Some(memory) => seen.push(format!("{} MiB", memory >> 20)),
        None => {}
    }
    seen.extend(facts.os.map(|os| format!("os {os}")));
    match seen.is_empty() {
        true => failed("it answered no facts at all"),
        false => Ok(seen.join(", ")),
    }
}

pub(super) async fn reboot(bench: &Bench) -> Shown {
    if !bench.provider().optional().power {
        return not_exported("power");
    }
    let held = bench.main().await?;
    match bench.provider().reboot(&held.instance).await {
        // Whether it can may depend on its configuration.
        Err(error) if error.kind == ErrorKind::Unsupported => Err(Miss::NotShown(error.message)),
        outcome => {
            outcome?;
            takes_commands(bench).await?;
            Ok("and it takes commands".to_owned())
        }
    }
}

pub(super) async fn clean(bench: &Bench) -> Shown {
    if !bench.provider().optional().reuse {
        return not_exported("reuse");
    }
    let held = bench.main().await?;
    match bench.provider().clean(&held.instance).await {
        Err(error) if error.kind == ErrorKind::Unsupported => Err(Miss::NotShown(error.message)),
        outcome => {
            outcome?;
            takes_commands(bench).await?;
            Ok("and it takes commands".to_owned())
        }
    }
}

pub(super) async fn signals(bench: &Bench) -> Shown {
    if !bench.provider().optional().signals {
        return not_exported("signals");
    }
    let held = bench.main().await?;
    let broken = |error: std::io::Error| Miss::Failed(format!("no streams for a command: {error}"));
    let (_feed, stdin) = pipe::pipe().map_err(broken)?;
    let (out, mut stdout) = pipe::pipe().map_err(broken)?;
    let (err, _stderr) = pipe::pipe().map_err(broken)?;
    let stdio = Stdio::apart(
        stdin.into_blocking_fd().map_err(broken)?,
        out.into_blocking_fd().map_err(broken)?,
        err.into_blocking_fd().map_err(broken)?,
    );
    let command = command("echo up; while :; do sleep 1; done", &[]);
    let running = bench.provider().run(&held.instance, &command, stdio);
    let sent = async {
        let mut up = [0; 3];
        stdout.read_exact(&mut up).await.map_err(broken)?;
        let sent = bench
            .provider()
            .signal(&held.instance, &command.id, 15)
            .await;
        sent.map_err(Miss::from)
    };
    let (ended, sent) = tokio::join!(running, sent);
    sent?;
    let ended = ended?;
    if ended.shell_code() != 128 + 15 {
        return failed(format!(
            "a command that was sent signal 15 ended with {}",
            status(ended)
        ));
    }
    bench
        .provider()
        .signal(&held.instance, &command.id, 15)
        .await?;
    Ok("signal 15, and once more when it had ended".to_owned())
}

/// Names that a shell or a careless path would change, with their bytes.
const FILES: [(&str, &[u8], u32); 3] = [
    ("tree/plain", b"bytes \x00\xff\n", 0o644),
    ("tree/two  words 'and' $HOME", b"", 0o600),
    ("tree/deep/er/program", b"#!/bin/sh\n", 0o755),
];

pub(super) async fn copy(bench: &Bench) -> Shown {
    if !bench.provider().optional().copy {
        return Err(Miss::NotShown(
            "the plugin leaves copies to the host, which uses `tar` over `run`".to_owned(),
        ));
    }
    let held = bench.main().await?;
    let made = printed(bench.sh("mktemp -d", &[]).await?)?;
    let directory = made.trim_ascii_end().to_vec();
    let archive = archive().map_err(|error| Miss::Failed(error.to_string()))?;
    let into = Direction::Into(directory.clone());
    let (outcome, _) = moved(bench, &held.instance, &into, archive).await?;
    outcome?;
    let mut path = directory.clone();
    path.extend_from_slice(b"/tree");
    let out_of = Direction::OutOf(path);
    let (outcome, back) = moved(bench, &held.instance, &out_of, Vec::new()).await?;
    outcome?;
    let removed = plain([&b"rm"[..], b"-rf", &directory].map(<[u8]>::to_vec).into());
    let removed = bench.run(&held, &removed, Vec::new()).await?;
    if !removed.status.success() {
        return failed(format!(
            "what was copied cannot be removed: {}",
            told(&removed)
        ));
    }
    compare(&back)
}

/// One copy, with its archive on either side.
async fn moved(
    bench: &Bench,
    instance: &crate::provider::Instance,
    direction: &Direction,
    archive: Vec<u8>,
) -> Result<(crate::provider::Result<()>, Vec<u8>), Miss> {
    let (pipes, ends) = crate::process::Pipes::new()
        .map_err(|error| Miss::Failed(format!("no streams for a copy: {error}")))?;
    let stdio = Stdio::apart(ends.stdin, ends.stdout, ends.stderr);
    let copying = bench.provider().copy(instance, direction, stdio);
    let collected = pipes.collect(archive, 32 << 20, copying).await;
    let collected =
        collected.map_err(|error| Miss::Failed(format!("the archive is lost: {error:?}")))?;
    Ok((collected.ended, collected.stdout))
}

fn archive() -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes, mode) in FILES {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(mode);
        header.set_mtime(1_000_000_000);
        archive.append_data(&mut header, name, bytes)?;
    }
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    header.set_mode(0o777);
    archive.append_link(&mut header, "tree/link", "no/such file")?;
    archive.into_inner()
}

fn compare(back: &[u8]) -> Shown {
    let unreadable =
        |error: std::io::Error| Miss::Failed(format!("what came back is no tar archive: {error}"));
    let mut missing: Vec<&str> = FILES.iter().map(|(name, ..)| *name).collect();
    missing.push("tree/link");
    for entry in tar::Archive::new(back).entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let name = entry
            .path()
            .map_err(unreadable)?
            .to_string_lossy()
            .into_owned();
        let name = name.trim_end_matches('/').to_owned();
        missing.retain(|other| *other != name);
        if name == "tree/link" {
            let target = entry.link_name().map_err(unreadable)?;
            if target.as_deref() != Some(std::path::Path::new("no/such file")) {
                return failed(format!("the link came back as {target:?}"));
            }
        }
        let Some((_, bytes, mode)) = FILES.iter().find(|(known, ..)| *known == name) else {
            continue;
        };
        let found = entry.header().mode().map_err(unreadable)? & 0o777;
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(unreadable)?;
        if content != *bytes || found != *mode {
            return failed(format!(
                "`{name}` went with mode {mode:o} and {} bytes, and came back with mode {found:o} and {} bytes, or other ones",
                bytes.len(),
                content.len()
            ));
        }
    }
    match missing.is_empty() {
        true => Ok(format!("{} files and a link", FILES.len())),
        false => failed(format!("`{}` did not come back", missing.join("`, `"))),
    }
}
