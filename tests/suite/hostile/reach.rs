//! What reaches for things that were not granted. The guest reports how its attempt ended: `refused: …` or `ESCAPED: …`.

use std::net::TcpListener;

use super::World;

/// Tries in `allocate`; answers what the guest said when it was refused.
#[track_caller]
fn refused(mode: &str, target: &str) -> (World, String) {
    let world = World::new("allocate", mode, target);
    let said = attempt(&world);
    (world, said)
}

#[track_caller]
fn attempt(world: &World) -> String {
    let outcome = World::names_the_culprit(world.acquire().code(3), "allocate");
    let text = outcome
        .err()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(!text.contains("ESCAPED"), "{outcome}");
    assert!(text.contains("refused: "), "it did not even try: {outcome}");
    world.assert_clean();
    text
}

#[test]
fn writing_to_a_directory_that_was_not_granted() {
    let (world, _) = refused("write-file", "/tmp/runner-hostile-was-here");
    assert!(!std::path::Path::new("/tmp/runner-hostile-was-here").exists());
    drop(world);
    // Not even right beside the granted one.
    let world = World::new("allocate", "", "");
    let beside = world.env.path("backend/evil-beside");
    world.configure("allocate", "write-file", beside.to_str().unwrap());
    attempt(&world);
    assert!(!beside.exists());
}

#[test]
fn reading_what_was_not_granted() {
    refused("read-file", "/etc/passwd");
    refused("read-file", "/proc/self/environ");
    refused("read-up", "/etc/passwd");
}

#[test]
fn a_link_out_of_the_granted_directory() {
    let world = World::new("allocate", "read-link", "");
    std::os::unix::fs::symlink("/etc/passwd", world.env.path("backend/evil/link")).unwrap();
    attempt(&world);
    let up = world.env.path("backend/evil/link");
    std::fs::remove_file(&up).unwrap();
    world.env.write("secret", "secret");
    std::os::unix::fs::symlink("../../secret", &up).unwrap();
    attempt(&world);
}

#[test]
fn reading_the_environment_and_the_arguments() {
    refused("environment", "");
    refused("arguments", "");
}

#[test]
fn reading_the_callers_input() {
    refused("stdin", "");
}

#[test]
fn opening_a_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    refused("connect", &address);
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "somebody connected");
    refused("listen", "");
    refused("resolve", "localhost");
}

#[test]
fn reaching_a_host_that_was_not_granted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (_, said) = refused("http", &format!("http://{address}/"));
    assert!(said.contains("grant") || said.contains("request"), "{said}");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "somebody connected");
}

#[test]
fn starting_a_program_that_was_not_granted() {
    for program in ["sh", "/bin/sh", "./sh", "../../bin/sh", "true/../sh", "-c"] {
        refused("program", program);
    }
}

#[test]
fn changing_how_a_granted_program_is_loaded() {
    refused("preload", "/tmp/evil.so");
}

#[test]
fn reading_a_secret_that_was_not_granted() {
    refused("secret", "AWS_SECRET_ACCESS_KEY");
    refused("secret", "HOME");
}

#[test]
fn using_ssh_without_a_grant() {
    refused("ssh", "localhost");
}
