//! Against a real `sshd`, started for each connection by `ProxyCommand`: no port, nothing left running.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::mpsc::unbounded_channel;

use super::*;
use crate::provider::{Arrived, Command, ExitStatus, SshTarget, Stdio};

/// A server's keys and configuration, and a client's that trusts it.
struct Lab {
    directory: TempDir,
    sessions: SshSessions,
}

impl Lab {
    fn new() -> Self {
        Self::with("", "")
    }

    fn with(server: &str, client: &str) -> Self {
        // Short: sockets live in it.
        let directory = tempfile::Builder::new()
            .prefix("r")
            .tempdir_in("/tmp")
            .unwrap();
        let at = |name: &str| directory.path().join(name);
        for key in ["host", "user"] {
            let made = process::Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(at(key))
                .status()
                .unwrap();
            assert!(made.success());
        }
        fs::copy(at("user.pub"), at("authorized")).unwrap();
        let d = directory.path().display();
        // Where `sshd` separates its privileges; only root can make it, and only root needs it.
        drop(fs::create_dir_all("/run/sshd"));
        fs::write(
            at("sshd_config"),
            format!(
                "{server}\nHostKey {d}/host\nAuthorizedKeysFile {d}/authorized\nStrictModes no\nUsePAM no\n\
                 PasswordAuthentication no\nKbdInteractiveAuthentication no\nPidFile none\nPrintMotd no\n"
            ),
        )
        .unwrap();
        let key = fs::read_to_string(at("host.pub")).unwrap();
        fs::write(at("known"), format!("lab {key}")).unwrap();
        fs::write(
            at("ssh_config"),
            format!(
                "{client}\nHost *\nProxyCommand /usr/sbin/sshd -i -f {d}/sshd_config -E {d}/sshd.log\n\
                 IdentityFile {d}/user\nIdentitiesOnly yes\nUserKnownHostsFile {d}/known\n\
                 GlobalKnownHostsFile none\nStrictHostKeyChecking yes\nIdentityAgent none\n"
            ),
        )
        .unwrap();
        let sessions = SshSessions::new(at("c"))
            .with_options(["-F".into(), at("ssh_config").into_os_string()]);
        Self {
            directory,
            sessions,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    async fn run(&self, script: &str) -> Result<(ExitStatus, String, String), TransportError> {
        let output = self
            .sessions
            .output(&lab(), &sh(script), Vec::new())
            .await?;
        Ok((
            output.status,
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        ))
    }

    /// Closes the connections: masters do not end with the test.
    async fn close(self) {
        self.sessions.disconnect(&lab()).await.unwrap();
        let left: Vec<_> = fs::read_dir(self.path("c"))
            .map(|d| d.map(|e| e.unwrap().file_name()).collect())
            .unwrap_or_default();
        assert!(
            left.iter().all(|f| f.to_string_lossy().ends_with(".lock")),
            "{left:?}"
        );
    }
}

fn lab() -> SshTarget {
    SshTarget {
        host: "lab".to_owned(),
        port: None,
        user: None,
    }
}

fn argv(words: &[&[u8]]) -> Command {
    Command {
        argv: words.iter().map(|w| w.to_vec()).collect(),
        env: Vec::new(),
        cwd: None,
        tty: false,
        id: String::new(),
    }
}

fn sh(script: &str) -> Command {
    argv(&[b"sh", b"-c", script.as_bytes()])
}

fn null() -> OwnedFd {
    super::master::null().unwrap().into()
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

fn sent(number: u8) -> Arrived {
    Arrived {
        number,
        from_terminal: false,
    }
}

/// A pipe whose writing end goes to a command.
fn reader() -> (pipe::Receiver, OwnedFd) {
    let (sender, receiver) = pipe::pipe().unwrap();
    (receiver, sender.into_blocking_fd().unwrap())
}

async fn line(from: &mut pipe::Receiver) -> String {
    let mut line = Vec::new();
    loop {
        match from.read_u8().await.unwrap() {
            b'\n' => return String::from_utf8(line).unwrap(),
            byte => line.push(byte),
        }
    }
}

fn alive(pid: &str) -> bool {
    fs::read_to_string(Path::new("/proc").join(pid).join("stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().starts_with(" Z"))
}

async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn codes_streams_and_signals_are_the_commands() {
    let lab = Lab::new();
    let (status, out, err) = lab.run("echo out; echo err >&2; exit 3").await.unwrap();
    assert_eq!(
        (status, &*out, &*err),
        (ExitStatus::Code(3), "out\n", "err\n")
    );
    // The code that ssh itself uses for a lost connection.
    let (status, _, err) = lab.run("exit 255").await.unwrap();
    assert_eq!((status, &*err), (ExitStatus::Code(255), ""));
    assert_eq!(lab.run("kill -9 $$").await.unwrap().0.shell_code(), 137);
    assert_eq!(lab.run("kill -TERM $$").await.unwrap().0.shell_code(), 143);
    let code = async |words: &[&[u8]]| {
        let output = lab
            .sessions
            .output(&super::tests::lab(), &argv(words), Vec::new())
            .await;
        output.unwrap().status
    };
    assert_eq!(code(&[b"no-such-program"]).await, ExitStatus::Code(127));
    assert_eq!(code(&[b"/etc/passwd"]).await, ExitStatus::Code(126));
    lab.sessions.reachable(&super::tests::lab()).await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn arguments_arrive_as_they_are() {
    let lab = Lab::new();
    let odd: [&[u8]; 9] = [
        b"",
        b" a  b ",
        b"'\"\\`$(id)$HOME",
        b"line\nfeed\n",
        b"-n",
        b"--",
        b"*",
        b"\xff\x01\xfe",
        "é".as_bytes(),
    ];
    let mut words: Vec<&[u8]> = vec![b"printf", b"%s\\0"];
    words.extend(odd);
    let mut command = argv(&words);
    let mut expected = odd.join(&0);
    expected.push(0);
    let to = super::tests::lab();
    let output = lab
        .sessions
        .output(&to, &command, Vec::new())
        .await
        .unwrap();
    assert_eq!(output.stdout, expected);
    command = sh("pwd; printf %s \"$ODD\"");
    command.cwd = Some(b"/usr/lib".to_vec());
    command.env = vec![("ODD".to_owned(), b"a'b\xff".to_vec())];
    let output = lab
        .sessions
        .output(&to, &command, Vec::new())
        .await
        .unwrap();
    assert_eq!(output.stdout, b"/usr/lib\na'b\xff");
    let long = argv(&[b"true", &vec![b'x'; 200_000]]);
    let error = lab
        .sessions
        .output(&to, &long, Vec::new())
        .await
        .unwrap_err();
    assert!(matches!(error, TransportError::TooLong { .. }), "{error}");
    lab.close().await;
}

#[tokio::test]
async fn what_the_users_configuration_sends_is_sent() {
    let mut lab = Lab::with("AcceptEnv SENT_*", "SendEnv SENT_*\n");
    lab.sessions = lab.sessions.with_environment([
        ("SENT_IT".into(), "a b".into()),
        ("KEPT_BACK".into(), "x".into()),
    ]);
    let (_, out, _) = lab.run("echo \"$SENT_IT,$KEPT_BACK\"").await.unwrap();
    assert_eq!(out, "a b,\n");
    lab.close().await;
}

#[tokio::test]
async fn a_hundred_megabytes_go_through_both_ways() {
    const CHUNK: usize = 1024 * 1024;
    const CHUNKS: usize = 100;
    let lab = Lab::new();
    let (mut sender, stdin) = {
        let (sender, receiver) = pipe::pipe().unwrap();
        (sender, receiver.into_blocking_fd().unwrap())
    };
    let (mut receiver, stdout) = reader();
    let stdio = Stdio {
        stdin,
        stdout,
        ..quiet()
    };
    let writing = tokio::spawn(async move {
        let mut digest = Sha256::new();
        for i in 0..CHUNKS {
            let chunk: Vec<u8> = (0..CHUNK)
                .map(|j| (j * 31 + i * 7 + j / 251) as u8)
                .collect();
            digest.update(&chunk);
            sender.write_all(&chunk).await.unwrap();
        }
        digest.finalize()
    });
    let reading = tokio::spawn(async move {
        let (mut digest, mut total) = (Sha256::new(), 0);
        let mut buffer = vec![0; CHUNK];
        loop {
            let n = receiver.read(&mut buffer).await.unwrap();
            if n == 0 {
                return (digest.finalize(), total);
            }
            total += n;
            digest.update(&buffer[..n]);
        }
    });
    let status = lab
        .sessions
        .exec(&super::tests::lab(), &argv(&[b"cat"]), stdio)
        .await
        .unwrap();
    assert!(status.success());
    let (digest, total) = reading.await.unwrap();
    assert_eq!(total, CHUNK * CHUNKS);
    assert_eq!(digest, writing.await.unwrap());
    lab.close().await;
}

#[tokio::test]
async fn the_caller_may_end_its_input_first() {
    let lab = Lab::new();
    let to = super::tests::lab();
    // The command learns of the end of its input and goes on.
    let output = lab
        .sessions
        .output(
            &to,
            &sh("cat >/dev/null; sleep 0.1; echo after"),
            b"x".repeat(100_000),
        )
        .await
        .unwrap();
    assert_eq!(output.stdout, b"after\n");
    // The command closes its input, and does not care.
    let output = lab
        .sessions
        .output(&to, &sh("exec <&-; echo done"), b"x".repeat(10_000_000))
        .await
        .unwrap();
    assert_eq!(output.stdout, b"done\n");
    lab.close().await;
}

#[tokio::test]
async fn a_lost_connection_is_told_from_a_failed_command() {
    let lab = Lab::new();
    // The parent of the wrapper is the `sshd` of this connection.
    let killed = "kill -9 $(ps -o ppid= -p $PPID)";
    let error = lab.run(&format!("{killed}; sleep 10")).await.unwrap_err();
    assert!(matches!(error, TransportError::Lost { .. }), "{error:?}");
    assert_eq!(error.kind(), TransportKind::Unavailable);
    assert!(error.to_string().contains("`lab`"), "{error}");
    // The next command opens a new connection.
    assert!(lab.run("true").await.unwrap().0.success());
    lab.close().await;
}

#[tokio::test]
async fn more_sessions_than_one_connection_has() {
    let lab = Lab::with("MaxSessions 3", "");
    let (mut receiver, stdout) = reader();
    let (gate, opened) = pipe::pipe().unwrap();
    let opened = opened.into_blocking_fd().unwrap();
    let sessions = Arc::new(lab.sessions.clone());
    let mut tasks = tokio::task::JoinSet::new();
    for i in 0..8 {
        let stdio = Stdio {
            stdin: opened.try_clone().unwrap(),
            stdout: stdout.try_clone().unwrap(),
            stderr: stdout.try_clone().unwrap(),
            ..quiet()
        };
        let sessions = sessions.clone();
        tasks.spawn(async move {
            let command = sh(&format!("echo up; cat; exit {i}"));
            sessions.exec(&super::tests::lab(), &command, stdio).await
        });
    }
    drop((stdout, opened));
    // All run at once, and none hears a word about it on its standard error.
    for _ in 0..8 {
        assert_eq!(line(&mut receiver).await, "up");
    }
    drop(gate);
    let mut codes = Vec::new();
    while let Some(status) = tasks.join_next().await {
        codes.push(status.unwrap().unwrap().shell_code());
    }
    codes.sort_unstable();
    assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7]);
    let mut rest = String::new();
    receiver.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "");
    lab.close().await;
}

#[tokio::test]
async fn signals_reach_the_commands_group() {
    let lab = Lab::new();
    let (mut receiver, stdout) = reader();
    let (signals, numbers) = unbounded_channel();
    let stdio = Stdio {
        stdout,
        signals: Some(numbers),
        ..quiet()
    };
    let command = sh(
        "trap 'echo int' INT; trap 'echo term; exit 5' TERM; sleep 1000 & echo $!; \
                      while :; do wait; done",
    );
    let sessions = lab.sessions.clone();
    let task =
        tokio::spawn(async move { sessions.exec(&super::tests::lab(), &command, stdio).await });
    let child = line(&mut receiver).await;
    assert!(alive(&child));
    // Also what our terminal sent: nothing else brings it there.
    let from_terminal = true;
    signals
        .send(Arrived {
            from_terminal,
            ..sent(2)
        })
        .unwrap();
    assert_eq!(line(&mut receiver).await, "int");
    signals.send(sent(15)).unwrap();
    assert_eq!(line(&mut receiver).await, "term");
    assert_eq!(task.await.unwrap().unwrap(), ExitStatus::Code(5));
    until(|| !alive(&child)).await;
    // What nobody survives, the wrapper included.
    let (mut receiver, stdout) = reader();
    let (signals, numbers) = unbounded_channel();
    let stdio = Stdio {
        stdout,
        signals: Some(numbers),
        ..quiet()
    };
    let sessions = lab.sessions.clone();
    let command = sh("echo up; sleep 1000");
    let task =
        tokio::spawn(async move { sessions.exec(&super::tests::lab(), &command, stdio).await });
    line(&mut receiver).await;
    signals.send(sent(9)).unwrap();
    assert_eq!(task.await.unwrap().unwrap(), ExitStatus::Signal(9));
    lab.close().await;
}

#[tokio::test]
async fn a_cancelled_command_is_killed_there() {
    let lab = Lab::new();
    let (mut receiver, stdout) = reader();
    let stdio = Stdio { stdout, ..quiet() };
    let sessions = lab.sessions.clone();
    let command = sh("trap '' HUP TERM PIPE; sleep 1000 & echo $$ $!; wait");
    let task =
        tokio::spawn(async move { sessions.exec(&super::tests::lab(), &command, stdio).await });
    let pids = line(&mut receiver).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    until(|| !pids.split(' ').any(alive)).await;
    lab.close().await;
}

#[tokio::test]
async fn a_terminal_has_a_size_a_code_and_an_end() {
    use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
    let lab = Lab::new();
    let run = async |script: &str| {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = rustix::termios::Winsize {
            ws_row: 33,
            ws_col: 77,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        rustix::termios::tcsetwinsize(&master, size).unwrap();
        let slave = ioctl_tiocgptpeer(&master, flags).unwrap();
        let stdio = Stdio {
            stdin: slave.try_clone().unwrap(),
            stdout: slave.try_clone().unwrap(),
            stderr: slave,
            terminal: true,
            own_group: false,
            signals: None,
        };
        let mut command = sh(script);
        command.tty = true;
        let shown = tokio::task::spawn_blocking(move || {
            use std::io::Read;
            let (mut shown, mut buffer) = (Vec::new(), [0; 1024]);
            // Reading fails when the last one has closed the terminal.
            while let Ok(n) = File::from(master.try_clone().unwrap()).read(&mut buffer) {
                shown.extend_from_slice(&buffer[..n]);
            }
            String::from_utf8(shown).unwrap()
        });
        let ended = lab
            .sessions
            .exec(&super::tests::lab(), &command, stdio)
            .await;
        (ended, shown.await.unwrap())
    };
    let (ended, shown) = run("stty size; exit 255").await;
    assert_eq!(ended.unwrap(), ExitStatus::Code(255));
    assert_eq!(shown, "33 77\r\n", "and nothing of ssh's own");
    let (ended, shown) = run("kill -INT $$").await;
    assert_eq!(ended.unwrap(), ExitStatus::Signal(2), "{shown}");
    let killed = "kill -9 $(ps -o ppid= -p $PPID); sleep 10";
    let (ended, shown) = run(killed).await;
    assert!(
        matches!(ended, Err(TransportError::Lost { .. })),
        "{ended:?}"
    );
    assert!(
        !shown.contains("ssh") && !shown.contains("closed"),
        "{shown:?}"
    );
    lab.close().await;
}

#[tokio::test]
async fn many_at_once_share_one_first_connection() {
    let lab = Lab::new();
    // Other handles, as other processes would have: only the directory is shared.
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let sessions = lab.sessions.clone();
        tasks.spawn(async move {
            let command = sh("ps -o ppid= -p $PPID");
            sessions
                .output(&super::tests::lab(), &command, Vec::new())
                .await
        });
    }
    let mut servers = std::collections::HashSet::new();
    while let Some(output) = tasks.join_next().await {
        servers.insert(output.unwrap().unwrap().stdout);
    }
    assert_eq!(servers.len(), 1, "one `sshd`");
    lab.close().await;
}

#[tokio::test]
async fn a_dead_socket_is_replaced() {
    let lab = Lab::new();
    lab.sessions.connect(&super::tests::lab()).await.unwrap();
    let socket = lab.sessions.socket(&super::tests::lab(), 0);
    let master = mux::Control::connect(&socket)
        .await
        .unwrap()
        .alive()
        .await
        .unwrap();
    let master = rustix::process::Pid::from_raw(i32::try_from(master).unwrap()).unwrap();
    rustix::process::kill_process(master, rustix::process::Signal::KILL).unwrap();
    until(|| !alive(&master.as_raw_nonzero().to_string())).await;
    assert!(socket.exists());
    assert!(lab.run("true").await.unwrap().0.success());
    lab.close().await;
}

#[tokio::test]
async fn a_connection_of_the_users_own_is_used_and_left_alone() {
    let own = tempfile::Builder::new()
        .prefix("r")
        .tempdir_in("/tmp")
        .unwrap();
    let path = own.path().join("own");
    let lab = Lab::with("", &format!("Host lab\nControlPath {}\n", path.display()));
    let config = lab.path("ssh_config");
    let ssh = |arguments: &[&str]| {
        let status = process::Command::new("ssh")
            .arg("-F")
            .arg(&config)
            .args(arguments)
            .arg("lab")
            .stderr(process::Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
    };
    ssh(&["-M", "-N", "-f"]);
    assert!(lab.run("true").await.unwrap().0.success());
    let socket = lab.sessions.socket(&super::tests::lab(), 0);
    assert_eq!(fs::read_link(socket).unwrap(), path);
    lab.sessions.disconnect(&super::tests::lab()).await.unwrap();
    ssh(&["-O", "check"]);
    ssh(&["-O", "exit"]);
    lab.close().await;
}

#[tokio::test]
async fn a_failed_connection_names_the_target_and_the_remedy() {
    let failure = async |lab: Lab| {
        let error = lab.run("true").await.unwrap_err();
        lab.close().await;
        error
    };
    let stranger = Lab::new();
    File::create(stranger.path("known")).unwrap();
    let error = failure(stranger).await;
    assert_eq!(error.kind(), TransportKind::Denied, "{error}");
    assert!(error.to_string().contains("`lab`"), "{error}");
    assert!(
        error
            .hint()
            .unwrap()
            .contains("connect once with `ssh lab`")
    );

    let locked = Lab::new();
    File::create(locked.path("authorized")).unwrap();
    let error = failure(locked).await;
    assert_eq!(error.kind(), TransportKind::Denied, "{error}");
    assert!(error.hint().unwrap().contains("ssh-add"), "{error:?}");

    let error = failure(Lab::with("", "Host lab\nProxyCommand false\n")).await;
    assert_eq!(error.kind(), TransportKind::Unavailable, "{error}");

    let error = failure(Lab::with("", "NoSuchOption yes\n")).await;
    assert_eq!(error.kind(), TransportKind::Invalid, "{error}");

    let banner = Lab::new();
    fs::write(banner.path("authorized"), "").unwrap();
    fs::write(banner.path("banner"), "\x1b]0;evil\x07\n").unwrap();
    let mut config = fs::OpenOptions::new()
        .append(true)
        .open(banner.path("sshd_config"))
        .unwrap();
    writeln!(config, "Banner {}", banner.path("banner").display()).unwrap();
    let error = failure(banner).await.to_string();
    assert!(!error.contains('\x1b'), "{error:?}");
}

#[tokio::test]
async fn a_signal_ends_the_wait_for_a_connection() {
    let lab = Lab::with("", "Host lab\nProxyCommand sleep 1000\n");
    let (signals, numbers) = unbounded_channel();
    let stdio = Stdio {
        signals: Some(numbers),
        ..quiet()
    };
    let sessions = lab.sessions.clone();
    let task = tokio::spawn(async move {
        sessions
            .exec(&super::tests::lab(), &sh("true"), stdio)
            .await
    });
    signals.send(sent(15)).unwrap();
    assert_eq!(task.await.unwrap().unwrap(), ExitStatus::Signal(15));
    lab.close().await;
}

#[tokio::test]
async fn the_control_directory_must_be_ours_alone() {
    let lab = Lab::new();
    let directory = lab.path("c");
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o770)).unwrap();
    let error = lab.run("true").await.unwrap_err();
    assert!(
        matches!(error, TransportError::Directory { .. }),
        "{error:?}"
    );
    let long = SshSessions::new(lab.path(&"x".repeat(100)));
    let error = long.connect(&super::tests::lab()).await.unwrap_err();
    assert!(error.to_string().contains("too long"), "{error}");
    let none = SshSessions::new(lab.path("d")).with_program("/nonexistent/ssh".into());
    let error = none.connect(&super::tests::lab()).await.unwrap_err();
    assert!(matches!(error, TransportError::NoClient(_)), "{error:?}");
}
