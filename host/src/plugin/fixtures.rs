//! Hand-made components for the tests of this room.

use wasm_encoder::{
    Component, ComponentExportKind, ComponentExportSection, ComponentImportSection,
    ComponentInstanceSection, ComponentTypeRef, ComponentTypeSection, CustomSection, InstanceType,
    Module, ModuleSection, NestedComponentSection, RawSection,
};

/// The smallest manifest of a provider.
pub(super) const MANIFEST: &str = r#"{"name":"test","version":"1.0.0","kind":"provider"}"#;

/// A component with this manifest (none: no section) that imports and exports empty interfaces of these names.
pub(super) fn component(manifest: Option<&str>, imports: &[&str], exports: &[&str]) -> Vec<u8> {
    let mut component = Component::new();
    if let Some(manifest) = manifest {
        component.section(&section("runner:plugin", manifest.as_bytes()));
    }
    let mut types = ComponentTypeSection::new();
    types.instance(&InstanceType::new());
    component.section(&types);
    let mut section = ComponentImportSection::new();
    for name in imports {
        section.import(*name, ComponentTypeRef::Instance(0));
    }
    component.section(&section);
    let mut instances = ComponentInstanceSection::new();
    for _ in exports {
        instances.export_items(Vec::<(&str, ComponentExportKind, u32)>::new());
    }
    component.section(&instances);
    let mut section = ComponentExportSection::new();
    for (index, name) in exports.iter().enumerate() {
        let index = u32::try_from(imports.len() + index).unwrap();
        section.export(*name, ComponentExportKind::Instance, index, None);
    }
    component.section(&section);
    component.finish()
}

/// A provider of the current contract.
pub(super) fn provider(manifest: &str) -> Vec<u8> {
    component(
        Some(manifest),
        &["runner:plugin/process@0.2.0", "wasi:cli/environment@0.2.6"],
        &[
            "runner:plugin/provider@0.2.0",
            "runner:plugin/liveness@0.2.0",
        ],
    )
}

pub(super) fn section<'a>(name: &'a str, data: &'a [u8]) -> CustomSection<'a> {
    CustomSection {
        name: name.into(),
        data: data.into(),
    }
}

/// A core module with these custom sections.
pub(super) fn module(sections: &[(&str, &[u8])]) -> Module {
    let mut module = Module::new();
    for (name, data) in sections {
        module.section(&section(name, data));
    }
    module
}

/// `inner` as a nested core module of a component.
pub(super) fn around_module(inner: &Module) -> Component {
    let mut component = Component::new();
    component.section(&ModuleSection(inner));
    component
}

/// `inner` as a nested component.
pub(super) fn around(inner: &Component) -> Component {
    let mut component = Component::new();
    component.section(&NestedComponentSection(inner));
    component
}

/// A component that is just this section.
pub(super) fn raw(id: u8, data: &[u8]) -> Vec<u8> {
    let mut component = Component::new();
    component.section(&RawSection { id, data });
    component.finish()
}
