//! The providers of `examples/`, over the real thing each is for: each is held to a level, and does what it is there to show. (The
//! hooks are in `hooks`.)

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use runner_tests::backends::sshd::Sshd;
use runner_tests::skip::{program, skip};
use runner_tests::toolchains::Toolchains;
use runner_tests::{TestEnv, guests};
use serde_json::{Value, json};

use super::{example, holds, root};

#[track_caller]
fn git(env: &TestEnv, repository: &Path, args: &[&str]) -> String {
    let identity = ["-c", "user.name=A", "-c", "user.email=a@example.com"];
    let outcome = env
        .program("git")
        .args(identity)
        .arg("-C")
        .arg(repository)
        .args(args)
        .run()
        .ok();
    outcome.out().trim_end().to_owned()
}

/// A repository with two commits, the first of which is tagged.
fn repository(env: &TestEnv) -> std::path::PathBuf {
    let repository = env.path("repository");
    std::fs::create_dir(&repository).unwrap();
    git(env, &repository, &["init", "--quiet"]);
    for text in ["one", "two"] {
        env.write("repository/file", text);
        git(env, &repository, &["add", "file"]);
        git(env, &repository, &["commit", "--quiet", "--message", text]);
        if text == "one" {
            git(env, &repository, &["tag", "first"]);
        }
    }
    repository
}

#[test]
fn python_a_worktree_for_each_instance() {
    let Some(tools) = Toolchains::find() else {
        return;
    };
    let mut env = TestEnv::new();
    let component = example(&mut env, &tools, "worktree-provider", "worktree.wasm");
    let repository = repository(&env);
    let toml = |more: &str| {
        format!(
            "type = \"{}\"\nrepository = \"{}\"\n{more}",
            component.display(),
            repository.display()
        )
    };
    env.source("tip", &toml(""));
    env.source(
        "old",
        &toml("revision = \"first\"\nmaximum = 1\nreserve = 1\n"),
    );
    env.grant("tip");
    env.grant("old");

    let tips = env.acquire_many("tip", 2);
    let old = env.acquire("old");
    let shown = |id: &str| {
        let outcome = env.runner(["run", id, "cat", "file"]).run().ok();
        outcome.out().to_owned()
    };
    assert_eq!(shown(&tips[0]), "two");
    assert_eq!(shown(&old), "one");
    env.runner(["run", &tips[0], "--", "sh", "-c", "echo mine > file"])
        .run()
        .ok();
    assert_eq!(shown(&tips[0]), "mine\n");
    assert_eq!(shown(&tips[1]), "two");
    let listed = git(&env, &repository, &["worktree", "list"]);
    assert_eq!(listed.lines().count(), 4, "{listed}");

    // Kept for the next holder, and clean for them.
    env.runner([
        "run",
        &old,
        "--",
        "sh",
        "-c",
        "echo x > file; touch new; mkdir d; git init -q d",
    ])
    .run()
    .ok();
    env.runner(["release", &old]).run().ok();
    let again = env.acquire("old");
    assert_eq!(again, old);
    let outcome = env
        .runner(["run", &again, "git", "status", "--short", "--ignored"])
        .run()
        .ok();
    assert_eq!(outcome.out(), "");
    assert_eq!(shown(&again), "one");

    env.runner(["discard", &again]).args(&tips).run().ok();
    let listed = git(&env, &repository, &["worktree", "list"]);
    assert_eq!(listed.lines().count(), 1, "{listed}");

    // A revision that is not there is the configuration's fault, and leaves nothing that cannot be cleaned up.
    env.source("none", &toml("revision = \"nosuch\"\n"));
    env.grant("none");
    env.runner(["acquire", "-s", "none"])
        .run()
        .code(3)
        .says(&["no repository with a revision `nosuch`", "set `repository`"]);
    assert!(env.live().is_empty(), "{:?}", env.live());

    // Its commands are the host's `tar`, for a copy.
    let id = env.acquire("tip");
    env.write("work/there", [0, 255, 10, 13]);
    env.runner(["cp", "there", &format!("{id}:file")])
        .run()
        .ok();
    env.runner(["cp", &format!("{id}:file"), "back"]).run().ok();
    let back = std::fs::read(env.work().join("back")).unwrap();
    assert_eq!(back, [0, 255, 10, 13]);
    env.runner(["discard", &id]).run().ok();

    holds(
        env.runner(["plugin", "test", "tip", "--bad", "revision=nosuch"]),
        "worktree-provider",
        &[
            "list.exact",
            "clean.leaves-it-usable",
            "errors.of-what-is-gone",
            "errors.bad-configuration",
        ],
    );
    let listed = git(&env, &repository, &["worktree", "list"]);
    assert_eq!(listed.lines().count(), 1, "{listed}");
}

/// Machines of the lab: aliases of one real server.
const HOSTS: [&str; 4] = ["bench-1", "bench-2", "bench-3", "bench-4"];

/// `examples/lab-provider/lab.py`, with one machine.
struct Lab {
    child: Child,
    port: u16,
}

impl Lab {
    fn start(env: &TestEnv, machines: &Value) -> Self {
        let file = env.write("lab/machines.json", machines.to_string());
        let mut command = env
            .program(program("python3").expect("python3"))
            .arg(root().join("examples/lab-provider/lab.py"))
            .arg(file)
            .env("LAB_TOKEN", "open sesame")
            .into_command();
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let port = line.trim().parse().expect("the lab tells its port");
        Self { child, port }
    }

    fn bookings(env: &TestEnv) -> usize {
        let text = std::fs::read_to_string(env.path("lab/bookings.json")).unwrap_or_default();
        serde_json::from_str::<Value>(&text).map_or(0, |all| all.as_object().unwrap().len())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn javascript_machines_of_a_lab_by_http_and_ssh() {
    let Some(tools) = Toolchains::find() else {
        return;
    };
    let mut env = TestEnv::new();
    let component = example(&mut env, &tools, "lab-provider", "lab.wasm");
    let Some(sshd) = Sshd::start(&mut env, &HOSTS) else {
        return;
    };
    env.keep(sshd);
    let lab = Lab::start(
        &env,
        &json!([{ "name": "one", "address": "bench-1", "kind": "arm" }]),
    );
    let settings = format!(
        "type = \"{}\"\nurl = \"http://127.0.0.1:{1}\"\nhost = \"127.0.0.1\"\nport = {1}\nmachines = [\"bench-1\"]\n",
        component.display(),
        lab.port
    );
    env.source("lab", &settings);
    env.source("mips", &format!("{settings}kind = \"mips\"\n"));
    env.grant("lab");
    env.grant("mips");

    env.set("RUNNER_SECRET_LAB_TOKEN", "open sesame");
    let id = env.acquire("lab");
    assert_eq!(Lab::bookings(&env), 1);
    let outcome = env
        .runner(["run", &id, "--", "sh", "-c", "echo here; exit 4"])
        .run()
        .code(4);
    assert_eq!(outcome.out(), "here\n");
    env.runner(["discard", &id]).run().ok();
    assert_eq!(Lab::bookings(&env), 0);

    // None is free is `exhausted`: not a failure of anybody.
    env.runner(["acquire", "-s", "mips"])
        .run()
        .code(3)
        .says(&["no machine of the lab is free"]);
    assert_eq!(Lab::bookings(&env), 0);
    assert!(env.live().is_empty(), "{:?}", env.live());

    // A wrong secret: what may be left is not given up, and goes as soon as the right one is there.
    env.set("RUNNER_SECRET_LAB_TOKEN", "wrong");
    env.runner(["acquire", "-s", "lab"])
        .run()
        .code(3)
        .says(&["the lab answered 401", "set the secret `LAB_TOKEN`"]);
    assert_eq!(env.live().len(), 1, "{:?}", env.live());
    env.set("RUNNER_SECRET_LAB_TOKEN", "open sesame");
    env.runner(["discard", "lab-1"]).run().ok();
    assert!(env.live().is_empty(), "{:?}", env.live());

    // The same lab as a simulator, with machines for everything that is tried: nothing is configured, granted or kept secret.
    let machines = HOSTS.map(|address| json!({ "name": address, "address": address }));
    let file = env.write("lab/simulated.json", json!(machines).to_string());
    let simulator = format!(
        "exec '{}' '{}' '{}' --simulate",
        program("python3").expect("python3").display(),
        root().join("examples/lab-provider/lab.py").display(),
        file.display()
    );
    let call = env.runner(["plugin", "test"]).arg(&component);
    let call = call.args(["--grant", "--simulator", &simulator]);
    holds(
        call.args(["--bad", "url=http://localhost:1"]),
        "lab-provider",
        &[
            "run.argument-bytes",
            "list.exact",
            "errors.bad-configuration",
            "allocate.fault-killed-after",
            "discard.fault-lost-reply",
        ],
    );
}

#[test]
fn c_commands_within_bounds() {
    let Some(tools) = Toolchains::find() else {
        return;
    };
    let mut env = TestEnv::new();
    let component = example(&mut env, &tools, "limited-provider", "limited.wasm");
    env.source(
        "small",
        &format!(
            "type = \"{}\"\nmemory-mib = 512\nopen-files = 32\nfile-mib = 1\n",
            component.display()
        ),
    );
    env.grant("small");
    let id = env.acquire("small");
    let bounds = env
        .runner([
            "run",
            &id,
            "--",
            "sh",
            "-c",
            "ulimit -v; ulimit -n; ulimit -f; ulimit -t",
        ])
        .run()
        .ok();
    assert_eq!(bounds.out(), "524288\n32\n2048\nunlimited\n");
    // The kernel keeps to it, and the command cannot raise it.
    env.runner([
        "run",
        &id,
        "--",
        "sh",
        "-c",
        "head -c 2000000 /dev/zero > big",
    ])
    .run()
    .code(128 + 25);
    env.runner(["cp", &format!("{id}:big"), "."]).run().ok();
    assert_eq!(
        std::fs::metadata(env.work().join("big")).unwrap().len(),
        1 << 20
    );
    env.runner(["release", &id]).run().ok();
    let call = env.runner(["plugin", "test"]).arg(&component);
    holds(
        call.args(["memory-mib=4096", "--grant", "--bad", "memory-mib=0"]),
        "limited-provider",
        &[
            "run.signals",
            "run.not-executable",
            "errors.bad-configuration",
        ],
    );
}

#[test]
fn rust_commands_without_network() {
    if program("unshare").is_none() {
        return skip("no `unshare`");
    }
    let env = TestEnv::new();
    let component = guests::airgap_provider();
    let source = component.display().to_string();
    let call = env.runner(["exec", "--grant", "--source", &source, "--"]);
    let seen = call.args(["ls", "/proc/self/net/dev_snmp6"]).run().ok();
    assert_eq!(seen.words(), ["lo"], "{seen}");
    let call = env.runner(["plugin", "test", &source, "--grant"]);
    holds(
        call.args(["--bad", "loopback=perhaps"]),
        "airgap-provider",
        &[
            "run.signals",
            "errors.bad-configuration",
            "allocate.fault-killed",
        ],
    );
}
