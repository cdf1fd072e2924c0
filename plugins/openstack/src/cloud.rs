//! Who asks, where the services are, and what things that have names are called there.

use std::sync::OnceLock;

use runner_sdk::cloud::{Api, Value, form, json, text};
use runner_sdk::http::auth::{Field, Login, secret};
use runner_sdk::{Error, Result};

use crate::Config;

/// The services that are used.
pub(crate) struct Services {
    pub(crate) compute: Api,
    pub(crate) network: Api,
    image: Api,
}

/// Asked for once in a call: nothing of a plugin lives longer.
static KNOWN: OnceLock<Services> = OnceLock::new();

impl Services {
    /// As Keystone's catalogue has them for whoever asks.
    pub(crate) fn of(config: &Config) -> Result<&'static Self> {
        match KNOWN.get() {
            Some(known) => Ok(known),
            None => Self::ask(config).map(|asked| KNOWN.get_or_init(|| asked)),
        }
    }

    fn ask(config: &Config) -> Result<Self> {
        let base = format!(
            "https://{}:{}{}",
            config.identity, config.identity_port, config.identity_path
        );
        let login = Login {
            url: format!("{base}/auth/tokens"),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: credentials(config)?.to_string().into_bytes(),
            token: Field::Header("x-subject-token".to_owned()),
            expires: Some(Field::Json("/token/expires_at".to_owned())),
            header: "x-auth-token".to_owned(),
            prefix: String::new(),
        };
        let identity = Api::new(base)
            .sign(login)
            .says(&[
                "/error/message",
                "/badRequest/message",
                "/forbidden/message",
                "/itemNotFound/message",
                "/conflictingRequest/message",
                "/overLimit/message",
                "/NeutronError/message",
            ])
            .full_when(&[
                "quota",
                "overlimit",
                "no more ip addresses",
                "ipaddressgenerationfailure",
            ]);
        let catalog = identity.get("/auth/catalog")?.success()?;
        let service = |kind: &str| {
            endpoint(&catalog, kind, config.location.as_deref()).ok_or_else(|| {
                Error::invalid(format!(
                    "the catalogue has no public `{kind}` service in this region"
                ))
                .remedy("check `location` and `project`")
            })
        };
        // Neutron's address in the catalogue is without its version, and Glance's is in either way.
        let versioned = |url: String, version: &str| {
            if url.ends_with(version) {
                url
            } else {
                format!("{url}{version}")
            }
        };
        Ok(Self {
            // Tags when a machine is made, and `networks: auto`: since the release Pike, of 2017.
            compute: identity
                .at(service("compute")?)
                .header("openstack-api-version", "compute 2.52"),
            network: identity.at(versioned(service("network")?, "/v2.0")),
            image: identity.at(versioned(service("image")?, "/v2")),
        })
    }

    /// The newest active image of this name, or the one with this id.
    pub(crate) fn image(&self, wanted: &str) -> Result<String> {
        if is_id(wanted) {
            return Ok(wanted.to_owned());
        }
        let query = form([
            ("name", wanted),
            ("status", "active"),
            ("sort", "created_at:desc"),
            ("limit", "1"),
        ]);
        named(
            &self.image.get(&format!("/images?{query}"))?.success()?,
            "images",
            "image",
            wanted,
        )
    }

    /// The flavor of this name or id.
    pub(crate) fn flavor(&self, wanted: &str) -> Result<String> {
        let body = self.compute.get("/flavors?limit=1000")?.success()?;
        let is = |flavor: &&Value| flavor["name"] == *wanted || flavor["id"] == *wanted;
        let found = body["flavors"].as_array().into_iter().flatten().find(is);
        found.map_or_else(
            || Err(missing("flavor", wanted, "plan")),
            |flavor| text(flavor, "/id"),
        )
    }

    /// The network of this name, or with this id.
    pub(crate) fn network(&self, wanted: &str) -> Result<String> {
        if is_id(wanted) {
            return Ok(wanted.to_owned());
        }
        let body = self
            .network
            .get(&format!("/networks?{}", form([("name", wanted)])))?
            .success()?;
        named(&body, "networks", "network", wanted)
    }
}

/// What Keystone is asked; the host puts the secret in.
fn credentials(config: &Config) -> Result<Value> {
    let secret = secret(&config.secret);
    let auth = match (&config.credential, &config.user, &config.project) {
        (Some(id), None, _) => json!({
            "identity": {"methods": ["application_credential"], "application_credential": {"id": id, "secret": secret}},
        }),
        (None, Some(user), Some(project)) => json!({
            "identity": {"methods": ["password"], "password": {"user": {
                "name": user, "domain": {"name": config.user_domain}, "password": secret,
            }}},
            "scope": {"project": {"name": project, "domain": {"name": config.project_domain}}},
        }),
        _ => {
            return Err(Error::invalid("nobody is said to ask")
                .remedy("set either `credential`, or both `user` and `project`"));
        }
    };
    Ok(json!({"auth": auth}))
}

/// The public address of a service, without a slash at its end.
fn endpoint(catalog: &Value, kind: &str, region: Option<&str>) -> Option<String> {
    let services = catalog["catalog"]
        .as_array()?
        .iter()
        .filter(|service| service["type"] == kind);
    let mut endpoints =
        services.flat_map(|service| service["endpoints"].as_array().into_iter().flatten());
    let here = |endpoint: &&Value| {
        region.is_none_or(|region| endpoint["region_id"] == region || endpoint["region"] == region)
    };
    let found = endpoints.find(|endpoint| endpoint["interface"] == "public" && here(endpoint))?;
    Some(found["url"].as_str()?.trim_end_matches('/').to_owned())
}

/// As Nova and Glance write them: with dashes or without.
fn is_id(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_hexdigit).count();
    digits == 32 && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

/// The id of the first in a listing by name.
fn named(body: &Value, listing: &str, what: &str, wanted: &str) -> Result<String> {
    text(body, &format!("/{listing}/0/id")).map_err(|_| missing(what, wanted, what))
}

fn missing(what: &str, wanted: &str, key: &str) -> Error {
    Error::invalid(format!("the cloud has no {what} `{wanted}`")).remedy(format!("check `{key}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_found_in_its_region() {
        let catalog = json!({"catalog": [{"type": "compute", "endpoints": [
            {"interface": "internal", "region_id": "a", "url": "https://no"},
            {"interface": "public", "region_id": "a", "url": "https://a/v2.1/"},
            {"interface": "public", "region_id": "b", "url": "https://b"},
        ]}]});
        assert_eq!(
            endpoint(&catalog, "compute", None).as_deref(),
            Some("https://a/v2.1")
        );
        assert_eq!(
            endpoint(&catalog, "compute", Some("b")).as_deref(),
            Some("https://b")
        );
        assert_eq!(endpoint(&catalog, "image", None), None);
    }

    #[test]
    fn ids_are_told_from_names() {
        assert!(
            is_id("0123456789abcdef0123456789abcdef")
                && is_id("01234567-89ab-cdef-0123-456789abcdef")
        );
        assert!(!is_id("debian-12") && !is_id("0123456789abcdef0123456789abcdeg"));
    }
}
