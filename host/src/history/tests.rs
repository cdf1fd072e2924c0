//! Records over a real store.

use super::*;
use crate::clock::SystemClock;
use runner_core::id::Timestamp;

struct World {
    directory: tempfile::TempDir,
    store: Arc<Store>,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(directory.path()).unwrap());
        Self { directory, store }
    }

    /// As a process: alive if it is the one that registered.
    fn history(&self, worker: WorkerId) -> History {
        History::new(
            Arc::clone(&self.store),
            Arc::new(SystemClock),
            worker,
            "{}".into(),
        )
    }

    fn own(&self) -> History {
        let worker = self.store.workers().own(|| *b"workers!").unwrap();
        self.history(worker.id().clone())
    }

    fn begin(&self, history: &History, project: &str, place: &str, names: &[&str]) -> Writer {
        let beginning = Beginning {
            kind: "spread",
            project: project.into(),
            place: self.directory.path().join(place),
        };
        let task = |name: &&str| NewTask {
            name: (*name).into(),
            target: "b:s".into(),
            task: (*name).into(),
            variant: String::new(),
        };
        history.begin(beginning, names.iter().map(task).collect())
    }
}

fn end(outcome: &str, attempts: u32) -> TaskEnd {
    TaskEnd {
        outcome: outcome.into(),
        detail: None,
        attempts,
        at: Timestamp(9),
    }
}

fn phase(task: usize, phase: &str, status: &str, took: u64) -> Change {
    Change::Phase {
        task: Some((task, took)),
        result: NewResult {
            scope: "x".into(),
            phase: phase.into(),
            attempt: 1,
            target: "b:s".into(),
            machine: "m".into(),
            status: status.into(),
            started: Timestamp(5),
            took,
            detail: None,
        },
    }
}

fn ended(outcome: &'static str) -> Change {
    Change::Ended {
        outcome,
        detail: None,
        at: Timestamp(10),
    }
}

#[test]
fn a_record_from_its_beginning_to_its_end() {
    let world = World::new();
    let history = world.own();
    let file = world.directory.path().join("a.log");
    std::fs::write(&file, "hello").unwrap();
    let writer = world.begin(&history, "p", "here", &["a", "b", "c"]);
    writer.tell(Change::TaskStarted {
        task: 0,
        at: Timestamp(4),
    });
    writer.tell(phase(0, "execute", "passed", 70));
    writer.tell(Change::TaskEnded {
        task: 0,
        end: end(outcome::PASSED, 2),
    });
    writer.tell(phase(1, "execute", "passed", 30));
    writer.tell(Change::TaskEnded {
        task: 1,
        end: end(outcome::PASSED, 1),
    });
    writer.tell(phase(1, "restore", "failed", 31));
    writer.tell(Change::TaskEnded {
        task: 2,
        end: end(outcome::ABORTED, 1),
    });
    for path in [file.clone(), world.directory.path().join("missing")] {
        writer.tell(Change::Attached {
            task: Some(0),
            kind: "log",
            path,
        });
    }
    writer.tell(ended(outcome::FAILED));
    drop(writer);
    let records = history
        .records(&RecordFilter {
            last: 9,
            ..RecordFilter::default()
        })
        .unwrap();
    let [record] = &records[..] else {
        panic!("{records:?}");
    };
    assert_eq!((record.tasks, record.flaky), (3, 1));
    assert_eq!(
        record.outcomes,
        [("aborted".into(), 1), ("passed".into(), 2)]
    );
    assert_eq!(record.outcome.as_deref(), Some("failed"));
    let whole = history.whole(record.id).unwrap().unwrap();
    assert_eq!(whole.results.len(), 3);
    assert_eq!(whole.tasks[1].failed_phases, ["restore"]);
    let [attached] = &whole.attachments[..] else {
        panic!("{:?}", whole.attachments);
    };
    assert_eq!(attached.attachment.size, 5);
    assert_eq!(
        attached.attachment.digest,
        "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    );
    let durations = history.durations("p").unwrap();
    assert_eq!(
        (durations["a"], durations["b"], durations.len()),
        (70, 31, 2)
    );
    let place = world.directory.path().join("here").display().to_string();
    let (id, failed) = history.failed("spread", "p", &place).unwrap().unwrap();
    assert_eq!(
        (id, failed),
        (record.id, vec!["b".to_owned(), "c".to_owned()])
    );
}

#[test]
fn what_a_dead_process_left_is_interrupted() {
    let world = World::new();
    let dead = world.history(WorkerId::stored("1-dead"));
    let writer = world.begin(&dead, "p", "here", &["a", "b"]);
    writer.tell(phase(0, "execute", "passed", 7));
    writer.tell(Change::TaskEnded {
        task: 0,
        end: end(outcome::PASSED, 1),
    });
    drop(writer);
    let history = world.own();
    let alive = world.begin(&history, "q", "there", &["a"]);
    drop(alive);
    let filter = RecordFilter {
        last: 9,
        ..RecordFilter::default()
    };
    let records = history.records(&filter).unwrap();
    let told: Vec<_> = records.iter().map(|one| one.outcome.as_deref()).collect();
    assert_eq!(told, [Some("interrupted"), None]);
    assert!(
        records[0]
            .ended_at
            .is_some_and(|at| at >= records[0].started_at)
    );
    let (_, failed) = history.failed("spread", "p", "elsewhere").unwrap().unwrap();
    assert_eq!(failed, ["b"]);
    // The other one has not ended.
    assert!(history.failed("spread", "q", "there").unwrap().is_none());
}

#[test]
fn of_two_projects_with_one_name_the_one_here_is_meant() {
    let world = World::new();
    let history = world.own();
    for (place, task) in [("here", "a"), ("there", "b")] {
        let writer = world.begin(&history, "p", place, &[task]);
        writer.tell(Change::TaskEnded {
            task: 0,
            end: end(outcome::FAILED, 1),
        });
        writer.tell(ended(outcome::FAILED));
    }
    let failed = |place: &str| {
        let place = world.directory.path().join(place).display().to_string();
        history.failed("spread", "p", &place).unwrap().unwrap().1
    };
    assert_eq!(
        (failed("here"), failed("there")),
        (vec!["a".into()], vec!["b".into()])
    );
    assert_eq!(failed("nowhere"), ["b"]);
    let found = history.of_tasks(Some("p"), 5, |_| true).unwrap();
    let names: Vec<_> = found.iter().map(|one| one.task.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn what_is_old_is_forgotten_with_everything_in_it() {
    let world = World::new();
    let history = world.own();
    let writer = world.begin(&history, "p", "here", &["a"]);
    writer.tell(phase(0, "execute", "passed", 7));
    writer.tell(ended(outcome::PASSED));
    drop(writer);
    let keep = Some(runner_core::policy::Millis(1000));
    history.write(|tx| tx.prune(Timestamp(500), keep)).unwrap();
    let filter = RecordFilter {
        last: 9,
        ..RecordFilter::default()
    };
    assert_eq!(history.records(&filter).unwrap().len(), 1);
    history.write(|tx| tx.prune(Timestamp(5000), keep)).unwrap();
    assert!(history.records(&filter).unwrap().is_empty());
    assert!(history.of_tasks(None, 5, |_| true).unwrap().is_empty());
}
