//! A program that runs beside our work and says on its first line how to reach it, such as a simulated backend. It ends with us: its
//! process group is told when the helper is dropped, and its standard input ends when we do, however that comes.

use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::sync::oneshot;

/// A longer first line is none.
const LONGEST_LINE: u64 = 1 << 20;
/// So long it may take to end, once told.
const FAREWELL: Duration = Duration::from_secs(5);

/// The program.
#[derive(Debug)]
pub struct Helper(Child);

impl Helper {
    /// Starts a line of shell in a process group of its own, and waits for its first line. What it prints later is not kept; its
    /// standard error is ours. Dropping the future ends it.
    pub async fn start(line: &OsStr) -> Result<(Self, String), String> {
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(line)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("`sh` cannot be started: {error}"))?;
        let stdout = child.stdout.take();
        let mut helper = Self(child);
        let (tell, told) = oneshot::channel();
        let listen = move || {
            let mut reader = BufReader::new(stdout.ok_or("it has no output")?);
            let mut line = String::new();
            let read = reader.by_ref().take(LONGEST_LINE).read_line(&mut line);
            let whole = match read {
                Ok(_) if line.ends_with('\n') => Ok(line),
                Ok(_) => Err("its first line has no end".to_owned()),
                Err(error) => Err(format!("its first line cannot be read: {error}")),
            };
            // Nobody waits for it any more: then it is being ended.
            let _whole = tell.send(whole);
            // It must never meet a full pipe, or a closed one.
            let _until_it_ends = io::copy(&mut reader, &mut io::sink());
            Ok::<_, &str>(())
        };
        std::thread::Builder::new()
            .spawn(listen)
            .map_err(|error| format!("no thread to read its output: {error}"))?;
        match told.await {
            Ok(Ok(line)) => Ok((helper, line)),
            Ok(Err(why)) => Err(match helper.ended() {
                Some(status) => format!("it ended ({status}) before it had said a line"),
                None => why,
            }),
            Err(_gone) => Err("its output cannot be read".to_owned()),
        }
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        // Its output ends a moment before it does.
        let begun = Instant::now();
        loop {
            match self.0.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if begun.elapsed() < FAREWELL => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                _ => return None,
            }
        }
    }

    fn tell(&self, signal: Signal) {
        let group = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        if let Some(group) = group {
            // Who is gone needs no signal.
            let _gone = kill_process_group(group, signal);
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.tell(Signal::TERM);
        if self.ended().is_none() {
            self.tell(Signal::KILL);
            let _reaped = self.0.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn start(line: &str) -> Result<(Helper, String), String> {
        Helper::start(OsStr::new(line)).await
    }

    #[tokio::test]
    async fn it_says_a_line_and_ends_with_its_helper() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ended");
        let (helper, line) = start(&format!(
            "trap 'touch {}; exit' TERM; echo ready; while :; do echo more; sleep 0.01; done",
            file.display()
        ))
        .await
        .unwrap();
        assert_eq!(line, "ready\n");
        assert!(!file.exists());
        drop(helper);
        assert!(file.exists());
        let (helper, _) = start("cat <&0 >/dev/null & trap '' TERM; echo on; wait")
            .await
            .unwrap();
        drop(helper);
    }

    #[tokio::test]
    async fn who_says_nothing_is_told_why() {
        assert!(
            start("exit 3")
                .await
                .unwrap_err()
                .contains("exit status: 3")
        );
        assert!(start("printf half").await.unwrap_err().contains("ended"));
    }
}
