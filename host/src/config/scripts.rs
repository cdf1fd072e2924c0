//! Which scripts of a directory are run, and in which order.

/// None yet.
pub fn list(_directory: &std::path::Path) -> std::io::Result<Vec<std::path::PathBuf>> {
    Ok(Vec::new())
}
