//! What every verb gets: the streams, the global options, the program, and a runtime when it needs one.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::args::DrawArgs;
use super::console::Console;
use super::error::Failure;
use super::grant_dialog::{Always, Dialog};
use crate::app::{App, Consent};
use crate::config::SourceArgument;
use crate::engine::{Draw, Engine, Wait};

/// How long what was interrupted may take to tidy up. A thread that waits for somebody else's bytes never ends.
const TIDYING: Duration = Duration::from_secs(10);

/// What every verb gets.
pub(super) struct Context {
    pub console: Console,
    /// How often `-v` was given.
    pub verbose: u8,
    /// Opens nothing until it is asked.
    pub app: App,
}

impl Context {
    /// The engine, built on first use.
    pub(super) fn engine(&self) -> Result<&Engine, Failure> {
        Ok(self.app.engine()?)
    }

    /// Looks the source up, and has the user asked for what is not granted yet.
    pub(super) fn draw(&self, args: DrawArgs) -> Result<Drawn, Failure> {
        let consent: &dyn Consent = if args.grant { &Always } else { &Dialog };
        let source = match args.source {
            Some(source) => source,
            None => SourceArgument::Named(self.app.default_source()?),
        };
        let wait = match args.wait {
            None => Wait::No,
            Some(None) => Wait::Forever,
            Some(Some(duration)) => Wait::For(duration),
        };
        Ok(Drawn {
            draw: self.app.draw(&source, &args.options, consent)?,
            wait,
        })
    }

    /// Drives a future to its end. One thread: what runs in parallel waits for other processes.
    pub(super) fn block_on<T, E>(
        &self,
        future: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure>
    where
        Failure: From<E>,
    {
        let runtime = runtime()?;
        let result = runtime.block_on(future);
        let result = result.map_err(Failure::from);
        if result
            .as_ref()
            .is_err_and(|failure| failure.signal.is_some())
        {
            // Those who work on files take back what they began.
            runtime.shutdown_timeout(TIDYING);
        } else {
            // Threads that still read a stream must not hold up the exit.
            runtime.shutdown_background();
        }
        result
    }
}

fn runtime() -> Result<Runtime, Failure> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io("the runtime for plugin calls cannot be started", &error))
}

/// What `acquire` and `exec` draw on, and how long they wait for it.
pub(super) struct Drawn {
    pub draw: Draw,
    pub wait: Wait,
}
