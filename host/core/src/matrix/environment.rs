//! Environments: what one level defines, and what a job is given of all of them.

use std::borrow::Cow;
use std::collections::HashSet;

use super::job::JobView;
use super::{Place, Spot, names};

/// The variables that one level defines, in the order of its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    definitions: Vec<Definition>,
    /// Some value has a host command. So that what has none need not be searched, job by job.
    has_host_commands: bool,
}

/// A key and its value. `A/x,y` holds only for the variants `x` and `y`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    pub name: String,
    /// None for every variant.
    pub variants: Vec<String>,
    pub value: String,
    pub spot: Spot,
}

/// Why a key cannot be one, in the ancestor's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidVariable {
    #[error("invalid variable name: {0:?}")]
    Name(String),
    #[error("variable {0:?} defined multiple times")]
    Twice(String),
}

/// A variable of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable<'a> {
    pub name: &'a str,
    pub value: Cow<'a, str>,
    pub origin: Origin,
    /// Of its key, in the file of its origin.
    pub spot: Spot,
}

/// Who gave a variable its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// One of the `SPREAD_*` variables of the tool.
    Tool,
    Project,
    Backend,
    System,
    Suite,
    Task,
}

/// How a host command begins.
pub const HOST_COMMAND: &str = "$(HOST:";

impl Environment {
    /// Checks and keeps a key. The text of the key is all that must be unique: `A/x` and `A/x,y` may stand side by side.
    pub fn define(&mut self, key: &str, value: String, spot: Spot) -> Result<(), InvalidVariable> {
        let (name, variants) = match key.split_once('/') {
            None => (key, Vec::new()),
            Some((name, list)) => (name, list.split(',').map(str::to_owned).collect()),
        };
        if !names::is_variable(name) || !variants.iter().all(|variant| names::is_variant(variant)) {
            return Err(InvalidVariable::Name(key.to_owned()));
        }
        let same = |old: &Definition| old.name == name && old.variants == variants;
        if self.definitions.iter().any(same) {
            return Err(InvalidVariable::Twice(key.to_owned()));
        }
        self.has_host_commands |= value.contains(HOST_COMMAND);
        self.definitions.push(Definition {
            name: name.to_owned(),
            variants,
            value,
            spot,
        });
        Ok(())
    }

    /// Everything that is defined, in the order of the file.
    pub fn definitions(&self) -> &[Definition] {
        &self.definitions
    }

    /// There is nothing.
    pub fn is_empty(&self) -> bool {
        self.definitions.is_empty()
    }

    /// Some value needs a command of the host.
    pub fn has_host_commands(&self) -> bool {
        self.has_host_commands
    }

    /// The variants that keys name, each once, in the order of the file.
    pub fn variants(&self) -> Vec<&str> {
        let mut seen = HashSet::new();
        let all = self.definitions.iter().flat_map(|it| &it.variants);
        all.map(String::as_str)
            .filter(|name| seen.insert(*name))
            .collect()
    }

    /// What holds for a variant. A key for the variant stands for the bare one, at its own place; of several for it, the
    /// last (the ancestor chose by chance).
    pub fn of_variant<'a>(&'a self, variant: &'a str) -> impl Iterator<Item = &'a Definition> {
        let own = move |it: &Definition| it.variants.iter().any(|name| name == variant);
        self.definitions
            .iter()
            .enumerate()
            .filter(move |(place, it)| {
                let mut later = self.definitions[place + 1..].iter();
                if it.variants.is_empty() {
                    // Most levels have no variants at all: this is what keeps building one linear for them.
                    !self.definitions.iter().any(|other| {
                        !other.variants.is_empty() && other.name == it.name && own(other)
                    })
                } else {
                    own(it) && !later.any(|other| other.name == it.name && own(other))
                }
            })
            .map(|(_, it)| it)
    }
}

/// The whole environment of a job.
pub(super) fn of(view: JobView<'_>) -> Vec<Variable<'_>> {
    let tool = |name, value| Variable {
        name,
        value,
        origin: Origin::Tool,
        spot: Spot::default(),
    };
    let text = |text| Cow::Borrowed(text);
    let mut all: Vec<Option<Variable<'_>>> = [
        tool("SPREAD_JOB", Cow::Owned(view.name().to_string())),
        tool("SPREAD_PROJECT", text(&*view.project.name)),
        tool("SPREAD_PATH", text(&view.project.path)),
        tool("SPREAD_BACKEND", text(&view.backend().name)),
        tool("SPREAD_SYSTEM", text(&view.system().name)),
        tool("SPREAD_SUITE", text(&view.suite().name)),
        tool("SPREAD_TASK", text(&view.task().name)),
        tool("SPREAD_VARIANT", text(view.variant())),
        tool("SPREAD_SAMPLE", Cow::Owned(view.job.sample.to_string())),
    ]
    .map(Some)
    .into();
    let mut place: std::collections::HashMap<&str, usize> = all
        .iter()
        .enumerate()
        .filter_map(|(at, it)| Some((it.as_ref()?.name, at)))
        .collect();
    for (origin, level) in levels(view) {
        for it in level.of_variant(view.variant()) {
            if let Some(old) = place.insert(&it.name, all.len()) {
                all[old] = None;
            }
            all.push(Some(Variable {
                name: &it.name,
                value: Cow::Borrowed(&it.value),
                origin,
                spot: it.spot,
            }));
        }
    }
    all.into_iter().flatten().collect()
}

/// The environments that a job is given, the outermost first.
pub fn levels(view: JobView<'_>) -> [(Origin, &Environment); 5] {
    [
        (Origin::Project, &view.project.environment),
        (Origin::Backend, &view.backend().environment),
        (Origin::System, &view.system().environment),
        (Origin::Suite, &view.suite().environment),
        (Origin::Task, &view.task().environment),
    ]
}

/// Where the key of a variable of a job stands.
pub fn place(view: JobView<'_>, variable: &Variable<'_>) -> Option<Place> {
    match variable.origin {
        Origin::Tool => None,
        Origin::Task => Some(view.task().place(variable.spot)),
        Origin::Project | Origin::Backend | Origin::System | Origin::Suite => {
            Some(view.project.place(variable.spot))
        }
    }
}

/// How messages name the environment that a value of a job came from, as in `… in s/t environment returned error: …`.
pub fn context(view: JobView<'_>, origin: Origin) -> String {
    match origin {
        Origin::Tool | Origin::Project => "project".to_owned(),
        Origin::Backend => view.backend().context(),
        Origin::System => format!("system {:?}", view.system().name),
        Origin::Suite => format!("suite {}", view.suite().name),
        Origin::Task => view.task().name.clone(),
    }
}
