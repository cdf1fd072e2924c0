//! Tests of the matrix, over projects that are put together here.

mod filters;
mod jobs;
mod lists;

use std::path::Path;
use std::sync::Arc;

use super::{
    Backend, Dialect, Environment, NameList, Project, Script, Scripts, Settings, Spot, Suite,
    SuiteId, System, Task, Timeout, Timeouts,
};

/// A list as it would be written, words with signs.
fn list(text: &str) -> NameList {
    NameList {
        items: text.split_whitespace().map(str::to_owned).collect(),
        ..NameList::default()
    }
}

/// An environment with these keys.
fn keys(text: &str) -> Environment {
    let mut environment = Environment::default();
    for key in text.split_whitespace() {
        environment
            .define(key, String::new(), Spot::default())
            .unwrap();
    }
    environment
}

fn file() -> Arc<Path> {
    Arc::from(Path::new("spread.yaml"))
}

fn project(dialect: Dialect) -> Project {
    Project {
        name: "p".into(),
        dialect,
        file: file(),
        directory: "/p".into(),
        path: "/r".into(),
        environment: Environment::default(),
        include: Vec::new(),
        include_spot: Spot::default(),
        exclude: Vec::new(),
        rename: Vec::new(),
        repack: Script::default(),
        scripts: Scripts::default(),
        timeouts: Timeouts::default(),
        artifacts: Vec::new(),
        tasks_limit: None,
        backends: Vec::new(),
        suites: Vec::new(),
        tasks: Vec::new(),
    }
}

fn backend(name: &str) -> Backend {
    Backend {
        name: name.into(),
        kind: "adhoc".into(),
        spot: Spot::default(),
        key: String::new(),
        allocate: Script::default(),
        discard: Script::default(),
        memory: None,
        storage: None,
        plan: String::new(),
        location: String::new(),
        account: String::new(),
        endpoint: String::new(),
        networks: Vec::new(),
        groups: Vec::new(),
        halt_timeout: Timeout::Unset,
        wait_timeout: Timeout::Unset,
        environment: Environment::default(),
        variants: NameList::default(),
        scripts: Scripts::default(),
        timeouts: Timeouts::default(),
        priority: None,
        manual: false,
        systems: Vec::new(),
        settings: Settings::new(),
    }
}

fn system(name: &str) -> System {
    System {
        name: name.into(),
        spot: Spot::default(),
        image: name.into(),
        kernel: String::new(),
        username: String::new(),
        password: String::new(),
        workers: 1,
        storage: None,
        plan: String::new(),
        networks: Vec::new(),
        groups: Vec::new(),
        secure_boot: false,
        bios: String::new(),
        cpu_family: String::new(),
        ssh_rsa_key: String::new(),
        ssh_key_pass: String::new(),
        queue: String::new(),
        reserve_key: String::new(),
        wait_timeout: Timeout::Unset,
        environment: Environment::default(),
        variants: NameList::default(),
        priority: None,
        manual: false,
        settings: Settings::new(),
    }
}

fn suite(name: &str) -> Suite {
    Suite {
        name: name.into(),
        spot: Spot::default(),
        summary: "S".into(),
        backends: NameList::default(),
        systems: NameList::default(),
        variants: NameList::default(),
        environment: Environment::default(),
        scripts: Scripts::default(),
        timeouts: Timeouts::default(),
        artifacts: Vec::new(),
        skip: Vec::new(),
        tags: Vec::new(),
        priority: None,
        manual: false,
    }
}

fn task(name: &str, suite: u32) -> Task {
    Task {
        name: name.into(),
        suite: SuiteId(suite),
        file: file(),
        summary: "T".into(),
        details: String::new(),
        backends: NameList::default(),
        systems: NameList::default(),
        variants: NameList::default(),
        environment: Environment::default(),
        samples: 1,
        prepare: Script::default(),
        execute: Script::default(),
        restore: Script::default(),
        debug: Script::default(),
        artifacts: Vec::new(),
        skip: Vec::new(),
        tags: Vec::new(),
        timeouts: Timeouts::default(),
        priority: None,
        manual: false,
    }
}
