//! A client that nobody here wrote: testrepository 0.0.22, whose `.testr.conf` calls `runner` to get, use and give back
//! three instances. `run.sh` puts it into a virtual environment and names that in `RUNNER_TESTS_TESTR`.

use std::path::PathBuf;

use runner_tests::TestEnv;
use runner_tests::fake::Fake;
use runner_tests::skip::skip;

/// The directory of the virtual environment's programs.
fn testr() -> Option<PathBuf> {
    match std::env::var_os("RUNNER_TESTS_TESTR") {
        Some(directory) => Some(directory.into()),
        None => {
            skip(
                "RUNNER_TESTS_TESTR does not say where testrepository is installed (run.sh installs it)",
            );
            None
        }
    }
}

/// A small suite of Python tests that note which instance ran them.
fn project(env: &TestEnv) -> PathBuf {
    let project = env.path("work/project");
    env.write("work/project/sample/__init__.py", "");
    env.write(
        "work/project/sample/test_all.py",
        "import os, time, unittest\n\n\nclass All(unittest.TestCase):\n    pass\n\n\n\
         def make(number):\n    def test(self):\n        with open(os.environ['NOTES'], 'a') as notes:\n            \
         notes.write('%s\\n' % os.environ['INSTANCE'])\n        time.sleep(0.02)\n        \
         self.assertNotEqual(number, 7 if os.path.exists('fail') else -1)\n    return test\n\n\n\
         for number in range(24):\n    setattr(All, 'test_%02d' % number, make(number))\n",
    );
    project
}

fn configure(env: &TestEnv, project: &std::path::Path, python: &std::path::Path) {
    let notes = env.path("notes").display().to_string();
    let conf = format!(
        "[DEFAULT]\n\
         test_command=cd {project} && {python} -m subunit.run $LISTOPT $IDOPTION\n\
         test_id_option=--load-list $IDFILE\n\
         test_list_option=--list\n\
         test_id_list_default=sample.test_all\n\
         test_run_concurrency=runner status --query max box\n\
         instance_provision=runner acquire -s box $INSTANCE_COUNT\n\
         instance_execute=for f in $FILES; do runner cp $f $INSTANCE_ID:$f || exit 1; done; \
         runner run $INSTANCE_ID -- env NOTES={notes} INSTANCE=$INSTANCE_ID sh -c \"$COMMAND\"\n\
         instance_dispose=runner release $INSTANCE_IDS\n",
        project = project.display(),
        python = python.display(),
    );
    std::fs::write(project.join(".testr.conf"), conf).unwrap();
}

#[test]
fn testrepository_runs_a_suite_over_three_instances() {
    let Some(bin) = testr() else { return };
    let env = TestEnv::new();
    let fake = Fake::source(&env, "box", "maximum = 3\ncapacity = 3\nconcurrency = 2\n");
    let project = project(&env);
    configure(&env, &project, &bin.join("python"));
    let testr = |args: &[&str]| {
        env.program(bin.join("testr"))
            .args(args)
            .current_dir(&project)
            .run()
    };
    testr(&["init"]).ok();
    let outcome = testr(&["run", "--parallel"]).ok();
    assert!(outcome.out().contains("Ran 24 tests"), "{outcome}");
    assert!(outcome.out().contains("PASSED"), "{outcome}");
    let notes = std::fs::read_to_string(env.path("notes")).unwrap();
    let mut used: Vec<_> = notes.lines().collect();
    assert_eq!(used.len(), 24);
    used.sort_unstable();
    used.dedup();
    assert_eq!(
        used,
        ["box-0", "box-1", "box-2"],
        "not over three instances"
    );
    assert!(fake.live().is_empty(), "not all were disposed of");
    assert_eq!(fake.violations(), "");
    // A failing test fails the run, and everything is given back all the same.
    std::fs::write(project.join("fail"), "").unwrap();
    let outcome = testr(&["run", "--parallel"]).code(1);
    assert!(outcome.out().contains("test_07"), "{outcome}");
    assert!(fake.live().is_empty());
    std::fs::remove_file(project.join("fail")).unwrap();
    // When one instance cannot be had, the client is told and nothing stays behind.
    let held = env.acquire("box");
    let outcome = testr(&["run", "--parallel"]);
    assert_ne!(outcome.code, Some(0), "{outcome}");
    env.runner(["release", &held]).run().ok();
    assert!(fake.live().is_empty());
}
