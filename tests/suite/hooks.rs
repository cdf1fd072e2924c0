//! Hook plugins: told what happens to instances, asked where a ticket goes; and what scripts are told.

use std::path::PathBuf;
use std::sync::Arc;

use runner::plugin::{Binding, Limits, Locator, PluginDirs, PluginHost, Services};
use runner::provider::{ErrorKind, Hook, RouteCandidate, RouteRequest, RouteVerdict};
use runner_core::id::SourceName;
use runner_tests::TestEnv;
use runner_tests::fake::Fake;
use runner_tests::guests;
use serde_json::{Value, json};

/// Warden's journal in a world, oldest first: what happened, and what was known of it.
struct Journal(PathBuf);

impl Journal {
    fn new(env: &TestEnv) -> Self {
        let directory = env.path("journal");
        std::fs::create_dir_all(&directory).unwrap();
        Self(directory)
    }

    fn entries(&self) -> Vec<(String, String)> {
        let mut names: Vec<_> = std::fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let entry = |name: String| {
            let text = std::fs::read_to_string(self.0.join(&name)).unwrap();
            (name.split_once('-').unwrap().1.to_owned(), text)
        };
        names.into_iter().map(entry).collect()
    }

    /// What happened at the points that are named.
    fn at(&self, points: &[&str]) -> Vec<String> {
        let all = self.entries().into_iter().map(|(what, _)| what);
        let asked = |what: &String| points.iter().any(|point| what.starts_with(point));
        all.filter(asked).collect()
    }

    /// The lines that configure Warden as a hook with this journal.
    fn hook(&self, more: &str) -> String {
        format!(
            "[[hooks]]\nplugin = \"{}\"\n[hooks.options]\njournal = \"{}\"\n{more}",
            guests::warden().display(),
            self.0.display()
        )
    }
}

#[test]
fn a_hook_is_told_with_the_rights_that_the_user_granted() {
    let env = TestEnv::new();
    let journal = Journal::new(&env);
    Fake::ungranted(&env, "box", &journal.hook(""));
    // The provider's question comes after the hook's, and both name what they want.
    let outcome = env.runner(["acquire", "-s", "box"]).run().code(3);
    outcome.says(&["warden", "journal", "runner plugin grant --source box"]);
    assert_eq!(journal.entries(), []);
    env.grant("box");
    let id = env.acquire("box");
    env.runner(["release", &id]).run().ok();
    assert_eq!(
        journal.at(&["provision", "discard"]),
        [format!("provision-{id}"), format!("discard-{id}")]
    );
    let told = journal.entries().into_iter();
    for (_, text) in told.filter(|(what, _)| !what.starts_with("route")) {
        assert!(text.starts_with("source box\n"), "{text}");
    }
}

#[test]
fn scripts_come_before_hooks_and_hooks_in_order() {
    let env = TestEnv::new();
    let journal = Journal::new(&env);
    let first = journal.hook("command = [\"sh\", \"-c\", \"cat mark; echo first >> mark\"]\n");
    let second = journal.hook("command = [\"cat\", \"mark\"]\n");
    let _fake = Fake::source(&env, "box", &format!("{first}{second}"));
    env.script(
        "config/runner/sources/box/provision.d/10",
        "#!/bin/sh\nrunner run \"$1\" -- sh -c 'echo script > mark'\n",
    );
    env.acquire("box");
    let seen: Vec<_> = journal
        .entries()
        .into_iter()
        .filter(|(what, _)| what.starts_with("provision"))
        .map(|(_, text)| text.split_once("ticket").unwrap().1.to_owned())
        .collect();
    assert_eq!(seen.len(), 2);
    assert!(seen[0].ends_with("\nscript\n"), "{}", seen[0]);
    assert!(seen[1].ends_with("\nscript\nfirst\n"), "{}", seen[1]);
}

#[test]
fn a_hook_that_fails_at_provision_makes_the_instance_unusable() {
    let env = TestEnv::new();
    let journal = Journal::new(&env);
    let fake = Fake::source(
        &env,
        "box",
        &format!(
            "{}{}",
            journal.hook("fail = [\"provision\"]\n"),
            journal.hook("")
        ),
    );
    let outcome = env.runner(["acquire", "-s", "box"]).run().code(3);
    outcome.says(&["warden", "provision", "box-0"]);
    // The second one was not told of the making, and both were told of the end.
    assert_eq!(
        journal.at(&["provision", "discard"]),
        ["provision-box-0", "discard-box-0", "discard-box-0"]
    );
    assert!(fake.live().is_empty());
}

#[test]
fn at_discard_everybody_is_told_whoever_fails() {
    let env = TestEnv::new();
    let journal = Journal::new(&env);
    let fails = journal.hook("fail = [\"discard\"]\n");
    let fake = Fake::source(&env, "box", &format!("{fails}{fails}"));
    let notes = env.path("notes").display().to_string();
    for name in ["10", "20"] {
        env.script(
            format!("config/runner/sources/box/discard.d/{name}"),
            format!("#!/bin/sh\necho {name} >> {notes}\nexit 1\n"),
        );
    }
    let id = env.acquire("box");
    let outcome = env.runner(["release", &id]).run().ok();
    outcome.says(&["discard.d/10", "discard.d/20", "warden", "all the same"]);
    assert_eq!(std::fs::read_to_string(&notes).unwrap(), "10\n20\n");
    assert_eq!(journal.at(&["discard"]).len(), 2);
    assert!(fake.live().is_empty());
    assert!(env.live().is_empty());
}

#[test]
fn scripts_are_told_what_happens() {
    let env = TestEnv::new();
    let _fake = Fake::source(&env, "box", "");
    let notes = env.path("notes").display().to_string();
    for point in ["provision", "discard"] {
        env.script(
            format!("config/runner/sources/box/{point}.d/10"),
            format!("#!/bin/sh\nenv | grep '^RUNNER_[HIOST]' | sort >> {notes}\n"),
        );
    }
    // What a caller has in its environment is not taken for what is known here.
    let mut env = env;
    env.set("RUNNER_TICKET", "somebody else's");
    let id = env.acquire("box");
    env.runner(["release", &id]).run().ok();
    let told = std::fs::read_to_string(&notes).unwrap();
    let told: Vec<_> = told
        .lines()
        .filter(|line| !line.starts_with("RUNNER_SCRIPT_OF="))
        .filter(|line| !line.starts_with("RUNNER_OWNER="))
        .collect();
    assert_eq!(
        told,
        [
            "RUNNER_HOOK=provision",
            "RUNNER_INSTANCE=box-0",
            "RUNNER_SOURCE=box",
            "RUNNER_HOOK=discard",
            "RUNNER_INSTANCE=box-0",
            "RUNNER_SOURCE=box"
        ]
    );
}

#[test]
fn a_script_and_the_holder_are_not_in_each_others_way() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", "concurrency = 1\n");
    let id = env.acquire("box");
    let token = fake.live().into_iter().next().unwrap();
    let run = |script: bool| {
        let call = env.runner(["run", &id, "--"]);
        if script {
            call.env("RUNNER_SCRIPT_OF", &token)
        } else {
            call
        }
    };
    for script_first in [false, true] {
        let (input, feed) = std::io::pipe().unwrap();
        let (output, out) = std::io::pipe().unwrap();
        let mut first = run(script_first)
            .args(["sh", "-c", "echo up; cat"])
            .into_command()
            .stdin(input)
            .stdout(out)
            .spawn()
            .unwrap();
        let mut up = [0; 3];
        std::io::Read::read_exact(&mut &output, &mut up).unwrap();
        // Only one command of the holder's may run at once; this one ends all the same.
        let second = run(!script_first).args(["echo", "done"]).run().ok();
        assert_eq!(second.out(), "done\n");
        drop(feed);
        assert!(first.wait().unwrap().success());
    }
}

#[test]
fn only_what_happens_at_provision_decides_whether_an_idle_instance_fits() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", "reserve = 1\n");
    let id = env.acquire("box");
    env.runner(["release", &id]).run().ok();
    for point in ["acquire", "release", "check", "discard"] {
        env.script(
            format!("config/runner/sources/box/{point}.d/10"),
            "#!/bin/sh\n",
        );
    }
    // A router has no say in how an instance is made either.
    let route = format!("hooks = [\"{}\"]\n", guests::route_hook().display());
    let component = guests::fake().display();
    let define = |more: &str| {
        let backend = fake.directory().display();
        env.source(
            "box",
            &format!("type = \"{component}\"\nbackend = \"{backend}\"\nreserve = 1\n{more}"),
        )
    };
    define(&route);
    assert_eq!(env.acquire("box"), id);
    env.runner(["release", &id]).run().ok();
    env.script("config/runner/sources/box/provision.d/10", "#!/bin/sh\n");
    assert_ne!(env.acquire("box"), id);
}

#[test]
fn the_audit_example_refuses_what_is_full() {
    let env = TestEnv::new();
    let hook = |minimum: &str| {
        format!(
            "[[hooks]]\nplugin = \"{}\"\noptions = {{ minimum-mb = {minimum} }}\n",
            guests::audit_hook().display()
        )
    };
    let fake = Fake::source(&env, "box", &hook("1"));
    env.acquire("box");
    let full = Fake::source(&env, "full", &hook("1000000000"));
    env.runner(["acquire", "-s", "full"]).run().code(3).says(&[
        "free-space",
        "MB are free",
        "minimum-mb",
    ]);
    assert_eq!(fake.live().len(), 1);
    assert!(full.live().is_empty());
}

#[test]
fn a_pool_takes_hooks_that_route_and_asks_for_them() {
    let env = TestEnv::new();
    let journal = Journal::new(&env);
    let _fake = Fake::source(&env, "box", "");
    let pool = |hooks: &str| {
        env.source(
            "all",
            &format!("type = \"pool\"\nsources = [\"box\"]\n{hooks}"),
        );
    };
    let tells = guests::audit_hook().display();
    pool(&format!("hooks = [\"{tells}\"]\n"));
    env.runner(["acquire", "-s", "all"])
        .run()
        .code(3)
        .says(&["all/source.toml:3:10", "`free-space` does not route"]);
    pool(&journal.hook(""));
    env.runner(["acquire", "-s", "all"])
        .run()
        .code(3)
        .says(&["warden", "runner plugin grant --source all"]);
    env.grant("all");
    env.acquire("all");
    env.runner(["plugin", "revoke", "all"]).run().ok();
    env.runner(["acquire", "-s", "all"]).run().code(3);
    // Nothing happens to a pool itself.
    assert_eq!(journal.at(&["provision", "discard"]), [""; 0]);
}

#[test]
fn what_a_hook_exports_is_shown() {
    let env = TestEnv::new();
    for (component, exports) in [
        (guests::warden(), "hook, routing"),
        (guests::route_hook(), "routing"),
        (guests::audit_hook(), "hook"),
    ] {
        let said = env.runner(["plugin", "inspect"]).arg(component).run().ok();
        let line = said
            .out()
            .lines()
            .find(|line| line.starts_with("optional"))
            .unwrap_or_default()
            .to_owned();
        assert!(line.ends_with(&format!(" {exports}")), "{line}");
    }
}

/// A hook component, bound as the host binds it.
struct Bench {
    _directory: tempfile::TempDir,
    hook: Arc<dyn Hook>,
}

fn bench(component: &std::path::Path, options: Value, limits: Limits) -> Bench {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::create_dir(at("journal")).unwrap();
    let host = PluginHost::new(PluginDirs {
        installed: at("installed"),
        components: at("components"),
        compiled: at("compiled"),
        ssh: at("ssh"),
        compiler: None,
    });
    let component = host.inspect(&Locator::File(component.into())).unwrap();
    component.keep(host.dirs()).unwrap();
    let Value::Object(mut options) = options else {
        panic!("not a table: {options}");
    };
    if component.manifest.name == "warden" {
        options.insert("journal".into(), at("journal").to_str().into());
    }
    let config = component.manifest.configure(&options, &[]).unwrap();
    let binding = Binding {
        source: SourceName::new("all").unwrap(),
        grant: component
            .manifest
            .requested(&config, "/bin".as_ref())
            .unwrap(),
        config,
        limits,
        services: Services::default(),
    };
    Bench {
        hook: host.hook(&component.reference, binding).unwrap(),
        _directory: directory,
    }
}

fn candidates() -> Vec<RouteCandidate> {
    let candidate = |source: &str, tag: &str, cost, live| RouteCandidate {
        source: SourceName::new(source).unwrap(),
        tags: vec![tag.to_owned()],
        priority: 0,
        cost,
        live,
        idle: 0,
        starting: 0,
        maximum: Some(50),
        failures_in_a_row: 0,
    };
    vec![
        candidate("dear", "x86_64", 9, 0),
        candidate("spot", "x86_64", 1, 20),
        candidate("arm", "aarch64", 2, 0),
        candidate("cheap", "x86_64", 3, 0),
    ]
}

fn request() -> RouteRequest {
    RouteRequest {
        asked: Some(SourceName::new("all").unwrap()),
        count: 1,
        owner: "tester".into(),
        attempt: 1,
        ..RouteRequest::default()
    }
}

#[tokio::test]
async fn the_route_example_takes_the_cheapest_below_its_cap() {
    let options = json!({ "tag": "x86_64", "caps": { "spot": 20 } });
    let bench = bench(guests::route_hook(), options, Limits::default());
    assert!(bench.hook.routes());
    assert_eq!(bench.hook.name(), "cheap-first");
    let said = bench.hook.route(&request(), &candidates()).await.unwrap();
    assert_eq!(
        said,
        [
            RouteVerdict::Take(9),
            RouteVerdict::Take(u32::MAX),
            RouteVerdict::Reject("it does not carry the tag `x86_64`".into()),
            RouteVerdict::Take(3),
        ]
    );
    let said = bench.hook.route(&request(), &[]).await.unwrap();
    assert_eq!(said, []);
}

#[tokio::test]
async fn what_is_wrong_with_an_answer_is_said() {
    let of = |options: Value| bench(guests::warden(), options, Limits::default());
    for (options, kind, said) in [
        (
            json!({ "verdicts": 3 }),
            ErrorKind::Malformed,
            "3 verdicts on 4",
        ),
        (
            json!({ "route-error": "denied" }),
            ErrorKind::Denied,
            "does not route",
        ),
        (
            json!({ "route-error": "unavailable" }),
            ErrorKind::Unavailable { retry_after: None },
            "does not route",
        ),
        (json!({ "route-error": "panic" }), ErrorKind::Trapped, ""),
    ] {
        let bench = of(options);
        let error = bench.hook.route(&request(), &candidates()).await;
        let error = error.unwrap_err();
        assert_eq!(error.kind, kind);
        assert!(error.message.contains(said), "{error}");
        assert_eq!(error.context.call, "route");
    }
    // More text than an answer may have.
    let long = "x".repeat(4000);
    let limits = Limits {
        answer: 1024,
        ..Limits::default()
    };
    let bench = bench(
        guests::warden(),
        json!({ "reject": { "arm": long } }),
        limits,
    );
    let error = bench.hook.route(&request(), &candidates()).await;
    let limit = ErrorKind::LimitReached { limit: "answer" };
    assert_eq!(error.unwrap_err().kind, limit);
}

#[tokio::test]
async fn a_hook_that_does_not_route_says_so() {
    let bench = bench(guests::audit_hook(), json!({}), Limits::default());
    assert!(!bench.hook.routes());
    let error = bench.hook.route(&request(), &candidates()).await;
    assert_eq!(error.unwrap_err().kind, ErrorKind::Unsupported);
}

#[test]
fn who_is_refused_at_acquire_is_destroyed_and_the_next_one_taken() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", "maximum = 4\n");
    // The first one is refused, whoever comes second passes.
    env.script(
        "config/runner/sources/box/acquire.d/10",
        "#!/bin/sh\necho \"$RUNNER_HOOK $1 $RUNNER_OWNER\" >> \"$TMPDIR/acquired\"\n[ $(wc -l < \"$TMPDIR/acquired\") -gt 1 ]\n",
    );
    env.runner(["acquire", "-s", "box"])
        .run()
        .code(3)
        .says(&["acquire.d", "box-0"]);
    assert!(fake.live().is_empty(), "{:?}", fake.live());
    let id = env.acquire("box");
    assert_eq!(id, "box-1");
    let told = std::fs::read_to_string(env.path("tmp/acquired")).unwrap();
    assert!(told.starts_with("acquire box-0 "), "{told}");
    env.runner(["run", &id, "--", "true"]).run().ok();
}

#[test]
fn what_cannot_be_cleaned_is_not_used_again() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", "reserve = 1\n");
    let script = "config/runner/sources/box/release.d/10";
    env.script(script, "#!/bin/sh\nrunner run \"$1\" -- true\n");
    let first = env.acquire("box");
    env.runner(["release", &first]).run().ok();
    assert_eq!(env.acquire("box"), first, "cleaned, and kept");
    env.script(script, "#!/bin/sh\nexit 1\n");
    env.runner(["release", &first]).run().ok();
    assert!(fake.live().is_empty(), "{:?}", fake.live());
}

#[test]
fn a_check_of_the_operators_counts() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", "check_attempts = 2\n");
    env.script(
        "config/runner/sources/box/check.d/10",
        "#!/bin/sh\n[ -e \"$TMPDIR/well\" ]\n",
    );
    env.write("tmp/well", "");
    env.runner(["shelf", "create", "mine"]).run().ok();
    let id = env
        .runner(["acquire", "-s", "box", "--shelf", "mine"])
        .run()
        .ok();
    let id = id.out().trim().to_owned();
    env.runner(["release", &id]).run().ok();
    env.runner(["shelf", "check", "mine"]).run().ok();
    std::fs::remove_file(env.path("tmp/well")).unwrap();
    // Once: kept back. Twice in a row: destroyed.
    drop(env.runner(["shelf", "check", "mine"]).run());
    assert_eq!(fake.live().len(), 1);
    drop(env.runner(["shelf", "check", "mine"]).run());
    assert!(fake.live().is_empty(), "{:?}", fake.live());
}
