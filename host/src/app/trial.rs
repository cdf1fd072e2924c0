//! A provider on trial: with books and directories of its own, apart from the user's, and with taps on everything that it
//! asks for. What `plugin test`, `plugin record` and `plugin replay` stand on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use runner_core::id::{SourceName, Token};
use runner_core::policy::Limit;
use serde_json::Value;

use super::books::StateBooks;
use super::catalogue::{AppCatalogue, bound};
use super::consent::{Consent, Refuse};
use super::plugins::named;
use super::resolve::{Bound, json};
use super::secrets::UserSecrets;
use super::{App, unloadable};
use crate::clock::SystemClock;
use crate::config::SourceArgument;
use crate::conformance::{Bench, Level, Life, Refusing, Setup, Witness};
use crate::engine::{Catalogue as _, Definition, Draw, EngineError, FailureKind, Result};
use crate::plugin::{
    Binding, Books as _, Component, Limits, NoBooks, NoSink, Secrets as _, Services, Tap,
};
use crate::provider::{Provider, SshAccess};
use crate::tape::{Bundle, Cassette, Faults, Header, Player, Recorder, Redactor, VERSION};
use crate::workdir;

/// How a trial is set up.
pub struct Trial {
    /// Over the trial's own state.
    app: App,
    state: PathBuf,
    draw: Draw,
    component: Component,
    recorder: Option<Arc<Recorder>>,
    witness: Arc<Witness>,
    faults: Arc<Faults>,
    bad: Vec<Refusing>,
    seed: String,
    /// Of the backend: how many instances may exist at once.
    maximum: Limit,
}

/// A component that is played from a cassette.
pub struct Played {
    pub provider: Arc<dyn Provider>,
    pub player: Arc<Player>,
    pub witness: Arc<Witness>,
    faults: Arc<Faults>,
    source: SourceName,
    component: Component,
}

impl App {
    /// Sets a trial of one source up. `bad` are settings that it must refuse.
    pub fn trial(
        &self,
        source: &SourceArgument,
        options: &[(String, String)],
        bad: &[(String, String)],
        consent: &dyn Consent,
        record: bool,
    ) -> Result<Trial> {
        let draw = self.draw(source, options, consent)?;
        let [definition] = &draw.sources[..] else {
            return Err(
                EngineError::new(FailureKind::Invalid, "a pool is not one provider")
                    .hint("name one of its sources"),
            );
        };
        let bound = bound(&definition.plugin, &definition.source)?;
        let state = self.trial_directory()?;
        let work = state.join("work");
        let recorder = match record {
            true => {
                let redactor = self.redactor(&bound)?;
                Some(Arc::new(Recorder::new(redactor, work.to_string_lossy())))
            }
            false => None,
        };
        let behind: Option<Arc<dyn Tap>> = recorder.clone().map(|recorder| recorder as _);
        let witness = Arc::new(Witness::new(behind));
        let faults = Arc::new(Faults::new(Some(witness.clone())));
        let app = self.over(state.clone(), Some(faults.clone()));
        let component = self
            .plugins()
            .inspect(&self.locator_of(source)?)
            .map_err(unloadable)?;
        app.keep(&component)?;
        let bad = bad
            .iter()
            .map(|(key, value)| {
                let mut options = options.to_vec();
                options.retain(|(other, _)| other != key);
                options.push((key.clone(), value.clone()));
                let drawn = self.draw(source, &options, &Refuse);
                let provider = drawn.and_then(|draw| {
                    let catalogue = AppCatalogue(app.clone());
                    match draw.sources.first() {
                        Some(definition) => catalogue.provider(definition),
                        None => Err(EngineError::new(FailureKind::Invalid, "there is no source")),
                    }
                });
                let provider = provider.map_err(|error| crate::engine::chain(&error));
                (format!("{key}={value}"), provider)
            })
            .collect();
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| {
            EngineError::new(FailureKind::Io, "the system gives no random numbers").because(error)
        })?;
        let maximum = definition.policy.maximum;
        Ok(Trial {
            maximum,
            app,
            state,
            draw,
            component,
            recorder,
            witness,
            faults,
            bad,
            seed: format!("{:016x}", u64::from_le_bytes(random)),
        })
    }

    /// The same program over another state directory.
    fn over(&self, state: PathBuf, tap: Option<Arc<dyn Tap>>) -> Self {
        let mut environment = self.environment().clone();
        environment.state = state;
        Self::assembled(environment, Arc::new(SystemClock), tap)
    }

    fn trial_directory(&self) -> Result<PathBuf> {
        let trials = self.environment().state.join("trials");
        let made = std::fs::create_dir_all(&trials).and_then(|()| {
            tempfile::Builder::new()
                .prefix("trial-")
                .tempdir_in(&trials)
        });
        let made = made.map_err(|error| {
            EngineError::new(
                FailureKind::Io,
                format!("cannot make a directory in `{}`", trials.display()),
            )
            .because(error)
        })?;
        Ok(made.keep())
    }

    fn locator_of(&self, source: &SourceArgument) -> Result<crate::plugin::Locator> {
        match self.source_config(source)?.kind {
            crate::config::SourceKind::Provider { plugin } => Ok(super::resolve::locator(&plugin)),
            crate::config::SourceKind::Pool { .. } => Err(EngineError::new(
                FailureKind::Invalid,
                "a pool is not one provider",
            )),
        }
    }

    /// What takes out the secrets that this plugin may know.
    fn redactor(&self, bound: &Bound) -> Result<Redactor> {
        let secrets = UserSecrets(self.clone());
        let mut known = Vec::new();
        for name in &bound.grant.secrets {
            if let Ok(Some(value)) = secrets.get(name) {
                known.push((name.clone(), value));
            }
        }
        Redactor::new(&known, &bound.config).map_err(|error| {
            EngineError::new(
                FailureKind::Invalid,
                "nothing is recorded with a secret that cannot be removed",
            )
            .hint("use a longer one for the recording")
            .because(error)
        })
    }

    /// Sets a component up to be played from a cassette. None: the component with the cassette's digest, else the plugin
    /// of its name.
    pub fn play(&self, cassette: &Cassette, component: Option<&str>) -> Result<Played> {
        let header = &cassette.header;
        let component = self
            .plugins()
            .inspect(&named(component.unwrap_or(&header.plugin)))
            .map_err(unloadable)?;
        let damaged = |what: &'static str| {
            move |error: serde_json::Error| {
                EngineError::new(
                    FailureKind::Invalid,
                    format!("the cassette's `{what}` cannot be used"),
                )
                .because(error)
            }
        };
        let source = SourceName::new(&header.source).map_err(|error| {
            EngineError::new(
                FailureKind::Invalid,
                "the cassette's `source` cannot be used",
            )
            .because(error)
        })?;
        let limits: Limits =
            serde_json::from_value(header.limits.clone()).map_err(damaged("limits"))?;
        let grant = serde_json::from_value(header.grant.clone()).map_err(damaged("grant"))?;
        let player = Arc::new(Player::new(cassette, ""));
        let witness = Arc::new(Witness::new(Some(player.clone())));
        let faults = Arc::new(Faults::new(Some(witness.clone())));
        let provider = self
            .plugins()
            .provider(
                &component.reference,
                Binding {
                    source: source.clone(),
                    config: header.config.clone(),
                    grant,
                    limits,
                    services: Services {
                        // Everything but the state's id is answered from the cassette.
                        books: Arc::new(NoBooks {
                            state_id: header.state.clone(),
                            ..NoBooks::default()
                        }),
                        log: Arc::new(NoSink),
                        tap: Some(faults.clone()),
                        ..Services::default()
                    },
                },
            )
            .map_err(unloadable)?;
        Ok(Played {
            provider,
            player,
            witness,
            faults,
            source,
            component,
        })
    }
}

impl Played {
    /// The component.
    pub fn component(&self) -> &Component {
        &self.component
    }

    /// A bench over the cassette: single calls only, with the tokens and directories that were recorded.
    pub fn bench(&self, cassette: &Cassette, patience: Duration) -> Result<Bench> {
        let suite = &cassette.header.suite;
        let seed = suite.get("seed").and_then(Value::as_str).ok_or_else(|| {
            EngineError::new(
                FailureKind::Invalid,
                "the cassette holds no run of the conformance suite",
            )
            .hint("record one with `runner plugin test SOURCE --record FILE`; `runner plugin replay` plays any cassette")
        })?;
        let workdirs = suite.get("workdirs").and_then(Value::as_bool) == Some(true);
        let maximum = suite.get("maximum").and_then(Value::as_u64);
        let maximum = maximum.and_then(|maximum| u32::try_from(maximum).ok());
        Ok(Bench::new(Setup {
            source: self.source.clone(),
            provider: self.provider.clone(),
            reach: None,
            life: None,
            faults: self.faults.clone(),
            witness: self.witness.clone(),
            maximum: maximum.map_or(Limit::Unlimited, Limit::At),
            work: workdirs.then(|| PathBuf::from(crate::tape::WORK)),
            directories: false,
            bad: Vec::new(),
            seed: seed.to_owned(),
            patience,
        }))
    }
}

impl Trial {
    /// The component on trial.
    pub fn component(&self) -> &Component {
        &self.component
    }

    /// The source's name.
    pub fn source(&self) -> &SourceName {
        &self.definition().source
    }

    /// The seam, to spoil something by hand.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    fn definition(&self) -> &Definition {
        // `trial` made sure that there is exactly one.
        &self.draw.sources[0]
    }

    /// The bench.
    pub fn bench(&mut self, maximum: Option<u32>, patience: Duration) -> Result<Bench> {
        self.maximum = maximum.map_or(self.maximum, Limit::At);
        let definition = self.definition();
        let catalogue = AppCatalogue(self.app.clone());
        let provider = catalogue.provider(definition)?;
        let reached = definition.clone();
        let reach = move |token: &Token, access: &SshAccess| {
            catalogue
                .way(&reached, token, access, true)
                .map_err(|error| crate::engine::chain(&error))
        };
        Ok(Bench::new(Setup {
            source: definition.source.clone(),
            provider,
            reach: Some(Box::new(reach)),
            life: Some(Life {
                engine: self.app.engine()?.clone(),
                draw: self.draw.clone(),
            }),
            faults: self.faults.clone(),
            witness: self.witness.clone(),
            maximum: self.maximum,
            work: definition.workdir.then(|| self.state.join("work")),
            directories: true,
            bad: self.bad.clone(),
            seed: self.seed.clone(),
            patience,
        }))
    }

    /// What was recorded.
    pub fn cassette(&self, level: Option<Level>) -> Result<Cassette> {
        let definition = self.definition();
        let bound = bound(&definition.plugin, &definition.source)?;
        let recorder = self
            .recorder
            .as_ref()
            .ok_or_else(|| EngineError::new(FailureKind::Invalid, "nothing was recorded"))?;
        let maximum = match self.maximum {
            Limit::At(maximum) => Value::from(maximum),
            Limit::Unlimited => Value::Null,
        };
        let suite = match level {
            None => Value::Null,
            Some(level) => serde_json::json!({
                "level": level.word(), "seed": self.seed,
                "workdirs": definition.workdir, "maximum": maximum,
            }),
        };
        let reference = &self.component.reference;
        let header = Header {
            cassette: VERSION,
            runner: env!("CARGO_PKG_VERSION").to_owned(),
            plugin: reference.name.clone(),
            version: reference.version.clone(),
            digest: reference.digest.clone(),
            source: definition.source.to_string(),
            state: StateBooks(self.app.clone()).state_id().unwrap_or_default(),
            config: bound.config,
            grant: json(&bound.grant)?,
            limits: json(&bound.limits)?,
            secrets: Vec::new(),
            suite,
        };
        recorder.cassette(header).map_err(|error| {
            EngineError::new(FailureKind::Io, "the recording cannot be kept").because(error)
        })
    }

    /// Writes the recording to a file.
    pub fn save(&self, level: Option<Level>, path: &Path) -> Result<()> {
        self.cassette(level)?
            .save(path)
            .map_err(|error| not_saved(path, error))
    }

    /// Packs everything that somebody else needs to see the same.
    pub fn pack(&self, level: Option<Level>, report: Value, path: &Path) -> Result<()> {
        let bundle = Bundle {
            cassette: self.cassette(level)?,
            component: self.component.bytes().to_vec(),
            log: self.witness.log(),
            report,
        };
        bundle.save(path).map_err(|error| not_saved(path, error))
    }

    /// Ends the trial. Its directory goes, unless the books still hold something: then it stays, and this answers where.
    pub fn finish(self) -> Result<Option<PathBuf>> {
        let sources = [self.source().clone()];
        let live = self.app.engine()?.status(&sources, true)?;
        let empty = live.iter().all(|source| source.instances.is_empty());
        // The directories of single calls are no rows of the books.
        let work = self.state.join("work");
        let bare = std::fs::read_dir(&work).map_or(true, |mut entries| entries.next().is_none());
        if empty && bare && workdir::remove(&self.state).is_ok() {
            return Ok(None);
        }
        Ok(Some(self.state))
    }
}

fn not_saved(path: &Path, error: impl std::error::Error + Send + Sync + 'static) -> EngineError {
    EngineError::new(
        FailureKind::Io,
        format!("`{}` cannot be written", path.display()),
    )
    .because(error)
}
