//! What a plugin is in a registry: the WebAssembly OCI artifact layout, one manifest, one configuration, one layer.
//!
//! <https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/> says what stands in them. What we write is a function of
//! the component and its annotations alone: the same component published twice has the same digest, so that it can be seen that
//! nothing changed. Hence the fixed date.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::error::{RegistryError, RegistryErrorKind, Result, short};
use super::proof::Tested;

pub(super) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";
const LAYER_TYPE: &str = "application/wasm";

/// A component: what is read as one elsewhere in this program.
pub const LARGEST_COMPONENT: u64 = 256 << 20;
/// A configuration lists interfaces.
pub(super) const LARGEST_CONFIG: u64 = 1 << 20;

/// The annotation with the level that the publisher says the plugin reached in `runner plugin test`.
pub const CONFORMANCE: &str = "io.runner.plugin.conformance";
const VERSION: &str = "org.opencontainers.image.version";
const TITLE: &str = "org.opencontainers.image.title";
const DESCRIPTION: &str = "org.opencontainers.image.description";

/// A manifest: of a plugin, or of its signatures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    schema_version: u32,
    #[serde(default)]
    media_type: Option<String>,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Content by its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    pub media_type: String,
    pub digest: Digest,
    pub size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// The configuration of a WebAssembly artifact. Fields of later versions are somebody else's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    created: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    author: Option<String>,
    architecture: String,
    os: String,
    layer_digests: Vec<Digest>,
    #[serde(default)]
    component: Option<Interfaces>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Interfaces {
    exports: Vec<String>,
    imports: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<String>,
}

/// How far a plugin came in the conformance suite, in its publisher's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Basic,
    Complete,
    Robust,
}

impl Level {
    /// Every level, from the lowest.
    pub const ALL: [Self; 3] = [Self::Basic, Self::Complete, Self::Robust];

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.word() == word)
    }

    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Complete => "complete",
            Self::Robust => "robust",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A component ready to be pushed: the three pieces, byte for byte.
#[derive(Clone, Debug)]
pub struct Artifact {
    pub manifest: Vec<u8>,
    pub config: Vec<u8>,
    /// What the manifest is called.
    pub digest: Digest,
    parsed: Manifest,
}

/// What there is to say about a plugin beside its bytes.
#[derive(Clone, Debug, Default)]
pub struct Published<'a> {
    pub name: &'a str,
    pub version: &'a str,
    pub description: &'a str,
    pub imports: &'a [String],
    pub exports: &'a [String],
    pub level: Option<Level>,
    /// What the level is shown by.
    pub tested: Option<Tested>,
    /// More annotations, by the publisher.
    pub annotations: BTreeMap<String, String>,
}

impl Artifact {
    /// The pieces of a component.
    pub fn of(component: &[u8], about: &Published<'_>) -> Self {
        let layer = Descriptor::of(LAYER_TYPE, component);
        let config = json(&Config {
            created: "1970-01-01T00:00:00Z".to_owned(),
            author: None,
            architecture: "wasm".to_owned(),
            os: "wasip2".to_owned(),
            layer_digests: vec![layer.digest.clone()],
            component: Some(Interfaces {
                exports: about.exports.to_vec(),
                imports: about.imports.to_vec(),
                target: None,
            }),
        });
        let mut annotations = about.annotations.clone();
        annotations.insert(TITLE.to_owned(), about.name.to_owned());
        annotations.insert(VERSION.to_owned(), about.version.to_owned());
        if !about.description.is_empty() {
            annotations.insert(DESCRIPTION.to_owned(), about.description.to_owned());
        }
        if let Some(level) = about.level {
            annotations.insert(CONFORMANCE.to_owned(), level.to_string());
            if let Some(tested) = &about.tested {
                tested.annotate(&mut annotations);
            }
        }
        let parsed = Manifest::new(
            Descriptor::of(CONFIG_TYPE, &config),
            vec![layer],
            annotations,
        );
        let manifest = parsed.to_json();
        Self {
            digest: Digest::of(&manifest),
            manifest,
            config,
            parsed,
        }
    }

    /// The manifest, read.
    pub fn parsed(&self) -> &Manifest {
        &self.parsed
    }
}

impl Descriptor {
    /// The descriptor of some content.
    pub(super) fn of(media_type: &str, content: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: Digest::of(content),
            size: content.len() as u64,
            annotations: BTreeMap::new(),
        }
    }
}

impl Manifest {
    pub(super) fn new(
        config: Descriptor,
        layers: Vec<Descriptor>,
        annotations: BTreeMap<String, String>,
    ) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(MANIFEST_TYPE.to_owned()),
            config,
            layers,
            annotations,
        }
    }

    /// As it is pushed.
    pub(super) fn to_json(&self) -> Vec<u8> {
        json(self)
    }

    /// Reads a manifest of whatever.
    pub(super) fn parse(subject: impl fmt::Display, bytes: &[u8]) -> Result<Self> {
        let wrong =
            |message: String| RegistryError::new(RegistryErrorKind::Layout, &subject, message);
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| {
            wrong(format!(
                "the manifest is wrong: {}",
                short(&error.to_string())
            ))
        })?;
        let kind = manifest.media_type.as_deref().unwrap_or(MANIFEST_TYPE);
        if manifest.schema_version != 2 || kind != MANIFEST_TYPE {
            return Err(wrong(format!(
                "this is `{}` in version {}, not an OCI image manifest in version 2",
                short(kind),
                manifest.schema_version
            )));
        }
        Ok(manifest)
    }

    /// The one layer of a plugin, after everything that is promised about it was looked at.
    pub fn component(&self, subject: impl fmt::Display) -> Result<&Descriptor> {
        let wrong =
            |message: String| RegistryError::new(RegistryErrorKind::Layout, &subject, message);
        if self.config.media_type != CONFIG_TYPE {
            return Err(wrong(format!(
                "this is no WebAssembly artifact: its configuration is `{}`, not `{CONFIG_TYPE}`",
                short(&self.config.media_type)
            )));
        }
        let [layer] = self.layers.as_slice() else {
            return Err(wrong(format!(
                "a plugin is one component, and this artifact has {} layers",
                self.layers.len()
            )));
        };
        if layer.media_type != LAYER_TYPE {
            return Err(wrong(format!(
                "the layer is `{}`, not `{LAYER_TYPE}`",
                short(&layer.media_type)
            )));
        }
        for (what, size, most) in [
            ("component", layer.size, LARGEST_COMPONENT),
            ("configuration", self.config.size, LARGEST_CONFIG),
        ] {
            if size > most {
                return Err(RegistryError::new(
                    RegistryErrorKind::TooLarge,
                    &subject,
                    format!(
                        "the {what} has {size} bytes, more than the {most} that any plugin needs"
                    ),
                ));
            }
        }
        Ok(layer)
    }

    /// The level that the publisher claims.
    pub fn level(&self) -> Option<Level> {
        Level::parse(self.annotations.get(CONFORMANCE)?)
    }

    /// What the publisher shows the level by.
    pub fn tested(&self) -> Option<Tested> {
        self.level().and_then(|_| Tested::of(&self.annotations))
    }

    /// The publisher's description.
    pub fn description(&self) -> &str {
        self.annotations.get(DESCRIPTION).map_or("", String::as_str)
    }
}

/// Looks at a configuration: it must be of a component, and of this layer.
pub fn component_config(
    subject: impl fmt::Display,
    bytes: &[u8],
    layer: &Descriptor,
) -> Result<()> {
    let wrong = |message: String| RegistryError::new(RegistryErrorKind::Layout, &subject, message);
    let config: Config = serde_json::from_slice(bytes).map_err(|error| {
        wrong(format!(
            "the configuration is wrong: {}",
            short(&error.to_string())
        ))
    })?;
    if config.architecture != "wasm" || config.os != "wasip2" || config.component.is_none() {
        return Err(wrong(format!(
            "this is for `{}/{}`, and a plugin is a component (`wasm/wasip2`)",
            short(&config.os),
            short(&config.architecture)
        )));
    }
    if config.layer_digests != [layer.digest.clone()] {
        return Err(wrong(
            "the configuration is that of another component than the manifest's".to_owned(),
        ));
    }
    Ok(())
}

fn json(value: &impl Serialize) -> Vec<u8> {
    // Maps with text keys and plain fields: there is nothing in them that JSON cannot say.
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(level: Option<Level>) -> Artifact {
        Artifact::of(
            b"component",
            &Published {
                name: "box",
                version: "1.2.0",
                description: "boxes",
                imports: &["runner:plugin/process@0.1.0".to_owned()],
                exports: &["runner:plugin/provider@0.1.0".to_owned()],
                level,
                tested: None,
                annotations: BTreeMap::from([(
                    "org.opencontainers.image.source".into(),
                    "x".into(),
                )]),
            },
        )
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let artifact = artifact(Some(Level::Complete));
        let layer = Digest::of(b"component");
        let config = format!(
            r#"{{"created":"1970-01-01T00:00:00Z","architecture":"wasm","os":"wasip2","layerDigests":["{layer}"],"component":{{"exports":["runner:plugin/provider@0.1.0"],"imports":["runner:plugin/process@0.1.0"]}}}}"#
        );
        assert_eq!(String::from_utf8(artifact.config.clone()).unwrap(), config);
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.wasm.config.v0+json","digest":"{}","size":{}}},"layers":[{{"mediaType":"application/wasm","digest":"{layer}","size":9}}],"annotations":{{"io.runner.plugin.conformance":"complete","org.opencontainers.image.description":"boxes","org.opencontainers.image.source":"x","org.opencontainers.image.title":"box","org.opencontainers.image.version":"1.2.0"}}}}"#,
            Digest::of(config.as_bytes()),
            config.len(),
        );
        assert_eq!(
            String::from_utf8(artifact.manifest.clone()).unwrap(),
            manifest
        );
        assert!(artifact.digest.is_of(manifest.as_bytes()));
    }

    #[test]
    fn what_is_written_is_read() {
        let artifact = artifact(None);
        let manifest = Manifest::parse("r", &artifact.manifest).unwrap();
        assert_eq!(manifest, *artifact.parsed());
        let layer = manifest.component("r").unwrap();
        component_config("r", &artifact.config, layer).unwrap();
        assert_eq!((manifest.level(), manifest.description()), (None, "boxes"));
    }

    #[test]
    fn another_artifact_is_no_plugin() {
        let good = String::from_utf8(artifact(None).manifest).unwrap();
        for (from, to, said) in [
            ("\"schemaVersion\":2", "\"schemaVersion\":1", "in version 1"),
            (
                "image.manifest.v1",
                "image.index.v1",
                "not an OCI image manifest",
            ),
            (
                "wasm.config.v0",
                "oci.image.config.v1",
                "no WebAssembly artifact",
            ),
            ("application/wasm", "text/html", "the layer is `text/html`"),
            ("\"size\":9", "\"size\":999999999999", "999999999999 bytes"),
            ("\"size\":9", "\"size\":-1", "the manifest is wrong"),
            ("sha256:", "sha512:", "the manifest is wrong"),
            (
                "\"layers\":[",
                "\"layers\":[],\"layers\":[",
                "duplicate field",
            ),
            (
                "{\"mediaType\":\"application/wasm\"",
                "{\"mediaType\":\"a\",\"digest\":\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\"size\":0},{\"mediaType\":\"application/wasm\"",
                "has 2 layers",
            ),
        ] {
            let text = good.replace(from, to);
            assert_ne!(text, good, "{from}");
            let result = Manifest::parse("r", text.as_bytes())
                .and_then(|manifest| manifest.component("r").cloned());
            let error = result.unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        for text in ["", "[]", "null", &"[".repeat(100_000)] {
            assert!(Manifest::parse("r", text.as_bytes()).is_err());
        }
    }

    #[test]
    fn a_configuration_belongs_to_its_layer() {
        let artifact = artifact(None);
        let layer = artifact.parsed().component("r").unwrap().clone();
        let good = String::from_utf8(artifact.config).unwrap();
        for (from, to, said) in [
            ("wasip2", "wasip1", "for `wasip1/wasm`"),
            ("\"wasm\"", "\"amd64\"", "for `wasip2/amd64`"),
            (
                layer.digest.hex(),
                Digest::of(b"").hex(),
                "of another component",
            ),
            ("layerDigests", "layers", "the configuration is wrong"),
        ] {
            let text = good.replace(from, to);
            let error = component_config("r", text.as_bytes(), &layer).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
