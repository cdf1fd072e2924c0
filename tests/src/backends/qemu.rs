//! A machine for QEMU that boots in seconds without KVM: Debian's kernel, busybox and dropbear. `tests/vm.sh` makes it, once
//! per build directory, and `run.sh` says where.

use std::path::PathBuf;

use crate::TestEnv;
use crate::skip::{program, skip};

/// The lines of a source that starts it. None, loudly, when it cannot work here.
pub fn machine() -> Option<String> {
    if program("qemu-system-x86_64").is_none() {
        skip("there is no qemu-system-x86_64 (Debian: qemu-system-x86)");
        return None;
    }
    let Some(made) = std::env::var_os("RUNNER_TESTS_VM").map(PathBuf::from) else {
        skip("there is no machine for QEMU: `run.sh` makes it and sets RUNNER_TESTS_VM");
        return None;
    };
    let made = made.display();
    Some(format!(
        "type = \"qemu\"\nimage = \"{made}/disk.qcow2\"\nkernel = \"{made}/vmlinux\"\ninitrd = \"{made}/initrd\"\n\
         append = \"console=ttyS0 quiet net.ifnames=0\"\nmemory = \"256M\"\n"
    ))
}

/// Processes of QEMU that belong to this world: their directories lie in it.
pub fn processes(env: &TestEnv) -> Vec<u32> {
    let ours = env.path("").display().to_string();
    let all = std::fs::read_dir("/proc").expect("/proc").flatten();
    let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let runs = |pid: &u32| {
        // Of what has ended but was not waited for, the command line is empty.
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        line.starts_with("qemu-system-") && line.contains(&ours)
    };
    numbers.filter(runs).collect()
}
