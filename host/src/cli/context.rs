//! What every verb gets: the streams, the global options, the program, and a runtime when it needs one.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::console::Console;
use super::error::Failure;
use super::grant_dialog::{Always, Dialog};
use super::wants::{DrawArgs, WantArgs};
use crate::app::{App, Consent};
use crate::config::SourceArgument;
use crate::engine::{Ask, Draw, Engine};

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

    /// What `acquire` and `exec` draw on, and what they ask for.
    pub(super) fn draw(&self, args: DrawArgs) -> Result<Drawn, Failure> {
        let consent: &dyn Consent = if args.grant { &Always } else { &Dialog };
        let mut draw = self.wanted(&args.wants, &args.options, consent)?;
        // Nobody else could make it: the right is this call's only.
        draw.custom |= args.grant;
        let mut ask = args.wants.ask(args.wait.wait());
        args.lease.shape(&mut ask);
        Ok(Drawn { draw, ask })
    }

    /// Looks the source or the tags up, and has the user asked for what is not granted yet.
    pub(super) fn wanted(
        &self,
        wants: &WantArgs,
        options: &[(String, String)],
        consent: &dyn Consent,
    ) -> Result<Draw, Failure> {
        if !wants.tags.is_empty() {
            if let Some(SourceArgument::File { path, .. }) = &wants.source {
                return Err(Failure::bad_option(format!(
                    "`{}` is a file: only configured sources have tags",
                    path.display()
                )));
            }
            let source = wants.source.as_ref();
            return Ok(self.app.draw_tagged(source, &wants.tags, consent)?);
        }
        let source = match &wants.source {
            Some(source) => source.clone(),
            None => SourceArgument::Named(self.app.default_source()?),
        };
        Ok(self.app.draw(&source, options, consent)?)
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

/// What `acquire` and `exec` draw on, and what they ask for.
pub(super) struct Drawn {
    pub draw: Draw,
    pub ask: Ask,
}
