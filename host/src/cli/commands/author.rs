//! `runner plugin new` and `pack`: for people who write plugins.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::plugin::show;
use crate::author::{self, AuthorError, Language};
use crate::cli::context::Context;
use crate::cli::error::{Failure, Outcome};
use crate::engine::FailureKind;
use crate::report::escape;

/// Start a plugin of your own: a project that builds, passes `plugin test`, and carries CI and publishing
///
/// It is written from what is inside this program; building it needs the language's ordinary tools. What it makes at first is a
/// small provider that works: replace what it does by what your backend needs.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runner plugin new shed --lang rust
  runner plugin new shed --lang python --directory plugins/shed")]
pub(crate) struct New {
    /// What the plugin is called: a lower-case letter, then lower-case letters, digits and hyphens
    #[arg(value_name = "NAME")]
    pub name: String,

    /// What it is written in
    #[arg(short, long, value_name = "LANGUAGE", value_enum)]
    pub lang: Lang,

    /// Where to write it, instead of into a new directory with its name
    #[arg(long, value_name = "DIR")]
    pub directory: Option<PathBuf>,
}

/// The languages of `plugin new`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Lang {
    /// cargo, with the SDK
    Rust,
    /// componentize-py
    Python,
    /// componentize-qjs (QuickJS)
    Js,
    /// any compiler for wasm32-wasi, such as zig or clang
    C,
}

/// Make a plugin of what a toolchain gave: put the manifest in, and check that the host would take it
///
/// In Rust the SDK does this in the build.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runner plugin pack build.wasm --manifest plugin.json -o shed.wasm")]
pub(crate) struct Pack {
    /// The component that the toolchain wrote
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// The manifest
    #[arg(short, long, value_name = "JSON", default_value = "plugin.json")]
    pub manifest: PathBuf,

    /// Where the plugin goes; an older one is replaced
    #[arg(short, long, value_name = "WASM")]
    pub output: PathBuf,
}

impl From<AuthorError> for Failure {
    fn from(error: AuthorError) -> Self {
        let kind = if error.io {
            FailureKind::Io
        } else {
            FailureKind::Invalid
        };
        let mut failure = Self::new(kind.word(), error.message.clone());
        failure.hint.clone_from(&error.hint);
        match std::error::Error::source(&error) {
            Some(cause) => failure.because(cause),
            None => failure,
        }
    }
}

/// `plugin new`.
pub(super) fn new(args: &New, context: &Context) -> Outcome {
    let language = match args.lang {
        Lang::Rust => Language::Rust,
        Lang::Python => Language::Python,
        Lang::Js => Language::Js,
        Lang::C => Language::C,
    };
    let directory = match &args.directory {
        Some(directory) => directory.clone(),
        None => PathBuf::from(&args.name),
    };
    let project = author::new_project(&args.name, language, &directory)?;
    let files: Vec<_> = project
        .files
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let told = json!({
        "name": args.name,
        "directory": project.directory.display().to_string(),
        "files": files,
    });
    show(context, &told, || {
        let directory = escape::line(&project.directory.display().to_string()).into_owned();
        format!(
            "wrote plugin `{}` to `{directory}`: {} files\nits README.md has the commands that build, prove and publish it\n",
            args.name,
            files.len()
        )
    })
}

/// `plugin pack`.
pub(super) fn pack(args: &Pack, context: &Context) -> Outcome {
    let component = author::pack(&args.file, &args.manifest, &args.output)?;
    let told = json!({
        "name": component.manifest.name,
        "version": component.manifest.version,
        "digest": component.reference.digest,
        "size": component.size,
        "path": args.output.display().to_string(),
    });
    show(context, &told, || {
        format!(
            "packed plugin `{}` {} into `{}` ({} bytes)\n",
            escape::line(&component.manifest.name),
            escape::line(&component.manifest.version),
            escape::line(&args.output.display().to_string()),
            component.size
        )
    })
}
