//! What each command is told, and what its output and exit code mean.

use runner::provider::{Access, Doomed, ErrorKind};
use serde_json::json;

use super::{Direct, note};

/// The number that follows from the token of `[7; 16]`.
const ID: u64 = 0x7070_7070_7070;
const TOKEN: &str = "07070707070707070707070707070707";

#[test]
fn each_command_is_told_what_resalloc_tells_it() {
    // Where to note things is known only then.
    let direct = Direct::new(json!({}));
    let calls = direct.calls();
    let hook = |what: &str| note(&calls, what, "true");
    let machines = direct.dir.path().join("machines");
    let list = note(&calls, "list", &format!("ls {}", machines.display()));
    let provider = Direct::provider(
        direct.dir.path(),
        "pool",
        json!({
            "new": note(&calls, "new", "echo the-data"),
            "check": hook("check"), "release": hook("release"), "list": list,
            "delete": hook("delete"), "counters": ["ip", "mac"], "name_pattern": "{pool_name}_{id}_{token}",
        }),
    );
    let direct = Direct { provider, ..direct };

    let made = direct.allocate(7).unwrap();
    let name = format!("pool_{ID}_{TOKEN}");
    assert_eq!(made.handle, name);
    assert_eq!(made.access, Access::Plugin);
    let always = |data: bool| {
        let mut all = vec![
            format!("RESALLOC_ID={ID}"),
            "RESALLOC_ID_IN_POOL=7".to_owned(),
            format!("RESALLOC_NAME={name}"),
            "RESALLOC_NAMED_COUNTER_ip=0".to_owned(),
            "RESALLOC_NAMED_COUNTER_mac=0".to_owned(),
            "RESALLOC_POOL_ID=pool".to_owned(),
        ];
        if data {
            all.push("RESALLOC_RESOURCE_DATA=dGhlLWRhdGEK".to_owned());
        }
        all.push(format!("RUNNER_TOKEN={TOKEN}"));
        all.sort();
        all
    };
    assert_eq!(direct.told("new").unwrap(), always(false));
    let data = made.attributes.iter().find(|(key, _)| key == "data");
    assert_eq!(data.unwrap().1, "dGhlLWRhdGEK");

    let instance = direct.instance(7, &made);
    direct
        .runtime
        .block_on(direct.provider.check(&instance))
        .unwrap();
    assert_eq!(direct.told("check").unwrap(), always(true));
    direct
        .runtime
        .block_on(direct.provider.clean(&instance))
        .unwrap();
    assert_eq!(direct.told("release").unwrap(), always(true));
    direct.list();
    assert_eq!(
        direct.told("list").unwrap(),
        [
            "RESALLOC_ID=0",
            "RESALLOC_ID_IN_POOL=None",
            "RESALLOC_NAME=None",
            "RESALLOC_POOL_ID=pool"
        ]
    );
    // The same whether the handle is known or the answer was lost.
    let mut doomed = direct.doomed(7);
    direct
        .runtime
        .block_on(direct.provider.discard(&doomed))
        .unwrap();
    assert_eq!(direct.told("delete").unwrap(), always(true));
    doomed.handle = Some(made.handle);
    direct.discard(&doomed).unwrap();
    assert_eq!(direct.told("delete").unwrap(), always(true));
}

#[test]
fn what_the_caller_has_in_its_environment_is_not_taken_for_ours() {
    let env = runner_tests::TestEnv::new();
    let told = env.path("told");
    let new = format!("env >{}; echo host", told.display());
    env.source(
        "pool",
        &format!("type = \"command\"\naccess = \"none\"\nnew = '{new}'\ndelete = 'true'\n"),
    );
    env.grant("pool");
    let outcome = env
        .runner(["exec", "-s", "pool", "--", "true"])
        .env("RESALLOC_RESOURCE_DATA", "b2xk")
        .env("RESALLOC_NAME", "old")
        .env("OF_THE_USER", "stays")
        .run();
    outcome.code(125);
    let told = std::fs::read_to_string(told).unwrap();
    assert!(told.contains("OF_THE_USER=stays\n"), "{told}");
    assert!(
        !told.contains("RESALLOC_RESOURCE_DATA") && !told.contains("=old"),
        "{told}"
    );
    assert!(!told.contains("RUNNER_WORK_DIR"), "{told}");
}

#[test]
fn the_default_name_has_pool_number_and_time_and_stays() {
    let direct = Direct::new(json!({"pool_name": "aws"}));
    let made = direct.allocate(7).unwrap();
    let (prefix, time) = made.handle.split_at(format!("aws_{ID}_").len());
    assert_eq!(prefix, format!("aws_{ID}_"));
    let shape: String = time
        .chars()
        .map(|c| if c.is_ascii_digit() { '9' } else { c })
        .collect();
    assert_eq!(shape, "99999999_999999");
    direct.discard(&direct.doomed(7)).unwrap();
    let told = direct.told("delete").unwrap();
    assert!(
        told.contains(&format!("RESALLOC_NAME={}", made.handle)),
        "{told:?}"
    );
    assert!(
        told.contains(&"RESALLOC_POOL_ID=aws".to_owned()),
        "{told:?}"
    );
    assert_eq!(direct.machines(), [""; 0]);
}

#[test]
fn counters_take_the_smallest_free_number_across_sources() {
    let counting = json!({"counters": ["ip"]});
    let one = Direct::new(counting.clone());
    let other = Direct::provider(one.dir.path(), "other", counting);
    let counter = |told: Vec<String>| {
        let line = told
            .into_iter()
            .find(|line| line.starts_with("RESALLOC_NAMED_COUNTER_ip="));
        line.unwrap().split_once('=').unwrap().1.to_owned()
    };
    one.allocate(1).unwrap();
    assert_eq!(counter(one.told("new").unwrap()), "0");
    one.runtime
        .block_on(other.allocate(&one.request(2)))
        .unwrap();
    assert_eq!(counter(one.told("new").unwrap()), "1");
    one.allocate(3).unwrap();
    assert_eq!(counter(one.told("new").unwrap()), "2");
    one.runtime.block_on(other.discard(&one.doomed(2))).unwrap();
    assert_eq!(counter(one.told("delete").unwrap()), "1");
    std::fs::remove_dir_all(one.workdir(2)).unwrap();
    one.allocate(4).unwrap();
    assert_eq!(counter(one.told("new").unwrap()), "1");
}

#[test]
fn what_new_prints_is_kept_by_the_rule_of_512_bytes() {
    for (script, kept) in [
        ("true", Vec::new()),
        ("printf 'no end'", b"no end".to_vec()),
        ("printf '\\377\\000x\\n'", b"\xff\0x\n".to_vec()),
        (
            "echo host; head -c 2000000 /dev/zero | tr '\\0' 'x'",
            b"host\n<< trimmed >>\n".to_vec(),
        ),
        (
            "yes | head -n 300",
            [b"y\n".repeat(256), b"<< trimmed >>\n".to_vec()].concat(),
        ),
        ("yes | head -n 256", b"y\n".repeat(256)),
        (
            "head -c 600 /dev/zero | tr '\\0' 'x'; echo; echo more",
            vec![b'x'; 512],
        ),
    ] {
        let direct = Direct::new(
            json!({"new": script, "check": "printf %s \"$RESALLOC_RESOURCE_DATA\" | base64 -d >&2; exit 1"}),
        );
        let made = direct.allocate(1).unwrap();
        let pieces = made
            .attributes
            .iter()
            .filter(|(key, _)| key.starts_with("data"));
        let coded: String = pieces.map(|(_, value)| value.as_str()).collect();
        let decoded = decode(&coded);
        assert_eq!(decoded, kept, "{script}");
        // The commands get the same.
        let check = json!({"new": script, "check": format!("printf %s \"$RESALLOC_RESOURCE_DATA\" | base64 -d >{}/data", direct.calls().display())});
        let provider = Direct::provider(direct.dir.path(), "pool", check);
        direct
            .runtime
            .block_on(provider.check(&direct.instance(1, &made)))
            .unwrap();
        assert_eq!(
            std::fs::read(direct.calls().join("data")).unwrap(),
            kept,
            "{script}"
        );
    }
}

/// By a program that is not ours.
fn decode(text: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut child = std::process::Command::new("base64")
        .arg("-d")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap().stdout
}

#[test]
fn the_host_is_where_new_says() {
    let target = |new: &str, more: serde_json::Value| {
        let mut config = json!({"new": new, "access": "ssh"});
        config
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        Direct::new(config).allocate(1)
    };
    let reached = |new: &str, more| match target(new, more).unwrap().access {
        Access::Ssh(target) => (target.user, target.host, target.port),
        Access::Plugin => panic!("not by ssh"),
    };
    let host = || "10.1.2.3".to_owned();
    assert_eq!(
        reached("echo 10.1.2.3; echo more", json!({})),
        (None, host(), None)
    );
    let keys = json!({"user": "root", "port": 2222});
    assert_eq!(
        reached("echo 10.1.2.3", keys.clone()),
        (Some("root".into()), host(), Some(2222))
    );
    let yaml = "printf -- '---\\nname: x\\nhost: 10.1.2.3\\nssh_port: 22022\\n'";
    assert_eq!(
        reached(yaml, keys.clone()),
        (Some("root".into()), host(), Some(22022))
    );
    assert_eq!(
        reached("echo me@10.1.2.3:7", keys),
        (Some("me".into()), host(), Some(7))
    );
    for bad in [
        "true",
        "echo; echo host",
        "echo not a host",
        "echo -- -oProxyCommand=x",
        "printf -- '---\\nname: x\\n'",
    ] {
        let error = target(bad, json!({})).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Failed, "{bad}: {error}");
        assert!(
            error
                .remedy
                .as_deref()
                .unwrap_or_default()
                .contains("access"),
            "{bad}: {error}"
        );
    }
}

#[test]
fn exit_codes_are_what_they_mean() {
    let direct = Direct::new(json!({"new": "echo out; echo 'no quota' >&2; exit 3"}));
    let error = direct.allocate(1).unwrap_err();
    assert!(
        matches!(error.kind, ErrorKind::Unavailable { .. }),
        "{error}"
    );
    assert_eq!(error.message, "`new` ended with code 3: no quota");
    // It is destroyed all the same, by its name, and without data.
    direct.discard(&direct.doomed(1)).unwrap_err();
    let told = direct.told("delete").unwrap();
    assert!(
        told.iter()
            .any(|line| line.starts_with("RESALLOC_NAME=pool_")),
        "{told:?}"
    );
    assert!(
        told.iter().all(|line| !line.contains("RESOURCE_DATA")),
        "{told:?}"
    );

    let direct = Direct::new(json!({"new": "no-such-program-anywhere"}));
    assert_eq!(direct.allocate(1).unwrap_err().kind, ErrorKind::Invalid);

    let direct = Direct::new(json!({"check": "echo dead >&2; exit 1", "release": "exit 9"}));
    let made = direct.allocate(1).unwrap();
    let instance = direct.instance(1, &made);
    let error = direct
        .runtime
        .block_on(direct.provider.check(&instance))
        .unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::Failed, "`check` ended with code 1: dead")
    );
    let error = direct
        .runtime
        .block_on(direct.provider.clean(&instance))
        .unwrap_err();
    assert_eq!(
        error.message,
        "`release` ended with code 9 and said nothing"
    );

    // Without the commands nobody can tell, and there is nothing to clean.
    let direct = Direct::new(json!({}));
    let made = direct.allocate(1).unwrap();
    let instance = direct.instance(1, &made);
    let error = direct
        .runtime
        .block_on(direct.provider.check(&instance))
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
    direct
        .runtime
        .block_on(direct.provider.clean(&instance))
        .unwrap();
    let error = direct.runtime.block_on(direct.provider.list()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
}

#[test]
fn a_delete_that_fails_is_not_believed() {
    let direct = Direct::new(json!({"delete": "echo busy >&2; exit 1"}));
    direct.allocate(1).unwrap();
    let error = direct.discard(&direct.doomed(1)).unwrap_err();
    assert!(error.message.contains("busy"), "{error}");
    assert!(error.remedy.unwrap().contains("delete_ignores_exit"));
    assert_eq!(direct.machines().len(), 1);

    let direct = Direct::new(json!({"delete": "exit 1", "delete_ignores_exit": true}));
    direct.allocate(1).unwrap();
    direct.discard(&direct.doomed(1)).unwrap();

    // Gone is what `list` no longer names, whatever `delete` thinks of deleting twice.
    let direct = Direct::new(json!({}));
    let list = format!("ls {}/machines", direct.dir.path().display());
    let provider = Direct::provider(direct.dir.path(), "pool", json!({"list": list}));
    let direct = Direct { provider, ..direct };
    direct.allocate(1).unwrap();
    for _ in 0..2 {
        direct
            .runtime
            .block_on(direct.provider.discard(&direct.doomed(1)))
            .unwrap();
    }
    // But a list that does not work says nothing.
    let provider = Direct::provider(direct.dir.path(), "pool", json!({"list": "exit 1"}));
    let direct = Direct { provider, ..direct };
    direct
        .runtime
        .block_on(direct.provider.discard(&direct.doomed(1)))
        .unwrap_err();
}

#[test]
fn the_list_has_tokens_for_what_is_ours_and_makes_up_others() {
    let direct = Direct::new(json!({}));
    let machines = direct.dir.path().join("machines");
    let list = json!({"list": format!("ls {} | tr '\\n' ' '; echo", machines.display())});
    let provider = Direct::provider(direct.dir.path(), "pool", list.clone());
    let other = Direct::provider(direct.dir.path(), "other", list);
    let direct = Direct { provider, ..direct };
    assert!(direct.list().is_empty());
    let one = direct.allocate(1).unwrap();
    let two = direct.allocate(2).unwrap();
    let mut tokens: Vec<_> = direct
        .list()
        .into_iter()
        .map(|entry| (entry.token, entry.handle))
        .collect();
    tokens.sort();
    assert_eq!(
        tokens,
        [
            (Direct::token(1), one.handle),
            (Direct::token(2), two.handle)
        ]
    );
    // The other source does not take these for its own, or for orphans.
    assert!(direct.runtime.block_on(other.list()).unwrap().is_empty());

    // Somebody else's: the same made-up token each time, and `delete` is told that it is nobody's.
    std::fs::write(machines.join("stranger"), "").unwrap();
    let strange = || {
        direct
            .list()
            .into_iter()
            .find(|entry| entry.handle == "stranger")
            .unwrap()
    };
    let orphan = strange();
    assert_eq!(orphan.token, strange().token);
    let doomed = Doomed {
        token: orphan.token,
        handle: Some(orphan.handle),
        name: runner_core::id::InstanceName::typed("whatever"),
        workdir: None,
    };
    direct.discard(&doomed).unwrap();
    assert_eq!(
        direct.told("delete").unwrap()[..4],
        [
            "RESALLOC_ID=0",
            "RESALLOC_ID_IN_POOL=None",
            "RESALLOC_NAME=stranger",
            "RESALLOC_POOL_ID=pool"
        ]
    );
    assert_eq!(direct.machines().len(), 2);
    assert_eq!(direct.list().len(), 2);
}

#[test]
fn a_list_that_cannot_be_believed_is_an_error_and_no_part() {
    for list in [
        "echo vm; exit 1",
        "printf 'vm\\377\\n'",
        "printf 'v\\033m'",
        "yes vm-name | head -c 2000000",
    ] {
        let direct = Direct::new(json!({"list": list}));
        direct.runtime.block_on(direct.provider.list()).unwrap_err();
    }
}

#[test]
fn what_a_command_leaves_running_holds_nobody_up() {
    let background = "sleep 1000 & echo $! >>";
    let direct = Direct::new(json!({}));
    let pids = direct.calls().join("pids");
    let script = |then: &str| format!("{background}{}; {then}", pids.display());
    let provider = Direct::provider(
        direct.dir.path(),
        "pool",
        json!({"new": script("echo host"), "check": script("true"), "delete": script("true")}),
    );
    let direct = Direct { provider, ..direct };
    let made = direct.allocate(1).unwrap();
    let instance = direct.instance(1, &made);
    direct
        .runtime
        .block_on(direct.provider.check(&instance))
        .unwrap();
    direct.discard(&direct.doomed(1)).unwrap();
    let pids = std::fs::read_to_string(pids).unwrap();
    let pids: Vec<u32> = pids.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(pids.len(), 3);
    for pid in pids {
        // `new` has ended well: what it left running is the machine's, and not for us to end.
        assert!(std::path::Path::new(&format!("/proc/{pid}")).exists());
        runner_tests::command::kill(pid, rustix::process::Signal::KILL);
    }
}
