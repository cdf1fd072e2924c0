//! The provider whose backend is five shell commands: what they are told, what becomes of what they say, and that nothing
//! is lost when the answer is.

#![allow(
    clippy::result_large_err,
    reason = "the port's error, as the engine gets it"
)]

mod hooks;
mod import;
mod lost;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use runner::plugin::{Binding, Limits, Locator, PluginDirs, PluginHost, Services};
use runner::provider::{Allocated, Doomed, Instance, Listed, Provider, ProviderError, Request};
use runner_core::id::{InstanceName, SourceName, Token};

/// The real component over real shells, called as the engine does and with nothing in between. A machine is a file in
/// `machines`; each command notes its variables in `calls`.
struct Direct {
    dir: tempfile::TempDir,
    provider: Arc<dyn Provider>,
    runtime: tokio::runtime::Runtime,
}

impl Direct {
    /// A source `pool` with these keys, and `new` and `delete` that work where they are not among them.
    fn new(config: serde_json::Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["machines", "calls", "work"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let provider = Self::provider(dir.path(), "pool", config);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        Self {
            dir,
            provider,
            runtime,
        }
    }

    /// Another source over the same machines.
    fn provider(dir: &Path, source: &str, config: serde_json::Value) -> Arc<dyn Provider> {
        let here = dir.display();
        let mut typed = serde_json::json!({
            "new": note(&dir.join("calls"), "new", &format!("touch {here}/machines/$RESALLOC_NAME; echo host")),
            "delete": note(&dir.join("calls"), "delete", &format!("rm {here}/machines/$RESALLOC_NAME")),
            "access": "none",
        });
        let typed = typed.as_object_mut().unwrap();
        typed.extend(config.as_object().unwrap().clone());
        let at = |name: &str| dir.join(name);
        let host = PluginHost::new(PluginDirs {
            installed: at("installed"),
            components: at("components"),
            compiled: runner_tests::env::shared_cache().join("components"),
            ssh: at("ssh"),
            compiler: None,
        });
        let component = host.inspect(&Locator::Name("command".into())).unwrap();
        let config = component.manifest.configure(typed, &[]).unwrap();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let grant = component.manifest.requested(&config, &path).unwrap();
        let binding = Binding {
            source: SourceName::new(source).unwrap(),
            config,
            grant,
            limits: Limits::default(),
            services: Services {
                path,
                work: Some(at("work")),
                ..Services::default()
            },
        };
        host.provider(&component.reference, binding).unwrap()
    }

    fn calls(&self) -> PathBuf {
        self.dir.path().join("calls")
    }

    fn token(number: u8) -> Token {
        Token::from_bytes([number; 16])
    }

    fn name(number: u8) -> InstanceName {
        InstanceName::typed(format!("pool-{number}"))
    }

    fn workdir(&self, number: u8) -> PathBuf {
        self.dir
            .path()
            .join("work")
            .join(Self::token(number).as_str())
    }

    fn request(&self, number: u8) -> Request {
        let workdir = self.workdir(number);
        std::fs::create_dir_all(&workdir).unwrap();
        Request {
            token: Self::token(number),
            name: Self::name(number),
            slot: number.into(),
            workdir: Some(workdir),
        }
    }

    fn allocate(&self, number: u8) -> Result<Allocated, ProviderError> {
        let request = self.request(number);
        self.runtime.block_on(self.provider.allocate(&request))
    }

    fn instance(&self, number: u8, made: &Allocated) -> Instance {
        Instance {
            handle: made.handle.clone(),
            token: Self::token(number),
            name: Self::name(number),
            workdir: Some(self.workdir(number)),
        }
    }

    /// What is asked when the answer to `allocate` was lost.
    fn doomed(&self, number: u8) -> Doomed {
        Doomed {
            token: Self::token(number),
            handle: None,
            name: Self::name(number),
            workdir: Some(self.workdir(number)),
        }
    }

    /// Discards, and removes the directory as the host does.
    fn discard(&self, doomed: &Doomed) -> Result<(), ProviderError> {
        self.runtime.block_on(self.provider.discard(doomed))?;
        if let Some(workdir) = &doomed.workdir {
            drop(std::fs::remove_dir_all(workdir));
        }
        Ok(())
    }

    fn list(&self) -> Vec<Listed> {
        self.runtime.block_on(self.provider.list()).unwrap()
    }

    fn machines(&self) -> Vec<String> {
        files(&self.dir.path().join("machines"))
    }

    /// The variables of the last call of a command, sorted; none when it was never called.
    fn told(&self, what: &str) -> Option<Vec<String>> {
        let text = std::fs::read_to_string(self.calls().join(what)).ok()?;
        Some(text.lines().map(str::to_owned).collect())
    }
}

/// A command that notes what it is told and then does `then`.
fn note(calls: &Path, what: &str, then: &str) -> String {
    format!(
        "env | grep -E '^(RESALLOC_|RUNNER_)' | grep -vE '^RUNNER_(BIN|TESTS_)' | sort >{}/{what}; {then}",
        calls.display()
    )
}

fn files(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
