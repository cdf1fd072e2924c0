//! The queue as the command line shows it: whose turn it is, what ends a wait, and what is never waited for.

use std::process::Stdio;
use std::sync::Arc;

use runner_tests::TestEnv;
use runner_tests::command::kill;
use runner_tests::fake::Fake;
use runner_tests::service::eventually;

/// A ticket's number.
#[track_caller]
fn open(env: &TestEnv, args: &[&str]) -> String {
    let opened = env.runner(["ticket", "open"]).args(args).run().ok();
    let number = opened.out().trim_end_matches('\n').to_owned();
    assert!(number.parse::<u32>().is_ok(), "{opened}");
    number
}

#[track_caller]
fn check(env: &TestEnv, ticket: &str, code: i32) -> String {
    let checked = env.runner(["ticket", "check", ticket]).run().code(code);
    assert_eq!(checked.err(), "");
    checked.out().trim_end().to_owned()
}

/// What a served ticket holds.
#[track_caller]
fn held(env: &TestEnv, ticket: &str) -> Vec<String> {
    let state = check(env, ticket, 0);
    let mut words = state.split(' ').map(str::to_owned);
    assert_eq!(words.next().as_deref(), Some("served"), "{state}");
    words.collect()
}

/// Until so many tickets wait.
fn until_waiting(env: &TestEnv, count: usize) {
    loop {
        let listed = env.runner(["ticket", "list", "--json"]).run().ok().json();
        let all = listed["tickets"].as_array().unwrap();
        if all.iter().filter(|one| one["state"] == "waiting").count() == count {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

fn started(env: &TestEnv, args: &[&str]) -> std::process::Child {
    env.runner(args)
        .into_command()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[track_caller]
fn ended(child: std::process::Child, code: i32) -> (String, String) {
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}{err}");
    (out, err)
}

#[test]
fn a_ticket_outlives_the_command_that_opened_it() {
    let env = TestEnv::new();
    let _fake = Fake::source(&env, "box", "maximum = 1\nreserve = 1\n");
    let first = env.acquire("box");
    let opened = env
        .runner(["ticket", "open", "-s", "box", "--fenced"])
        .run()
        .ok()
        .says(&["no `runner serve` runs", "runner ticket wait"]);
    let ticket = opened.out().trim().to_owned();
    assert_eq!(opened.out(), format!("{ticket}\n"));
    assert_eq!(check(&env, &ticket, 4), "waiting");
    env.runner(["ticket", "wait", &ticket, "--timeout", "1s"])
        .run()
        .code(4)
        .says(&["in vain", &ticket, "keeps its place"]);
    let listed = env.runner(["ticket", "list"]).run().ok();
    assert!(listed.out().contains("waiting"), "{listed}");
    // What becomes idle is handed to it by whoever releases it.
    env.runner(["release", &first]).run().ok();
    assert_eq!(held(&env, &ticket), [first.as_str()]);
    let json = env
        .runner(["--json", "ticket", "check", &ticket])
        .run()
        .ok()
        .json();
    assert_eq!(json["state"], "served");
    assert_eq!(json["leases"][0]["instance"], first.as_str());
    let ids = env.runner(["ticket", "wait", &ticket]).run().ok();
    assert_eq!(ids.out(), format!("{first}\n"));
    env.runner(["run", &first, "true"]).run().ok();
    let fenced = env
        .runner(["ticket", "check", "--fenced", &ticket])
        .run()
        .ok();
    assert!(fenced.out().contains(&format!("{first}@")), "{fenced}");
    env.runner(["ticket", "close", &ticket]).run().ok();
    assert_eq!(check(&env, &ticket, 3), "closed");
    env.runner(["ticket", "wait", &ticket])
        .run()
        .code(3)
        .says(&["is closed"]);
    env.runner(["run", &first, "true"]).run().code(125);
    env.runner(["ticket", "close", &ticket]).run().ok();
    let none = env.runner(["ticket", "list", "--json"]).run().ok().json();
    assert_eq!(none["tickets"].as_array().unwrap().len(), 0);
    let all = env.runner(["ticket", "list", "--all", "--json"]).run().ok();
    assert!(all.json()["tickets"].as_array().unwrap().len() >= 2);
}

#[test]
fn a_ticket_that_nobody_works_on_is_served_by_whoever_comes_after_it() {
    let env = TestEnv::new();
    let _fake = Fake::source(&env, "box", "maximum = 2\n");
    let ticket = open(&env, &["-s", "box"]);
    // There is room for both; and then only for the one that came first.
    let mine = env.acquire("box");
    env.runner(["acquire", "-s", "box"]).run().code(3);
    assert_eq!(held(&env, &ticket).len(), 1);

    // One that does not fit keeps its place, and whoever is behind it is told so.
    let gang = open(&env, &["-s", "box", "2"]);
    env.runner(["release", &mine]).run().ok();
    let behind = env.runner(["acquire", "-s", "box"]).run().code(3);
    behind.says(&["1 waiting before this", "runner ticket close"]);
    let why = env.runner(["why", &gang]).run().ok();
    let room = "room for 1 more below its maximum of 2 (1 exist)";
    assert!(why.out().contains(room), "{why}");
    env.runner(["ticket", "close", &gang]).run().ok();
    env.acquire("box");

    // Its time is over for whoever looks, not only for whoever plans.
    let late = open(&env, &["-s", "box", "--deadline", "1s"]);
    eventually("its end", || {
        let json = env.runner(["--json", "ticket", "check", &late]).run();
        json.json()["state"] == "failed"
    });
}

#[test]
fn releasing_all_that_a_ticket_holds_closes_it() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", "");
    let ticket = open(&env, &["-s", "box", "2"]);
    let ids = env.runner(["ticket", "wait", &ticket]).run().ok().words();
    assert_eq!(ids.len(), 2);
    env.runner(["release", &ids[0]]).run().ok();
    assert_eq!(held(&env, &ticket), [ids[1].as_str()]);
    env.runner(["release", &ids[1]]).run().ok();
    assert_eq!(check(&env, &ticket, 3), "closed");
    assert!(fake.live().is_empty());
}

#[test]
fn what_can_never_be_served_fails_at_once_and_says_why() {
    let env = TestEnv::new();
    let _fake = Fake::source(&env, "box", "maximum = 2\ntags = [\"x86\", \"big\"]\n");
    for verb in [&["acquire", "--wait"][..], &["ticket", "open"]] {
        let fails = |args: &[&str], says: &[&str]| {
            let failed = env.runner(verb).args(args).run().code(3);
            assert_eq!(failed.out(), "");
            failed.says(says);
        };
        fails(&["--tag", "arm"], &["no source has the tag `arm`", "`big`"]);
        fails(&["--tag", "x86", "--tag", "arm"], &["`arm`"]);
        fails(&["-s", "box", "3"], &["maximum of 2"]);
        fails(&["--tag", "big", "3"], &["maximum of 2"]);
        fails(&["-s", "box", "--requires", "gpu in tags"], &["gpu"]);
        fails(&["-s", "nobody"], &["nobody"]);
        fails(&["-s", "box", "--shelf", "nowhere"], &["nowhere"]);
        let refused = env
            .runner(verb)
            .args(["-s", "box", "--requires", "cpus >="])
            .run();
        assert_eq!(refused.code, Some(2), "{refused}");
    }
    // What was measured once is known.
    let held = env
        .runner(["acquire", "-s", "box", "--requires", "cpus >= 4"])
        .run()
        .ok();
    env.runner(["release"]).args(held.words()).run().ok();
    env.runner(["ticket", "open", "-s", "box", "--requires", "cpus >= 8"])
        .run()
        .code(3)
        .says(&["never", "cpus"]);
    env.runner(["acquire", "--wait", "-s", "box", "--requires", "cpus >= 8"])
        .run()
        .code(3)
        .says(&["cpus"]);
    let waiting = env.runner(["ticket", "list", "--json"]).run().ok().json();
    assert_eq!(waiting["tickets"].as_array().unwrap().len(), 0);
}

#[test]
fn options_that_exclude_each_other() {
    let env = TestEnv::new();
    for args in [
        &["acquire", "--wait", "--no-wait"][..],
        &["acquire", "--tag", "a", "-o", "b=c"],
        &["acquire", "--tag", ""],
        &["acquire", "--hold", "--holder-pid", "1"],
        &["acquire", "--ttl", "0"],
        &["acquire", "--priority", "high"],
        &["acquire", "--owner", ""],
        &["acquire", "--tag", "a", "-s", "./x.wasm"],
        &["release", "--shelf", "a", "--no-shelf", "x-1"],
        &["ticket", "check", "x"],
        &["ticket", "open", "-o", "a=b"],
        &["shelf", "discard", "a", "x-1", "--all"],
    ] {
        env.runner(args).run().code(2);
    }
    for args in [
        &["ticket"][..],
        &["ticket", "wait"],
        &["shelf", "discard", "a"],
    ] {
        env.runner(args).run().code(1);
    }
    for args in [
        ["ticket", "check", "77"],
        ["ticket", "wait", "77"],
        ["ticket", "close", "77"],
    ] {
        env.runner(args).run().code(3).says(&["no ticket 77"]);
    }
}

#[test]
fn the_largest_priority_is_first_then_the_oldest() {
    let env = TestEnv::new();
    let _fake = Fake::source(&env, "box", "maximum = 1\nreserve = 1\n");
    let first = env.acquire("box");
    let old = open(&env, &["-s", "box"]);
    let high = open(&env, &["-s", "box", "--priority", "5"]);
    let low = open(&env, &["-s", "box", "--priority", "-5"]);
    let higher = open(&env, &["-s", "box", "--priority", "5"]);
    let young = open(&env, &["-s", "box"]);
    env.runner(["release", &first]).run().ok();
    let mut order = vec![&high, &higher, &old, &young, &low];
    while !order.is_empty() {
        let turn = order.remove(0);
        assert_eq!(held(&env, turn), [first.as_str()]);
        for behind in &order {
            assert_eq!(check(&env, behind, 4), "waiting");
        }
        env.runner(["ticket", "close", turn]).run().ok();
    }
}

#[test]
fn two_gangs_that_do_not_fit_together_both_finish() {
    let env = Arc::new(TestEnv::new());
    let fake = Fake::source(&env, "box", "maximum = 6\ncapacity = 6\n");
    let gangs: Vec<_> = (0..2)
        .map(|_| {
            let env = Arc::clone(&env);
            std::thread::spawn(move || {
                for _ in 0..3 {
                    let ids = env
                        .runner(["acquire", "-s", "box", "--wait", "5"])
                        .run()
                        .ok()
                        .words();
                    assert_eq!(ids.len(), 5);
                    env.runner(["release"]).args(&ids).run().ok();
                }
            })
        })
        .collect();
    for gang in gangs {
        gang.join().expect("both finish");
    }
    assert_eq!(fake.violations(), "");
    assert!(fake.live().is_empty());
    // All or none.
    let held = env.acquire_many("box", 2);
    env.runner(["acquire", "-s", "box", "5"]).run().code(3);
    assert_eq!(fake.live().len(), 2);
    env.runner(["release"]).args(&held).run().ok();
}

#[test]
fn waiters_end_with_service_close_deadline_and_failure() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", "maximum = 1\nreserve = 1\n");
    let first = env.acquire("box");
    let (served, closed) = (open(&env, &["-s", "box"]), open(&env, &["-s", "box"]));
    let late = open(&env, &["-s", "box", "--deadline", "1s"]);
    let waits = |ticket: &str| started(&env, &["ticket", "wait", ticket]);
    let (one, two, three) = (waits(&served), waits(&closed), waits(&late));
    let (_, told) = ended(three, 3);
    assert!(told.contains("its time is over"), "{told}");
    assert!(check(&env, &late, 3).starts_with("failed"));
    env.runner(["ticket", "close", &closed]).run().ok();
    let (_, told) = ended(two, 3);
    assert!(told.contains("is closed"), "{told}");
    env.runner(["release", &first]).run().ok();
    assert_eq!(ended(one, 0).0, format!("{first}\n"));
    env.runner(["ticket", "close", &served]).run().ok();
    env.runner(["discard", &first]).run().ok();

    fake.refuse("allocate", Some("failed"));
    let broken = open(&env, &["-s", "box"]);
    env.runner(["ticket", "wait", &broken])
        .run()
        .code(3)
        .says(&["failed", "box"]);
    assert!(check(&env, &broken, 3).starts_with("failed "));
    assert!(fake.live().is_empty());
}

#[test]
fn an_interrupted_wait_leaves_the_ticket_in_its_place_and_nothing_half_made() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", "maximum = 1\n");
    let gate = fake.directory().join("control/allocate.wait");
    std::fs::create_dir_all(gate.parent().unwrap()).unwrap();
    std::fs::write(&gate, "").unwrap();
    let ticket = open(&env, &["-s", "box"]);
    let waiting = started(&env, &["ticket", "wait", &ticket]);
    while fake.journal().is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    kill(waiting.id(), rustix::process::Signal::INT);
    let output = waiting.wait_with_output().unwrap();
    assert!(!output.status.success());
    assert_eq!(check(&env, &ticket, 4), "waiting");
    assert_eq!(env.live().len(), 0);
    std::fs::remove_file(&gate).unwrap();
    let ids = env.runner(["ticket", "wait", &ticket]).run().ok().words();
    assert_eq!(fake.live().len(), 1);
    env.runner(["release"]).args(&ids).run().ok();
    assert!(fake.live().is_empty());
}

#[test]
fn open_can_wait_too() {
    let env = TestEnv::new();
    let _fake = Fake::source(&env, "box", "maximum = 2\n");
    let opened = env
        .runner(["ticket", "open", "-s", "box", "--wait", "2"])
        .run()
        .ok();
    let lines: Vec<&str> = opened.out().lines().collect();
    assert_eq!(lines.len(), 2, "{opened}");
    assert_eq!(held(&env, lines[0]).join(" "), lines[1]);
    let timed_out = env
        .runner(["ticket", "open", "-s", "box", "--wait=1s"])
        .run()
        .code(4);
    let second = timed_out.out().trim();
    assert_eq!(check(&env, second, 4), "waiting");
    env.runner(["ticket", "close", lines[0], second]).run().ok();
    assert_eq!(check(&env, second, 3), "closed");
}

#[test]
fn tags_choose_the_source_and_their_priorities_the_order() {
    let env = TestEnv::new();
    let (one, two) = (
        "maximum = 1\ntags = [\"x86\", { name = \"fast\", priority = 1 }]\n",
        "maximum = 1\ntags = [\"x86\", { name = \"fast\", priority = 9 }]\n",
    );
    let (slow, fast) = (
        Fake::source(&env, "slow", one),
        Fake::source(&env, "fast", two),
    );
    let by_tag = |more: &[&str]| {
        let acquired = env.runner(["acquire", "--tag", "x86", "--tag", "fast"]);
        acquired.args(more).run()
    };
    let first = by_tag(&[]).ok().words().remove(0);
    assert!(first.starts_with("fast-"), "{first}");
    assert_eq!((slow.live().len(), fast.live().len()), (0, 1));
    let second = by_tag(&[]).ok().words().remove(0);
    assert!(second.starts_with("slow-"), "{second}");
    by_tag(&[]).code(3).says(&["fast", "slow"]);
    env.runner(["release", &second]).run().ok();
    // Of one source only.
    env.runner(["acquire", "-s", "fast", "--tag", "x86"])
        .run()
        .code(3);
    env.runner(["-s", "slow", "acquire", "--tag", "x86"])
        .run()
        .ok();
}

#[test]
fn a_process_that_waits_and_dies_holds_up_nobody() {
    let env = TestEnv::new();
    let _fake = Fake::source(&env, "box", "maximum = 1\nreserve = 1\n");
    let first = env.acquire("box");
    let mut waiting = started(&env, &["acquire", "-s", "box", "--wait", "--priority", "9"]);
    until_waiting(&env, 1);
    kill(waiting.id(), rustix::process::Signal::KILL);
    waiting.wait().unwrap();
    env.runner(["release", &first]).run().ok();
    let next = env.runner(["acquire", "-s", "box", "--wait"]).run().ok();
    assert_eq!(next.out().trim(), first);
}

/// `runner serve`, once it serves.
fn serve(env: &TestEnv) -> std::process::Child {
    let mut child = started(env, &["serve", "-q"]);
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    assert!(line.starts_with("serving"), "{line}");
    child
}

#[test]
fn where_somebody_serves_nobody_needs_to_wait() {
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", "maximum = 2\n");
    let mut server = serve(&env);
    let opened = env.runner(["ticket", "open", "-s", "box", "2"]).run().ok();
    assert_eq!(opened.err(), "");
    let ticket = opened.out().trim();
    while env.runner(["ticket", "check", ticket]).run().code == Some(4) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let ids = held(&env, ticket);
    assert_eq!(ids.len(), 2);
    env.runner(["run", &ids[1], "true"]).run().ok();
    // One that waits is woken, and what nobody renews is taken back without any command.
    let behind = open(&env, &["-s", "box", "--ttl", "1s"]);
    let waiting = started(&env, &["ticket", "wait", &behind]);
    env.runner(["ticket", "close", ticket]).run().ok();
    let (id, _) = ended(waiting, 0);
    assert!(id.starts_with("box-"), "{id}");
    while !fake.live().is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    // So is what belonged to a process that is gone.
    let mut holder = env
        .runner(["acquire", "-s", "box", "--hold"])
        .into_command()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = holder.stdout.take().unwrap();
    std::io::copy(&mut out, &mut std::io::sink()).unwrap();
    assert_eq!(fake.live().len(), 1);
    kill(holder.id(), rustix::process::Signal::KILL);
    holder.wait().unwrap();
    while !fake.live().is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    kill(server.id(), rustix::process::Signal::TERM);
    assert_eq!(server.wait().unwrap().code(), Some(0));
}
