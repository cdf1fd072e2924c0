//! Calls of a real component: the embedded `local`, which starts real programs.

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex};

use runner_core::id::{InstanceName, SourceName, Token};
use tempfile::TempDir;

use super::*;
use crate::provider::{
    Command, Doomed, ErrorKind, ExitStatus, Instance, Provider, ProviderError, Request, Stdio,
};

struct Bench {
    dir: TempDir,
    host: PluginHost,
    provider: Arc<dyn Provider>,
}

fn dirs(root: &Path) -> PluginDirs {
    PluginDirs {
        installed: root.join("installed"),
        components: root.join("components"),
        compiled: root.join("compiled"),
        ssh: root.join("ssh"),
        compiler: None,
    }
}

fn binding(component: &Component, change: impl FnOnce(&mut Binding)) -> Binding {
    let mut grant = Capabilities::default();
    grant.programs.any = true;
    grant.workdir = true;
    let config = component
        .manifest
        .configure(&serde_json::Map::new(), &[])
        .expect("local needs no configuration");
    let mut binding = Binding {
        source: SourceName::new("here").expect("a name"),
        config,
        grant,
        limits: Limits::default(),
        services: Services {
            path: "/usr/bin:/bin".into(),
            ..Services::default()
        },
    };
    change(&mut binding);
    binding
}

fn bench_with(change: impl FnOnce(&mut Binding)) -> Bench {
    let dir = tempfile::tempdir().expect("directory");
    let host = PluginHost::new(dirs(dir.path()));
    let component = host
        .inspect(&Locator::Name("local".to_owned()))
        .expect("embedded");
    let binding = binding(&component, change);
    let provider = host.provider(&component.reference, binding).expect("loads");
    Bench {
        dir,
        host,
        provider,
    }
}

fn bench() -> Bench {
    bench_with(|_| {})
}

impl Bench {
    fn instance(&self) -> Instance {
        Instance {
            handle: "h".to_owned(),
            token: Token::from_bytes([7; 16]),
            name: InstanceName::typed("here-0"),
            workdir: Some(self.dir.path().to_owned()),
        }
    }

    async fn sh(&self, script: &str) -> (Result<ExitStatus, ProviderError>, String, String) {
        self.run(&["sh", "-c", script], b"").await
    }

    async fn run(
        &self,
        argv: &[&str],
        input: &[u8],
    ) -> (Result<ExitStatus, ProviderError>, String, String) {
        let (stdio, ends) = pipes();
        let (mut stdin, mut stdout, mut stderr) = ends;
        let input = input.to_vec();
        let feed = std::thread::spawn(move || stdin.write_all(&input));
        let collect_out = std::thread::spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).map(|_| text)
        });
        let collect_err = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).map(|_| text)
        });
        let outcome = self
            .provider
            .run(&self.instance(), &command(argv), stdio)
            .await;
        let _closed_early = feed.join().expect("join");
        let stdout = collect_out.join().expect("join").expect("text");
        let stderr = collect_err.join().expect("join").expect("text");
        (outcome, stdout, stderr)
    }
}

fn command(argv: &[&str]) -> Command {
    Command {
        argv: argv.iter().map(|arg| arg.as_bytes().to_vec()).collect(),
        env: vec![("GREETING".to_owned(), b"hi".to_vec())],
        cwd: None,
        tty: false,
        id: "0123456789abcdef".to_owned(),
    }
}

type Ends = (
    std::io::PipeWriter,
    std::io::PipeReader,
    std::io::PipeReader,
);

fn pipes() -> (Stdio, Ends) {
    let (in_r, in_w) = std::io::pipe().expect("pipe");
    let (out_r, out_w) = std::io::pipe().expect("pipe");
    let (err_r, err_w) = std::io::pipe().expect("pipe");
    let stdio = Stdio::apart(
        OwnedFd::from(in_r),
        OwnedFd::from(out_w),
        OwnedFd::from(err_w),
    );
    (stdio, (in_w, out_r, err_r))
}

fn request(dir: &Path) -> Request {
    Request {
        token: Token::from_bytes([7; 16]),
        name: InstanceName::typed("here-0"),
        slot: 0,
        workdir: Some(dir.to_owned()),
    }
}

#[tokio::test]
async fn allocate_run_and_discard() {
    let bench = bench();
    let made = bench
        .provider
        .allocate(&request(bench.dir.path()))
        .await
        .expect("allocates");
    assert_eq!(made.handle, Token::from_bytes([7; 16]).as_str());

    let (ended, stdout, stderr) = bench
        .sh("cat; printf '%s %s' \"$GREETING\" \"$PWD\"; echo oops >&2; exit 3")
        .await;
    assert_eq!(ended.expect("runs"), ExitStatus::Code(3));
    let pwd = bench.dir.path().canonicalize().expect("path");
    assert_eq!(stdout, format!("hi {}", pwd.display()));
    assert_eq!(stderr, "oops\n");

    let (ended, ..) = bench.sh("kill -TERM $$").await;
    assert_eq!(ended.expect("runs"), ExitStatus::Signal(15));
    let (ended, stdout, _) = bench.run(&["cat"], &[b'x'; 200_000]).await;
    assert_eq!(ended.expect("runs"), ExitStatus::Code(0));
    assert_eq!(stdout.len(), 200_000);

    bench
        .provider
        .check(&bench.instance())
        .await
        .expect("alive");
    let facts = bench
        .provider
        .probe(&bench.instance())
        .await
        .expect("probes");
    assert!(facts.cpus.is_some(), "{facts:?}");
    let doomed = Doomed {
        token: Token::from_bytes([7; 16]),
        handle: None,
        name: InstanceName::typed("here-0"),
        workdir: None,
    };
    bench.provider.discard(&doomed).await.expect("discards");
}

#[tokio::test]
async fn what_is_not_there_is_said_as_a_shell_says_it() {
    let bench = bench();
    let (ended, _, stderr) = bench.run(&["no-such-\x1b[2Jprogram"], b"").await;
    assert_eq!(ended.expect("is an exit"), ExitStatus::Code(127));
    assert_eq!(stderr, "runner: `no-such-\\u{1b}[2Jprogram` not found\n");
    let (ended, ..) = bench.run(&["/no/such/program"], b"").await;
    assert_eq!(ended.expect("is an exit"), ExitStatus::Code(127));
    let (ended, ..) = bench.run(&["/etc/passwd"], b"").await;
    assert_eq!(ended.expect("is an exit"), ExitStatus::Code(126));
}

#[tokio::test]
async fn optional_calls_that_are_missing_are_unsupported() {
    let bench = bench();
    let error = bench
        .provider
        .reboot(&bench.instance())
        .await
        .expect_err("none");
    assert_eq!(error.kind, ErrorKind::Unsupported);
    assert_eq!(error.context.call, "reboot");
    assert_eq!(error.context.instance.as_deref(), Some("here-0"));
}

#[tokio::test]
async fn a_program_needs_its_grant() {
    let bench = bench_with(|binding| binding.grant = Capabilities::default());
    let (ended, ..) = bench.sh("true").await;
    let error = ended.expect_err("not granted");
    assert_eq!(error.kind, ErrorKind::Denied);
    assert_eq!(error.message, "the program `sh` is not granted");
    assert!(error.remedy.expect("says how").contains("plugin grant"));
    assert_eq!(error.context.plugin, "local");
}

#[tokio::test]
async fn a_passed_deadline_ends_the_call_and_its_programs() {
    let bench = bench_with(|binding| {
        binding.limits.run = std::time::Duration::from_millis(300);
    });
    // The pipes end when the last of the programs is gone, so that this test ends at all.
    let (ended, stdout, _) = bench.sh("echo started; sleep 1000 & sleep 1000").await;
    let error = ended.expect_err("too slow");
    assert_eq!(error.kind, ErrorKind::Deadline);
    assert_eq!(error.message, "the plugin did not answer within 0.3 s");
    assert!(error.remedy.expect("says how").contains("`run`"));
    assert_eq!(stdout, "started\n");
}

#[tokio::test]
async fn dropping_the_call_ends_its_programs() {
    let bench = bench();
    let (stdio, (_stdin, mut stdout, _stderr)) = pipes();
    let (instance, command) = (
        bench.instance(),
        command(&["sh", "-c", "echo up; sleep 1000"]),
    );
    let provider = bench.provider.clone();
    let call = tokio::spawn(async move { provider.run(&instance, &command, stdio).await });
    let (up, rest) = tokio::task::spawn_blocking(move || {
        let mut line = [0; 3];
        stdout.read_exact(&mut line).map(|()| (line, stdout))
    })
    .await
    .expect("join")
    .expect("read");
    assert_eq!(&up, b"up\n");
    call.abort();
    let mut stdout = rest;
    let ended = tokio::task::spawn_blocking(move || stdout.read_to_end(&mut Vec::new())).await;
    assert_eq!(ended.expect("join").expect("read"), 0);
}

#[tokio::test]
async fn programs_are_counted() {
    let bench = bench_with(|binding| binding.limits.processes = 0);
    let (ended, ..) = bench.sh("true").await;
    let error = ended.expect_err("none allowed");
    assert_eq!(error.kind, ErrorKind::LimitReached { limit: "processes" });
}

#[test]
fn what_can_never_fit_is_not_loaded() {
    let dir = tempfile::tempdir().expect("directory");
    let host = PluginHost::new(dirs(dir.path()));
    let component = host
        .inspect(&Locator::Name("local".to_owned()))
        .expect("embedded");
    for limit in ["limits.memory", "limits.tables"] {
        let binding = binding(&component, |binding| match limit {
            "limits.memory" => binding.limits.memory = 64 << 10,
            _ => binding.limits.tables = 1,
        });
        let Err(error) = host.provider(&component.reference, binding) else {
            panic!("{limit} was not looked at");
        };
        assert!(error.to_string().contains(limit), "{error}");
        assert!(error.hint.is_some());
    }
}

#[tokio::test]
async fn a_granted_directory_that_is_gone_is_named() {
    let bench = bench_with(|binding| {
        let path = "/no/such/directory".into();
        binding
            .grant
            .directories
            .insert(path, DirectoryAccess::Read);
    });
    let error = bench
        .provider
        .allocate(&request(bench.dir.path()))
        .await
        .expect_err("not there");
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(
        error.message.contains("`/no/such/directory`"),
        "{}",
        error.message
    );
}

#[tokio::test]
async fn what_the_plugin_refuses_keeps_its_kind() {
    let bench = bench();
    let mut without = request(bench.dir.path());
    without.workdir = None;
    let error = bench
        .provider
        .allocate(&without)
        .await
        .expect_err("invalid");
    assert_eq!(error.kind, ErrorKind::Invalid);
}

#[test]
fn the_second_start_does_not_compile() {
    let first = bench();
    let component = first
        .host
        .inspect(&Locator::Name("local".to_owned()))
        .expect("embedded");
    let code = std::fs::read_dir(first.dir.path().join("compiled")).expect("cache");
    assert!(code.count() >= 2, "code and seal");
    // A reference whose bytes nobody has: only the cache can serve it.
    let second = PluginHost::new(dirs(first.dir.path()));
    let loaded = second.provider(&component.reference, binding(&component, |_| {}));
    assert!(loaded.is_ok());
}

#[tokio::test]
async fn a_panic_of_ours_ends_that_call_only() {
    let bench = bench();
    let component = bench
        .host
        .inspect(&Locator::Name("local".to_owned()))
        .expect("embedded");
    let bound = bench
        .host
        .bind(
            &component.reference,
            binding(&component, |_| {}),
            load::Role::Provider,
        )
        .expect("binds");
    let of = call::Call {
        name: "run",
        purpose: purpose::Purpose::overview(),
        instance: Some("here-0".to_owned()),
        deadline: std::time::Duration::ZERO,
        target: None,
        subject: None,
        tapped: None,
    };
    let outcome = call::call::<()>(&bound, of, |_, _, _| {
        Box::pin(async { panic!("a fault \x1b of the host") })
    });
    let error = outcome.await.expect_err("it panicked");
    assert_eq!(error.kind, ErrorKind::Failed);
    assert_eq!(
        error.message,
        "runner itself panicked during the call: a fault \\u{1b} of the host"
    );
    let made = bench.provider.allocate(&request(bench.dir.path())).await;
    assert!(made.is_ok(), "{made:?}");
}

/// Writes down what passes; at one import it says something else.
struct Look {
    passed: Mutex<Vec<String>>,
    at: &'static str,
    verdict: Verdict,
}

impl Look {
    fn new(at: &'static str, verdict: Verdict) -> Arc<Self> {
        Arc::new(Self {
            passed: Mutex::default(),
            at,
            verdict,
        })
    }

    fn note(&self, line: String) {
        self.passed.lock().expect("nobody panicked").push(line);
    }

    /// Without what depends on the toolchain that made the component.
    fn passed(&self) -> Vec<String> {
        let passed = std::mem::take(&mut *self.passed.lock().expect("nobody panicked"));
        let own = |line: &String| !line.contains("random") && !line.contains("clock");
        passed.into_iter().filter(own).collect()
    }
}

impl Tap for Look {
    fn begin(&self, verb: &'static str, args: &serde_json::Value) -> u64 {
        let handle = &args["instance"]["handle"];
        self.note(format!("{verb} {handle}"));
        9
    }

    fn ask(&self, ask: &Ask) -> Verdict {
        let argv = &ask.request["command"]["argv"];
        let argv = if argv.is_null() {
            &ask.request["argv"]
        } else {
            argv
        };
        self.note(format!("{} {} {argv}", ask.call, ask.import));
        match ask.import == self.at {
            true => self.verdict.clone(),
            false => Verdict::Perform,
        }
    }

    fn told(&self, _: &Ask, told: &serde_json::Value) {
        self.note(told.to_string());
    }

    fn end(&self, call: u64, outcome: &serde_json::Value) {
        self.note(format!("{call} {outcome}"));
    }

    fn keeps_content(&self) -> bool {
        true
    }
}

fn tapped(look: &Arc<Look>) -> Bench {
    let tap: Arc<dyn Tap> = look.clone();
    bench_with(|binding| binding.services.tap = Some(tap))
}

#[tokio::test]
async fn a_tap_sees_what_passes_and_changes_nothing() {
    let look = Look::new("", Verdict::Perform);
    let bench = tapped(&look);
    let (ended, stdout, stderr) = bench
        .run(&["sh", "-c", "cat; echo e >&2; exit 3"], b"in")
        .await;
    assert_eq!(ended.expect("runs"), ExitStatus::Code(3));
    assert_eq!((&*stdout, &*stderr), ("in", "e\n"));
    assert_eq!(
        look.passed(),
        [
            "run \"h\"",
            "9 process.exec [\"sh\",\"-c\",\"cat; echo e >&2; exit 3\"]",
            "{\"ok\":{\"status\":{\"code\":3},\"stdin\":\"in\",\"stdout\":\"in\",\"stderr\":\"e\\n\"}}",
            "9 {\"ok\":{\"code\":3}}",
        ]
    );
}

#[tokio::test]
async fn a_tap_answers_for_the_world() {
    let played = serde_json::json!({"ok": {"status": {"signal": 2}, "stdout": "played"}});
    let look = Look::new("process.exec", Verdict::Answer(played));
    let (ended, stdout, _) = tapped(&look).sh("echo real").await;
    assert_eq!(ended.expect("runs"), ExitStatus::Signal(2));
    assert_eq!(stdout, "played");

    // What has no shape of an answer ends the call, and is no crash of the plugin's.
    let look = Look::new(
        "process.exec",
        Verdict::Answer(serde_json::json!({"ok": 7})),
    );
    let error = tapped(&look).sh("echo real").await.0.expect_err("unusable");
    assert!(
        error.message.contains("`process.exec` cannot be used"),
        "{error}"
    );
}

#[tokio::test]
async fn a_tap_spoils_answers_and_kills_guests() {
    let lost = serde_json::json!({"error": {"unavailable": {"message": "lost"}}});
    let look = Look::new("process.exec", Verdict::PerformBut(lost));
    let bench = tapped(&look);
    let (ended, ..) = bench.sh("echo done > mark").await;
    let error = ended.expect_err("it was spoiled");
    assert_eq!(error.kind, ErrorKind::Unavailable { retry_after: None });
    assert!(bench.dir.path().join("mark").exists(), "it was to be done");

    for (verdict, done) in [(Verdict::Kill, false), (Verdict::PerformAndKill, true)] {
        let look = Look::new("process.exec", verdict);
        let bench = tapped(&look);
        let (ended, ..) = bench.sh("echo done > mark").await;
        let error = ended.expect_err("it was killed");
        assert_eq!(error.kind, ErrorKind::Trapped);
        assert!(
            error.message.contains("killed at `process.exec`"),
            "{error}"
        );
        assert_eq!(bench.dir.path().join("mark").exists(), done);
        assert!(look.passed().contains(&"{\"end\":\"killed\"}".to_owned()));
    }
}
