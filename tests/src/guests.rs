//! Where the guests lie that `build.rs` compiled from `guests/`.

use std::path::Path;

/// A well-behaved provider whose backend is a directory of files, see `guests/fake`.
pub fn fake() -> &'static Path {
    Path::new(env!("GUEST_FAKE"))
}

/// A provider that misbehaves in the way its configuration asks for, see `guests/hostile`.
pub fn hostile() -> &'static Path {
    Path::new(env!("GUEST_HOSTILE"))
}

/// A provider whose function table is larger than any limit, see `guests/table`.
pub fn table() -> &'static Path {
    Path::new(env!("GUEST_TABLE"))
}
