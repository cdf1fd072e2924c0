//! Each rule of failures as an order of scripts, and properties over random matrices with every kind of accident.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn item(system: usize, suite: usize, task: usize) -> Item {
    Item {
        system,
        suite,
        task,
        sample: 0,
        priority: 0,
    }
}

/// `P` project, `B` backend, `S` suite, `t` task; `+` prepare, `!` execute, `-` restore, `?` debug; `a` artifacts.
fn sign(step: Step) -> String {
    let level = |level| match level {
        Level::Project => "P",
        Level::Backend => "B",
        Level::Suite => "S",
        Level::Task => "t",
    };
    match step {
        Step::Script {
            level: Level::Task,
            verb,
            job,
        } => format!("{job}{}", mark(verb)),
        Step::Script {
            level: of, verb, ..
        } => format!("{}{}", level(of), mark(verb)),
        Step::Artifacts {
            level: Level::Task,
            job,
        } => format!("{job}a"),
        Step::Artifacts { level: of, .. } => format!("{}a", level(of)),
        Step::Check { .. } | Step::Take | Step::Done => String::new(),
    }
}

fn mark(verb: Verb) -> &'static str {
    match verb {
        Verb::Prepare => "+",
        Verb::Execute => "!",
        Verb::Restore => "-",
        Verb::Debug => "?",
    }
}

/// One worker over jobs 0 and 1 of suite 0 and job 2 of suite 1; the steps whose sign is in `failing` fail. Answers the order
/// (without artifacts, unless asked) and the verdicts.
fn play(mode: Mode, failing: &[&str]) -> (String, Vec<String>) {
    let (order, verdicts) = play_all(mode, failing);
    let plain: Vec<_> = order
        .into_iter()
        .filter(|sign| !sign.ends_with('a'))
        .collect();
    (plain.join(" "), verdicts)
}

fn play_all(mode: Mode, failing: &[&str]) -> (Vec<String>, Vec<String>) {
    let items = vec![item(0, 0, 0), item(0, 0, 1), item(0, 1, 2)];
    let mut queue = Queue::new(items.clone(), Order::AsListed);
    let seat = queue.join(0);
    let mut worker = Worker::new(mode);
    let (mut order, mut told) = (Vec::new(), Vec::new());
    loop {
        let step = worker.step();
        match step {
            Step::Done => break,
            Step::Take => {
                let job = queue.take(seat, worker.without());
                worker.taken(job.map(|job| (job, items[job].suite)));
            }
            step => {
                let sign = sign(step);
                let fails = failing.contains(&sign.as_str());
                if !sign.is_empty() {
                    order.push(sign);
                }
                worker.ended(if fails {
                    Outcome::Failed
                } else {
                    Outcome::Passed
                });
            }
        }
        told.extend(worker.verdicts().into_iter().map(|verdict| match verdict {
            Verdict::Succeeded { job } => format!("ok {job}"),
            Verdict::Retried { verb, job } => format!("again {job}{}", mark(verb)),
            Verdict::Skipped { job } => format!("skipped {job}"),
            Verdict::Aborted { job } => format!("aborted {job}"),
            Verdict::Failed { level, verb, job } => {
                format!("failed {}", sign_of(level, verb, job))
            }
        }));
    }
    queue.leave(seat);
    told.extend(
        queue
            .orphaned(|_| true)
            .into_iter()
            .map(|job| format!("left {job}")),
    );
    (order, told)
}

fn sign_of(level: Level, verb: Verb, job: usize) -> String {
    sign(Step::Script { level, verb, job })
}

#[track_caller]
fn plays(failing: &[&str], order: &str, verdicts: &[&str]) {
    let (got, told) = play(Mode::default(), failing);
    assert_eq!((got.as_str(), told), (order, owned(verdicts)));
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn the_ordinary_order() {
    plays(
        &[],
        "P+ B+ S+ 0+ 0! 0- 1+ 1! 1- S- S+ 2+ 2! 2- S- B- P-",
        &["ok 0", "ok 1", "ok 2"],
    );
}

#[test]
fn artifacts_come_before_restore() {
    let (order, _) = play_all(Mode::default(), &["0!"]);
    assert_eq!(
        order.join(" "),
        "P+ B+ S+ 0+ 0! 0? 0a 0- 1+ 1! 1a 1- Sa S- S+ 2+ 2! 2a 2- Sa S- B- Pa P-"
    );
}

#[test]
fn a_failed_task() {
    plays(
        &["0+"],
        "P+ B+ S+ 0+ 0? 0- 1+ 1! 1- S- S+ 2+ 2! 2- S- B- P-",
        &["failed 0+", "aborted 0", "ok 1", "ok 2"],
    );
    plays(
        &["1!"],
        "P+ B+ S+ 0+ 0! 0- 1+ 1! 1? 1- S- S+ 2+ 2! 2- S- B- P-",
        &["ok 0", "failed 1!", "ok 2"],
    );
    plays(
        &["0-"],
        "P+ B+ S+ 0+ 0! 0- 0? S- B- P-",
        &["ok 0", "failed 0-", "left 1", "left 2"],
    );
    // Debugged once.
    plays(
        &["0!", "0-", "0?"],
        "P+ B+ S+ 0+ 0! 0? 0- S- B- P-",
        &["failed 0!", "failed 0-", "left 1", "left 2"],
    );
}

#[test]
fn a_failed_suite() {
    let (order, told) = play(Mode::default(), &["S+"]);
    // Both fail here; the jobs that nobody could run are left.
    assert_eq!(order, "P+ B+ S+ S? S- S+ S? S- B- P-");
    assert_eq!(
        told,
        ["failed S+", "aborted 0", "failed S+", "aborted 2", "left 1"]
    );
    // On the way to another suite, and once more at the end.
    plays(
        &["S-"],
        "P+ B+ S+ 0+ 0! 0- 1+ 1! 1- S- S? S- S? B- P-",
        &["ok 0", "ok 1", "failed S-", "aborted 2", "failed S-"],
    );
}

#[test]
fn a_failed_backend_or_project() {
    plays(
        &["B+"],
        "P+ B+ B? B- P-",
        &["failed B+", "aborted 0", "left 1", "left 2"],
    );
    plays(
        &["P+"],
        "P+ P? P-",
        &["failed P+", "aborted 0", "left 1", "left 2"],
    );
    plays(
        &["B-", "P-"],
        "P+ B+ S+ 0+ 0! 0- 1+ 1! 1- S- S+ 2+ 2! 2- S- B- B? P- P?",
        &["ok 0", "ok 1", "ok 2", "failed B-", "failed P-"],
    );
}

#[test]
fn abend_leaves_everything_as_it_is() {
    let mode = Mode {
        abend: true,
        ..Mode::default()
    };
    let (order, told) = play(mode, &["0!"]);
    assert_eq!(order, "P+ B+ S+ 0+ 0! 0?");
    assert_eq!(told, ["failed 0!", "left 1", "left 2"]);
}

#[test]
fn only_restore() {
    let mode = Mode {
        restore_only: true,
        ..Mode::default()
    };
    let (order, told) = play(mode, &[]);
    assert_eq!(order, "0- 1- S- 2- S- B- P-");
    assert!(told.is_empty());
}

#[test]
fn repeated_until_the_first_failure() {
    let mode = Mode {
        repeat: 2,
        ..Mode::default()
    };
    let (order, told) = play_all(mode, &["1!"]);
    let order = order.join(" ");
    assert!(
        order.contains("0+ 0! 0- 0+ 0! 0- 0+ 0! 0a 0- 1+ 1! 1? 1a 1- Sa S-"),
        "{order}"
    );
    assert_eq!(
        told,
        ["ok 0", "ok 0", "ok 0", "failed 1!", "ok 2", "ok 2", "ok 2"]
    );
}

#[test]
fn tried_again_after_a_restore() {
    let mode = Mode {
        retries: 1,
        ..Mode::default()
    };
    // Fails whenever it is tried.
    let (order, told) = play_all(mode, &["0!"]);
    let order = order.join(" ");
    assert!(
        order.starts_with("P+ B+ S+ 0+ 0! 0? 0a 0- 0+ 0! 0? 0a 0- 1+ 1! 1a 1-"),
        "{order}"
    );
    assert_eq!(told, ["again 0!", "failed 0!", "ok 1", "ok 2"]);
    let (order, told) = play(mode, &["1+"]);
    assert!(order.contains("1+ 1? 1- 1+ 1? 1- S-"), "{order}");
    assert_eq!(told, ["ok 0", "again 1+", "failed 1+", "aborted 1", "ok 2"]);
    // What cannot be restored is not tried again.
    let (order, told) = play(mode, &["0!", "0-"]);
    assert_eq!(order, "P+ B+ S+ 0+ 0! 0? 0- S- B- P-");
    assert_eq!(
        told,
        ["again 0!", "failed 0!", "failed 0-", "left 1", "left 2"]
    );
    let (order, told) = play(
        Mode {
            abend: true,
            ..mode
        },
        &["0!"],
    );
    assert_eq!(order, "P+ B+ S+ 0+ 0! 0?");
    assert_eq!(told, ["failed 0!", "left 1", "left 2"]);
}

#[test]
fn the_longest_first_where_the_seed_would_decide() {
    let items: Vec<Item> = (0..6).map(|task| item(0, task / 3, task)).collect();
    let all = |mut queue: Queue| {
        let seat = queue.join(0);
        let none = BTreeSet::new();
        let mut order = Vec::new();
        while let Some(next) = queue.take(seat, &none) {
            order.push(next);
        }
        order
    };
    let weights = vec![1, 5, 2, 9, 4, 4];
    let order = all(Queue::new(items.clone(), Order::Seed(7)).longest_first(weights.clone()));
    // Suites stay together; equals are in the seed's order.
    assert_eq!((&order[..1], &order[3..]), (&[3][..], &[1, 2, 0][..]));
    let urgent = |task: usize| Item {
        priority: i64::from(task == 0),
        ..item(0, task / 3, task)
    };
    let queue = Queue::new((0..6).map(urgent).collect(), Order::Seed(7));
    assert_eq!(all(queue.longest_first(weights.clone()))[0], 0);
    let listed = Queue::new(items, Order::AsListed).longest_first(weights);
    assert_eq!(all(listed), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn samples_together_priority_first_suites_spread() {
    let with = |suite, task, sample, priority| Item {
        system: 0,
        suite,
        task,
        sample,
        priority,
    };
    let items = vec![
        with(0, 0, 1, 0),
        with(0, 0, 2, 0),
        with(0, 0, 3, 0),
        with(0, 1, 0, 0),
        with(1, 2, 0, 0),
        with(1, 3, 0, 5),
    ];
    for seed in 0..50 {
        let mut queue = Queue::new(items.clone(), Order::Seed(seed));
        let (one, two) = (queue.join(0), queue.join(0));
        let none = Default::default();
        // The urgent one first; the other worker finds nobody in suite 0 and goes there.
        assert_eq!(queue.take(one, &none), Some(5));
        let first = queue.take(two, &none).unwrap();
        assert_eq!(items[first].suite, 0, "seed {seed}");
        let mut taken = vec![first];
        while let Some(next) = queue.take(two, &none) {
            taken.push(next);
        }
        let at = taken.iter().position(|&index| index == 0).unwrap();
        assert_eq!(taken[at..at + 3], [0, 1, 2], "seed {seed}");
        assert_eq!(queue.left(), 0);
    }
}

/// What may go wrong in a random history: how often of a hundred a script fails, and the machine is lost.
#[derive(Clone, Debug)]
struct Luck {
    fails: u8,
    lost: u8,
    skips: u8,
}

fn history() -> impl Strategy<Value = (Vec<Item>, Vec<usize>, i64, Luck, Mode, Vec<u8>)> {
    let items = prop::collection::vec((0..3usize, 0..3usize, 0..6usize, 0..3u32, 0..2i64), 1..40);
    let luck =
        (0..30u8, 0..4u8, 0..10u8).prop_map(|(fails, lost, skips)| Luck { fails, lost, skips });
    let mode = (any::<bool>(), any::<bool>(), 0..3u32, 0..3u32).prop_map(
        |(restore, abend, repeat, retries)| Mode {
            restore_only: restore && !abend,
            abend,
            repeat: if restore { 0 } else { repeat },
            retries,
        },
    );
    (
        items,
        prop::collection::vec(0..3usize, 1..6),
        any::<i64>(),
        luck,
        mode,
        prop::collection::vec(any::<u8>(), 4000),
    )
        .prop_map(|(items, workers, seed, luck, mode, chances)| {
            let items = items
                .into_iter()
                .map(|(system, suite, task, sample, priority)| Item {
                    system,
                    suite,
                    task: suite * 10 + task,
                    sample,
                    priority,
                });
            (items.collect(), workers, seed, luck, mode, chances)
        })
}

proptest! {
    #[test]
    fn whatever_happens((items, workers, seed, luck, mode, chances) in history()) {
        let mut queue = Queue::new(items.clone(), Order::Seed(seed));
        let mut crew: Vec<(Seat, Worker, Vec<Step>, bool)> = workers
            .iter()
            .map(|&system| (queue.join(system), Worker::new(mode), Vec::new(), false))
            .collect();
        let mut chances = chances.iter().copied().cycle();
        let mut chance = |of: u8| chances.next().is_some_and(|drawn| drawn % 100 < of);
        let mut ends: BTreeMap<usize, Vec<Verdict>> = BTreeMap::new();
        let mut takers: BTreeMap<usize, usize> = BTreeMap::new();
        while crew.iter().any(|(_, _, _, over)| !over) {
            for (number, (seat, worker, log, over)) in crew.iter_mut().enumerate() {
                // They are not equally fast.
                if *over || chance(30) {
                    continue;
                }
                if chance(1) {
                    worker.stop();
                }
                match worker.step() {
                    Step::Done => {
                        *over = true;
                        queue.leave(*seat);
                    }
                    Step::Take => {
                        let job = queue.take(*seat, worker.without());
                        if let Some(job) = job {
                            prop_assert_eq!(items[job].system, workers[number]);
                            prop_assert_eq!(takers.insert(job, number), None, "taken twice");
                        }
                        worker.taken(job.map(|job| (job, items[job].suite)));
                    }
                    step => {
                        log.push(step);
                        let outcome = match step {
                            Step::Check { .. } if chance(luck.skips) => Outcome::Skip,
                            Step::Script { .. } if chance(luck.lost) => Outcome::Lost,
                            Step::Script { .. } if chance(luck.fails) => Outcome::Failed,
                            _ => Outcome::Passed,
                        };
                        if outcome == Outcome::Lost {
                            log.push(Step::Done);
                        }
                        worker.ended(outcome);
                    }
                }
                for verdict in worker.verdicts() {
                    if matches!(verdict, Verdict::Retried { .. }) {
                        prop_assert!(mode.retries > 0 && !mode.abend);
                        continue;
                    }
                    let (Verdict::Retried { job, .. }
                    | Verdict::Succeeded { job }
                    | Verdict::Skipped { job }
                    | Verdict::Aborted { job }
                    | Verdict::Failed { job, .. }) = verdict;
                    ends.entry(job).or_default().push(verdict);
                }
            }
        }
        let left = queue.orphaned(|_| true);
        prop_assert_eq!(queue.left(), 0);
        for (job, item) in items.iter().enumerate() {
            prop_assert!(
                left.contains(&job) != takers.contains_key(&job),
                "job {} {:?} is neither taken nor left", job, item
            );
            if mode.restore_only || left.contains(&job) {
                continue;
            }
            // Exactly one kind of end.
            let own = ends.get(&job).cloned().unwrap_or_default();
            let worked = own.iter().any(|end| matches!(end, Verdict::Succeeded { .. }));
            let failed = own.iter().any(|end| matches!(end, Verdict::Failed { level: Level::Task, verb: Verb::Execute, .. }));
            let aborted = own.iter().filter(|end| matches!(end, Verdict::Aborted { .. })).count();
            let skipped = own.iter().any(|end| matches!(end, Verdict::Skipped { .. }));
            prop_assert!(worked || failed || aborted > 0 || skipped, "job {} has no end: {:?}", job, own);
            prop_assert!(aborted <= 1);
            let failures = own.iter().filter(|end| {
                matches!(end, Verdict::Failed { level: Level::Task, verb: Verb::Prepare | Verb::Execute, .. })
            });
            prop_assert!(failures.count() <= 1, "only the last attempt counts: {:?}", own);
            prop_assert!(!(skipped && (worked || failed || aborted > 0)), "{:?}", own);
        }
        for (_, _, log, _) in &crew {
            let gone = log.last() == Some(&Step::Done);
            check_order(log, mode, gone)?;
        }
    }
}

/// Prepare before restore, each level inside the one above, one job at a time; what was begun is restored, unless the
/// machine is gone or the run was to stop dead.
fn check_order(log: &[Step], mode: Mode, gone: bool) -> Result<(), TestCaseError> {
    let mut open: Vec<(Level, usize)> = Vec::new();
    for step in log {
        let Step::Script { level, verb, job } = *step else {
            continue;
        };
        match verb {
            Verb::Prepare => {
                prop_assert!(
                    open.iter().all(|(other, _)| *other < level),
                    "{:?} is prepared inside {:?}",
                    level,
                    open
                );
                open.push((level, job));
            }
            Verb::Execute => {
                prop_assert_eq!(open.last(), Some(&(Level::Task, job)));
            }
            Verb::Restore if mode.restore_only => {}
            Verb::Restore => {
                if let Some(at) = open.iter().position(|(other, _)| *other == level) {
                    prop_assert_eq!(
                        at,
                        open.len() - 1,
                        "{:?} is restored around {:?}",
                        level,
                        open
                    );
                    open.pop();
                } else {
                    prop_assert_eq!(level, Level::Suite, "restored without prepare");
                }
            }
            Verb::Debug => {}
        }
    }
    if !gone && !mode.abend {
        prop_assert!(open.is_empty(), "never restored: {:?}", open);
    }
    Ok(())
}
