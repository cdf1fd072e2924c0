//! The arguments of the verbs that have to do with registries; their comments are the manual.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::app::FetchOptions;
use crate::registry::Level;

#[derive(Debug, Subcommand)]
pub(crate) enum Distribution {
    /// Install a plugin, so that sources can name it as their `type`
    ///
    /// From a registry by its name (`registries` in `[plugins]` of your `config.toml` says where that is looked for) or by its
    /// whole reference, or from a component file. Without an argument: everything that the project's `runner.lock` pins.
    /// What comes from a registry must be signed by somebody whose signature counts. Nothing of it is run, and nothing is
    /// granted.
    #[command(after_help = "\
Examples:
  runner plugin install hetzner
  runner plugin install hetzner@^1.2 --lock
  runner plugin install oci://registry.example.com/providers/hetzner:1.2.3 --key providers.pub
  runner plugin install ./hetzner.wasm")]
    Install(InstallArgs),
    /// Take newer versions of plugins that came from registries, after showing what changes
    ///
    /// Version, size, interfaces, what it asks for, what its publisher claims about its conformance, and who signed it. A grant
    /// is for one component: the new one asks again.
    Update(UpdateArgs),
    /// Remove an installed plugin
    Remove {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// List the plugins that came from registries, beside what is there now
    Outdated(NetArgs),
    /// Search registries for plugins
    ///
    /// Asks the configured registries for their catalogues. Not every registry shows one.
    Search(SearchArgs),
    /// Publish a plugin in a registry, signed
    ///
    /// In the layout of the WebAssembly OCI artifacts, with a signature as cosign makes them. Name and version are the plugin's own;
    /// a version that is published stays as it is.
    #[command(after_help = "\
Examples:
  runner plugin keygen providers
  runner plugin publish oci://registry.example.com/providers/hetzner:1.2.3 hetzner.wasm --key providers.key")]
    Publish(PublishArgs),
    /// Withdraw a published version: nobody is given it who did not pin it or ask for it
    Yank {
        /// The version: `oci://HOST/NAME:VERSION`
        #[arg(value_name = "REFERENCE")]
        reference: String,
        #[command(flatten)]
        net: NetArgs,
    },
    /// Make a key to sign plugins with: PREFIX.key, which is a secret, and PREFIX.pub
    Keygen {
        /// What the two files are called
        #[arg(value_name = "PREFIX")]
        prefix: PathBuf,
    },
    /// Write plugins and their signatures into a file, for sites that reach no registry
    ///
    /// The file is an OCI layout in a tar archive. Without a name: what the project's `runner.lock` pins.
    Export(ExportArgs),
    /// Install the plugins of a file that `export` wrote
    ///
    /// Each must be signed as if it came from the registry that it was exported from.
    Import {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        fetch: FetchArgs,
        #[command(flatten)]
        take: TakeArgs,
    },
    /// Keep a user name and a password or token for a registry
    ///
    /// They are kept in a file that only you can read. What `docker login` wrote is used too.
    Login {
        /// The registry, with its port if it has one
        #[arg(value_name = "HOST")]
        host: String,
        /// The user
        #[arg(short, long, value_name = "USER")]
        user: String,
        /// Read the password from standard input up to its end, instead of one line from the terminal
        #[arg(long)]
        password_stdin: bool,
    },
    /// Forget a registry's user name and password
    Logout {
        /// The registry
        #[arg(value_name = "HOST")]
        host: String,
    },
}

/// Whom to believe.
#[derive(Debug, Default, Args)]
pub(crate) struct FetchArgs {
    /// A public key whose signatures count, instead of the configured ones (may be repeated)
    #[arg(long = "key", value_name = "FILE")]
    pub keys: Vec<PathBuf>,
    /// Take what nobody who counts has signed: then nothing says who made it
    #[arg(long)]
    pub allow_unsigned: bool,
    #[command(flatten)]
    pub net: NetArgs,
}

/// How to speak.
#[derive(Debug, Default, Args)]
pub(crate) struct NetArgs {
    /// Speak HTTP without TLS: passwords and what is fetched can be read and changed on the way
    #[arg(long)]
    pub plain_http: bool,
}

/// What to take that is not taken unasked.
#[derive(Debug, Default, Args)]
pub(crate) struct TakeArgs {
    /// Write what is installed into the project's `runner.lock`
    #[arg(long)]
    pub lock: bool,
    /// Take an older version than the installed one
    #[arg(long)]
    pub downgrade: bool,
    /// Take the place of a plugin of the same name from elsewhere, or of one whose version changed
    #[arg(long)]
    pub replace: bool,
    /// Take versions that their publisher has withdrawn
    #[arg(long)]
    pub yanked: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// A name, perhaps with versions (`NAME@RANGE`), `oci://HOST/NAME:VERSION`, or a component file
    #[arg(value_name = "PLUGIN")]
    pub plugin: Option<String>,
    #[command(flatten)]
    pub fetch: FetchArgs,
    #[command(flatten)]
    pub take: TakeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// The plugins; none: all that came from registries
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Take them without asking
    #[arg(short, long)]
    pub yes: bool,
    /// Show what would change, and take nothing
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    #[command(flatten)]
    pub fetch: FetchArgs,
    #[command(flatten)]
    pub take: TakeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    /// Words that name or description have; none: everything
    #[arg(value_name = "WORD")]
    pub words: Vec<String>,
    /// Search there instead of in the configured registries (may be repeated)
    #[arg(long = "registry", value_name = "HOST[/PART]")]
    pub registries: Vec<String>,
    #[command(flatten)]
    pub net: NetArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    /// Where to: `oci://HOST/NAME`, with or without `:VERSION`
    #[arg(value_name = "REFERENCE")]
    pub reference: String,
    /// A component file, or the name of a plugin; the name in the reference when it is left out
    #[arg(value_name = "FILE|NAME")]
    pub plugin: Option<String>,
    /// Sign with this private key (PEM, PKCS #8, without a password)
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// The report that `runner plugin test --report` wrote about this very component: its level is published with it
    #[arg(long, value_name = "REPORT", conflicts_with = "level")]
    pub proof: Option<PathBuf>,
    /// The level that the plugin reached in `runner plugin test`, as you claim it; shown as a claim
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    pub level: Option<Level>,
    /// Say more about it, such as `org.opencontainers.image.source=https://…` (may be repeated)
    #[arg(long = "annotation", value_name = "KEY=VALUE", value_parser = crate::cli::values::option)]
    pub annotations: Vec<(String, String)>,
    /// Put it in the place of another that is published under the same version
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub net: NetArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The plugins, as for `install`
    #[arg(value_name = "PLUGIN")]
    pub plugins: Vec<String>,
    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    #[command(flatten)]
    pub fetch: FetchArgs,
}

/// Reads a level of the conformance suite.
fn level(word: &str) -> Result<Level, String> {
    Level::parse(word).ok_or_else(|| {
        let known: Vec<_> = Level::ALL.iter().map(|level| level.word()).collect();
        format!("the levels are {}", known.join(", "))
    })
}

impl NetArgs {
    pub(super) fn options(&self) -> FetchOptions {
        FetchOptions {
            plain_http: self.plain_http,
            ..FetchOptions::default()
        }
    }
}

impl FetchArgs {
    pub(super) fn options(self) -> FetchOptions {
        FetchOptions {
            keys: self.keys,
            allow_unsigned: self.allow_unsigned,
            ..self.net.options()
        }
    }
}

impl TakeArgs {
    pub(super) fn and(&self, fetch: FetchOptions) -> FetchOptions {
        FetchOptions {
            yanked: self.yanked,
            downgrade: self.downgrade,
            replace: self.replace,
            lock: self.lock,
            ..fetch
        }
    }
}
