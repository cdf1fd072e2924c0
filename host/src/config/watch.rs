//! Noticing that settings changed, for a process that lives on: the kernel says that something happened below the
//! roots, and a look at the files says whether it concerns us.
//!
//! Where the kernel says nothing (network file systems, the target of a link, too many watches) a slow tick looks.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::io::unix::AsyncFd;

use super::discover::Config;
use super::found::{CRCACHES, OURS};
use super::scripts::POINTS;
use super::settings;
use super::source::{PluginPath, SourceKind};

/// How often to look without being told.
const TICK: Duration = Duration::from_secs(5);

/// Editors write in several steps: this long after the last of them they are done.
const SETTLE: Duration = Duration::from_millis(100);

/// So that somebody who writes without end does not hide what they wrote.
const MOST_SETTLES: u32 = 20;

impl Config {
    /// A number that changes with every file that has a say: settings, scripts, and the component files of sources.
    /// Reads no file, only what the file system tells of them.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let mut look = |path: &Path| {
            path.hash(&mut hasher);
            print(path.metadata().ok().as_ref()).hash(&mut hasher);
        };
        for (root, _) in self.roots().in_order() {
            look(&root.join(settings::FILE));
        }
        for folder in self.folders() {
            for name in ["", OURS, CRCACHES] {
                look(&folder.join(name));
            }
            for scripts in POINTS.map(|point| folder.join(format!("{point}.d"))) {
                look(&scripts);
                entries(&scripts).iter().for_each(|script| look(script));
            }
        }
        let found = self.found();
        let held = found.held.iter().flatten();
        for source in held.filter_map(|(_, source)| source.as_ref().ok()) {
            let own = match &source.kind {
                SourceKind::Provider { plugin } => Some(plugin),
                SourceKind::Pool { .. } => None,
            };
            let plugins = own
                .into_iter()
                .chain(source.hooks.iter().map(|hook| &hook.plugin))
                .chain(source.wrap.iter().map(|wrapper| &wrapper.plugin));
            for plugin in plugins {
                match (plugin, &self.roots().plugins) {
                    (PluginPath::File(file), _) => look(file),
                    (PluginPath::Name(name), Some(installed)) => {
                        look(&installed.join(format!("{name}.wasm")));
                    }
                    (PluginPath::Name(_), None) => {}
                }
            }
        }
        hasher.finish()
    }

    /// The folders in which something may happen that concerns us: roots, and what is in their `sources`. Of a root that
    /// is not there, the folder in which it would appear.
    pub fn watch_list(&self) -> BTreeSet<PathBuf> {
        let mut list = BTreeSet::new();
        for (root, _) in self.roots().in_order() {
            let sources = root.join("sources");
            let there = sources.ancestors().find(|folder| folder.is_dir());
            list.extend(there.map(Path::to_owned));
            if root.is_dir() {
                list.insert(root.to_owned());
            }
        }
        for folder in self.folders() {
            list.extend(POINTS.map(|point| folder.join(format!("{point}.d"))));
            list.insert(folder);
        }
        list.extend(self.roots().plugins.clone());
        list.retain(|path| path.is_dir());
        list
    }

    /// Everything that is in a `sources`, whether or not it is a source.
    fn folders(&self) -> Vec<PathBuf> {
        let roots = self.roots().in_order();
        roots
            .flat_map(|(root, _)| entries(&root.join("sources")))
            .collect()
    }
}

/// What is in a folder, sorted; nothing if it cannot be listed.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = folder.read_dir().into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// What differs when a file is another, or has been written to, or may be read by others.
fn print(metadata: Option<&Metadata>) -> Option<[i64; 6]> {
    let metadata = metadata?;
    Some([
        metadata.dev().cast_signed(),
        metadata.ino().cast_signed(),
        metadata.size().cast_signed(),
        i64::from(metadata.mode()),
        metadata.mtime(),
        metadata.mtime_nsec() ^ (metadata.ctime() << 32) ^ (metadata.ctime_nsec() << 2),
    ])
}

/// A look-out for changes of the settings.
pub struct Watch {
    events: AsyncFd<OwnedFd>,
    seen: u64,
}

impl Watch {
    /// Begins to look; what happens from now on is noticed. To be called before the settings are read.
    pub fn new(config: &Config) -> io::Result<Self> {
        let events = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        #[expect(
            deprecated,
            reason = "the new constructor is unsafe for descriptors that close themselves early; ours cannot"
        )]
        let events = AsyncFd::new(events)?;
        let watch = Self {
            events,
            seen: config.fingerprint(),
        };
        watch.extend(config);
        Ok(watch)
    }

    /// Returns when files that have a say are not what they were. May be dropped at any time without losing anything.
    pub async fn changed(&mut self, config: &Config) -> io::Result<()> {
        loop {
            // First, because something may have happened since the last time.
            self.extend(config);
            let now = config.fingerprint();
            if now != self.seen {
                self.seen = now;
                return Ok(());
            }
            if self.happened(TICK).await? {
                let mut settles = 0;
                while settles < MOST_SETTLES && self.happened(SETTLE).await? {
                    settles += 1;
                }
            }
        }
    }

    /// Whether the kernel tells of anything within this time.
    async fn happened(&self, within: Duration) -> io::Result<bool> {
        let Ok(ready) = tokio::time::timeout(within, self.events.readable()).await else {
            return Ok(false);
        };
        let mut ready = ready?;
        let mut buffer = [0; 4096];
        while rustix::io::read(ready.get_inner(), &mut buffer).is_ok_and(|length| length > 0) {}
        ready.clear_ready();
        Ok(true)
    }

    /// Watches folders that are new; to watch one twice does no harm.
    fn extend(&self, config: &Config) {
        let what = WatchFlags::CLOSE_WRITE
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::ATTRIB
            | WatchFlags::ONLYDIR;
        for folder in config.watch_list() {
            if let Err(error) = inotify::add_watch(&self.events, &folder, what) {
                // It may be gone again, or there are too many watches: the tick looks all the same.
                tracing::debug!(%error, "cannot watch `{}`", folder.display());
            }
        }
    }
}
