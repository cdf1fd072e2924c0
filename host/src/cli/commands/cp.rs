//! `runner cp`: files to, from and between instances.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use runner_core::id::InstanceName;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::error::{Failure, Outcome};
use crate::cli::exit_code;
use crate::cli::progress::Bar;
use crate::cli::signals::{self, Signals};
use crate::engine::Endpoint;
use crate::transfer::{Preserve, Progress, Quiet};

/// Copy files to, from and between leased instances
///
/// A path of an instance is written `ID:PATH`, relative to the directory where its commands start; `-` is standard
/// input or output. Directories are copied whole; modes, times and symbolic links are kept, owners are not. If the
/// destination is an existing directory the copy goes inside it, otherwise the destination is the copy's new name.
/// Nothing appears under its final name before all of it has arrived. A local path with a colon is written `./a:b`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runner cp app.tar local-0:            into the directory where commands start
  runner cp -- local-0:build/log log    out of it
  runner cp web-0:/etc/app web-1:/etc   between two
  tar c . | runner cp - web-0:src.tar   from standard input")]
pub(crate) struct Cp {
    /// What to copy
    #[arg(value_name = "SRC", required = true, num_args = 1..)]
    pub sources: Vec<OsString>,

    /// Where to
    #[arg(value_name = "DST", required = true)]
    pub destination: OsString,

    /// Keep numeric owners and groups (superuser only)
    #[arg(long)]
    pub preserve_owner: bool,

    /// Keep set-user-id and set-group-id bits
    #[arg(long)]
    pub preserve_setid: bool,
}

/// Copies; a signal stops it, and nothing half copied stays.
pub(crate) fn run(args: Cp, context: &Context) -> Outcome {
    let sources = args
        .sources
        .iter()
        .map(|text| endpoint(text))
        .collect::<Result<Vec<_>, _>>()?;
    let destination = endpoint(&args.destination)?;
    let preserve = Preserve {
        owner: args.preserve_owner,
        set_id: args.preserve_setid,
    };
    let engine = context.engine()?;
    let bar = context
        .console
        .shows_progress()
        .then(|| Arc::new(Bar::new()));
    let progress: Arc<dyn Progress> = match &bar {
        Some(bar) => Arc::clone(bar) as _,
        None => Arc::new(Quiet),
    };
    let copied = context.block_on(async {
        let mut signals = Signals::ending()?;
        tokio::select! {
            copied = engine.copy(&sources, &destination, preserve, progress) => Ok(copied?),
            // Those who began files take them back when they see that nothing more comes.
            arrived = signals.next() => Err(signals::interrupted(arrived)),
        }
    });
    if let Some(bar) = bar {
        bar.finish();
    }
    let copied = copied?;
    for warning in &copied.warnings {
        context.console.warning(warning);
    }
    if context.console.json && !matches!(destination, Endpoint::Stream) {
        context.console.print_json(&json!({ "entries": copied.entries, "bytes": copied.bytes, "warnings": copied.warnings }))?;
    }
    Ok(exit_code::OK)
}

/// `-`, `ID:PATH` (a colon before any slash), or a local path.
fn endpoint(text: &OsStr) -> Result<Endpoint, Failure> {
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        return Err(Failure::bad_option("an empty path cannot be copied"));
    }
    if bytes == b"-" {
        return Ok(Endpoint::Stream);
    }
    let colon = bytes
        .iter()
        .position(|byte| matches!(byte, b':' | b'/'))
        .filter(|&at| bytes[at] == b':');
    let Some(colon) = colon else {
        return Ok(Endpoint::Local(PathBuf::from(text)));
    };
    let name = std::str::from_utf8(&bytes[..colon])
        .ok()
        .filter(|name| !name.is_empty())
        .ok_or_else(|| {
            Failure::bad_option("there is no instance name before the colon")
                .hint("write a local path with a colon as `./a:b`")
        })?;
    Ok(Endpoint::Remote {
        instance: InstanceName::typed(name),
        path: bytes[colon + 1..].to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_side_a_text_means() {
        let of = |text: &str| endpoint(OsStr::new(text));
        assert!(matches!(of("-"), Ok(Endpoint::Stream)));
        assert!(matches!(of("a/b:c"), Ok(Endpoint::Local(path)) if path == *"a/b:c"));
        assert!(matches!(of("./a:b"), Ok(Endpoint::Local(_))));
        assert!(matches!(of("file"), Ok(Endpoint::Local(_))));
        let Ok(Endpoint::Remote { instance, path }) = of("web-0:/tmp/a:b") else {
            panic!("a path of an instance")
        };
        assert_eq!(
            (instance.as_str(), path.as_slice()),
            ("web-0", b"/tmp/a:b".as_slice())
        );
        assert!(matches!(of("web-0:"), Ok(Endpoint::Remote { path, .. }) if path.is_empty()));
        assert!(of(":x").is_err());
        assert!(of("").is_err());
    }
}
