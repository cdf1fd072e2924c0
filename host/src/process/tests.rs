//! Real programs: nothing here is simulated.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;

use rustix::process::{Pid, test_kill_process};
use tokio::sync::mpsc::unbounded_channel;

use super::*;
use crate::provider::{Arrived, ExitStatus, Stdio};

const MIB: usize = 1024 * 1024;

fn null() -> OwnedFd {
    File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .unwrap()
        .into()
}

fn quiet() -> Stdio {
    Stdio {
        stdin: null(),
        stdout: null(),
        stderr: null(),
        terminal: false,
        own_group: false,
        signals: None,
    }
}

fn sh(script: &str) -> NativeCommand {
    NativeCommand::new("sh").arg("-c").arg(script)
}

fn sent(number: u8) -> Arrived {
    Arrived {
        number,
        from_terminal: false,
    }
}

/// Live, not a zombie that waits for its parent.
fn alive(pid: i32) -> bool {
    test_kill_process(Pid::from_raw(pid).unwrap()).is_ok()
        && std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().starts_with(" Z"))
}

/// Waits for a condition that will come about by itself.
async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn the_exit_code_is_the_commands() {
    for code in [0, 1, 2, 42, 125, 126, 127, 128, 255] {
        let status = connect(&sh(&format!("exit {code}")), quiet())
            .await
            .unwrap();
        assert_eq!(status, ExitStatus::Code(code));
    }
}

#[tokio::test]
async fn death_by_signal_is_told_apart() {
    let status = connect(&sh("kill -9 $$"), quiet()).await.unwrap();
    assert_eq!(status, ExitStatus::Signal(9));
    assert_eq!(status.shell_code(), 137);
    assert_eq!(
        connect(&sh("kill -PIPE $$"), quiet()).await.unwrap(),
        ExitStatus::Signal(13),
        "SIGPIPE has its default action in the child"
    );
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let plain = dir.path().join("plain");
    std::fs::write(&plain, "#!/bin/sh\n").unwrap();
    let code = async |native: NativeCommand| {
        let error = connect(&native, quiet()).await.unwrap_err();
        (error.shell_code(), error.to_string())
    };
    assert_eq!(
        code(NativeCommand::new("/nonexistent/x")).await,
        (Some(127), "program `/nonexistent/x` not found".to_owned())
    );
    assert_eq!(code(NativeCommand::new(&plain)).await.0, Some(126));
    assert_eq!(code(NativeCommand::new(dir.path())).await.0, Some(126));
    let orphan = dir.path().join("orphan");
    std::fs::write(&orphan, "#!/nonexistent/interpreter\n").unwrap();
    executable(&orphan);
    assert!(
        code(NativeCommand::new(&orphan))
            .await
            .1
            .contains("interpreter")
    );
    let text = dir.path().join("text");
    std::fs::write(&text, "echo hello\n").unwrap();
    executable(&text);
    assert_eq!(code(NativeCommand::new(&text)).await.0, Some(126));
    let mut elsewhere = sh("true");
    elsewhere.cwd = Some(dir.path().join("missing"));
    let (none, message) = code(elsewhere).await;
    assert_eq!(none, None);
    assert!(message.contains("missing"), "{message}");
}

fn executable(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn arguments_environment_and_directory_are_bytes() {
    let odd: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"a b".to_vec(),
        b"'\"`$\\".to_vec(),
        b"new\nline".to_vec(),
        b"-n".to_vec(),
        vec![0xff, 0xfe, 0x01],
    ];
    let dir = tempfile::tempdir().unwrap();
    let cwd = dir
        .path()
        .join(std::ffi::OsString::from_vec(vec![b'd', 0xff]));
    std::fs::create_dir(&cwd).unwrap();
    let mut native = sh("printf '%s\\0' \"$@\" \"$ODD\"; pwd")
        .arg("sh")
        .args(odd.iter().cloned().map(std::ffi::OsString::from_vec));
    native.env = vec![("ODD".into(), std::ffi::OsString::from_vec(vec![0xfe]))];
    native.cwd = Some(cwd.clone());
    let output = capture(&native, Vec::new(), MIB).await.unwrap();
    let mut expected = odd.join(&0);
    expected.extend_from_slice(&[0, 0xfe, 0]);
    expected.extend(cwd.into_os_string().into_vec());
    expected.push(b'\n');
    assert_eq!(output.stdout, expected);
}

#[tokio::test]
async fn big_streams_go_both_ways_at_once() {
    let input: Vec<u8> = (0..4 * MIB).map(|i| (i % 251) as u8).collect();
    let output = capture(&sh("tee /dev/stderr"), input.clone(), 4 * MIB)
        .await
        .unwrap();
    assert!(output.stdout == input && output.stderr == input);
}

#[tokio::test]
async fn a_command_may_close_its_input_early() {
    let output = capture(&sh("exec <&-; echo done"), vec![0; 8 * MIB], MIB)
        .await
        .unwrap();
    assert_eq!(output.stdout, b"done\n");
    assert!(output.status.success());
}

#[tokio::test]
async fn too_much_output_is_an_error_and_ends_the_command() {
    let error = capture(&NativeCommand::new("yes"), Vec::new(), 1000)
        .await
        .unwrap_err();
    assert!(matches!(error, ProcessError::TooMuch { limit: 1000, .. }));
    let error = capture(&sh("yes >&2"), Vec::new(), 1000).await.unwrap_err();
    assert!(error.to_string().contains("standard error"), "{error}");
}

#[tokio::test]
async fn a_daemon_left_behind_does_not_hold_the_caller_up() {
    let output = capture(&sh("sleep 1000 & echo $!"), Vec::new(), MIB)
        .await
        .unwrap();
    let pid: i32 = String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert!(alive(pid), "a normal end kills nothing");
    rustix::process::kill_process(Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL)
        .unwrap();
}

#[tokio::test]
async fn our_descriptors_are_not_inherited() {
    let ours = tempfile::NamedTempFile::new().unwrap();
    let (_pipes, ends) = Pipes::new().unwrap();
    let output = capture(&sh("readlink /proc/$$/fd/*"), Vec::new(), MIB)
        .await
        .unwrap();
    let theirs = String::from_utf8(output.stdout).unwrap();
    assert!(!theirs.contains(ours.path().to_str().unwrap()), "{theirs}");
    let pipes = theirs.lines().filter(|l| l.starts_with("pipe:")).count();
    let inherited = std::fs::read_dir("/proc/self/fd").unwrap().count();
    // Its own three, and at most those that the test itself was started with.
    assert!((3..inherited).contains(&pipes), "{theirs}");
    for ours in [&ends.stdin, &ends.stdout, &ends.stderr] {
        use std::os::fd::AsRawFd;
        let link = std::fs::read_link(format!("/proc/self/fd/{}", ours.as_raw_fd())).unwrap();
        assert!(!theirs.contains(link.to_str().unwrap()), "{theirs}");
    }
}

#[tokio::test]
async fn signals_are_passed_on_and_may_be_ignored() {
    let (reader, writer) = std::io::pipe().unwrap();
    let (signals, receiver) = unbounded_channel();
    let stdio = Stdio {
        stdout: writer.into(),
        own_group: true,
        signals: Some(receiver),
        ..quiet()
    };
    let native =
        sh("trap '' TERM; trap 'echo int; exit 3' INT; echo up; while :; do sleep 0.01; done");
    let task = tokio::spawn(async move { connect(&native, stdio).await });
    let mut reader = tokio::net::unix::pipe::Receiver::from_owned_fd(reader.into()).unwrap();
    let mut line = [0; 3];
    use tokio::io::AsyncReadExt;
    reader.read_exact(&mut line).await.unwrap();
    signals.send(sent(15)).unwrap();
    signals.send(sent(2)).unwrap();
    assert_eq!(task.await.unwrap().unwrap(), ExitStatus::Code(3));
    let mut rest = String::new();
    reader.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "int\n");
}

#[tokio::test]
async fn dropping_the_future_kills_the_whole_group() {
    use tokio::io::AsyncReadExt;
    let (reader, writer) = std::io::pipe().unwrap();
    let stdio = Stdio {
        stdout: writer.into(),
        own_group: true,
        ..quiet()
    };
    let native = sh("trap '' TERM; sh -c 'echo $$; exec sleep 1000' & echo $$; wait");
    let task = tokio::spawn(async move { connect(&native, stdio).await });
    let mut reader = tokio::net::unix::pipe::Receiver::from_owned_fd(reader.into()).unwrap();
    let mut seen = String::new();
    while seen.lines().count() < 2 || !seen.ends_with('\n') {
        let mut buffer = [0; 64];
        let n = reader.read(&mut buffer).await.unwrap();
        seen.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
    }
    let pids: Vec<i32> = seen.lines().map(|l| l.parse().unwrap()).collect();
    assert!(pids.iter().all(|&pid| alive(pid)));
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    until(|| !pids.iter().any(|&pid| alive(pid))).await;
    // Nothing holds the pipe any more.
    reader.read_to_string(&mut seen).await.unwrap();
}

#[tokio::test]
async fn without_a_group_only_the_program_is_killed() {
    use tokio::io::AsyncReadExt;
    let (reader, writer) = std::io::pipe().unwrap();
    let stdio = Stdio {
        stdout: writer.into(),
        ..quiet()
    };
    let native = sh("echo $$; exec sleep 1000");
    let task = tokio::spawn(async move { connect(&native, stdio).await });
    let mut reader = tokio::net::unix::pipe::Receiver::from_owned_fd(reader.into()).unwrap();
    assert!(reader.read_u8().await.is_ok());
    task.abort();
    let mut rest = String::new();
    reader.read_to_string(&mut rest).await.unwrap();
    assert!(task.await.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn a_terminal_becomes_the_controlling_terminal() {
    use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let slave = ioctl_tiocgptpeer(&master, flags).unwrap();
    let stdio = Stdio {
        stdin: slave.try_clone().unwrap(),
        stdout: slave.try_clone().unwrap(),
        stderr: slave,
        terminal: true,
        own_group: false,
        signals: None,
    };
    // Ctrl-C on the terminal reaches what runs in its foreground.
    let native = sh("echo yes >/dev/tty; trap 'exit 7' INT; while :; do sleep 0.01; done");
    let task = tokio::spawn(async move { connect(&native, stdio).await });
    let mut master = File::from(master);
    let status = tokio::task::spawn_blocking(move || {
        let mut buffer = [0; 5];
        master.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"yes\r\n");
        // The trap is set after the greeting, so repeat until it has been heard.
        while !task.is_finished() {
            master.write_all(b"\x03").unwrap();
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        task
    })
    .await
    .unwrap()
    .await
    .unwrap()
    .unwrap();
    assert!(
        matches!(status, ExitStatus::Code(7) | ExitStatus::Signal(2)),
        "{status:?}"
    );
}

#[tokio::test]
async fn a_background_group_can_still_be_typed_to() {
    use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let slave = ioctl_tiocgptpeer(&master, flags).unwrap();
    File::from(master.try_clone().unwrap())
        .write_all(b"typed\n\x04")
        .unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let stdio = Stdio {
        stdin: slave,
        stdout: writer.into(),
        own_group: true,
        ..quiet()
    };
    let status = connect(&NativeCommand::new("cat"), stdio).await.unwrap();
    assert!(status.success());
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "typed\n");
}
