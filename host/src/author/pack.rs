//! `plugin pack`: from the component that a toolchain gave to a plugin: the manifest goes in, and what the host would refuse is
//! refused now.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use super::error::AuthorError;
use crate::plugin::{Component, LoadError, Manifest, inspect_bytes, with_manifest};

/// Makes a plugin of `file` and writes it to `out`, over an older one.
pub fn pack(file: &Path, manifest: &Path, out: &Path) -> Result<Component, AuthorError> {
    let read = |path: &Path| {
        fs::read(path).map_err(|error| {
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            let error = AuthorError::file("read", path, error);
            if missing && path == manifest {
                return error.hint("a manifest says what the plugin is and asks for; `runner plugin new` writes one to start from");
            }
            error
        })
    };
    let component = read(file)?;
    let text = read(manifest)?;
    Manifest::read(&text)
        .and_then(|manifest| manifest.check_schema().map_err(|error| error.to_string()))
        .map_err(|problem| AuthorError::new(format!("`{}`: {problem}", manifest.display())))?;
    let bytes = with_manifest(&file.display().to_string(), component, &text).map_err(refused)?;
    let component = inspect_bytes(file, bytes).map_err(refused)?;
    write(out, component.bytes()).map_err(|error| AuthorError::file("write", out, error))?;
    Ok(component)
}

fn refused(error: LoadError) -> AuthorError {
    let hint = error.hint.clone();
    let mut refused = AuthorError::new("this would be no plugin").because(error);
    refused.hint = hint;
    refused
}

/// All of it or nothing: what is read while it is built is never half a file.
fn write(out: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let directory = match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut draft = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(directory)?;
    draft.write_all(bytes)?;
    draft.persist(out)?;
    Ok(())
}
