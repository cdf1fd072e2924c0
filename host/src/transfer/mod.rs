//! Copies of files to, from and between instances: everything that needs no provider.
//!
//! On the instance it is always `tar` in a shell script that `remote` builds (or a provider's own `copy`); on this machine it
//! is this room. Bytes that come from an instance are hostile. Whatever is unpacked goes first into a private directory
//! beside its destination, no symbolic link is followed on the way, and only when all of it has arrived and the instance has
//! said that it is right does `Unpacked::commit` move it to its final name. What is sent is guarded the same
//! way by the script on the other side.
//!
//! The calls block: run them on a thread of their own. They expect blocking descriptors. To stop one, close its stream.

mod contents;
mod destination;
mod error;
mod format;
mod holes;
mod limits;
mod merge;
mod name;
mod options;
mod pack;
mod pipe;
mod progress;
mod relay;
pub mod remote;
mod source;
mod staging;
mod tree;
mod unpack;

#[cfg(test)]
mod tests;

pub use destination::Destination;
pub use error::{InstanceFailure, Refusal, TransferError};
pub use format::{Inlet, Outlet};
pub use options::{Preserve, Receiver};
pub use pack::{PackOptions, pack};
pub use progress::{Progress, Quiet, Summary};
pub use relay::{Relayed, relay};
pub use remote::{InstanceDestination, InstanceSource, receiver};
pub use source::LocalSource;
pub use unpack::{Top, Unpacked, unpack};

/// What is copied, in a parcel and where it is unpacked.
const DATA: &[u8] = b"data";

/// The empty file that completes a parcel.
const DONE: &[u8] = b"done";
