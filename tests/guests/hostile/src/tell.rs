//! What carries something out by what is said or shown: secrets in every text that a plugin can write, and names of files.

use std::fs;
use std::path::Path;

use runner_sdk::{Allocated, Error, Result, Stdio, log, process, secrets};

use crate::Config;

/// Says the secret `target` wherever it can, if the mode is that.
pub(crate) fn run(mode: &str, config: &Config) -> Result<()> {
    if mode != "tell" {
        return Ok(());
    }
    let secret = secrets::get(&config.target)?;
    // A program that repeats what it was given, as most do.
    let failed = process::output(["sleep", &secret])?;
    let repeated = String::from_utf8_lossy(&failed.stderr).into_owned();
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    log::error(format!("cannot log in with {secret}"));
    log::warn(format!("nor with {hex}"));
    print(&format!("password: {secret}\n{repeated}\n"));
    Err(
        Error::failed(format!("cannot log in with {secret} or {hex}: {repeated}"))
            .remedy(format!("do not use {secret}")),
    )
}

/// Keeps `target` as a secret of the instance, if the mode is that: a later call tells it.
pub(crate) fn keep(config: &Config) -> Result<()> {
    match config.chosen() {
        "tell-kept" => secrets::keep("login", &config.target),
        _ => Ok(()),
    }
}

/// Tells it: from where it is kept, and from elsewhere.
pub(crate) fn kept(mode: &str, config: &Config) -> Result<()> {
    if mode != "tell-kept" {
        return Ok(());
    }
    log::error(format!("cannot log in with {}", config.target));
    let failed = process::output(["sleep", &config.target])?;
    let repeated = String::from_utf8_lossy(&failed.stderr).into_owned();
    Err(Error::failed(format!(
        "{repeated} beside {:?}",
        secrets::get("login")
    )))
}

/// The same in what is shown of an instance.
pub(crate) fn about_allocated(mode: &str, config: &Config, made: Allocated) -> Result<Allocated> {
    if mode != "tell-attributes" {
        return Ok(made);
    }
    let secret = secrets::get(&config.target)?;
    Ok(made.attribute("password", &secret).attribute(&secret, "x"))
}

fn print(text: &str) {
    use std::io::Write as _;
    let _lost = std::io::stderr().write_all(text.as_bytes());
    let _lost = std::io::stdout().write_all(text.as_bytes());
}

/// Makes names that lead out of the directory that was granted, if the mode is one of these.
pub(crate) fn names(mode: &str, config: &Config) -> Result<()> {
    let (inside, outside) = (config.granted().join("planted"), Path::new(&config.target));
    let _gone = fs::remove_file(&inside);
    let tried = match mode {
        #[expect(deprecated, reason = "the only one that is stable for this target")]
        "plant-link" => fs::soft_link(outside, &inside).and_then(|()| fs::read_to_string(&inside)),
        #[expect(deprecated, reason = "the only one that is stable for this target")]
        "plant-link-up" => {
            fs::soft_link("../../secret", &inside).and_then(|()| fs::read_to_string(&inside))
        }
        "hard-link" => fs::hard_link(outside, &inside).map(|()| "linked".to_owned()),
        "rename-out" => fs::write(&inside, "out")
            .and_then(|()| fs::rename(&inside, outside))
            .map(|()| "moved".to_owned()),
        "rename-up" => fs::write(&inside, "out")
            .and_then(|()| fs::rename(&inside, config.granted().join("../../moved")))
            .map(|()| "moved".to_owned()),
        _ => return Ok(()),
    };
    Err(Error::failed(match tried {
        Ok(got) => format!("ESCAPED: {got}"),
        Err(why) => format!("refused: {why}"),
    }))
}

/// Answers a request for files with an archive that means harm; false: the mode is none of these.
pub(crate) fn archive(mode: &str, io: &Stdio) -> Result<bool> {
    let long = format!("x/{}", "../".repeat(40));
    let entries: &[(&str, u8, &str, &[u8])] = match mode {
        "tar-up" => &[("x/", b'5', "", b""), ("x/../../escaped", b'0', "", b"out")],
        "tar-absolute" => &[("/tmp/runner-hostile-unpacked", b'0', "", b"out")],
        "tar-through" => &[
            ("x/", b'5', "", b""),
            ("x/door", b'2', "../../..", b""),
            ("x/door/escaped", b'0', "", b"out"),
        ],
        "tar-hard" => &[
            ("x/", b'5', "", b""),
            ("x/copy", b'1', "../../../secret", b""),
        ],
        "tar-device" => &[("x/", b'5', "", b""), ("x/disk", b'4', "", b"")],
        "tar-names" => &[
            ("x/", b'5', "", b""),
            ("x/line\nok: all is well\n", b'0', "", b"1"),
            ("x/\x1b]0;owned\x07\x1b[2J", b'0', "", b"2"),
            (&long, b'0', "", b"3"),
        ],
        _ => return Ok(false),
    };
    for (name, kind, link, content) in entries {
        io.write_stdout(&header(name, *kind, link, content.len()))?;
        if !content.is_empty() {
            let mut block = [0; 512];
            block[..content.len()].copy_from_slice(content);
            io.write_stdout(&block)?;
        }
    }
    io.write_stdout(&[0; 1024])?;
    Ok(true)
}

/// A header as `tar` writes it.
fn header(name: &str, kind: u8, link: &str, size: usize) -> [u8; 512] {
    let mut block = [0; 512];
    let mut put =
        |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{size:011o}\0"));
    put(136, "00000000000\0");
    put(148, "        ");
    put(157, link);
    put(257, "ustar\x0000");
    block[156] = kind;
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}
