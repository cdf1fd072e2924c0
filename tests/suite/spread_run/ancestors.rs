//! The ancestors' own types of backends over the plugins that stand for them: machines where they run here, and for clouds what
//! they are asked for, by servers that answer as they document (`providers/cloud.py`).

use std::process::Stdio;

use runner_tests::TestEnv;
use runner_tests::backends::cloud::Cloud;
use runner_tests::backends::incus::Incus;
use runner_tests::backends::{qemu, rootfs};
use runner_tests::service::eventually;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Project, entry, log, total};

#[test]
fn lxd_is_incus_or_lxd() {
    let mut project = Project::new();
    let Some(incus) = Incus::start(&mut project.env) else {
        return;
    };
    let Some(root) = rootfs::with_bash(&project.env.path("with-bash")) else {
        return;
    };
    incus.import(&project.env, &root, "with-bash-64");
    project.env.keep(incus);
    // The memory is in spread's words, the rest in those of the plugin.
    let project = project
        .on("  lxd:\n    memory: 128M\n    systems:\n      - with-bash-64:\n          options:\n            user.note: from-spread\n")
        .executes(
            "s/t",
            "[ $(whoami) = root ]; [ -e $SPREAD_PATH/spread.yaml ]\n\
             if [ $SPREAD_REBOOT = 0 ]; then touch /root/before; REBOOT; fi\n\
             [ -e /root/before ]; ERROR $(pwd) after $SPREAD_REBOOT",
        )
        .executes("s/u", "true");
    let run = project.run(&["--order", "--reuse"]);
    assert!(
        entry(&run, "Error executing").ends_with(" : /root/demo/s/t after 1"),
        "{run}"
    );
    assert_eq!(total(&run, "Successful tasks"), 1);
    let [made] = &Incus::instances(&project.env)[..] else {
        panic!("one instance: {run}");
    };
    let shown = project
        .env
        .program("incus")
        .args(["config", "show", made])
        .run()
        .ok();
    for said in ["limits.memory: 128MiB", "user.note: from-spread"] {
        assert!(shown.out().contains(said), "{shown}");
    }
    let outcome = project.call(&["--reuse", "--discard"]).run();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert!(Incus::instances(&project.env).is_empty());

    // An image that nobody has is told at once, and not asked for again. (The servers of the world are not asked here.)
    let project = project.on("  lxd:\n    or-image: nor-this\n    systems: [no-such-64]\n");
    let outcome = project.run(&[]);
    let told = entry(&outcome, "Cannot allocate lxd:no-such-64: ");
    assert!(told.contains("image `nor-this`"), "{told}");
    assert_eq!(
        log(&outcome).matches("Cannot allocate").count(),
        1,
        "{outcome}"
    );
}

#[test]
fn qemu_boots_an_image_of_the_users() {
    let Some(_) = qemu::machine() else { return };
    let project = Project::new();
    let made = std::path::PathBuf::from(std::env::var_os("RUNNER_TESTS_VM").unwrap());
    // The tiny machine with bash and its company: a second archive behind its initrd.
    let Some(root) = rootfs::with_bash(&project.env.path("with-bash")) else {
        return;
    };
    let initrd = project.env.path("initrd");
    let packed = std::process::Command::new("bash")
        .args([
            "-euc",
            "cd $1; { cat $2; find bin lib* usr -not -type d -o -type d | busybox cpio -o -H newc | gzip -1; } > $3",
            "bash",
        ])
        .arg(&root)
        .arg(made.join("initrd"))
        .arg(&initrd)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(packed.success());
    // Where the ancestor looks for the image, by the name of the system.
    let images = project.env.path("home/.spread/qemu");
    std::fs::create_dir_all(&images).unwrap();
    std::os::unix::fs::symlink(made.join("disk.qcow2"), images.join("tiny-1.img")).unwrap();
    let project = project
        .on(&format!(
            "  qemu:\n    memory: 256M\n    kernel: {}\n    initrd: {}\n    append: console=ttyS0 quiet net.ifnames=0\n    \
             accel: tcg\n    systems: [tiny-1]\n",
            made.join("vmlinux").display(),
            initrd.display()
        ))
        .executes(
            "s/t",
            "[ -e $SPREAD_PATH/spread.yaml ]; cat /disk/origin; \
             ERROR $(pwd) $(grep -c QEMU /proc/cpuinfo) $(cat /proc/sys/kernel/random/boot_id | wc -l)",
        );
    let outcome = project.run(&[]);
    assert!(
        entry(&outcome, "Error executing").ends_with(" : /root/demo/s/t 1 1"),
        "{outcome}"
    );
    assert!(qemu::processes(&project.env).is_empty());

    let project = project.on("  qemu:\n    systems: [other-1]\n");
    let outcome = project.run(&[]);
    let told = entry(&outcome, "Cannot allocate qemu:other-1: ");
    assert!(told.contains(".spread/qemu/other-1.img"), "{told}");
}

/// What a cloud is asked to make for a backend, whose machine then does not answer.
fn asked_for(cloud: &str, path: &str, backend: impl Fn(&TestEnv, u16) -> String) -> Option<Value> {
    asked_for_with(cloud, path, |_| Vec::new(), backend)
}

/// The same, with more in the environment.
fn asked_for_with(
    cloud: &str,
    path: &str,
    environment: impl Fn(u16) -> Vec<(&'static str, String)>,
    backend: impl Fn(&TestEnv, u16) -> String,
) -> Option<Value> {
    let mut project = Project::new();
    let server = Cloud::start(&project.env, cloud)?;
    for (name, value) in environment(server.port()) {
        project.env.set(name, value);
    }
    // What trusts the server is there already. Nobody listens where its machines pretend to be.
    let settings = project.env.path("config/runner/config.toml");
    let trusting = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(settings, format!("{trusting}[limits]\nready = 1\n")).unwrap();
    let yaml = backend(&project.env, server.port());
    let project = project.on(&yaml).executes("s/t", "true");
    let mut run = project.start(&[]);
    run.until("it took no commands within 1 s");
    run.signal(Signal::INT);
    assert_eq!(run.child.wait().unwrap().code(), Some(1), "{}", run.out());
    // Destroyed with what the project says, which nobody else knows.
    eventually("that nothing is left there", || {
        project
            .env
            .runner(["exec", "--source", "local", "--", "true"])
            .run();
        server.machines().is_empty()
    });
    let bodies = server.ask("state", None)["bodies"].clone();
    let bodies = bodies.as_array().unwrap();
    let made = bodies
        .iter()
        .find(|one| one["method"] == "POST" && one["path"].as_str().unwrap().ends_with(path));
    Some(made.unwrap_or_else(|| panic!("{bodies:?}"))["body"].clone())
}

#[test]
fn linode_by_spreads_keys() {
    let Some(asked) = asked_for("LINODE", "/linode/instances", |_, port| {
        format!(
            "  linode:\n    key: '$(HOST: echo sesame)'\n    endpoint: localhost\n    port: {port}\n    location: eu-central\n    \
             settle: 1\n    systems:\n      - debian-12-64:\n          plan: g6-standard-1\n"
        )
    }) else {
        return;
    };
    assert_eq!(
        [&asked["image"], &asked["type"], &asked["region"]],
        ["linode/debian12", "g6-standard-1", "eu-central"]
    );
}

#[test]
fn google_by_spreads_keys() {
    let Some(asked) = asked_for("GCE", "/instances", |env, port| {
        let key = env.path("account.pem");
        let make = env
            .program("openssl")
            .args(["genpkey", "-algorithm", "RSA", "-out"]);
        make.arg(&key).run().ok();
        let key = std::fs::read_to_string(key).unwrap();
        let account = json!({"type": "service_account", "client_email": "me@p.iam.gserviceaccount.com", "private_key": key});
        env.write("work/account.json", account.to_string());
        format!(
            "  google:\n    key: account.json\n    location: p/z-1-b\n    plan: e2-medium\n    storage: 12G\n    endpoint: localhost\n    \
             token-endpoint: localhost\n    port: {port}\n    settle: 1\n    systems: [debian-12-64]\n"
        )
    }) else {
        return;
    };
    let text = asked.to_string();
    for part in [
        "machineTypes/e2-medium",
        "debian-cloud/global/images/family/debian-12",
        "\"diskSizeGb\":\"12\"",
    ] {
        assert!(text.contains(part), "no {part} in {text}");
    }
}

#[test]
fn openstack_by_spreads_keys() {
    let Some(asked) = asked_for("OPENSTACK", "/servers", |_, port| {
        format!(
            "  openstack:\n    endpoint: https://localhost:{port}/v3\n    account: me\n    key: '$(HOST: echo sesame)'\n    \
             location: p/one\n    plan: m1.small\n    groups: [default, ssh]\n    floating-network: outside\n    settle: 1\n    \
             systems:\n      - debian-12-64:\n          image: debian\n"
        )
    }) else {
        return;
    };
    let groups = json!([{"name": "default"}, {"name": "ssh"}]);
    assert_eq!(asked["server"]["security_groups"], groups, "{asked}");
    assert_eq!(
        asked["server"]["flavorRef"],
        "0".repeat(31) + "1",
        "{asked}"
    );
}

#[test]
fn openstack_by_the_variables_of_its_clients() {
    // In a file that `key` names, as spread-plus has it. What the environment says is then not looked at.
    let Some(asked) = asked_for("OPENSTACK", "/servers", |env, port| {
        env.write(
            "work/stack.env",
            format!(
                "# of a user\nexport OS_AUTH_URL=https://localhost:{port}\nOS_USERNAME='me'\nOS_PASSWORD=\"sesame\"\n\
                 OS_PROJECT_NAME=p\nOS_REGION_NAME=one\n"
            ),
        );
        "  openstack:\n    key: '$(HOST: echo stack.env)'\n    plan: m1.small\n    location: zone-1\n    \
         floating-network: outside\n    settle: 1\n    systems:\n      - debian-12-64:\n          image: debian\n"
            .to_owned()
    }) else {
        return;
    };
    assert_eq!(asked["server"]["availability_zone"], "zone-1", "{asked}");

    // An application credential of the environment; nothing but that in the project.
    let made = asked_for_with(
        "OPENSTACK",
        "/servers",
        |port| {
            vec![
                ("OS_AUTH_URL", format!("https://localhost:{port}/v3")),
                ("OS_APPLICATION_CREDENTIAL_ID", "me".to_owned()),
                ("OS_APPLICATION_CREDENTIAL_SECRET", "sesame".to_owned()),
                ("OS_REGION_NAME", "one".to_owned()),
            ]
        },
        |_, _| {
            "  openstack:\n    plan: m1.small\n    floating-network: outside\n    settle: 1\n    \
             systems:\n      - debian-12-64:\n          image: debian\n"
                .to_owned()
        },
    );
    let asked = made.expect("it could be asked before");
    assert!(asked["server"]["flavorRef"].is_string(), "{asked}");
}
