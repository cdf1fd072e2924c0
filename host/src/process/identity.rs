//! Which process a number means: numbers are used again, the time of a process' start is not.

/// A process of this machine, told from every other one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Clock ticks between the boot and its start.
    pub started: u64,
    /// The boot.
    pub boot: String,
}

/// The process that has this number now; none when there is none, or only what its parent has not collected yet.
pub fn of(pid: u32) -> Option<Identity> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    // The second field is the program's name in parentheses, which may hold anything.
    let after = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let rest = String::from_utf8_lossy(&stat[after..]).into_owned();
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    // The third field was the state; the start is the twenty-second.
    let started = fields.nth(18)?.parse().ok()?;
    Some(Identity {
        started,
        boot: boot.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_process_is_itself_and_nobody_else() {
        let own = super::of(std::process::id()).unwrap();
        assert_eq!(super::of(std::process::id()), Some(own.clone()));
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let other = super::of(child.id()).unwrap();
        assert_eq!(other.boot, own.boot);
        assert!(other.started >= own.started);
        child.kill().unwrap();
        // Dead, though not collected.
        while super::of(child.id()).is_some() {
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }
}
