//! Leaving a test out, loudly. Nothing is skipped silently, and where the machine is one that has everything
//! (`RUNNER_TESTS_NO_SKIP=1`, set by `run.sh` as root on Debian) a skip is a failure.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Says that the calling test is left out and why. The line goes past the test harness' capture, and into the file
/// that `run.sh` counts at its end.
pub fn skip(reason: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    assert!(
        std::env::var_os("RUNNER_TESTS_NO_SKIP").is_none(),
        "`{test}` would be skipped, and nothing may be skipped here: {reason}"
    );
    let line = format!("SKIPPED: {test}: {reason}\n");
    // Losing the line would make the skip silent, so neither write may fail unnoticed.
    std::io::stderr()
        .write_all(line.as_bytes())
        .expect("standard error takes the line");
    if let Some(path) = std::env::var_os("RUNNER_TESTS_SKIPS") {
        std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .expect("the file of skips takes the line");
    }
}

/// The path of a program, looked up as a shell would, with the directories where daemons live added.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|candidate| is_executable(candidate))
}

/// Are we root? Mounting, chroot and sshd need it.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path)
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
