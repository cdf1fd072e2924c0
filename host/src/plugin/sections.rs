//! What a component file contains, read without compiling: its manifest, its imports and exports, and whether it
//! needs asynchronous features.
//!
//! The file is untrusted. Code and data are skipped, so that the cost is that of the section headers; nesting is
//! bounded here, because the readers behind us (wasmparser's type reader, and so wasmtime's) recurse without a bound.
//! Nothing is allocated by a length that the file claims. A component that passes is not proven valid: compiling does
//! that.

use std::collections::BTreeSet;
use std::ops::Range;

use wasmparser::{
    BinaryReader, BinaryReaderError, CanonicalFunction, CanonicalOption,
    ComponentCanonicalSectionReader, ComponentExportSectionReader, ComponentImportSectionReader,
    ComponentType, ComponentTypeDeclaration,
};

/// The custom section with the manifest.
pub(super) const MANIFEST_SECTION: &str = "runner:plugin";
/// The longest manifest. A schema with a hundred keys has 20 KiB.
const LARGEST_MANIFEST: usize = 256 * 1024;
/// Components and modules inside one another. Composed components reach 5.
const DEEPEST: usize = 64;
/// Types inside one another; the validator's own bound, which it checks too late.
const DEEPEST_TYPE: usize = 100;
/// Imports, and exports, of the outermost component. A component that uses all of WASI has 60.
const MOST_NAMES: u32 = 10_000;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// The manifest's bytes.
    pub(super) manifest: Option<Vec<u8>>,
    /// Names of the outermost component's imports.
    pub(super) imports: BTreeSet<String>,
    /// Names of the outermost component's exports.
    pub(super) exports: BTreeSet<String>,
    /// It uses parts of the component model that need `component-model-async`.
    pub(super) asynchronous: bool,
}

/// Why a file is not a component.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) message: String,
    pub(super) hint: Option<&'static str>,
}

impl From<BinaryReaderError> for Damage {
    fn from(error: BinaryReaderError) -> Self {
        Self::new(format!(
            "the file is damaged or cut short: {} at byte {}",
            super::text::printable(error.message()),
            error.offset()
        ))
    }
}

impl Damage {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }
}

/// What a section is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    Component,
    CoreModule,
}

const COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";
const CORE_MODULE: [u8; 8] = *b"\0asm\x01\0\0\0";

/// Reads the shape of a component file.
pub(super) fn shape(file: &[u8]) -> Result<Shape, Damage> {
    check_header(file)?;
    let mut shape = Shape::default();
    // Explicit instead of recursive: the file decides how deep it goes.
    let mut open: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    let mut layers = vec![header(file, &mut at, file.len())?];
    open.push(0..file.len());
    while let Some(within) = open.last().cloned() {
        if at == within.end {
            open.pop();
            layers.pop();
            continue;
        }
        let layer = layers.last().copied().unwrap_or(Layer::Component);
        let (id, payload) = section(file, &mut at, within.end)?;
        match (layer, id) {
            (_, 0) => custom(file, payload.clone(), &mut shape)?,
            (Layer::Component, 1 | 4) => {
                if open.len() >= DEEPEST {
                    return Err(Damage::new(format!(
                        "more than {DEEPEST} components and modules are nested in one another"
                    )));
                }
                let mut inner = payload.start;
                layers.push(header(file, &mut inner, payload.end)?);
                open.push(payload);
                at = inner;
                continue;
            }
            (Layer::Component, 7) => bound_types(reader(file, &payload))?,
            (Layer::Component, 8) => {
                for function in ComponentCanonicalSectionReader::new(reader(file, &payload))? {
                    shape.asynchronous |= is_asynchronous(&function?);
                }
            }
            (Layer::Component, 10) if open.len() == 1 => {
                let imports = ComponentImportSectionReader::new(reader(file, &payload))?;
                bound_names(imports.count())?;
                for import in imports {
                    shape.imports.insert(import?.name.name.to_owned());
                }
            }
            (Layer::Component, 11) if open.len() == 1 => {
                let exports = ComponentExportSectionReader::new(reader(file, &payload))?;
                bound_names(exports.count())?;
                for export in exports {
                    shape.exports.insert(export?.name.name.to_owned());
                }
            }
            _ => (),
        }
        at = payload.end;
    }
    Ok(shape)
}

/// Tells what it is instead, for the mistakes that people make.
fn check_header(file: &[u8]) -> Result<(), Damage> {
    if file.starts_with(&COMPONENT) {
        return Ok(());
    }
    let start = file.get(..file.len().min(64)).unwrap_or_default();
    let text = start.trim_ascii_start();
    Err(if file.is_empty() {
        Damage::new("the file is empty")
    } else if file.starts_with(&CORE_MODULE) {
        Damage::new("this is a core WebAssembly module, not a component")
            .hint("build it for `wasm32-wasip2`, or convert it with `wasm-tools component new`")
    } else if file.starts_with(b"\0asm") {
        Damage::new(
            "this is WebAssembly of a version that is not known here, or a file that is cut short",
        )
    } else if text.starts_with(b"(component") || text.starts_with(b"(module") {
        Damage::new("this is WebAssembly text, not a binary component")
            .hint("convert it with `wasm-tools parse FILE.wat -o FILE.wasm`")
    } else if file.starts_with(b"\x7fELF") {
        Damage::new("this is native code, not a WebAssembly component")
            .hint("give the `.wasm` file: compiled code of other parties is never loaded")
    } else if std::str::from_utf8(start).is_ok() || start.is_ascii() {
        Damage::new("this is a text file, not a WebAssembly component")
    } else {
        Damage::new("this is not a WebAssembly component")
    })
}

/// Reads the eight bytes that a component or a module begins with.
fn header(file: &[u8], at: &mut usize, end: usize) -> Result<Layer, Damage> {
    let mut reader = reader(file, &(*at..end));
    let magic = reader.read_bytes(8)?;
    *at += 8;
    if magic == COMPONENT {
        Ok(Layer::Component)
    } else if magic == CORE_MODULE {
        Ok(Layer::CoreModule)
    } else {
        Err(Damage::new(format!(
            "the file is damaged: no component or module begins at byte {}",
            *at - 8
        )))
    }
}

/// Reads a section's header: its id, and where its contents are.
fn section(file: &[u8], at: &mut usize, end: usize) -> Result<(u8, Range<usize>), Damage> {
    let mut reader = reader(file, &(*at..end));
    let id = reader.read_u8()?;
    let size = reader.read_var_u32()?;
    let start = reader.original_position();
    reader.read_bytes(usize::try_from(size).unwrap_or(usize::MAX))?;
    *at = start;
    Ok((id, start..reader.original_position()))
}

fn reader<'a>(file: &'a [u8], range: &Range<usize>) -> BinaryReader<'a> {
    BinaryReader::new(file.get(range.clone()).unwrap_or_default(), range.start)
}

/// Takes the manifest out of a custom section, if that is what it holds.
fn custom(file: &[u8], payload: Range<usize>, shape: &mut Shape) -> Result<(), Damage> {
    let mut reader = reader(file, &payload);
    if reader.read_string()? != MANIFEST_SECTION {
        return Ok(());
    }
    let manifest = reader.read_bytes(reader.bytes_remaining())?;
    if manifest.len() > LARGEST_MANIFEST {
        return Err(Damage::new(format!(
            "the manifest has {} bytes; at most {LARGEST_MANIFEST} are allowed",
            manifest.len()
        )));
    }
    match &shape.manifest {
        // Tools that compose components may keep the copy of the inner module.
        Some(first) if first == manifest => Ok(()),
        Some(_) => Err(Damage::new(format!(
            "there are two different manifests (custom sections `{MANIFEST_SECTION}`)"
        ))
        .hint("a component holds one plugin: remove the other's manifest")),
        None => {
            shape.manifest = Some(manifest.to_owned());
            Ok(())
        }
    }
}

/// Refuses types that are nested too deep, with a stack of our own.
fn bound_types(mut reader: BinaryReader<'_>) -> Result<(), Damage> {
    // How many declarations are still to be read at each depth.
    let mut remaining = vec![reader.read_var_u32()?];
    // The outermost ones are types and not declarations of a kind.
    while let Some(count) = remaining.last_mut() {
        if *count == 0 {
            remaining.pop();
            continue;
        }
        *count -= 1;
        if remaining.len() > 1 {
            if peek(&reader)? != 0x01 {
                reader.read::<ComponentTypeDeclaration<'_>>()?;
                continue;
            }
            reader.read_u8()?;
        }
        if matches!(peek(&reader)?, 0x41 | 0x42) {
            if remaining.len() > DEEPEST_TYPE {
                return Err(Damage::new(format!(
                    "more than {DEEPEST_TYPE} types are nested in one another"
                )));
            }
            reader.read_u8()?;
            remaining.push(reader.read_var_u32()?);
        } else {
            reader.read::<ComponentType<'_>>()?;
        }
    }
    Ok(())
}

fn peek(reader: &BinaryReader<'_>) -> Result<u8, Damage> {
    Ok(reader.clone().read_u8()?)
}

fn bound_names(count: u32) -> Result<(), Damage> {
    if count > MOST_NAMES {
        return Err(Damage::new(format!(
            "the component has {count} imports or exports; at most {MOST_NAMES} are allowed"
        )));
    }
    Ok(())
}

/// Everything but plain lifting, lowering and resources is behind `component-model-async`.
fn is_asynchronous(function: &CanonicalFunction) -> bool {
    match function {
        CanonicalFunction::Lift { options, .. } | CanonicalFunction::Lower { options, .. } => {
            options.contains(&CanonicalOption::Async)
        }
        CanonicalFunction::ResourceNew { .. }
        | CanonicalFunction::ResourceDrop { .. }
        | CanonicalFunction::ResourceRep { .. } => false,
        _ => true,
    }
}
