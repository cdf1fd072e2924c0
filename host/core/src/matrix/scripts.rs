//! The scripts of a level.

use std::sync::Arc;

/// A shell script, as written. Shared, because anchors and cloned parts repeat them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    pub text: Arc<str>,
    /// The line of the file where the text begins, from 1; 0 is unknown. For messages about a line of the script.
    pub line: u32,
}

impl Script {
    /// A script that begins on this line of its file.
    pub fn new(text: impl Into<Arc<str>>, line: u32) -> Self {
        Self {
            text: text.into(),
            line,
        }
    }

    /// There is nothing to run: nobody connects, logs or counts because of it.
    pub fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }
}

/// What a level runs, and when. A task has only the first three: its `*_each` are empty.
///
/// The order for a worker is project `prepare`, backend `prepare`, suite `prepare`; then for each job one script made of
/// [`JobView::prepare`](super::JobView::prepare), the task's `execute`, and one made of
/// [`JobView::restore`](super::JobView::restore); then the `restore`s from the suite up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scripts {
    pub prepare: Script,
    pub restore: Script,
    /// After a failure at this level.
    pub debug: Script,
    /// Before each task below this level.
    pub prepare_each: Script,
    /// After each task below this level.
    pub restore_each: Script,
    /// After a failure of a task below this level.
    pub debug_each: Script,
}

/// A reason not to run, found out on the system: if the script ends with 0, the task (or what is left of the suite) is skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    pub condition: Script,
    pub reason: String,
}
