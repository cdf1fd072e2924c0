//! What a copy tells while it runs, and what it answers when it is done.

/// Called from the copying thread as bytes go by. Everything has a default, so that a caller implements what it shows.
pub trait Progress: Send + Sync {
    /// How many bytes of file contents there will be. Called at most once, and only when it is known: for one file.
    fn total(&self, bytes: u64) {
        let _: u64 = bytes;
    }

    /// The next thing, as a path below the top one (empty for that itself). Bytes as they are: escape them.
    fn entry(&self, path: &[u8]) {
        let _: &[u8] = path;
    }

    /// So many bytes of file contents more, holes included.
    fn advance(&self, bytes: u64) {
        let _: u64 = bytes;
    }
}

/// Says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Progress for Quiet {}

/// What was copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Files, directories and links.
    pub entries: u64,
    /// Regular files among them.
    pub files: u64,
    /// Bytes of file contents, holes included.
    pub bytes: u64,
    /// What was left out or may be inconsistent, one sentence each, ready for a terminal.
    pub warnings: Vec<String>,
    /// Warnings beyond those kept.
    pub more_warnings: u64,
}

impl Summary {
    /// A tree full of sockets must not fill the memory.
    const MAX_WARNINGS: usize = 100;

    pub(super) fn warn(&mut self, warning: String) {
        if self.warnings.len() < Self::MAX_WARNINGS {
            self.warnings.push(warning);
        } else {
            self.more_warnings += 1;
        }
    }
}
