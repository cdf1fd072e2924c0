//! Machines of Google Compute Engine, by version 1 of its API.

use std::collections::BTreeMap;
use std::time::Duration;

use runner_sdk::cloud::{
    Api, Cloud, Found, Guest, Labels, Login, Machine, State, Value, form, json, pages, text, wait,
};
use runner_sdk::http::auth::{Auth, JwtBearer};
use runner_sdk::{Context, Error, ErrorKind, Request, Result};

struct Gce;

/// As in `plugin.json`, which documents each key.
#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Config {
    project: String,
    location: String,
    image: String,
    plan: String,
    storage: Option<u64>,
    disk_type: String,
    network: String,
    subnetwork: Option<String>,
    private: bool,
    spot: bool,
    secure_boot: bool,
    min_cpu_platform: Option<String>,
    service_account: Option<String>,
    network_tags: Vec<String>,
    metadata: BTreeMap<String, String>,
    pin_host_keys: bool,
    credentials: String,
    credentials_secret: String,
    endpoint: String,
    token_endpoint: String,
    port: u16,
    #[serde(flatten)]
    login: Login,
}

type Ctx = Context<Config>;

/// How long Google may take to accept or refuse a request.
const ANSWER: Duration = Duration::from_secs(120);
const SCOPE: &str = "https://www.googleapis.com/auth/compute";
/// In messages and codes.
const FULL: &[&str] = &[
    "quota",
    "resource_pool_exhausted",
    "stockout",
    "does not have enough resources",
];

impl Config {
    fn api(&self) -> Api {
        let auth = match self.credentials.as_str() {
            "access-token" => Auth::Bearer(self.credentials_secret.clone()),
            _ => JwtBearer {
                token_url: format!("https://{}:{}/token", self.token_endpoint, self.port),
                key: self.credentials_secret.clone(),
                issuer: None,
                subject: None,
                // What Google wants there, wherever it is reached.
                audience: Some("https://oauth2.googleapis.com/token".to_owned()),
                scopes: vec![SCOPE.to_owned()],
            }
            .into(),
        };
        Api::new(format!(
            "https://{}:{}/compute/v1",
            self.endpoint, self.port
        ))
        .sign(auth)
        .says(&["/error/message"])
        .full_when(FULL)
    }

    /// The path of the zone.
    fn zone(&self) -> String {
        format!("/projects/{}/zones/{}", self.project, self.location)
    }

    /// Where the disk comes from: a family's newest image, or the image of that name.
    fn image(&self, api: &Api) -> Result<String> {
        let (project, name) = self
            .image
            .rsplit_once('/')
            .unwrap_or((&self.project, &self.image));
        let images = format!("/projects/{project}/global/images");
        let image = match api.get(&format!("{images}/family/{name}"))?.found()? {
            Some(newest) => newest,
            None => api
                .get(&format!("{images}/{name}"))?
                .found()?
                .ok_or_else(|| {
                    Error::invalid(format!(
                        "project `{project}` has neither an image family nor an image `{name}`"
                    ))
                    .remedy("check `image`")
                })?,
        };
        text(&image, "/selfLink")
    }
}

impl Cloud for Gce {
    type Config = Config;

    fn login(config: &Config) -> &Login {
        &config.login
    }

    fn create(ctx: &Ctx, request: &Request, guest: &Guest) -> Result<String> {
        let api = ctx.config.api();
        let image = ctx.config.image(&api)?;
        let name = name(&request.token);
        // With an id of the request, which is the token too, one that arrives twice makes one.
        let path = format!(
            "{}/instances?requestId={}",
            ctx.config.zone(),
            uuid(&request.token)
        );
        let asked = api.post(&path, &machine(ctx, request, guest, &image))?;
        if asked.status == 409 {
            return Ok(name);
        }
        let operation = text(&asked.success()?, "/name")?;
        // Most refusals come only now.
        let done = wait("the answer to the request", ANSWER, || {
            let operation = api
                .get(&format!("{}/operations/{operation}", ctx.config.zone()))?
                .success()?;
            // An error is there at once; a machine that is there is waited for by its own state.
            Ok(
                (operation["status"] == "DONE" || !operation["error"].is_null())
                    .then_some(operation),
            )
        })?;
        match done.pointer("/error/errors/0") {
            None => Ok(name),
            Some(error) => Err(refusal(error)),
        }
    }

    fn look(ctx: &Ctx, id: &str) -> Result<Option<Machine>> {
        let config = &ctx.config;
        let api = config.api();
        let path = format!("{}/instances/{id}", config.zone());
        let Some(body) = api.get(&path)?.found()? else {
            return Ok(None);
        };
        let state = match body["status"].as_str().unwrap_or_default() {
            "RUNNING" => State::Running,
            "STOPPING" if body["scheduling"]["preemptible"] == true => State::Ending,
            word @ ("STOPPING" | "SUSPENDING" | "SUSPENDED" | "TERMINATED") => {
                State::Stopped(word.to_lowercase())
            }
            // `PROVISIONING`, `STAGING`, `REPAIRING`, and what will be added.
            _ => State::Starting,
        };
        let pointer = if config.private {
            "/networkInterfaces/0/networkIP"
        } else {
            "/networkInterfaces/0/accessConfigs/0/natIP"
        };
        let mut machine = Machine::new(state, body.pointer(pointer).and_then(Value::as_str))
            .attribute("zone", &config.location);
        if config.pin_host_keys && machine.state == State::Running {
            machine.host_keys = host_keys(&api, &path)?;
            if machine.host_keys.is_empty() {
                machine.state = State::Starting;
            }
        }
        Ok(Some(machine))
    }

    fn find(ctx: &Ctx, labels: &Labels) -> Result<Vec<Found>> {
        let api = ctx.config.api();
        let terms: Vec<String> = labels
            .iter()
            .map(|(key, value)| format!("(labels.{key} = \"{value}\")"))
            .collect();
        pages(|page: Option<&String>| {
            let mut query = vec![("filter", terms.join(" "))];
            query.extend(page.map(|page| ("pageToken", page.clone())));
            let body = api
                .get(&format!("{}/instances?{}", ctx.config.zone(), form(query)))?
                .success()?;
            let all = body["items"].as_array().into_iter().flatten();
            let found = all.map(|one| {
                Ok(Found {
                    token: text(one, "/labels/runner-token")?,
                    id: text(one, "/name")?,
                })
            });
            Ok((
                found.collect::<Result<_>>()?,
                body["nextPageToken"].as_str().map(str::to_owned),
            ))
        })
    }

    fn delete(ctx: &Ctx, id: &str) -> Result<()> {
        ctx.config
            .api()
            .delete(&format!("{}/instances/{id}", ctx.config.zone()))?
            .found()?;
        Ok(())
    }
}

/// The name of the machine, and so its id: what carries a token can be asked for without searching.
fn name(token: &str) -> String {
    format!("runner-{token}")
}

/// A token as Google wants the id of a request.
fn uuid(token: &str) -> String {
    let mut text = token.to_owned();
    for place in [20, 16, 12, 8] {
        if text.is_char_boundary(place) && place < text.len() {
            text.insert(place, '-');
        }
    }
    text
}

/// What is asked for.
fn machine(ctx: &Ctx, request: &Request, guest: &Guest, image: &str) -> Value {
    let config = &ctx.config;
    let zone = format!("zones/{}", config.location);
    let mut disk =
        json!({"sourceImage": image, "diskType": format!("{zone}/diskTypes/{}", config.disk_type)});
    if let Some(size) = config.storage {
        disk["diskSizeGb"] = size.to_string().into();
    }
    let mut interface = json!({"network": format!("global/networks/{}", config.network)});
    if let Some(subnetwork) = &config.subnetwork {
        let region = config
            .location
            .rsplit_once('-')
            .map_or(config.location.as_str(), |(region, _)| region);
        interface = json!({"subnetwork": format!("regions/{region}/subnetworks/{subnetwork}")});
    }
    if !config.private {
        interface["accessConfigs"] = json!([{"type": "ONE_TO_ONE_NAT", "name": "External NAT"}]);
    }
    let mut items = vec![
        json!({"key": "ssh-keys", "value": format!("{}:{}", guest.username, guest.key.trim())}),
        json!({"key": "enable-oslogin", "value": "FALSE"}),
        json!({"key": "block-project-ssh-keys", "value": "TRUE"}),
        json!({"key": "enable-guest-attributes", "value": "TRUE"}),
    ];
    if config.login.user_data.is_some() {
        items.push(json!({"key": "user-data", "value": guest.user_data}));
    }
    items.extend(
        config
            .metadata
            .iter()
            .map(|(key, value)| json!({"key": key, "value": value})),
    );
    let mut body = json!({
        "name": name(&request.token),
        "labels": Labels::of(ctx, request).object(),
        "machineType": format!("{zone}/machineTypes/{}", config.plan),
        "disks": [{"boot": true, "autoDelete": true, "initializeParams": disk}],
        "networkInterfaces": [interface],
        "metadata": {"items": items},
        "tags": {"items": config.network_tags},
        "shieldedInstanceConfig": {"enableSecureBoot": config.secure_boot},
    });
    if config.spot {
        body["scheduling"] = json!({"provisioningModel": "SPOT", "preemptible": true, "automaticRestart": false, "instanceTerminationAction": "DELETE"});
    }
    if let Some(platform) = &config.min_cpu_platform {
        body["minCpuPlatform"] = platform.clone().into();
    }
    if let Some(account) = &config.service_account {
        body["serviceAccounts"] = json!([{"email": account, "scopes": ["https://www.googleapis.com/auth/cloud-platform"]}]);
    }
    body
}

/// What the guest agent has written down about the machine's ssh server; nothing yet while it boots.
fn host_keys(api: &Api, path: &str) -> Result<Vec<String>> {
    let body = api
        .get(&format!("{path}/getGuestAttributes?queryPath=hostkeys%2F"))?
        .found()?
        .unwrap_or_default();
    let items = body
        .pointer("/queryValue/items")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    items
        .map(|item| Ok(format!("{} {}", text(item, "/key")?, text(item, "/value")?)))
        .collect()
}

/// The refusal of an operation.
fn refusal(error: &Value) -> Error {
    let said = error.to_string().to_lowercase();
    let full = FULL.iter().any(|word| said.contains(word));
    let kind = if full {
        ErrorKind::Exhausted
    } else {
        ErrorKind::Invalid
    };
    let message = error["message"]
        .as_str()
        .unwrap_or("it did not say why")
        .trim_end_matches('.');
    Error::new(kind, format!("Google refused the machine: {message}"))
}

runner_sdk::provider!(
    Gce,
    manifest = "plugin.json",
    optional = [liveness, inventory]
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_the_id_of_its_request() {
        assert_eq!(
            uuid("0123456789abcdef0123456789abcdef"),
            "01234567-89ab-cdef-0123-456789abcdef"
        );
    }

    #[test]
    fn a_full_zone_is_not_a_wrong_request() {
        let kind = |code: &str| refusal(&json!({"code": code, "message": "x."})).kind;
        assert_eq!(kind("ZONE_RESOURCE_POOL_EXHAUSTED"), ErrorKind::Exhausted);
        assert_eq!(kind("RESOURCE_NOT_FOUND"), ErrorKind::Invalid);
    }
}
