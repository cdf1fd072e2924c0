//! Writing a record while it happens: on a thread of its own, many changes in one transaction, so that whoever tells of them
//! never waits for the disk.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use runner_core::id::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{Beginning, History};
use crate::store::{NewAttachment, NewRecord, NewResult, NewTask, RecordId, Result, TaskEnd, Tx};

/// What comes within this time is written together. It is also what a kill can take away.
const GATHERING: Duration = Duration::from_millis(20);

/// Something that is to be written down. Tasks are meant by their places in the record.
#[derive(Clone, Debug)]
pub enum Change {
    TaskStarted {
        task: usize,
        at: Timestamp,
    },
    TaskEnded {
        task: usize,
        end: TaskEnd,
    },
    /// A phase; of a task with how long that took so far.
    Phase {
        task: Option<(usize, u64)>,
        result: NewResult,
    },
    /// A file, if it is there: its size and digest are taken now.
    Attached {
        task: Option<usize>,
        kind: &'static str,
        path: PathBuf,
    },
    Ended {
        outcome: &'static str,
        detail: Option<String>,
        at: Timestamp,
    },
}

/// Takes changes. Everything is written when it is dropped.
pub struct Writer {
    sender: Option<Sender<Change>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// The record itself is made on the thread, too.
    pub(super) fn start(history: History, beginning: Beginning, tasks: Vec<NewTask>) -> Self {
        let (sender, receiver) = channel();
        let now = history.clock.now();
        let work = move || {
            if let Err(error) = write(&history, &beginning, &tasks, now, &receiver) {
                let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
                let cause = cause.unwrap_or_default();
                tracing::warn!("this run is not recorded any more: {error}{cause}");
            }
        };
        let thread = std::thread::Builder::new().name("history".into());
        let thread = match thread.spawn(work) {
            Ok(thread) => Some(thread),
            Err(error) => {
                tracing::warn!("this run is not recorded: {error}");
                None
            }
        };
        Self {
            sender: Some(sender),
            thread,
        }
    }

    /// One more.
    pub fn tell(&self, change: Change) {
        if let Some(sender) = &self.sender {
            // Who cannot write has said so.
            let _not_recorded = sender.send(change);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.sender.take());
        if let Some(thread) = self.thread.take() {
            // A panic there was told there.
            let _told = thread.join();
        }
    }
}

fn write(
    history: &History,
    beginning: &Beginning,
    tasks: &[NewTask],
    now: Timestamp,
    changes: &Receiver<Change>,
) -> Result<()> {
    let place = beginning.place.display().to_string();
    let new = NewRecord {
        kind: beginning.kind,
        project: &beginning.project,
        place: &place,
        owner: &history.owner,
        worker: &history.worker,
        now,
    };
    let (record, keys) = history.write(|tx| {
        let record = tx.begin_record(&new)?;
        let numbered = tasks.iter().enumerate();
        let keys = numbered.map(|(number, task)| tx.add_record_task(record, number, task));
        Ok((record, keys.collect::<Result<Vec<i64>>>()?))
    })?;
    if let Some((revision, modified)) = revision(&beginning.place) {
        history.write(|tx| tx.set_record_revision(record, &revision, modified))?;
    }
    while let Ok(first) = changes.recv() {
        let mut gathered = vec![first];
        let until = Instant::now() + GATHERING;
        while let Ok(next) = changes.recv_timeout(until.saturating_duration_since(Instant::now())) {
            gathered.push(next);
        }
        // Files are read before the database is locked.
        let all: Vec<(Change, Option<NewAttachment>)> = gathered
            .into_iter()
            .map(|change| {
                let file = attachment(&change);
                (change, file)
            })
            .collect();
        history.write(|tx| {
            all.iter()
                .try_for_each(|(change, file)| apply(tx, record, &keys, change, file.as_ref()))
        })?;
    }
    Ok(())
}

/// The file that a change is about; one that is not there is none.
fn attachment(change: &Change) -> Option<NewAttachment> {
    let Change::Attached { kind, path, .. } = change else {
        return None;
    };
    let (size, digest) = digest(path).ok()?;
    Some(NewAttachment {
        kind: (*kind).to_owned(),
        path: path.display().to_string(),
        size,
        digest,
    })
}

fn apply(
    tx: &Tx<'_>,
    record: RecordId,
    keys: &[i64],
    change: &Change,
    file: Option<&NewAttachment>,
) -> Result<()> {
    let key = |task: usize| keys.get(task).copied();
    match change {
        Change::TaskStarted { task, at } => match key(*task) {
            Some(key) => tx.start_record_task(key, *at),
            None => Ok(()),
        },
        Change::TaskEnded { task, end } => match key(*task) {
            Some(key) => tx.end_record_task(key, end),
            None => Ok(()),
        },
        Change::Phase { task, result } => {
            let task = task.and_then(|(task, took)| Some((key(task)?, took)));
            tx.add_record_result(record, task, result)
        }
        Change::Attached { task, .. } => match file {
            Some(file) => tx.add_record_attachment(record, task.and_then(key), file),
            None => Ok(()),
        },
        Change::Ended {
            outcome,
            detail,
            at,
        } => tx.end_record(record, outcome, detail.as_deref(), *at),
    }
}

/// Its size, and the SHA-256 of what is in it.
fn digest(path: &Path) -> std::io::Result<(u64, String)> {
    // A pipe would be waited for, and a link may lead anywhere.
    if !path.symlink_metadata()?.is_file() {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    let mut file = std::fs::File::open(path)?;
    let mut hash = Hashed(Sha256::new());
    let size = std::io::copy(&mut file, &mut hash)?;
    let hex: String = hash
        .0
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok((size, format!("sha256:{hex}")))
}

/// What is written to it is hashed.
struct Hashed(Sha256);

impl std::io::Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The commit that is checked out in a directory, and whether tracked files differ from it. None where there is no git.
fn revision(place: &Path) -> Option<(String, bool)> {
    let git = |words: &[&str]| {
        let output = Command::new("git")
            .arg("--no-optional-locks")
            .args(words)
            .current_dir(place)
            .stdin(Stdio::null())
            .output()
            .ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let head = git(&["rev-parse", "--verify", "HEAD"])?;
    let changes = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some((head, !changes.is_empty()))
}
