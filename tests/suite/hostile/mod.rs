//! Plugins that mean harm: each misbehaviour ends in the right error, within its limit, and leaves the state clean.
//!
//! `compile` holds what is too much before anything runs, `endless` what takes without end, `reach` what reaches for things not granted,
//! `lies` false answers, `exfiltrate` what carries secrets out by HTTP, `telling` by texts and names, `timing` what makes something of time, `wrapper` what stands in front of an honest provider.

mod compile;
mod endless;
mod exfiltrate;
mod guard;
mod lies;
mod reach;
mod telling;
mod timing;
mod wrapper;

use runner_tests::fake::Fake;
use runner_tests::{Outcome, TestEnv, guests};

/// Small limits, so that running into one takes a moment and not minutes. `allocate` and `discard` are deadlines, and as
/// small as a loaded machine allows: no test is about how fast they are.
const LIMITS: &str = "
[limits]
allocate = 3
run = 3
discard = 3
list = 3
check = 3
compute = 0.5
memory = \"24 MiB\"
stack = \"128 KiB\"
handles = 64
log = \"8 KiB\"
answer = \"64 KiB\"
processes = 8
";

/// A hostile source `evil`, and a healthy one, `fake`, that must not notice.
struct World {
    env: TestEnv,
    fake: Fake,
}

impl World {
    /// `evil` misbehaves like this in this call.
    fn new(at: &str, mode: &str, target: &str) -> Self {
        let env = TestEnv::new();
        let fake = Fake::source(&env, "fake", "maximum = 1\ncapacity = 1\n");
        let world = Self { env, fake };
        for name in ["backend/evil/live", "backend/good/live"] {
            std::fs::create_dir_all(world.env.path(name)).unwrap();
        }
        world.configure(at, mode, target);
        world.env.grant("evil");
        world
    }

    fn configure(&self, at: &str, mode: &str, target: &str) {
        self.configure_within(at, mode, target, LIMITS);
    }

    fn configure_within(&self, at: &str, mode: &str, target: &str, limits: &str) {
        self.env.source(
            "evil",
            &format!(
                "type = \"{}\"\nbackend = \"{}\"\nat = \"{at}\"\nmode = \"{mode}\"\ntarget = \"{target}\"\n{limits}",
                guests::hostile().display(),
                self.env.path("backend/evil").display(),
            ),
        );
    }

    /// From now on `evil` behaves.
    fn calm(&self) {
        self.env.write("backend/evil/calm", "");
    }

    /// Tokens of what `evil` has made and not destroyed.
    fn left(&self) -> usize {
        std::fs::read_dir(self.env.path("backend/evil/live"))
            .unwrap()
            .count()
    }

    fn acquire(&self) -> Outcome {
        self.env.runner(["acquire", "-s", "evil"]).run()
    }

    /// The error names whose fault it is and in which call.
    #[track_caller]
    fn names_the_culprit(outcome: Outcome, call: &str) -> Outcome {
        printable(&outcome);
        outcome.says(&["hostile", "6.6.6", "evil", &format!("`{call}`")])
    }

    /// Nothing live, nothing at the backend, and the neighbour works.
    #[track_caller]
    fn assert_clean(&self) {
        self.neighbour_is_well();
        let live = self.env.live();
        assert!(live.is_empty(), "{live:#?}");
        assert_eq!(self.left(), 0, "left at the backend");
        let processes = self.env.processes();
        assert!(processes.is_empty(), "{processes:?}");
    }

    #[track_caller]
    fn neighbour_is_well(&self) {
        let id = self.env.acquire("fake");
        let outcome = self
            .env
            .runner(["run", &id, "--", "echo", "well"])
            .run()
            .ok();
        assert_eq!(outcome.out(), "well\n");
        self.env.runner(["release", &id]).run().ok();
        assert!(self.fake.live().is_empty());
    }
}

/// Nothing that a terminal would obey came out.
#[track_caller]
fn printable(outcome: &Outcome) {
    for bytes in [&outcome.stdout, &outcome.stderr] {
        let text = std::str::from_utf8(bytes).unwrap_or_else(|_| panic!("not text: {outcome}"));
        let bad = text.chars().find(|c| {
            (c.is_control() && !matches!(c, '\n' | '\t'))
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        });
        assert_eq!(bad, None, "a control character came through: {outcome}");
    }
}
