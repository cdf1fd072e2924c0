//! Where the components lie that `build.rs` compiled from `guests/` and `examples/`, and those that are kept as they were.

use std::path::{Path, PathBuf};

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

/// A wrapper that misbehaves in the way its configuration asks for, see `guests/usurper`.
pub fn usurper() -> &'static Path {
    Path::new(env!("GUEST_USURPER"))
}

/// A hook that writes down what it is told, and fails and routes as its configuration asks for, see `guests/warden`.
pub fn warden() -> &'static Path {
    Path::new(env!("GUEST_WARDEN"))
}

/// The example of a provider in Rust, see `examples/airgap-provider`.
pub fn airgap_provider() -> &'static Path {
    Path::new(env!("EXAMPLE_AIRGAP_PROVIDER"))
}

/// The example of a hook that looks at instances, see `examples/audit-hook`.
pub fn audit_hook() -> &'static Path {
    Path::new(env!("EXAMPLE_AUDIT_HOOK"))
}

/// The example of a hook that routes, see `examples/route-hook`.
pub fn route_hook() -> &'static Path {
    Path::new(env!("EXAMPLE_ROUTE_HOOK"))
}

/// A component of an earlier version of the contract, see `kept/README.md`.
pub fn kept(name: &str) -> PathBuf {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("kept");
    kept.join(format!("{name}.wasm"))
}

/// A provider that speaks HTTP, and an HTTP client that a test tells what to send, see `guests/web`.
pub fn web() -> &'static Path {
    Path::new(env!("GUEST_WEB"))
}
