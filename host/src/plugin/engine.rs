//! The wasmtime engine: how guests are compiled and interrupted. Nothing here knows what a plugin is.
//!
//! Built on first use, because most commands never call a plugin. The epoch ticker is a thread (a guest in a loop may
//! hold up every thread of the runtime); it ticks only while some guest runs, and ends with the engine.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wasmtime::{Config, Engine, EngineWeak};

/// How often a running guest is interrupted to look at its deadline and its budget.
const TICK: Duration = Duration::from_millis(10);

/// After the last guest has stopped, this many more ticks before the thread sleeps: a burst of calls wakes it once.
const LINGER: u32 = 4;

/// What a host function may use of a fiber's stack, beside the guest's own.
const HOST_STACK: usize = 512 << 10;

/// Engines by the size of the guest's stack, the only limit that is the engine's and not the store's. There is one,
/// unless sources set different `stack` limits.
#[derive(Default)]
pub(crate) struct Engines(Mutex<HashMap<usize, Arc<GuestEngine>>>);

impl Engines {
    /// The engine for guests with this much stack.
    pub(crate) fn with_stack(&self, bytes: usize) -> wasmtime::Result<Arc<GuestEngine>> {
        let mut engines = lock(&self.0);
        if let Some(engine) = engines.get(&bytes) {
            return Ok(engine.clone());
        }
        let engine = Arc::new(GuestEngine::new(bytes)?);
        engines.insert(bytes, engine.clone());
        Ok(engine)
    }
}

/// The engine alone, for whoever only compiles.
pub(crate) fn compiler(stack: usize) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.max_wasm_stack(stack);
    config.async_stack_size(stack.saturating_add(HOST_STACK));
    // Plain functions only, both ways: calls cost a quarter, and a guest cannot reach the async built-ins.
    config.concurrency_support(false);
    Engine::new(&config)
}

/// An engine and its ticker.
pub(crate) struct GuestEngine {
    pub(crate) wasmtime: Engine,
    ticker: Arc<Ticker>,
    /// Components loaded into this engine, and the linker for them.
    pub(crate) loaded: super::load::Loaded,
}

impl GuestEngine {
    fn new(stack: usize) -> wasmtime::Result<Self> {
        let wasmtime = compiler(stack)?;
        Ok(Self {
            loaded: super::load::Loaded::default(),
            ticker: Arc::new(Ticker::default()),
            wasmtime,
        })
    }

    /// Keeps the ticker going for as long as the answer lives.
    pub(crate) fn run(&self) -> std::io::Result<Running> {
        self.ticker.start(&self.wasmtime)?;
        Ok(Running::new(&self.ticker))
    }
}

impl Drop for GuestEngine {
    fn drop(&mut self) {
        lock(&self.ticker.state).ended = true;
        self.ticker.wake.notify_all();
    }
}

/// Held while guest code may run.
pub(crate) struct Running(Arc<Ticker>);

impl Running {
    fn new(ticker: &Arc<Ticker>) -> Self {
        ticker.enter();
        Self(ticker.clone())
    }

    /// For host functions that wait for the world, maybe for hours: nothing ticks on their account.
    pub(crate) fn pause(&self) -> Paused {
        self.0.leave();
        Paused(self.0.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// A pause of `Running`; it ends with this value.
pub(crate) struct Paused(Arc<Ticker>);

impl Drop for Paused {
    fn drop(&mut self) {
        self.0.enter();
    }
}

#[derive(Default)]
struct Ticker {
    state: Mutex<TickerState>,
    wake: Condvar,
}

#[derive(Default)]
struct TickerState {
    running: usize,
    started: bool,
    asleep: bool,
    ended: bool,
}

impl Ticker {
    fn start(self: &Arc<Self>, engine: &Engine) -> std::io::Result<()> {
        let mut state = lock(&self.state);
        if !state.started {
            let (ticker, engine) = (self.clone(), engine.weak());
            std::thread::Builder::new()
                .name("plugin-ticker".into())
                .spawn(move || ticker.tick(&engine))?;
            state.started = true;
        }
        Ok(())
    }

    fn enter(&self) {
        let mut state = lock(&self.state);
        state.running += 1;
        if state.asleep {
            self.wake.notify_all();
        }
    }

    fn leave(&self) {
        lock(&self.state).running -= 1;
    }

    fn tick(&self, engine: &EngineWeak) {
        let mut idle = 0;
        loop {
            {
                let mut state = lock(&self.state);
                idle = if state.running == 0 { idle + 1 } else { 0 };
                while idle > LINGER && state.running == 0 && !state.ended {
                    state.asleep = true;
                    state = self
                        .wake
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                    state.asleep = false;
                }
                if state.ended {
                    return;
                }
            }
            std::thread::sleep(TICK);
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => return,
            }
        }
    }
}

/// Locks; what a panic left behind is still a count or a map, so poison means nothing here.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
