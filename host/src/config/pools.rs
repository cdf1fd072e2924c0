//! Pools over more than one file: a pool that contains itself, and the sources with a plugin that a pool stands for.

use std::collections::BTreeSet;

use runner_core::id::SourceName;

use super::error::{ConfigError, Position, Problem};
use super::source::{SourceConfig, SourceKind};

/// Sees that a pool does not contain itself. A source that cannot be read is passed over: it says so itself when it is
/// asked for.
pub(super) fn check(
    source: &SourceConfig,
    read: impl Fn(&SourceName) -> Option<SourceConfig>,
) -> Result<(), ConfigError> {
    let mut seen = BTreeSet::new();
    let mut problems = Vec::new();
    for (index, child) in children(source).iter().enumerate() {
        // Depth first, each path as the chain of names that leads to it.
        let mut open = vec![vec![child.clone()]];
        while let Some(path) = open.pop() {
            let Some(last) = path.last() else { continue };
            if *last == source.name {
                let chain: Vec<_> = path.iter().map(SourceName::as_str).collect();
                let message = format!(
                    "the pool `{0}` contains itself: {0} → {1}",
                    source.name,
                    chain.join(" → ")
                );
                let at = source
                    .position_of(&format!("sources.{index}"))
                    .or_else(|| source.file.clone().map(Position::whole));
                let mut problem = Problem::nowhere(message);
                problem.position = at;
                problems.push(problem.hint("remove one of these names from the pool before it"));
                break;
            }
            if !seen.insert(last.clone()) {
                continue;
            }
            let Some(next) = read(last) else { continue };
            for grandchild in children(&next).iter().rev() {
                let mut path = path.clone();
                path.push(grandchild.clone());
                open.push(path);
            }
        }
    }
    ConfigError::unless_empty(problems)
}

/// The sources with a plugin behind a source, in order of preference, each once.
pub(super) fn expand(
    source: &SourceConfig,
    read: impl Fn(&SourceName) -> Result<SourceConfig, ConfigError>,
) -> Result<Vec<SourceConfig>, ConfigError> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    let mut open = vec![source.clone()];
    while let Some(next) = open.pop() {
        if !seen.insert(next.name.clone()) {
            continue;
        }
        match &next.kind {
            SourceKind::Provider { .. } => found.push(next),
            SourceKind::Pool { sources } => {
                for child in sources.iter().rev() {
                    open.push(read(child)?);
                }
            }
        }
    }
    Ok(found)
}

fn children(source: &SourceConfig) -> &[SourceName] {
    match &source.kind {
        SourceKind::Pool { sources } => sources,
        SourceKind::Provider { .. } => &[],
    }
}
