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

use super::error::{LoadError, LoadErrorKind};

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
    /// The error about a file.
    pub(super) fn about(self, subject: &str) -> LoadError {
        let error = LoadError::new(LoadErrorKind::NotAComponent, subject, self.message);
        match self.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

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
        Damage::new("this is a core WebAssembly module, not a component").hint(
            "Rust: build it for `wasm32-wasip2`. C: `wasm-tools component new`, then `runner plugin pack`",
        )
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

#[cfg(test)]
mod tests {
    use super::super::fixtures::{self, MANIFEST, around, around_module, module, raw, section};
    use super::*;
    use wasm_encoder::Component;

    fn problem(file: &[u8]) -> String {
        shape(file).unwrap_err().message
    }

    #[test]
    fn reads_names_and_manifest() {
        let shape = shape(&fixtures::provider(MANIFEST)).unwrap();
        assert_eq!(shape.manifest.unwrap(), MANIFEST.as_bytes());
        assert_eq!(
            shape.imports.into_iter().collect::<Vec<_>>(),
            ["runner:plugin/process@0.2.0", "wasi:cli/environment@0.2.6"]
        );
        assert_eq!(
            shape.exports.into_iter().collect::<Vec<_>>(),
            [
                "runner:plugin/liveness@0.2.0",
                "runner:plugin/provider@0.2.0"
            ]
        );
        assert!(!shape.asynchronous);
    }

    #[test]
    fn finds_the_manifest_in_nested_modules_and_components() {
        let inner = module(&[("name", b"x"), (MANIFEST_SECTION, b"{}")]);
        let once = around_module(&inner);
        assert_eq!(shape(once.as_slice()).unwrap().manifest.unwrap(), b"{}");
        let twice = around(&once);
        assert_eq!(shape(twice.as_slice()).unwrap().manifest.unwrap(), b"{}");
        // The same one again outside is the same manifest; another is a second one.
        let mut same = twice.clone();
        same.section(&section(MANIFEST_SECTION, b"{}"));
        assert!(shape(same.as_slice()).unwrap().manifest.is_some());
        let mut other = twice;
        other.section(&section(MANIFEST_SECTION, b"{ }"));
        assert!(problem(other.as_slice()).starts_with("there are two different manifests"));
    }

    #[test]
    fn names_and_exports_of_nested_components_are_not_the_components() {
        let mut outer = Component::new();
        outer.section(&wasm_encoder::RawSection {
            id: 4,
            data: &fixtures::provider(MANIFEST),
        });
        let shape = shape(outer.as_slice()).unwrap();
        assert!(shape.exports.is_empty() && shape.imports.is_empty());
    }

    #[test]
    fn says_what_it_is_instead() {
        for (file, said) in [
            (&b""[..], "the file is empty"),
            (b"\0asm\x01\0\0\0", "this is a core WebAssembly module"),
            (b"\0asm\x02\0\0\0", "this is WebAssembly of a version"),
            (b"\0asm", "this is WebAssembly of a version"),
            (b"  (component)", "this is WebAssembly text"),
            (b"(module)", "this is WebAssembly text"),
            (b"\x7fELF\x02\x01", "this is native code"),
            (b"#!/bin/sh\nexit 0\n", "this is a text file"),
            (b"[package]\n", "this is a text file"),
            (
                b"PK\x03\x04\xff\xfe\x80",
                "this is not a WebAssembly component",
            ),
        ] {
            assert!(problem(file).starts_with(said), "{}", problem(file));
        }
    }

    #[test]
    fn every_truncation_is_an_error_or_a_shorter_component() {
        let whole = fixtures::provider(MANIFEST);
        let complete = shape(&whole).unwrap();
        for end in 0..whole.len() {
            if let Ok(part) = shape(&whole[..end]) {
                // Cut between two sections.
                assert!(part.exports.is_subset(&complete.exports));
                assert!(part.exports.is_empty());
            }
        }
        let nested = around(&around_module(&module(&[(MANIFEST_SECTION, b"{}")])));
        let nested = nested.as_slice();
        for end in 9..nested.len() {
            assert!(shape(&nested[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn every_changed_byte_is_survived() {
        let mut whole = fixtures::provider(MANIFEST);
        whole.extend(
            &around(&around_module(&module(&[(
                MANIFEST_SECTION,
                MANIFEST.as_bytes(),
            )])))
            .as_slice()[8..],
        );
        for at in 0..whole.len() {
            let before = whole[at];
            for value in [
                0,
                1,
                0x40,
                0x41,
                0x42,
                0x7f,
                0x80,
                0xff,
                before.wrapping_add(1),
            ] {
                whole[at] = value;
                // Either answer is right; a panic, a hang or a huge allocation is not.
                drop(shape(&whole));
            }
            whole[at] = before;
        }
    }

    #[test]
    fn lengths_that_lie_are_errors() {
        let most = [0xff, 0xff, 0xff, 0xff, 0x0f];
        for id in 0..=12_u8 {
            // A section that claims 4 GiB, with nothing in it.
            let mut file = COMPONENT.to_vec();
            file.push(id);
            file.extend(most);
            assert!(problem(&file).contains("damaged or cut short"), "{id}");
            // A number that does not end.
            let mut file = COMPONENT.to_vec();
            file.push(id);
            file.extend([0xff; 64]);
            assert!(problem(&file).contains("damaged or cut short"), "{id}");
        }
        // Counts and names of 4 GiB inside of sections that we look into.
        for id in [0, 7, 8, 10, 11] {
            assert!(shape(&raw(id, &most)).is_err(), "{id}");
        }
        // A nested component that is longer than what it is in.
        let mut inner = COMPONENT.to_vec();
        inner.extend([0, 100]);
        assert!(shape(&raw(4, &inner)).is_err());
        // No component at all where one is said to be.
        assert!(problem(&raw(1, b"nonsense")).contains("no component or module begins at byte 10"));
        assert!(shape(&raw(1, b"")).is_err());
    }

    #[test]
    fn many_sections_are_fine_and_deep_nesting_is_not() {
        let mut many = Component::new();
        for _ in 0..10_000 {
            many.section(&section("other", b"x"));
        }
        many.section(&section(MANIFEST_SECTION, b"{}"));
        assert!(shape(many.as_slice()).unwrap().manifest.is_some());

        let nested = |depth: usize| {
            let mut component = Component::new();
            for _ in 0..depth {
                component = around(&component);
            }
            component.finish()
        };
        assert!(shape(&nested(DEEPEST - 1)).is_ok());
        assert!(problem(&nested(DEEPEST)).contains("nested in one another"));
        assert!(problem(&nested(5_000)).contains("nested in one another"));
    }

    #[test]
    fn deep_types_are_refused_before_anything_recurses_into_them() {
        // A type that is an instance type of one declaration that is such a type again.
        let nested = |depth: usize, kind: u8| {
            let mut data = vec![1];
            for _ in 0..depth {
                data.extend([kind, 1, 1]);
            }
            data.extend([0x40, 0, 1, 0]);
            raw(7, &data)
        };
        for kind in [0x41, 0x42] {
            assert!(shape(&nested(DEEPEST_TYPE, kind)).is_ok());
            let deep = problem(&nested(1_000_000, kind));
            assert!(deep.contains("types are nested"), "{deep}");
        }
    }

    #[test]
    fn a_large_manifest_is_refused() {
        let fits = vec![b' '; LARGEST_MANIFEST];
        let mut component = Component::new();
        component.section(&section(MANIFEST_SECTION, &fits));
        assert!(shape(component.as_slice()).is_ok());
        let mut component = Component::new();
        component.section(&section(MANIFEST_SECTION, &[&fits[..], b" "].concat()));
        assert!(problem(component.as_slice()).contains("the manifest has 262145 bytes"));
    }

    #[test]
    fn asynchronous_functions_are_noticed() {
        // Canonical `task.cancel`, in a nested component.
        let file = raw(8, &[1, 0x05]);
        assert!(shape(&file).unwrap().asynchronous);
        let mut outer = Component::new();
        outer.section(&wasm_encoder::RawSection { id: 4, data: &file });
        assert!(shape(outer.as_slice()).unwrap().asynchronous);
        // `resource.drop`.
        assert!(!shape(&raw(8, &[1, 0x03, 0])).unwrap().asynchronous);
    }
}
