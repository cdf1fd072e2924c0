//! From the tree to the compressed archive: `tar`, the repack script, and the compression, side by side.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};

use super::{Archive, HostScript, PackError, PackSpec, compress};

/// Never packed, whoever asks: they hold passwords.
const REUSE_FILES: &str = ".spread-reuse.*";

const SIGPIPE: i32 = 13;

/// What is kept of what programs say.
const SAID: u64 = 64 << 10;

/// Where host scripts look for programs.
const PATH: &str =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games:/usr/local/games";

/// Packs. Blocks until it is done.
pub fn pack(spec: &PackSpec) -> Result<Archive, PackError> {
    let mut tar = start("tar", tar_command(spec)?)?;
    let from_tar = stdout_of(&mut tar);
    let tar_said = listen(&mut tar);
    let (packed, repacked) = match &spec.repack {
        None => (compress::zstd(from_tar), Ok(())),
        Some(script) => repack(spec, script, from_tar)?,
    };
    let said = tar_said.join().unwrap_or_default();
    let ended = tar.wait().map_err(PackError::Write)?;
    // The script's own words explain more than those of a tar that lost its reader.
    repacked?;
    // 1: some file changed while it was read. It is sent as it was then.
    // A repack script need not read all that it is offered.
    let unread = spec.repack.is_some() && ended.signal() == Some(SIGPIPE);
    if !matches!(ended.code(), Some(0 | 1)) && !unread {
        return Err(PackError::Tar {
            said,
            status: ended,
        });
    }
    let (zstd, bytes) = packed.map_err(PackError::Write)?;
    Ok(Archive {
        zstd,
        bytes,
        warnings: said.lines().map(str::to_owned).collect(),
        gzip: Mutex::default(),
        manifest: Mutex::default(),
    })
}

fn tar_command(spec: &PackSpec) -> Result<Command, PackError> {
    let mut tar = Command::new("tar");
    tar.args(["--create", "--sort=name", "--directory"])
        .arg(&spec.directory)
        .arg(format!("--exclude={REUSE_FILES}"))
        .args(spec.exclude.iter().map(|it| format!("--exclude={it}")))
        .args(spec.rename.iter().map(|it| format!("--transform={it}")));
    if spec.include.is_empty() {
        // These are names of ours, and not what a user writes for tar: a backslash is a backslash.
        tar.arg("--no-unquote");
    }
    tar.arg("--");
    if spec.include.is_empty() {
        let failed = |source| PackError::List {
            directory: spec.directory.clone(),
            source,
        };
        let mut names = Vec::new();
        for entry in fs::read_dir(&spec.directory).map_err(failed)? {
            names.push(entry.map_err(failed)?.file_name());
        }
        names.sort();
        tar.args(names);
    } else {
        tar.args(&spec.include);
    }
    Ok(tar)
}

type Repacked = (io::Result<(File, u64)>, Result<(), PackError>);

/// The script is traced and sees the archive on descriptor 3; what it prints is only shown when it fails.
fn repack(
    spec: &PackSpec,
    script: &HostScript,
    archive: ChildStdout,
) -> Result<Repacked, PackError> {
    // `exec` and not our own hands: descriptors beyond 2 can only be given between fork and exec.
    let HostScript { text, exports, .. } = script;
    let text = format!("exec 3<&0 4>&1 < /dev/null >&2\n{exports}\nset -x\n{text}\n");
    let mut bash = Command::new("bash");
    bash.args(["-eu", "-c"])
        .arg(text)
        .current_dir(&spec.directory)
        .env("PATH", PATH)
        .stdin(archive)
        .process_group(0);
    let mut child = start("bash", bash)?;
    let from = stdout_of(&mut child);
    let listening = listen(&mut child);
    let (timer, too_long) = guard(&child, script);
    let packed = compress::zstd(from);
    let said = listening.join().unwrap_or_default();
    let status = child.wait().map_err(PackError::Write)?;
    drop(timer);
    let killed = too_long.join().unwrap_or(false);
    let ended = if status.success() {
        Ok(())
    } else if killed {
        Err(PackError::TooLong)
    } else {
        Err(PackError::Repack { said, status })
    };
    Ok((packed, ended))
}

/// Kills a script that takes too long, with its group. Answers whether it did, once the sender is dropped.
fn guard(child: &Child, script: &HostScript) -> (Sender<()>, JoinHandle<bool>) {
    let (timer, ended) = mpsc::channel();
    let kill = script.kill;
    let pid = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    let watching = thread::spawn(move || {
        let Some(kill) = kill else {
            return false;
        };
        if ended.recv_timeout(kill) != Err(RecvTimeoutError::Timeout) {
            return false;
        }
        if let Some(pid) = pid {
            // Nobody has waited for it yet, so the number is still its own; it can only have ended by itself.
            let _ended = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
        true
    });
    (timer, watching)
}

fn start(program: &'static str, mut command: Command) -> Result<Child, PackError> {
    // Standard input is the caller's decision; without one there is none.
    if program == "tar" {
        command.stdin(Stdio::null());
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
        .spawn()
        .map_err(|source| PackError::Start { program, source })
}

#[expect(clippy::expect_used, reason = "`start` made the pipe")]
fn stdout_of(child: &mut Child) -> ChildStdout {
    child.stdout.take().expect("piped")
}

/// Collects what a program says, so that it never waits for us.
fn listen(child: &mut Child) -> JoinHandle<String> {
    let stderr = child.stderr.take();
    thread::spawn(move || {
        let mut said = Vec::new();
        if let Some(stderr) = stderr {
            let mut stderr = stderr;
            // What is too long to show is still read to its end.
            let _kept = stderr.by_ref().take(SAID).read_to_end(&mut said);
            let _rest = io::copy(&mut stderr, &mut io::sink());
        }
        String::from_utf8_lossy(&said).trim_end().to_owned()
    })
}
