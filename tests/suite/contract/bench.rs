//! One provider set up and ready: the source `box` in a world of its own, and how to see what is left at the backend.

use std::time::{Duration, Instant};

use runner_tests::backends::podman::{self, Podman};
use runner_tests::backends::sshd::Sshd;
use runner_tests::backends::{mounts_below, rootfs};
use runner_tests::fake::Fake;
use runner_tests::{Outcome, Runner, TestEnv};

/// The source that every case uses. It gives up to 4 instances and takes 4 commands each.
pub(crate) const SOURCE: &str = "box";

/// The hosts that the ssh source is over: aliases of one real server.
const HOSTS: [&str; 4] = ["one", "two", "three", "four"];

/// One provider, ready.
pub(crate) struct Bench {
    pub(crate) env: TestEnv,
    kind: Kind,
}

/// Where to look for what is left.
enum Kind {
    Local,
    Ssh,
    Chroot,
    Container,
    Command,
    Fake(Fake),
}

const LIMITS: &str = "maximum = 4\nconcurrency = 4\n";

pub(crate) fn local() -> Option<Bench> {
    let env = TestEnv::new();
    env.source(SOURCE, &format!("type = \"local\"\n{LIMITS}"));
    Some(Bench::new(env, Kind::Local))
}

pub(crate) fn ssh() -> Option<Bench> {
    let mut env = TestEnv::new();
    let server = Sshd::start(&mut env, &HOSTS)?;
    env.keep(server);
    env.source(
        SOURCE,
        &format!("type = \"ssh\"\nhosts = {HOSTS:?}\n{LIMITS}"),
    );
    Some(Bench::new(env, Kind::Ssh))
}

pub(crate) fn chroot() -> Option<Bench> {
    if !runner_tests::skip::is_root() {
        runner_tests::skip::skip("the chroot tests need root");
        return None;
    }
    let env = TestEnv::new();
    let root = rootfs::busybox(&env.path("rootfs"))?;
    env.source(
        SOURCE,
        &format!(
            "type = \"chroot\"\nrootfs = \"{}\"\n{LIMITS}",
            root.display()
        ),
    );
    Some(Bench::new(env, Kind::Chroot))
}

pub(crate) fn container() -> Option<Bench> {
    let mut env = TestEnv::new();
    let podman = Podman::start(&mut env)?;
    env.keep(podman);
    env.source(
        SOURCE,
        &format!(
            "type = \"container\"\nimage = \"{}\"\n{LIMITS}",
            podman::IMAGE
        ),
    );
    Some(Bench::new(env, Kind::Container))
}

/// Scripts whose machines are files, and who answer one of the sshd's aliases.
pub(crate) fn command() -> Option<Bench> {
    let mut env = TestEnv::new();
    let server = Sshd::start(&mut env, &HOSTS)?;
    env.keep(server);
    let machines = env.path("machines");
    std::fs::create_dir(&machines).unwrap();
    let machines = machines.display();
    let hosts = HOSTS.join(" ");
    env.source(
        SOURCE,
        &format!(
            "type = \"command\"\n{LIMITS}\
             new = 'set -- {hosts} && shift $RESALLOC_ID_IN_POOL && echo $1 >{machines}/$RESALLOC_NAME && echo $1'\n\
             delete = 'rm {machines}/$RESALLOC_NAME'\n\
             check = 'test -e {machines}/$RESALLOC_NAME'\n\
             list = 'ls {machines}'\n"
        ),
    );
    env.grant(SOURCE);
    Some(Bench::new(env, Kind::Command))
}

pub(crate) fn fake() -> Option<Bench> {
    let env = TestEnv::new();
    let fake = Fake::source(&env, SOURCE, LIMITS);
    Some(Bench::new(env, Kind::Fake(fake)))
}

impl Bench {
    fn new(env: TestEnv, kind: Kind) -> Self {
        Self { env, kind }
    }

    /// Acquires one instance.
    #[track_caller]
    pub(crate) fn acquire(&self) -> String {
        self.env.acquire(SOURCE)
    }

    /// `runner run ID -- ARGV`, not yet made.
    pub(crate) fn command(&self, id: &str, argv: &[&str]) -> Runner {
        self.env.runner(["run", id, "--"]).args(argv)
    }

    /// Runs a command.
    pub(crate) fn run(&self, id: &str, argv: &[&str]) -> Outcome {
        self.command(id, argv).run()
    }

    /// Runs a shell script that must succeed, and answers what it printed.
    #[track_caller]
    pub(crate) fn sh(&self, id: &str, script: &str) -> String {
        self.run(id, &["sh", "-c", script]).ok().out().to_owned()
    }

    /// A fresh directory on the instance, absolute.
    #[track_caller]
    pub(crate) fn directory(&self, id: &str) -> String {
        self.sh(id, "mktemp -d").trim_end().to_owned()
    }

    /// Do instances share this machine's file system (so that two of them must not use the same path)?
    pub(crate) fn sees_this_machine(&self) -> bool {
        matches!(
            self.kind,
            Kind::Local | Kind::Ssh | Kind::Command | Kind::Fake(_)
        )
    }

    /// What is still there of instances that should be gone.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let env = &self.env;
        let mut left = match &self.kind {
            Kind::Local => Vec::new(),
            Kind::Ssh => Vec::new(),
            Kind::Command => std::fs::read_dir(env.path("machines"))
                .expect("the machines")
                .map(|entry| format!("machine {:?}", entry.unwrap().file_name()))
                .collect(),
            Kind::Chroot => mounts_below(env.path("").as_path())
                .into_iter()
                .map(|point| format!("mount {}", point.display()))
                .collect(),
            Kind::Container => Podman::containers(env),
            Kind::Fake(fake) => fake.live().into_iter().chain(fake.homes()).collect(),
        };
        if let Ok(work) = std::fs::read_dir(env.path("state/runner/work")) {
            left.extend(work.map(|entry| format!("workdir {:?}", entry.unwrap().file_name())));
        }
        left.extend(
            env.processes()
                .into_iter()
                // The server itself is the machine and not an instance; its sessions end when theirs do.
                .filter(|(_, line)| !line.starts_with("sshd") && !line.contains("/sshd -D"))
                .map(|(pid, line)| format!("process {pid}: {line}")),
        );
        left
    }

    /// Waits until nothing is left: the end of a process is not instantaneous.
    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        let begun = Instant::now();
        loop {
            let left = self.leftovers();
            if left.is_empty() {
                break;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "left behind: {left:#?}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(self.env.live().is_empty(), "{:#?}", self.env.live());
    }
}
