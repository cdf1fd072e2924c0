//! Terminal and signals, in a process of their own: both change what belongs to the whole process.
//!
//! Each test starts this very program again, on a pseudo-terminal that plays the user's, in a role named by a variable.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::exit,
    reason = "a test; it plays a program that prints"
)]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use runner::process::{NativeCommand, connect};
use runner::provider::{Arrived, ExitStatus, Stdio};
use runner::terminal::{Terminal, signals};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

const ROLE: &str = "RUNNER_TEST_ROLE";
/// HUP, INT, QUIT, TERM.
const CAUGHT: [i32; 4] = [1, 2, 3, 15];
const SCRIPT: &str = "RUNNER_TEST_SCRIPT";

/// The program that the tests start: does nothing in an ordinary run.
#[test]
fn role() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let script = std::env::var(SCRIPT).unwrap_or_default();
    let native = NativeCommand::new("sh").arg("-c").arg(script);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let code = runtime.block_on(async {
        match role.as_str() {
            "interactive" => {
                let (_guard, caught) = signals::catch(&CAUGHT).unwrap();
                let (terminal, stdio) = Terminal::open().unwrap();
                let stdio = Stdio {
                    signals: Some(caught),
                    ..stdio
                };
                let status = terminal.drive(connect(&native, stdio)).await.unwrap();
                status.unwrap().shell_code()
            }
            "uncaught" => {
                let (terminal, stdio) = Terminal::open().unwrap();
                let status = terminal.drive(connect(&native, stdio)).await.unwrap();
                status.unwrap().shell_code()
            }
            "panic" => {
                let (terminal, _stdio) = Terminal::open().unwrap();
                let result = tokio::spawn(terminal.drive(async {
                    let raw = tcgetattr(std::io::stdin()).unwrap();
                    assert!(raw.local_modes.contains(LocalModes::ICANON), "raw");
                }))
                .await;
                u8::from(result.unwrap_err().is_panic()) * 3
            }
            "plain" => {
                let (guard, caught) = signals::catch(&CAUGHT).unwrap();
                println!("pid {}.", std::process::id());
                let stdio = Stdio {
                    stdin: owned(std::io::stdin()),
                    stdout: owned(std::io::stdout()),
                    stderr: owned(std::io::stderr()),
                    terminal: false,
                    own_group: false,
                    signals: Some(caught),
                };
                let code = connect(&native, stdio).await.unwrap().shell_code();
                drop(guard);
                println!("survived");
                if code == 9 {
                    // Without a guard a signal does again what it does by default.
                    rustix::process::kill_process(
                        rustix::process::getpid(),
                        rustix::process::Signal::TERM,
                    )
                    .unwrap();
                    loop {
                        std::thread::park();
                    }
                }
                code
            }
            other => panic!("no role {other}"),
        }
    });
    std::process::exit(code.into());
}

fn owned(fd: impl AsFd) -> OwnedFd {
    fd.as_fd().try_clone_to_owned().unwrap()
}

/// The user, at a terminal where a role runs.
struct User {
    terminal: File,
    seen: String,
    signals: UnboundedSender<Arrived>,
    role: JoinHandle<ExitStatus>,
}

impl User {
    fn at(role: &str, script: &str) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let terminal = openpt(flags).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        resize(&terminal, 80, 24);
        let slave = ioctl_tiocgptpeer(&terminal, flags).unwrap();
        let (signals, numbers) = unbounded_channel();
        let stdio = Stdio {
            stdin: slave.try_clone().unwrap(),
            stdout: slave.try_clone().unwrap(),
            stderr: slave,
            terminal: true,
            own_group: false,
            signals: Some(numbers),
        };
        let mut native = NativeCommand::new(std::env::current_exe().unwrap()).args([
            "--exact",
            "role",
            "--nocapture",
            "--quiet",
        ]);
        native.env = vec![(ROLE.into(), role.into()), (SCRIPT.into(), script.into())];
        let role = tokio::spawn(async move { connect(&native, stdio).await.unwrap() });
        Self {
            terminal: File::from(terminal),
            seen: String::new(),
            signals,
            role,
        }
    }

    /// Reads until `text` has been shown; what came up to it is forgotten.
    async fn sees(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.seen.find(text) {
                let rest = self.seen.split_off(at + text.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            let more = self.read().await;
            assert!(!more.is_empty(), "wanted {text:?}, got {:?}", self.seen);
            self.seen.push_str(&more);
        }
    }

    /// Empty at the end.
    async fn read(&mut self) -> String {
        let mut terminal = self.terminal.try_clone().unwrap();
        tokio::task::spawn_blocking(move || {
            let mut buffer = [0; 4096];
            let n = terminal.read(&mut buffer).unwrap_or(0);
            String::from_utf8_lossy(&buffer[..n]).into_owned()
        })
        .await
        .unwrap()
    }

    fn types(&mut self, text: &str) {
        self.terminal.write_all(text.as_bytes()).unwrap();
    }

    fn cooked(&self) -> bool {
        let modes = tcgetattr(&self.terminal).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    /// The rest of what is shown, and how it ended.
    async fn end(mut self) -> (String, ExitStatus) {
        loop {
            let more = self.read().await;
            if more.is_empty() {
                return (self.seen, self.role.await.unwrap());
            }
            self.seen.push_str(&more);
        }
    }
}

fn sent(number: u8) -> Arrived {
    Arrived {
        number,
        from_terminal: false,
    }
}

fn resize(terminal: impl AsFd, columns: u16, rows: u16) {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(terminal, size).unwrap();
}

#[tokio::test]
async fn size_and_keys_reach_the_command_and_the_terminal_is_put_back() {
    let mut user = User::at(
        "interactive",
        "trap 'stty size' WINCH; trap 'echo interrupted' INT; stty size; test -t 0 && echo up; \
         while ! read -r word; do :; done; echo \"got <$word>\"; exit 5",
    );
    user.sees("24 80").await;
    user.sees("up").await;
    assert!(!user.cooked(), "raw while the command runs");
    resize(&user.terminal, 100, 40);
    user.sees("40 100").await;
    // A byte to our terminal, a signal to the command's.
    user.types("\x03");
    user.sees("interrupted").await;
    user.types("hello\r");
    user.sees("got <hello>").await;
    let terminal = owned(&user.terminal);
    let (_, status) = user.end().await;
    assert_eq!(status, ExitStatus::Code(5));
    let modes = tcgetattr(terminal).unwrap().local_modes;
    assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO));
}

#[tokio::test]
async fn everything_is_shown_before_the_end() {
    let mut user = User::at(
        "interactive",
        "stty -onlcr; seq 1 200000; (sleep 3 &) ; exit 0",
    );
    user.sees("1\n").await;
    let (rest, status) = user.end().await;
    assert_eq!(status, ExitStatus::Code(0));
    let last = rest.lines().rfind(|l| !l.is_empty()).unwrap();
    assert_eq!(last, "200000");
    assert_eq!(rest.lines().filter(|l| !l.is_empty()).count(), 199_999);
}

#[tokio::test]
async fn a_sent_signal_reaches_the_command_first() {
    let mut user = User::at(
        "interactive",
        "trap 'echo told; exit 6' TERM; echo up; while :; do sleep 0.01; done",
    );
    user.sees("up").await;
    user.signals.send(sent(15)).unwrap();
    user.sees("told").await;
    assert_eq!(user.end().await.1, ExitStatus::Code(6));
}

#[tokio::test]
async fn a_deadly_signal_leaves_the_terminal_as_it_was() {
    let mut user = User::at("uncaught", "echo up; sleep 1000");
    user.sees("up").await;
    assert!(!user.cooked());
    let terminal = owned(&user.terminal);
    user.signals.send(sent(15)).unwrap();
    assert_eq!(user.end().await.1, ExitStatus::Signal(15));
    let modes = tcgetattr(terminal).unwrap().local_modes;
    assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO));
}

#[tokio::test]
async fn a_panic_leaves_the_terminal_as_it_was() {
    let user = User::at("panic", "");
    let terminal = owned(&user.terminal);
    assert_eq!(user.end().await.1, ExitStatus::Code(3));
    let modes = tcgetattr(terminal).unwrap().local_modes;
    assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO));
}

#[tokio::test]
async fn the_end_of_piped_input_is_typed() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let (mut shown, output) = std::io::pipe().unwrap();
    writer.write_all(b"one\ntwo\n").unwrap();
    drop(writer);
    let (terminal, stdio) = Terminal::between(reader.into(), output.into()).unwrap();
    let native = NativeCommand::new("sh")
        .arg("-c")
        .arg("stty -echo -onlcr; echo; wc -l");
    let status = terminal.drive(connect(&native, stdio)).await.unwrap();
    assert_eq!(status.unwrap(), ExitStatus::Code(0));
    let mut text = String::new();
    shown.read_to_string(&mut text).unwrap();
    assert!(text.trim_end().ends_with('2'), "{text:?}");
}

#[tokio::test]
async fn when_nobody_looks_any_more_the_command_is_hung_up() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let (shown, output) = std::io::pipe().unwrap();
    drop(shown);
    let (terminal, stdio) = Terminal::between(reader.into(), output.into()).unwrap();
    let status = terminal
        .drive(connect(&NativeCommand::new("yes"), stdio))
        .await
        .unwrap();
    assert!(matches!(
        status.unwrap(),
        ExitStatus::Signal(1) | ExitStatus::Code(1)
    ));
}

#[tokio::test]
async fn a_shared_group_gets_each_signal_once() {
    let mut user = User::at(
        "plain",
        "trap 'n=$((n + 1)); echo once' INT; trap 'echo \"total $n\"; exit 7' TERM; \
         echo up; while :; do sleep 0.01; done",
    );
    user.sees("pid ").await;
    let pid = user.sees(".").await;
    user.sees("up").await;
    assert!(user.cooked());
    // The kernel gives it to everybody, so it is not passed on.
    user.types("\x03");
    user.sees("once").await;
    // This one is for the runner alone, and is.
    let pid = pid.trim_end_matches('.').parse().unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid).unwrap(),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    user.sees("total 1").await;
    user.sees("survived").await;
    assert_eq!(user.end().await.1, ExitStatus::Code(7));
}

#[tokio::test]
async fn after_the_command_signals_are_deadly_again() {
    let user = User::at("plain", "exit 9");
    assert_eq!(user.end().await.1, ExitStatus::Signal(15));
}
