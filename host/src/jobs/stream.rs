//! Where events are told: everybody who listens hears of everything, in the same order, with what is secret taken out.

use std::sync::{Arc, Mutex, PoisonError};

use super::events::{Event, What};
use super::mask::Masks;
use crate::clock::Clock;

/// Somebody who wants to know. Called in the order of events, and never twice at once.
pub trait Listener: Send {
    /// Something happened. To be quick about: the run waits.
    fn on(&mut self, event: &Event);
}

/// Where events are told. Cheap to clone.
#[derive(Clone)]
pub struct Stream(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    room: Mutex<Room>,
}

struct Room {
    masks: Masks,
    listeners: Vec<Box<dyn Listener>>,
}

impl Stream {
    /// A stream with these listeners.
    pub fn new(clock: Arc<dyn Clock>, listeners: Vec<Box<dyn Listener>>) -> Self {
        let masks = Masks::default();
        Self(Arc::new(Inner {
            clock,
            room: Mutex::new(Room { masks, listeners }),
        }))
    }

    /// From now on nobody hears this.
    pub fn mask(&self, secret: &str) {
        self.room().masks.add(secret);
    }

    /// Tells everybody.
    pub fn emit(&self, what: What) {
        let mut room = self.room();
        let Room { masks, listeners } = &mut *room;
        for what in masks.apply(what) {
            let event = Event {
                at: self.0.clock.now(),
                what,
            };
            for listener in listeners.iter_mut() {
                listener.on(&event);
            }
        }
    }

    fn room(&self) -> std::sync::MutexGuard<'_, Room> {
        // A listener that panicked has told its part; the others still want to know.
        self.0.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
