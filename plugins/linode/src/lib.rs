//! Linodes (Akamai's cloud), by version 4 of its API.

use runner_sdk::cloud::{
    Api, Cloud, Found, Guest, Labels, Login, Machine, State, Value, json, pages, text,
};
use runner_sdk::http::auth::Auth;
use runner_sdk::{Context, Request, Result, secrets};

struct Linode;

/// As in `plugin.json`, which documents each key.
#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Config {
    image: String,
    plan: String,
    location: String,
    firewall: Option<u64>,
    private: bool,
    tags: Vec<String>,
    endpoint: String,
    port: u16,
    token_secret: String,
    #[serde(flatten)]
    login: Login,
}

type Ctx = Context<Config>;

/// The longest tag.
const TAG: usize = 50;

impl Config {
    fn api(&self) -> Api {
        Api::new(format!("https://{}:{}/v4", self.endpoint, self.port))
            .sign(Auth::Bearer(self.token_secret.clone()))
            .says(&["/errors/0/reason"])
            .full_when(&[
                "limit reached",
                "no capacity",
                "insufficient capacity",
                "not enough capacity",
            ])
    }
}

impl Cloud for Linode {
    type Config = Config;

    fn login(config: &Config) -> &Login {
        &config.login
    }

    fn create(ctx: &Ctx, request: &Request, guest: &Guest) -> Result<String> {
        let config = &ctx.config;
        // Wanted with every image; nobody is told, the key is enough.
        secrets::make_password("root-password")?;
        let tags = Labels::of(ctx, request)
            .words(TAG)
            .into_iter()
            .chain(config.tags.clone());
        let mut body = json!({
            "image": config.image,
            "type": config.plan,
            "region": config.location,
            // Unique within the account, so that a request that arrives twice makes one.
            "label": format!("runner-{}", request.token),
            "tags": tags.collect::<Vec<_>>(),
            "root_pass": secrets::get("root-password")?,
            "authorized_keys": [guest.key.trim()],
            "private_ip": config.private,
            "booted": true,
        });
        if let Some(firewall) = config.firewall {
            body["firewall_id"] = firewall.into();
        }
        if config.login.user_data.is_some() {
            body["metadata"] = json!({"user_data": runner_sdk::cloud::base64(&guest.user_data)});
        }
        text(
            &config.api().post("/linode/instances", &body)?.success()?,
            "/id",
        )
    }

    fn look(ctx: &Ctx, id: &str) -> Result<Option<Machine>> {
        let Some(body) = ctx
            .config
            .api()
            .get(&format!("/linode/instances/{id}"))?
            .found()?
        else {
            return Ok(None);
        };
        let state = match body["status"].as_str().unwrap_or_default() {
            "running" => State::Running,
            "deleting" => State::Ending,
            word @ ("offline" | "stopped" | "shutting_down" | "billing_suspension") => {
                State::Stopped(word.to_owned())
            }
            // `booting`, `provisioning`, `rebooting`, … and what will be added.
            _ => State::Starting,
        };
        // A new machine is `offline` for a moment before it is first booted.
        let state = match state {
            State::Stopped(word) if word == "offline" && body["updated"] == body["created"] => {
                State::Starting
            }
            state => state,
        };
        Ok(Some(Machine::new(
            state,
            address(&body, ctx.config.private),
        )))
    }

    fn find(ctx: &Ctx, labels: &Labels) -> Result<Vec<Found>> {
        let wanted: Vec<_> = labels
            .words(TAG)
            .into_iter()
            .map(|tag| json!({"tags": tag}))
            .collect();
        let api = ctx
            .config
            .api()
            .header("x-filter", json!({"+and": wanted}).to_string());
        pages(|page: Option<&u64>| {
            let number = page.copied().unwrap_or(1);
            let body = api
                .get(&format!("/linode/instances?page={number}&page_size=100"))?
                .success()?;
            let mut found = Vec::new();
            for one in body["data"].as_array().into_iter().flatten() {
                // Looked at again here: a filter that is not understood would be left out, and what is destroyed is destroyed.
                let tags: Vec<&str> = one["tags"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect();
                let token = tags
                    .iter()
                    .find_map(|tag| tag.strip_prefix("runner-token:"));
                if let Some(token) = token
                    && labels
                        .words(TAG)
                        .iter()
                        .all(|tag| tags.contains(&tag.as_str()))
                {
                    found.push(Found {
                        token: token.to_owned(),
                        id: text(one, "/id")?,
                    });
                }
            }
            Ok((
                found,
                (number < body["pages"].as_u64().unwrap_or(1)).then_some(number + 1),
            ))
        })
    }

    fn delete(ctx: &Ctx, id: &str) -> Result<()> {
        ctx.config
            .api()
            .delete(&format!("/linode/instances/{id}"))?
            .found()?;
        Ok(())
    }
}

/// The first address of the kind that is wanted.
fn address(body: &Value, private: bool) -> Option<&str> {
    let all = body["ipv4"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    all.into_iter()
        .find(|address| address.starts_with("192.168.") == private)
}

runner_sdk::provider!(
    Linode,
    manifest = "plugin.json",
    optional = [liveness, inventory]
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_of_the_kind_that_is_wanted() {
        let body = json!({"ipv4": ["192.168.128.7", "203.0.113.9"]});
        assert_eq!(address(&body, false), Some("203.0.113.9"));
        assert_eq!(address(&body, true), Some("192.168.128.7"));
        assert_eq!(address(&json!({"ipv4": []}), false), None);
    }
}
