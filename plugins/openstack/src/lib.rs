//! Machines of an OpenStack cloud: Keystone for who asks, Nova for the machines, Glance and Neutron for what they need.

mod cloud;

use cloud::Services;
use runner_sdk::cloud::{
    Cloud, Found, Guest, Labels, Login, Machine, State, Value, base64, form, json, pages, text,
};
use runner_sdk::{Context, Error, ErrorKind, Request, Result};

struct Openstack;

/// As in `plugin.json`, which documents each key.
#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Config {
    identity: String,
    identity_port: u16,
    identity_path: String,
    credential: Option<String>,
    user: Option<String>,
    user_domain: String,
    project: Option<String>,
    project_domain: String,
    secret: String,
    location: Option<String>,
    zone: Option<String>,
    image: String,
    plan: String,
    storage: Option<u64>,
    networks: Vec<String>,
    floating_network: Option<String>,
    security_groups: Vec<String>,
    #[serde(flatten)]
    login: Login,
}

type Ctx = Context<Config>;

/// The longest tag.
const TAG: usize = 60;

impl Cloud for Openstack {
    type Config = Config;

    fn login(config: &Config) -> &Login {
        &config.login
    }

    fn create(ctx: &Ctx, request: &Request, guest: &Guest) -> Result<String> {
        let config = &ctx.config;
        let services = Services::of(config)?;
        let image = services.image(&config.image)?;
        let networks = match config.networks.as_slice() {
            [] => json!("auto"),
            some => some
                .iter()
                .map(|name| Ok(json!({"uuid": services.network(name)?})))
                .collect::<Result<_>>()?,
        };
        let labels = Labels::of(ctx, request);
        let mut server = json!({
            "name": format!("runner-{}", request.token),
            "tags": labels.words(TAG),
            "metadata": labels.object(),
            "flavorRef": services.flavor(&config.plan)?,
            "networks": networks,
            "user_data": base64(&guest.user_data),
            "config_drive": true,
        });
        match config.storage {
            None => server["imageRef"] = image.into(),
            Some(size) => {
                server["block_device_mapping_v2"] = json!([{
                    "boot_index": 0, "uuid": image, "source_type": "image", "destination_type": "volume",
                    "volume_size": size, "delete_on_termination": true,
                }]);
            }
        }
        if !config.security_groups.is_empty() {
            let named = config
                .security_groups
                .iter()
                .map(|name| json!({"name": name}));
            server["security_groups"] = named.collect();
        }
        if let Some(zone) = &config.zone {
            server["availability_zone"] = zone.clone().into();
        }
        let made = services
            .compute
            .post("/servers", &json!({"server": server}))?
            .success()?;
        text(&made, "/server/id")
    }

    fn look(ctx: &Ctx, id: &str) -> Result<Option<Machine>> {
        let services = Services::of(&ctx.config)?;
        let Some(body) = services.compute.get(&format!("/servers/{id}"))?.found()? else {
            return Ok(None);
        };
        let server = &body["server"];
        let state = match server["status"].as_str().unwrap_or_default() {
            "ACTIVE" if server["OS-EXT-STS:task_state"] == "deleting" => State::Ending,
            "ACTIVE" => State::Running,
            "DELETED" | "SOFT_DELETED" => State::Ended,
            "ERROR" => State::Failed(fault(server)),
            word @ ("SHUTOFF" | "SUSPENDED" | "PAUSED" | "SHELVED" | "SHELVED_OFFLOADED"
            | "RESCUE") => State::Stopped(word.to_lowercase()),
            // `BUILD`, `REBOOT`, `MIGRATING`, and what will be added.
            _ => State::Starting,
        };
        Ok(Some(Machine::new(state, address(server))))
    }

    fn find(ctx: &Ctx, labels: &Labels) -> Result<Vec<Found>> {
        let compute = &Services::of(&ctx.config)?.compute;
        let wanted = labels.words(TAG);
        pages(|after: Option<&String>| {
            let mut query = vec![("tags", wanted.join(",")), ("limit", "100".to_owned())];
            query.extend(after.map(|last| ("marker", last.clone())));
            let body = compute
                .get(&format!("/servers/detail?{}", form(query)))?
                .success()?;
            let servers: Vec<&Value> = body["servers"].as_array().into_iter().flatten().collect();
            let last = servers
                .last()
                .map(|server| text(server, "/id"))
                .transpose()?;
            let found = servers.iter().filter(|server| {
                // A cloud that does not know tags would answer everything that there is.
                labels
                    .iter()
                    .all(|(key, value)| server["metadata"][key] == *value)
            });
            let found = found.map(|server| {
                Ok(Found {
                    token: text(server, "/metadata/runner-token")?,
                    id: text(server, "/id")?,
                })
            });
            let more = body["servers_links"]
                .as_array()
                .is_some_and(|links| links.iter().any(|link| link["rel"] == "next"));
            Ok((found.collect::<Result<_>>()?, last.filter(|_| more)))
        })
    }

    fn delete(ctx: &Ctx, id: &str) -> Result<()> {
        Services::of(&ctx.config)?
            .compute
            .delete(&format!("/servers/{id}"))?
            .found()?;
        Ok(())
    }

    fn finish(ctx: &Ctx, request: &Request, id: &str, mut machine: Machine) -> Result<Machine> {
        let Some(network) = &ctx.config.floating_network else {
            return Ok(machine);
        };
        let services = Services::of(&ctx.config)?;
        let ports = services
            .network
            .get(&format!("/ports?{}", form([("device_id", id)])))?
            .success()?;
        let port = text(&ports, "/ports/0/id")
            .map_err(|error| error.context(format!("the network ports of machine `{id}`")))?;
        let body = json!({"floatingip": {
            "floating_network_id": services.network(network)?,
            "port_id": port,
            "description": mark(&request.token),
        }});
        let made = services.network.post("/floatingips", &body)?.success()?;
        machine.address = Some(text(&made, "/floatingip/floating_ip_address")?);
        Ok(machine)
    }

    fn sweep(ctx: &Ctx, token: &str) -> Result<()> {
        if ctx.config.floating_network.is_none() {
            return Ok(());
        }
        let network = &Services::of(&ctx.config)?.network;
        let ours = form([("description", mark(token))]);
        let found = network.get(&format!("/floatingips?{ours}"))?.success()?;
        for one in found["floatingips"].as_array().into_iter().flatten() {
            // Looked at again here: what is removed is removed.
            if one["description"] == mark(token) {
                network
                    .delete(&format!("/floatingips/{}", text(one, "/id")?))?
                    .found()?;
            }
        }
        Ok(())
    }
}

/// What an address of ours is described by.
fn mark(token: &str) -> String {
    format!("runner-token:{token}")
}

/// The first address, and of those the first that is floating: it is there because the others cannot be reached.
fn address(server: &Value) -> Option<&str> {
    let all = server["addresses"].as_object().into_iter().flatten();
    let all = all.flat_map(|(_, network)| network.as_array().into_iter().flatten());
    let best = all.min_by_key(|one| (one["OS-EXT-IPS:type"] != "floating", one["version"] != 4));
    best.and_then(|one| one["addr"].as_str())
}

/// Why Nova gave a machine up.
fn fault(server: &Value) -> Error {
    let said = server["fault"]["message"]
        .as_str()
        .unwrap_or("it did not say why")
        .trim_end_matches('.');
    // What Nova says when every host is full, and of what does not fit on any, which it does not tell apart.
    let full = said.contains("No valid host") || said.to_lowercase().contains("quota");
    Error::new(
        if full {
            ErrorKind::Exhausted
        } else {
            ErrorKind::Failed
        },
        format!("OpenStack gave it up: {said}"),
    )
}

runner_sdk::provider!(
    Openstack,
    manifest = "plugin.json",
    optional = [liveness, inventory]
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floating_address_is_the_one_to_use() {
        let server = json!({"addresses": {"a": [
            {"addr": "fd00::1", "version": 6, "OS-EXT-IPS:type": "fixed"},
            {"addr": "10.0.0.7", "version": 4, "OS-EXT-IPS:type": "fixed"},
            {"addr": "203.0.113.9", "version": 4, "OS-EXT-IPS:type": "floating"},
        ]}});
        assert_eq!(address(&server), Some("203.0.113.9"));
        assert_eq!(address(&json!({"addresses": {}})), None);
    }

    #[test]
    fn a_full_cloud_is_no_failure() {
        let kind = |said: &str| fault(&json!({"fault": {"message": said}})).kind;
        assert_eq!(
            kind("No valid host was found. There are not enough hosts available."),
            ErrorKind::Exhausted
        );
        assert_eq!(kind("Image could not be read"), ErrorKind::Failed);
    }
}
