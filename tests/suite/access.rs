//! Instances that the host reaches itself, as their provider says: keys, passwords and host keys, against a real sshd and with no
//! rights of the plugin's on the way. What the ssh transport does with commands is `contract/` over `ssh`.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use runner_tests::TestEnv;
use runner_tests::backends::sshd::Sshd;
use runner_tests::fake::Fake;
use serde_json::{Value, json};

/// A fake source whose instances are this machine behind an sshd.
struct World {
    fake: Fake,
    sshd: Sshd,
    env: TestEnv,
}

impl World {
    fn new() -> Option<Self> {
        let mut env = TestEnv::new();
        let sshd = Sshd::start(&mut env, &["nobody-says-this"])?;
        let fake = Fake::ungranted(&env, "box", "");
        Some(Self { fake, sshd, env })
    }

    /// What `allocate` answers, with this beside where it is.
    fn reached(&self, access: &Value) {
        self.reached_and(access, "");
    }

    fn reached_and(&self, access: &Value, more: &str) {
        let mut keys = json!({"host": "127.0.0.1", "port": self.sshd.port(), "user": "root"});
        let said = access.as_object().unwrap().clone();
        keys.as_object_mut().unwrap().extend(said);
        let keys = keys.as_object().unwrap().iter();
        let lines: String = keys
            .map(|(key, value)| format!("ssh-{key} = {value}\n"))
            .collect();
        self.fake
            .configure(&self.env, "box", &format!("{lines}{more}"));
        self.env.grant("box");
    }

    /// How often somebody logged in.
    fn logins(&self) -> usize {
        self.sshd.log().matches("Accepted ").count()
    }

    fn acquire_fails(&self, says: &[&str]) {
        self.env
            .runner(["acquire", "-s", "box"])
            .run()
            .code(3)
            .says(says);
        assert!(self.fake.live().is_empty());
        assert!(self.env.live().is_empty());
    }

    fn user_key(&self) -> Value {
        json!([self.env.path("ssh/user").to_str().unwrap()])
    }
}

#[test]
fn a_key_made_for_the_instance_and_the_host_key_that_was_told() {
    let Some(world) = World::new() else { return };
    let env = &world.env;
    // The backend puts the public half where the machine looks for it.
    let authorized = env.path("backend/box/authorized");
    std::fs::write(&authorized, "").unwrap();
    world.sshd.also_authorize(&authorized);
    world.reached(&json!({
        "make-key": true, "pins": [world.sshd.host_key()],
    }));
    let id = env.acquire("box");
    let said = env.runner(["run", &id, "--", "sh", "-c", "cat; exit 7"]);
    let said = said.stdin(b"in".to_vec()).run().code(7);
    assert_eq!(said.out(), "in");
    env.write("file", "copied");
    let there = env.path("there");
    env.runner(["cp"])
        .arg(env.path("file"))
        .arg(format!("{id}:{}", there.display()))
        .run()
        .ok();
    assert_eq!(std::fs::read_to_string(&there).unwrap(), "copied");
    // One connection serves all of that, across processes.
    assert_eq!(world.logins(), 1, "{}", world.sshd.log());
    // No private key stays on the disk.
    let files: Vec<_> = std::fs::read_dir(env.path("run/runner"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(!files.iter().any(|name| name.contains("key")), "{files:?}");
    env.runner(["release", &id]).run().ok();
    let left = std::fs::read_dir(env.path("run/runner")).unwrap();
    let sockets = left.filter(|entry| entry.as_ref().unwrap().path().extension().is_none());
    assert_eq!(sockets.count(), 0, "the connection goes with the instance");
}

#[test]
fn another_host_key_than_the_pinned_one_is_refused() {
    let Some(mut world) = World::new() else {
        return;
    };
    let other = world.sshd.other_host_key();
    world.reached(&json!({"keys": world.user_key(), "pins": [other]}));
    world.acquire_fails(&["host key is not one of those", "127.0.0.1"]);
    assert_eq!(world.logins(), 0);
    let wrong = format!("SHA256:{}", "a".repeat(43));
    world.reached(&json!({"keys": world.user_key(), "pins": [wrong]}));
    world.acquire_fails(&["host key is not one of those"]);
    // A fingerprint of the right one is as good as the key.
    world.reached(&json!({"keys": world.user_key(), "pins": [world.sshd.fingerprint()]}));
    let id = world.env.acquire("box");
    world.env.runner(["run", &id, "--", "true"]).run().ok();
    world.env.runner(["release", &id]).run().ok();
    // What was seen first is pinned, too: the machine cannot become another one.
    world.reached(&json!({"keys": world.user_key(), "first-use": true}));
    let id = world.env.acquire("box");
    world.env.runner(["run", &id, "--", "true"]).run().ok();
    world.sshd.stop();
    world.sshd.change_host_key();
    world.sshd.restart(&world.env);
    world
        .env
        .runner(["run", &id, "--", "true"])
        .run()
        .code(125)
        .says(&["host key is not one of those"]);
}

#[test]
fn a_password_comes_from_a_secret() {
    let Some(mut world) = World::new() else {
        return;
    };
    world.sshd.stop();
    world.sshd.with_password(&world.env);
    world.env.set("RUNNER_SECRET_BOX_PASSWORD", "correct horse");
    world.reached(&json!({"password": "BOX_PASSWORD", "pins": [world.sshd.host_key()]}));
    let id = world.env.acquire("box");
    world.env.runner(["run", &id, "--", "true"]).run().ok();
    assert!(world.sshd.log().contains("Accepted password"));
    let shown = world.env.runner(["status", "-v", "--json"]).run().ok();
    assert!(!shown.out().contains("horse"));
    world.env.runner(["release", &id]).run().ok();
}

#[test]
fn a_machine_that_is_not_up_yet_is_waited_for_and_not_for_ever() {
    let Some(mut world) = World::new() else {
        return;
    };
    world.reached(&json!({"keys": world.user_key(), "pins": [world.sshd.host_key()]}));
    world.sshd.stop();
    let mut acquiring = world.env.runner(["acquire", "-s", "box"]).into_command();
    acquiring.stdout(std::process::Stdio::null());
    let mut acquiring = acquiring.spawn().unwrap();
    while world.fake.live().is_empty() {
        assert!(acquiring.try_wait().unwrap().is_none(), "it gave up");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    world.sshd.restart(&world.env);
    assert!(acquiring.wait().unwrap().success());
    let id = world.env.live()[0]["name"].as_str().unwrap().to_owned();
    world.env.runner(["release", &id]).run().ok();
    world.sshd.stop();
    world.reached_and(
        &json!({"keys": world.user_key(), "pins": [world.sshd.host_key()]}),
        "[limits]\nready = 0.5\n",
    );
    world.acquire_fails(&["took no commands within 0.5 s", "refused"]);
}

#[test]
fn ports_are_forwarded_as_the_instance_sees_them() {
    let Some(world) = World::new() else { return };
    world.reached(&json!({"keys": world.user_key(), "pins": [world.sshd.host_key()]}));
    let id = world.env.acquire("box");
    // Something that the instance can reach: it doubles what it is told.
    let service = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = service.local_addr().unwrap().port();
    let served = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = service.accept().unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            stream.write_all(text.repeat(2).as_bytes()).unwrap();
        }
    });
    let way = format!("0:127.0.0.1:{port}");
    let mut command = world.env.runner(["forward", &id, &way]).into_command();
    command.stdout(std::process::Stdio::piped());
    let mut forwarding = command.spawn().unwrap();
    let mut printed = std::io::BufReader::new(forwarding.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut printed, &mut line).unwrap();
    let at = line.split(' ').next().unwrap().to_owned();
    for said in ["one", "two"] {
        let mut stream = TcpStream::connect(&at).unwrap();
        stream.write_all(said.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, said.repeat(2));
    }
    served.join().unwrap();
    runner_tests::command::kill(forwarding.id(), rustix::process::Signal::KILL);
    forwarding.wait().unwrap();
    assert!(TcpStream::connect(&at).is_err(), "it listens still");
    // The connection is the one that was there.
    assert_eq!(world.logins(), 1);
    world.env.runner(["release", &id]).run().ok();
}

#[test]
fn a_reboot_is_over_when_the_system_was_started_anew() {
    let Some(mut world) = World::new() else {
        return;
    };
    world.sshd.stop();
    let boot = world.sshd.with_boot_id(&world.env);
    world.reached(&json!({"keys": world.user_key(), "pins": [world.sshd.host_key()]}));
    let id = world.env.acquire("box");
    let mut rebooting = world.env.runner(["reboot", &id]).into_command();
    let mut rebooting = rebooting.spawn().unwrap();
    while !world
        .fake
        .journal()
        .iter()
        .any(|entry| entry.starts_with("reboot-"))
    {
        assert!(
            rebooting.try_wait().unwrap().is_none(),
            "it did not reboot it"
        );
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // The old system answers for a while, which is no reboot.
    assert!(rebooting.try_wait().unwrap().is_none());
    std::fs::write(&boot, "22222222-2222-2222-2222-222222222222\n").unwrap();
    assert!(rebooting.wait().unwrap().success());
    world.env.runner(["release", &id]).run().ok();
}
