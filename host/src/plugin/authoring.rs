//! What the last step of a build needs: putting a manifest into a component, and looking at the result before it is a file.

use std::path::Path;

use super::component::Component;
use super::error::{LoadError, LoadErrorKind};
use super::locate::{Found, Origin, digest_of};
use super::sections::{self, MANIFEST_SECTION};

/// The component with this manifest in it. One that has the very same already stays as it is.
pub fn with_manifest(
    subject: &str,
    mut component: Vec<u8>,
    manifest: &[u8],
) -> Result<Vec<u8>, LoadError> {
    let shape = sections::shape(&component).map_err(|damage| damage.about(subject))?;
    match shape.manifest {
        Some(there) if there.trim_ascii() == manifest.trim_ascii() => return Ok(component),
        Some(_) => {
            return Err(LoadError::new(
                LoadErrorKind::Manifest,
                subject,
                format!("it has another manifest already (custom section `{MANIFEST_SECTION}`)"),
            )
            .hint("give the file that the toolchain wrote; the SDK for Rust puts the manifest in by itself"));
        }
        None => (),
    }
    let mut payload = Vec::new();
    leb128(&mut payload, MANIFEST_SECTION.len());
    payload.extend_from_slice(MANIFEST_SECTION.as_bytes());
    payload.extend_from_slice(manifest);
    component.push(CUSTOM);
    leb128(&mut component, payload.len());
    component.extend_from_slice(&payload);
    Ok(component)
}

/// The id of a custom section.
const CUSTOM: u8 = 0;

/// An unsigned number as WebAssembly writes it: seven bits to a byte, the lowest first.
fn leb128(out: &mut Vec<u8>, mut number: usize) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        if number == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

/// Looks at a component that will be the file `path`.
pub fn inspect_bytes(path: &Path, bytes: Vec<u8>) -> Result<Component, LoadError> {
    let component = Component::read(Found {
        subject: path.display().to_string(),
        origin: Origin::File(path.to_owned()),
        digest: digest_of(&bytes),
        bytes: bytes.into(),
    })?;
    Ok(component)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{self, MANIFEST};
    use super::*;

    #[test]
    fn a_manifest_goes_in_once() {
        let bare = fixtures::component(None, &[], &["runner:plugin/provider@0.1.0"]);
        // Longer than one byte of a length can say.
        let manifest = MANIFEST.replace("{", &format!("{{{}", " ".repeat(200)));
        let made = with_manifest("x.wasm", bare, manifest.as_bytes()).unwrap();
        let component = inspect_bytes(Path::new("x.wasm"), made.clone()).unwrap();
        assert_eq!(component.manifest.name, "test");
        let again = with_manifest("x.wasm", made.clone(), manifest.as_bytes()).unwrap();
        assert_eq!(again, made);
        let error = with_manifest("x.wasm", made, MANIFEST.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("another manifest"), "{error}");
    }
}
