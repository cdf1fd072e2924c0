//! The store against a real file.

use std::path::Path;

use runner_core::id::{SourceName, Timestamp, Token};
use runner_core::instance::{Event, State};
use runner_core::plan::{self, Action, Because};
use runner_core::policy::{Limit, Policy};

use super::*;

fn source(name: &str) -> SourceName {
    SourceName::new(name).unwrap()
}

fn open(directory: &Path) -> Store {
    let store = Store::open(directory).unwrap();
    store.workers().own(|| *b"workers!").unwrap();
    store
}

fn intent(store: &Store, asked: &str, from: &str, token: u8) -> InstanceRow {
    let worker = store.workers().own(|| [0; 8]).unwrap().id().clone();
    store
        .write::<_, StoreError>(Durability::Full, |tx| {
            let definition = tx.keep_definition(&source(from), "shape", "{}")?;
            tx.insert_intent(NewInstance {
                asked: &source(asked),
                source: &source(from),
                definition,
                token: Token::from_bytes([token; 16]),
                workdir: None,
                worker: &worker,
                ticket: None,
                now: Timestamp(1),
            })
        })
        .unwrap()
}

fn step(store: &Store, row: &mut InstanceRow, event: Event) -> Result<()> {
    store.write(Durability::Full, |tx| {
        tx.save(row, Some(event), Timestamp(2))
    })
}

#[test]
fn numbers_grow_and_slots_are_reused() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let first = intent(&store, "web", "web", 1);
    let mut second = intent(&store, "web", "web", 2);
    let third = intent(&store, "pool", "web", 3);
    let names = [&first, &second, &third].map(|row| (row.name.to_string(), row.slot));
    assert_eq!(
        names,
        [
            ("web-0".into(), 0),
            ("web-1".into(), 1),
            ("pool-0".into(), 2)
        ]
    );
    assert_eq!(third.pool, Some(source("pool")));
    for event in [Event::Failed, Event::Doomed, Event::Confirmed] {
        step(&store, &mut second, event).unwrap();
    }
    let fourth = intent(&store, "web", "web", 4);
    assert_eq!((fourth.name.as_str(), fourth.slot), ("web-2", 1));
}

#[test]
fn an_outcome_is_written_only_onto_what_it_was_planned_from() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut mine = intent(&store, "web", "web", 1);
    let mut theirs = mine.clone();
    step(&store, &mut theirs, Event::Failed).unwrap();
    assert!(matches!(
        step(&store, &mut mine, Event::Allocated),
        Err(StoreError::Stale { .. })
    ));
    assert!(matches!(
        step(&store, &mut theirs, Event::Assigned),
        Err(StoreError::Illegal { .. })
    ));
}

#[test]
fn a_handle_belongs_to_one_live_instance() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut first = intent(&store, "web", "web", 1);
    first.handle = Some("same".into());
    step(&store, &mut first, Event::Allocated).unwrap();
    let mut second = intent(&store, "web", "web", 2);
    second.handle = Some("same".into());
    let error = step(&store, &mut second, Event::Allocated).unwrap_err();
    assert!(matches!(error, StoreError::DuplicateHandle { holder, .. } if holder == "web-0"));
    let mut elsewhere = intent(&store, "db", "db", 3);
    elsewhere.handle = Some("same".into());
    step(&store, &mut elsewhere, Event::Allocated).unwrap();
}

fn wish(store: &Store, name: &str, wanted: u32) -> TicketRow {
    let worker = store.workers().own(|| [0; 8]).unwrap().id().clone();
    let new = NewTicket {
        asked: Some(&source(name)),
        pool: false,
        tags: "[]",
        requires: "",
        shelf: None,
        fresh: false,
        wanted,
        priority: 0,
        owner: "{}",
        worker: Some(&worker),
        custom: false,
        patient: true,
        lease_ttl: None,
        lease_holder: None,
        deadline: None,
        now: Timestamp(1),
    };
    let from = [TicketSource {
        source: source(name),
        rank: 0,
        tags: 0,
        ruled_out: None,
        failed: None,
        passing: false,
    }];
    store
        .write::<_, StoreError>(Durability::Process, |tx| tx.open_ticket(&new, &from))
        .unwrap()
}

#[test]
fn the_world_of_a_ticket() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut idle = intent(&store, "web", "web", 1);
    step(&store, &mut idle, Event::Allocated).unwrap();
    step(&store, &mut idle, Event::Provisioned).unwrap();
    intent(&store, "web", "web", 2);
    let policy = Policy {
        maximum: Limit::At(2),
        ..Policy::default()
    };
    let ticket = wish(&store, "web", 1);
    let mut query = WorldQuery {
        sources: vec![SourceQuery {
            name: source("web"),
            policy: Some(policy),
            shape: "shape".into(),
        }],
        ..WorldQuery::default()
    };
    let load = |query: &WorldQuery| store.read::<_, StoreError>(|tx| tx.world(query)).unwrap();
    let loaded = load(&query);
    assert_eq!(
        plan::plan(&loaded.world, Timestamp(1)).actions,
        vec![Action::Assign {
            ticket: ticket.id,
            instances: vec![idle.id]
        }]
    );
    assert_eq!(loaded.world.sources[0].counts.live(), 2);
    query.sources[0].shape = "newer".into();
    assert_eq!(
        plan::plan(&load(&query).world, Timestamp(1)).actions,
        vec![Action::Discard {
            instance: idle.id,
            because: Because::MakeRoom
        }]
    );
}

#[test]
fn a_ticket_waits_until_it_is_served_or_ended() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let (first, second) = (wish(&store, "web", 1), wish(&store, "web", 1));
    wish(&store, "db", 1);
    let waiting = || {
        let waiting = store
            .read::<_, StoreError>(|tx| tx.waiting_for(&source("web")))
            .unwrap();
        waiting.into_iter().map(|(id, _)| id).collect::<Vec<_>>()
    };
    assert_eq!(waiting(), [first.id, second.id]);
    store
        .write::<_, StoreError>(Durability::Process, |tx| {
            tx.serve_ticket(first.id, Timestamp(2))?;
            tx.end_ticket(second.id, TicketState::Failed, Some("no"), Timestamp(2))
        })
        .unwrap();
    assert_eq!(waiting(), []);
    let state = |id| {
        let row = store.read::<_, StoreError>(|tx| tx.ticket(id)).unwrap();
        row.unwrap().state
    };
    assert_eq!(
        (state(first.id), state(second.id)),
        (TicketState::Served, TicketState::Failed)
    );
}

#[test]
fn counts_follow_every_change() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut row = intent(&store, "web", "web", 1);
    intent(&store, "web", "web", 2);
    let counts = || {
        store
            .read::<_, StoreError>(|tx| tx.counts(&source("web")))
            .unwrap()
    };
    assert_eq!((counts().starting, counts().live()), (2, 2));
    step(&store, &mut row, Event::Allocated).unwrap();
    step(&store, &mut row, Event::Provisioned).unwrap();
    assert_eq!((counts().starting, counts().ready), (1, 1));
    for event in [Event::Failed, Event::Doomed, Event::Confirmed] {
        step(&store, &mut row, event).unwrap();
    }
    assert_eq!(counts().live(), 1);
}

#[test]
fn dead_processes_are_told_from_living_ones() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let other = Store::open(directory.path()).unwrap();
    let id = other.workers().own(|| *b"theother").unwrap().id().clone();
    assert!(store.workers().is_alive(&id));
    drop(other);
    assert!(!store.workers().is_alive(&id));
    let own = store.workers().own(|| [0; 8]).unwrap().id().clone();
    assert!(store.workers().is_alive(&own));
}

#[test]
fn a_newer_database_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()));
    let connection = Connection::open(directory.path().join("state.db")).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    assert!(matches!(
        Store::open(directory.path()),
        Err(StoreError::Newer { found: 99, .. })
    ));
}

#[test]
fn operations_without_an_end_are_running() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let row = intent(&store, "web", "web", 1);
    let worker = row.worker.clone().unwrap();
    let id = store
        .write::<_, StoreError>(Durability::Process, |tx| {
            tx.begin_operation(&Operation {
                verb: "run",
                instance: Some(&row.name),
                source: Some(&row.source),
                owner: "{}",
                worker: &worker,
                detail: Some("true"),
                now: Timestamp(1),
            })
        })
        .unwrap();
    let running = || {
        store
            .read::<_, StoreError>(|tx| tx.running(&row.name, "run"))
            .unwrap()
            .len()
    };
    assert_eq!(running(), 1);
    store
        .write::<_, StoreError>(Durability::Process, |tx| {
            tx.end_operation(id, "ok", None, Timestamp(2))
        })
        .unwrap();
    assert_eq!(running(), 0);
    let log = store
        .read::<_, StoreError>(|tx| tx.operations(&OperationFilter::default()))
        .unwrap();
    assert_eq!(
        (
            log.len(),
            log[0].outcome.as_deref(),
            log[0].detail.as_deref()
        ),
        (1, Some("ok"), Some("true"))
    );
    assert_eq!(row.state, State::Allocating);
}

#[test]
fn what_is_kept_for_an_instance_goes_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut row = intent(&store, "web", "web", 1);
    let bounds = Bounds {
        entries: 2,
        bytes: 10,
    };
    let keep = |token: &Token, name: &str, value: &str| {
        store.write::<_, StoreError>(Durability::Full, |tx| {
            tx.keep_secret(token, name, value, bounds)
        })
    };
    let kept = |token: &Token, name: &str| {
        store
            .read::<_, StoreError>(|tx| tx.kept_secret(token, name))
            .unwrap()
    };
    let token = row.token.clone();
    assert_eq!(keep(&token, "a", "12345").unwrap(), Kept::Yes);
    assert_eq!(keep(&token, "a", "1234567890").unwrap(), Kept::Yes);
    assert_eq!(keep(&token, "b", "1").unwrap(), Kept::TooLarge);
    assert_eq!(keep(&token, "a", "1").unwrap(), Kept::Yes);
    assert_eq!(keep(&token, "b", "2").unwrap(), Kept::Yes);
    assert_eq!(keep(&token, "c", "3").unwrap(), Kept::TooMany);
    assert_eq!(kept(&token, "b").as_deref(), Some("2"));
    let other = Token::from_bytes([9; 16]);
    // Nothing is kept for what nobody knows.
    keep(&other, "a", "1").unwrap();
    assert_eq!(kept(&other, "a"), None);
    for event in [Event::Failed, Event::Doomed, Event::Confirmed] {
        assert!(kept(&token, "a").is_some());
        step(&store, &mut row, event).unwrap();
    }
    assert_eq!(kept(&token, "a"), None);
}

#[test]
fn what_a_source_remembers_is_bounded_and_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let bounds = Bounds {
        entries: 2,
        bytes: 8,
    };
    let put = |plugin: &str, key: &str, value: &[u8]| {
        store
            .write::<_, StoreError>(Durability::Full, |tx| {
                tx.put_plugin_value("web", plugin, key, value, bounds)
            })
            .unwrap()
    };
    assert_eq!(put("one", "ab", b"123"), Kept::Yes);
    assert_eq!(put("one", "ac", b"1234"), Kept::TooLarge);
    assert_eq!(put("one", "ac", b"1"), Kept::Yes);
    assert_eq!(put("one", "b", b""), Kept::TooMany);
    assert_eq!(put("two", "b", b"x"), Kept::Yes);
    let (keys, id) = store
        .read::<_, StoreError>(|tx| Ok((tx.plugin_keys("web", "one", "a")?, tx.state_id()?)))
        .unwrap();
    assert_eq!(keys, ["ab", "ac"]);
    assert_eq!(id.len(), 16);
    drop(store);
    // The id is the state's for ever, and another state has another.
    let again = open(directory.path());
    assert_eq!(again.read::<_, StoreError>(|tx| tx.state_id()).unwrap(), id);
    let elsewhere = tempfile::tempdir().unwrap();
    let another = open(elsewhere.path());
    assert_ne!(
        another.read::<_, StoreError>(|tx| tx.state_id()).unwrap(),
        id
    );
}
