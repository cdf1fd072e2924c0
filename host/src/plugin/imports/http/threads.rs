//! Threads for exchanges, kept for the next one: a new thread costs as much as a request to a neighbour, and on a busy machine
//! it waits longer for its turn than one that has slept.
//!
//! Not tokio's own pool: the end of the program would wait for an exchange that nobody waits for any more.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::plugin::engine::lock;

/// Of a thread's stack; most of it is never touched.
const STACK: usize = 1 << 20;
/// How long a thread waits for work, and how many do.
const IDLE_FOR: Duration = Duration::from_secs(10);
const IDLE: usize = 64;

type Work = Box<dyn FnOnce() + Send>;

/// Threads that wait, the latest last. As many as there is work for: each exchange is one call's, and calls are counted
/// elsewhere.
#[derive(Default)]
pub(super) struct Threads(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    threads: Vec<(u64, SyncSender<Work>)>,
    started: u64,
}

impl Threads {
    /// Runs this on a thread that waits, or on a new one.
    pub(super) fn run(&self, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut work: Work = Box::new(work);
        loop {
            let Some((_, thread)) = lock(&self.0).threads.pop() else {
                return self.start(work);
            };
            match thread.send(work) {
                Ok(()) => return Ok(()),
                // It ended just now.
                Err(mpsc::SendError(back)) => work = back,
            }
        }
    }

    fn start(&self, work: Work) -> io::Result<()> {
        let number = {
            let mut waiting = lock(&self.0);
            waiting.started += 1;
            waiting.started
        };
        let waiting = Arc::downgrade(&self.0);
        std::thread::Builder::new()
            .name("plugin-http".into())
            .stack_size(STACK)
            .spawn(move || {
                let mut work = work;
                loop {
                    work();
                    // One place: whoever took the sender out of the list fills it at once.
                    let (sender, receiver) = mpsc::sync_channel(1);
                    let Some(list) = waiting.upgrade() else {
                        return;
                    };
                    {
                        let mut list = lock(&list);
                        if list.threads.len() >= IDLE {
                            return;
                        }
                        list.threads.push((number, sender));
                    }
                    drop(list);
                    work = match receiver.recv_timeout(IDLE_FOR) {
                        Ok(work) => work,
                        Err(RecvTimeoutError::Disconnected) => return,
                        Err(RecvTimeoutError::Timeout) => {
                            let Some(list) = waiting.upgrade() else {
                                return;
                            };
                            let mut list = lock(&list);
                            let before = list.threads.len();
                            list.threads.retain(|(other, _)| *other != number);
                            let taken = list.threads.len() == before;
                            drop(list);
                            // Somebody has taken it out meanwhile: its work is on its way.
                            match taken.then(|| receiver.recv()) {
                                Some(Ok(work)) => work,
                                Some(Err(_)) | None => return,
                            }
                        }
                    };
                }
            })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::ThreadId;

    fn on(threads: &Threads) -> ThreadId {
        let (tell, told) = mpsc::channel();
        threads
            .run(move || tell.send(std::thread::current().id()).unwrap())
            .unwrap();
        told.recv().unwrap()
    }

    fn wait_for_idle(threads: &Threads, count: usize) {
        while lock(&threads.0).threads.len() != count {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_thread_is_used_again_and_others_join_when_it_is_busy() {
        let threads = Threads::default();
        let first = on(&threads);
        wait_for_idle(&threads, 1);
        assert_eq!(on(&threads), first);
        wait_for_idle(&threads, 1);
        // Busy: the next one is another.
        let (go, wait) = mpsc::channel::<()>();
        threads.run(move || wait.recv().unwrap()).unwrap();
        let second = on(&threads);
        assert_ne!(second, first);
        go.send(()).unwrap();
        wait_for_idle(&threads, 2);
    }

    #[test]
    fn a_panic_ends_its_thread_only() {
        let threads = Threads::default();
        let (tell, told) = mpsc::channel::<()>();
        threads
            .run(move || {
                let _told = tell;
                std::panic::resume_unwind(Box::new("not printed"));
            })
            .unwrap();
        assert!(told.recv().is_err());
        on(&threads);
    }
}
