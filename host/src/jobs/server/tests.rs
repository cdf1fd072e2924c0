//! Over real shells of this machine: nothing here is simulated.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::script::{self, Answer};
use super::*;
use crate::engine::{EngineError, FailureKind};
use crate::process::{self, NativeCommand};
use crate::provider::{Command, ExitStatus, Stdio};

/// This machine, with a program in front of each command.
struct Here(Vec<&'static str>);

#[async_trait]
impl Shell for Here {
    async fn run(&self, command: Command, stdio: Stdio) -> Result<ExitStatus, EngineError> {
        use std::os::unix::ffi::OsStringExt as _;
        let given = command.argv.into_iter().map(std::ffi::OsString::from_vec);
        let mut words = self.0.iter().map(std::ffi::OsString::from).chain(given);
        let native = NativeCommand::new(words.next().unwrap()).args(words);
        process::connect(&native, stdio)
            .await
            .map_err(|error| EngineError::new(FailureKind::Io, "cannot start").because(error))
    }
}

async fn server() -> ScriptServer {
    ScriptServer::start(Arc::new(Here(Vec::new())), Login::Plain)
        .await
        .unwrap()
}

/// A script as tasks have them.
async fn run(server: &mut ScriptServer, body: &str) -> (u8, String) {
    let script = [script::prelude(), script::bodies("/", false, [body]).into()];
    let (status, said) = server.ask(&script).await.unwrap();
    (status, String::from_utf8_lossy(&said).into_owned())
}

fn alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().starts_with(" Z"))
}

#[tokio::test]
async fn status_and_output_are_the_scripts() {
    let mut server = server().await;
    assert!(server.hello().boot.is_some());
    assert_eq!(
        run(&mut server, "echo a; echo b >&2").await,
        (0, "a\nb\n".into())
    );
    assert_eq!(run(&mut server, "printf x; exit 7").await, (7, "x".into()));
    assert_eq!(
        run(&mut server, "false; echo not here").await,
        (1, String::new())
    );
    let (status, said) = run(&mut server, "echo $unset").await;
    assert_eq!(status, 1);
    assert!(said.contains("unset: unbound variable"), "{said}");
    assert_eq!(run(&mut server, "read x || echo end").await.1, "end\n");
    // The next one is a fresh shell with nothing of the last one.
    assert_eq!(run(&mut server, "x=1; cd /tmp; f() { :; }").await.0, 0);
    assert_eq!(
        run(&mut server, "pwd; echo ${x-none}; type -t f || :")
            .await
            .1,
        "/\nnone\n"
    );
    let (_, bytes) = server
        .ask(&script::pieces([r"printf '\xff\0\r\n\n'"]))
        .await
        .unwrap();
    assert_eq!(bytes, b"\xff\0\r\n\n");
}

#[tokio::test]
async fn a_script_is_not_on_its_own_command_line() {
    let mut server = server().await;
    let body = "x='a needle'; tr '\\0' ' ' < /proc/$$/cmdline; echo; env | grep '^S=' || echo clean; \
                pgrep -f 'a needl[e]' > /dev/null || echo nobody; (nosuch-thing) || :";
    let (status, said) = run(&mut server, body).await;
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("\nclean\nnobody\n/bin/bash: line "), "{said}");
    assert!(
        said.ends_with(": nosuch-thing: command not found\n"),
        "{said}"
    );
    assert!(!said.contains("needle"), "{said}");
}

#[tokio::test]
async fn traced_from_the_bodies_on() {
    let mut server = server().await;
    let script = [
        script::prelude(),
        script::export("A", "x y").into(),
        script::bodies("/", true, ["echo \"$A\"", "  # nothing\n\n", "echo second"]).into(),
    ];
    let (status, said) = server.ask(&script).await.unwrap();
    let said = String::from_utf8(said).unwrap();
    assert_eq!(
        (status, said.as_str()),
        (0, "+ echo 'x y'\nx y\n+ echo second\nsecond\n")
    );
}

#[tokio::test]
async fn output_comes_while_it_runs() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("go");
    let mut server = server().await;
    let body = format!(
        "mkfifo {0}; echo first; read x < {0}; printf last",
        fifo.display()
    );
    let script = script::pieces([body]);
    let mut running = server.begin(&script).await.unwrap();
    assert_eq!(
        running.next().await.unwrap(),
        Event::Output(b"first\n".to_vec())
    );
    tokio::fs::write(&fifo, "go\n").await.unwrap();
    assert_eq!(
        running.next().await.unwrap(),
        Event::Output(b"last".to_vec())
    );
    assert_eq!(running.next().await.unwrap(), Event::Ended(0));
}

#[tokio::test]
async fn a_background_child_delays_the_end() {
    let mut server = server().await;
    let said = run(&mut server, "(sleep 0.2; echo late) & echo early").await;
    assert_eq!(said, (0, "early\nlate\n".into()));
}

#[tokio::test]
async fn a_script_may_kill_its_own_shell() {
    let mut server = server().await;
    assert_eq!(run(&mut server, "kill -9 $$").await.0, 137);
    assert_eq!(
        run(&mut server, "echo still there").await.1,
        "still there\n"
    );
}

#[tokio::test]
async fn killing_takes_the_whole_tree() {
    let mut server = server().await;
    let body = "trap '' TERM INT HUP; setsid bash -c 'trap \"\" TERM; echo $BASHPID; sleep 1000' & \
                (sleep 1000 & echo $!; sleep 1000 & echo $!; wait) & \
                (setsid bash -c 'echo $BASHPID; exec sleep 1000' &); wait";
    let script = script::pieces([body]);
    let mut running = server.begin(&script).await.unwrap();
    let mut said = String::new();
    while said.lines().count() < 4 || !said.ends_with('\n') {
        let Event::Output(bytes) = running.next().await.unwrap() else {
            panic!("it ended by itself: {said}");
        };
        said.push_str(std::str::from_utf8(&bytes).unwrap());
    }
    assert!(said.lines().all(alive));
    running.kill().await.unwrap();
    assert_eq!(running.next().await.unwrap(), Event::Ended(137));
    assert!(!said.lines().any(alive), "{said}");
    assert_eq!(run(&mut server, "echo next").await.1, "next\n");
}

#[tokio::test]
async fn the_end_of_the_server_ends_what_it_runs() {
    let mut server = server().await;
    let script = script::pieces(["echo $$; sleep 1000 & echo $!; wait"]);
    let mut running = server.begin(&script).await.unwrap();
    let mut said = String::new();
    while said.lines().count() < 2 || !said.ends_with('\n') {
        if let Event::Output(bytes) = running.next().await.unwrap() {
            said.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }
    drop(server);
    while said.lines().any(alive) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn who_kills_the_server_is_told_so() {
    let mut server = server().await;
    let script = script::pieces(["echo last words; kill -9 $PPID"]);
    let mut running = server.begin(&script).await.unwrap();
    assert_eq!(
        running.next().await.unwrap(),
        Event::Output(b"last words\n".to_vec())
    );
    let lost = running.next().await.unwrap_err();
    assert!(matches!(lost, ServerError::Lost(_)), "{lost}");
}

#[tokio::test]
async fn what_is_no_bash_is_told_with_its_words() {
    let no_bash = Here(vec!["sh", "-c", "echo not today; exit 3"]);
    let Err(error) = ScriptServer::start(Arc::new(no_bash), Login::Plain).await else {
        panic!("it started");
    };
    assert_eq!(
        error.to_string(),
        "the machine did not start `bash` as it should: it ended with code 3: not today"
    );
}

#[tokio::test]
async fn long_scripts_and_much_output() {
    let mut server = server().await;
    let long = format!(
        "x={}; echo ${{#x}}; read y || echo end",
        "a".repeat(300_000)
    );
    assert_eq!(
        server.ask(&script::pieces([long])).await.unwrap(),
        (0, b"300000\nend\n".to_vec())
    );
    let (status, said) = server
        .ask(&script::pieces(["head -c 5000000 /dev/zero"]))
        .await
        .unwrap();
    assert_eq!((status, said.len()), (0, 5_000_000));
}

#[tokio::test]
async fn input_is_delivered_and_what_is_not_read_does_no_harm() {
    let mut server = server().await;
    let bytes = vec![7; 3_000_000];
    let fed = server
        .feed(&script::pieces(["wc -c"]), &*bytes, 3_000_000)
        .await
        .unwrap();
    assert_eq!(fed, (0, b"3000000\n".to_vec()));
    let fed = server
        .feed(&script::pieces(["echo enough; exit 4"]), &*bytes, 3_000_000)
        .await
        .unwrap();
    assert_eq!(fed, (4, b"enough\n".to_vec()));
    assert_eq!(run(&mut server, "echo in step").await.1, "in step\n");
}

#[tokio::test]
async fn helpers() {
    let mut server = server().await;
    let mut said = async |body: &str| {
        let (status, mut said) = {
            let (status, text) = run(&mut server, body).await;
            (status, text.into_bytes())
        };
        let answer = script::answer(status, &mut said);
        (answer, String::from_utf8(said).unwrap())
    };
    for passes in [
        "printf 'foo\\nbar\\nbaz\\n' | MATCH '^bar$'",
        "echo foo | MATCH -i FO+",
        "echo foo | MATCH -v bar",
        "echo foo | NOMATCH bar",
        "echo -- -x | MATCH -- -x",
    ] {
        assert_eq!(
            said(passes).await,
            (Answer::Passed, String::new()),
            "{passes}"
        );
    }
    let failed = |text: &str| (Answer::Failed, text.to_owned());
    assert_eq!(
        said("printf 'a\\nb\\n' | MATCH foo").await,
        failed("grep error: pattern not found, got:\na\nb\n")
    );
    assert_eq!(
        said("echo foo | NOMATCH fo").await,
        failed("NOMATCH pattern='fo' found in:\nfoo\n")
    );
    assert_eq!(
        said("echo foo | MATCH").await,
        failed("error: missing regexp argument\n")
    );
    let (answer, text) = said("echo foo | MATCH '('").await;
    assert_eq!(answer, Answer::Failed);
    assert!(text.ends_with("unexpected grep exit status: 2\n"), "{text}");
    // The words are not on standard output.
    assert_eq!(said("echo foo | MATCH bar 2>/dev/null").await, failed(""));
    // The two ends of a pipe run at once: their traces come in either order.
    let traced = said("set -x; echo foo | MATCH foo").await.1;
    let mut traced: Vec<&str> = traced.lines().collect();
    traced.sort_unstable();
    assert_eq!(traced, ["+ MATCH foo", "+ echo foo"]);
    assert_eq!(
        said("echo before; (REBOOT 'two words')").await,
        (Answer::Reboot(Some("two words".into())), "before\n".into())
    );
    assert_eq!(said("REBOOT").await.0, Answer::Reboot(None));
    assert_eq!(said("ERROR a b").await.0, Answer::Error("a b".into()));
    assert_eq!(said("ERROR").await.0, Answer::Error(String::new()));
    assert!(said("FATAL x").await.1.contains("FATAL: command not found"));
}

#[tokio::test]
async fn helpers_as_programs() {
    // As large projects have it: what scripts call is there for their programs, too.
    let dir = tempfile::tempdir().unwrap();
    let body = |last: &str| {
        format!(
            "cd {}; PATH=$PWD:$PATH\n\
             for one in MATCH NOMATCH REBOOT ERROR; do\n    {{\n        echo '#!/bin/bash -u'\n        type $one | tail -n +2\n        \
             echo $one '\"$@\"'\n    }} > $one.new; chmod +x $one.new; mv $one.new $one; unset $one\ndone\n\
             type -t MATCH | grep -q file\nset -x\n{last}",
            dir.path().display(),
        )
    };
    let mut server = server().await;
    let (status, said) = run(
        &mut server,
        &body("echo foo | bash -c 'MATCH fo+'; echo foo | NOMATCH bar 2>&1; echo a | MATCH b"),
    )
    .await;
    assert_eq!(status, 1);
    assert!(
        said.ends_with("grep error: pattern not found, got:\na\n"),
        "{said}"
    );
    for (last, wanted) in [
        (
            "REBOOT 'two words'",
            Answer::Reboot(Some("two words".into())),
        ),
        ("(REBOOT)", Answer::Reboot(None)),
        ("ERROR a b", Answer::Error("a b".into())),
    ] {
        let (status, said) = run(&mut server, &body(last)).await;
        assert_eq!(
            script::answer(status, &mut said.clone().into_bytes()),
            wanted,
            "{said}"
        );
    }
}

#[tokio::test]
#[ignore = "a measurement: what one script costs"]
async fn one_script() {
    let mut server = server().await;
    let begun = Instant::now();
    for _ in 0..200 {
        assert_eq!(run(&mut server, "true").await.0, 0);
    }
    let each = begun.elapsed() / 200;
    let begun = Instant::now();
    for _ in 0..200 {
        let native = NativeCommand::new("bash").args(["-c", "(true)"]);
        process::capture(&native, Vec::new(), 0).await.unwrap();
    }
    panic!("{each:?} each; {:?} for a shell", begun.elapsed() / 200);
}
