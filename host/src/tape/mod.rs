//! What passes the imports of a plugin, kept and used again: written down to a cassette (`Recorder`), played from one
//! without the world (`Player`), spoiled on purpose (`Faults`), and packed for somebody else (`bundle`).
//!
//! All three are taps (`plugin::Tap`); this room knows JSON and files, and neither wasmtime nor what an import does.
//! `host/CONFORMANCE.md` has the format of cassettes.

mod apart;
mod bundle;
mod cassette;
mod faults;
mod player;
mod recorder;
mod redact;
mod replay;

use std::io;
use std::path::Path;

pub use bundle::{Bundle, BundleError};
pub use cassette::{Cassette, CassetteError, Exchange, Header, Recorded, VERSION};
pub use faults::{Fault, Faults, Injection, Struck};
pub use player::{Difference, Player};
pub use recorder::{Recorder, TooLarge, WORK};
pub use redact::{Redactor, TooShort};
pub use replay::{NotRepeatable, repeat};

/// A file that takes another's place when it is whole.
fn draft_beside(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    tempfile::NamedTempFile::new_in(directory)
}
