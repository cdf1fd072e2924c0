//! What the engine sees of a configuration: policies in force, tags, and the shape that says whether an idle instance
//! still fits.

use std::path::Path;
use std::sync::Mutex;

use runner_core::id::{SourceName, Timestamp};
use runner_core::policy::{Limit, Policy, Tag};

use super::catalogue::AppCatalogue;
use super::*;
use crate::config::Roots;
use crate::engine::{Catalogue, Listing};

/// A clock that a test sets.
struct Set(Mutex<Timestamp>);

impl Clock for Set {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

struct World {
    temp: tempfile::TempDir,
    clock: Arc<Set>,
}

impl World {
    fn new() -> Self {
        Self {
            temp: tempfile::tempdir().unwrap(),
            clock: Arc::new(Set(Mutex::new(Timestamp(0)))),
        }
    }

    fn write(&self, source: &str, text: &str) {
        let folder = self.temp.path().join("config/sources").join(source);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("source.toml"), text).unwrap();
    }

    /// A program that has read nothing yet.
    fn app(&self) -> App {
        let at = |name: &str| self.temp.path().join(name);
        let environment = Environment {
            owner: None,
            roots: Roots {
                user: vec![at("config")],
                ..Roots::default()
            },
            state: at("state"),
            cache: at("cache"),
            data: at("data"),
            user_config: at("config"),
            runtime: at("runtime"),
            registry_auth: Vec::new(),
            path: "/usr/bin:/bin".into(),
            user: "u".into(),
            host: "h".into(),
            program: Path::new("runner").into(),
            compiler: None,
            script_of: None,
            log: None,
            no_color: true,
            home: "/home/nobody".into(),
            notify: None,
            journal: false,
            proxy: None,
            no_proxy: None,
            spread_dialect: None,
            github: None,
            cloud: super::spread::CloudEnvironment::default(),
            simulated: Simulated::default(),
            directory: at("work"),
            fault: None,
        };
        App::with_clock(environment, Arc::clone(&self.clock) as _)
    }

    fn current(&self, source: &str) -> (Policy, String) {
        let catalogue = AppCatalogue(self.app());
        catalogue.current(&named(source)).unwrap().unwrap()
    }

    fn listing(&self, source: &str) -> Listing {
        let listings = AppCatalogue(self.app()).listings().unwrap();
        let mut listings = listings.into_iter();
        listings.find(|one| one.name == named(source)).unwrap()
    }

    fn set(&self, at: &str) {
        let at: jiff::Timestamp = at.parse().unwrap();
        *self.clock.0.lock().unwrap() = Timestamp(at.as_millisecond());
    }
}

fn named(name: &str) -> SourceName {
    SourceName::new(name).unwrap()
}

#[test]
fn limits_tags_and_hours_do_not_change_the_shape() {
    let world = World::new();
    world.write("web", "type = \"local\"\n");
    let (policy, shape) = world.current("web");
    assert_eq!(policy.prealloc, 0);
    world.write(
        "web",
        "type = \"local\"\nmaximum = 9\nprealloc = 2\npriority = 3\ncost = 4\nmax_age = \"1d\"\nlease_ttl = 60\ntags = [\"gpu\"]\ncheck_command = \"true\"\n[[schedule]]\ncron = \"0 8 * * *\"\nduration = \"1h\"\nprealloc = 5\n",
    );
    let (policy, same) = world.current("web");
    assert_eq!((policy.maximum, policy.prealloc), (Limit::At(9), 2));
    assert_eq!(same, shape);
    // What is in the instance does.
    let scripts = world.temp.path().join("config/sources/web/provision.d");
    std::fs::create_dir(&scripts).unwrap();
    std::fs::write(scripts.join("10-x"), "#!/bin/sh\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(scripts.join("10-x"), mode).unwrap();
    assert_ne!(world.current("web").1, shape);
}

#[test]
fn policies_are_those_of_the_hour() {
    let world = World::new();
    world.write(
        "web",
        "type = \"local\"\nprealloc = 1\ntags = [\"a\", \"b:2\"]\n[[schedule]]\ncron = \"0 8 * * *\"\nduration = \"1h\"\nprealloc = 5\n",
    );
    world.write(
        "all",
        "type = \"pool\"\nsources = [\"web\"]\ntags = [\"any\"]\npriority = 4\n",
    );
    let tag = |name: &str, priority| Tag {
        name: name.into(),
        priority,
    };
    for (now, prealloc, until) in [
        ("2026-07-01T07:00:00Z", 1, "2026-07-01T08:00:00Z"),
        ("2026-07-01T08:00:00Z", 5, "2026-07-01T09:00:00Z"),
    ] {
        world.set(now);
        assert_eq!(world.current("web").0.prealloc, prealloc, "{now}");
        let listing = world.listing("web");
        assert_eq!(listing.policy.prealloc, prealloc, "{now}");
        let until: jiff::Timestamp = until.parse().unwrap();
        let until = Timestamp(until.as_millisecond());
        assert_eq!(listing.policy_until, Some(until));
        assert_eq!(listing.tags, [tag("a", 0), tag("b", 2)]);
        let pool = world.listing("all");
        assert_eq!((pool.policy.priority, pool.policy.prealloc), (4, 0));
        assert_eq!((pool.policy_until, pool.tags), (None, vec![tag("any", 0)]));
    }
    let pool = AppCatalogue(world.app()).pool(&named("all")).unwrap();
    assert_eq!(pool.priority, 4);
}

#[test]
fn a_key_that_only_the_plugin_can_refuse_leaves_the_source_as_it_was() {
    let world = World::new();
    world.write("web", "type = \"local\"\nmaximum = 3\n");
    let app = world.app();
    let catalogue = AppCatalogue(app.clone());
    let maximum = || catalogue.current(&named("web")).unwrap().unwrap().0.maximum;
    assert_eq!(app.reload().problems, []);
    assert_eq!(maximum(), Limit::At(3));

    world.write("web", "type = \"local\"\nmaximum = 4\nno_such_key = 1\n");
    let changes = app.reload();
    assert_eq!(changes.kept, [named("web")]);
    let place = changes.problems[0].position.as_ref();
    assert_eq!(place.map(|at| (at.line, at.column)), Some((3, 1)));
    assert_eq!(maximum(), Limit::At(3));

    world.write("web", "type = \"no-such-plugin\"\n");
    let changes = app.reload();
    assert_eq!((changes.kept.len(), changes.problems.len()), (1, 1));
    assert_eq!(maximum(), Limit::At(3));

    world.write("web", "type = \"local\"\nmaximum = 5\n");
    assert_eq!(app.reload().changed, [named("web")]);
    assert_eq!(maximum(), Limit::At(5));
}

/// Everything is granted.
struct Yes;

impl consent::Consent for Yes {
    fn ask(&self, _ask: &consent::GrantAsk) -> consent::Answer {
        consent::Answer::Grant
    }
}

/// Over the real `command`, whose `list` names what was given into our hands: strangers go, after two looks.
#[tokio::test]
async fn what_a_list_names_and_nobody_has_is_destroyed_at_the_second_look() {
    use crate::config::SourceArgument;
    use crate::engine::Ask;
    use runner_core::policy::Millis;

    let world = World::new();
    let machines = world.temp.path().join("machines");
    std::fs::create_dir(&machines).unwrap();
    let here = machines.display();
    world.write(
        "web",
        &format!(
            "type = \"command\"\naccess = \"none\"\nlist = 'ls {here}'\nnew = 'touch {here}/$RESALLOC_NAME'\n\
             delete = 'test -e {here}/$RESALLOC_NAME && rm {here}/$RESALLOC_NAME'\n"
        ),
    );
    let names = || {
        let entries = std::fs::read_dir(&machines).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let app = world.app();
    let draw = app
        .draw(&SourceArgument::Named(named("web")), &[], &Yes)
        .unwrap();
    let engine = app.engine().unwrap();
    let acquired = engine.acquire(&draw, &Ask::default()).await.unwrap();
    let instance = acquired.names();
    acquired.confirm().unwrap();
    let ours = names();
    std::fs::write(machines.join("stranger"), "").unwrap();

    engine.sweep(&named("web"), Millis(0)).await.unwrap();
    let orphans = engine.orphans().unwrap();
    assert_eq!(orphans.len(), 1, "{orphans:?}");
    assert_eq!(
        (orphans[0].handle.as_str(), &orphans[0].made_as),
        ("stranger", &None)
    );
    assert_eq!(names().len(), 2, "one look is not enough");
    engine.sweep(&named("web"), Millis(0)).await.unwrap();
    assert_eq!(names(), ours);
    assert!(engine.orphans().unwrap().is_empty());

    // And what is ours and no longer named has vanished.
    std::fs::remove_file(machines.join(&ours[0])).unwrap();
    engine.sweep(&named("web"), Millis(0)).await.unwrap();
    let source = named("web");
    let live = app
        .store()
        .unwrap()
        .read::<_, crate::store::StoreError>(|tx| tx.live_instances(Some(&source)));
    assert!(
        live.unwrap().is_empty() && names().is_empty(),
        "{instance:?}"
    );
}
