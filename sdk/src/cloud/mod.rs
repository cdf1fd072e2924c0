//! Providers over a cloud's API, made cheap. What a cloud calls its fields is the provider's to say, in the few functions of
//! [`Cloud`]; the rest is here and tested once: allocating and finding by token, waiting for an address, keys, discarding until it
//! is gone, and listing. Beside it, what those functions are made of: requests whose failures carry the cloud's own words ([`Api`]),
//! waiting and pages ([`wait`], [`pages`]), labels ([`Labels`]), and what a fresh machine is told ([`Guest`]).
//!
//! ```
//! use runner_sdk::cloud::{Api, Cloud, Found, Guest, Labels, Login, Machine, State, json, text};
//! use runner_sdk::http::auth::Auth;
//! use runner_sdk::{Context, Request, Result};
//!
//! struct Shed;
//!
//! #[derive(serde::Deserialize)]
//! struct Config {
//!     plan: String,
//!     #[serde(flatten)]
//!     login: Login,
//! }
//!
//! fn api() -> Api {
//!     Api::new("https://api.shed.example/v1")
//!         .sign(Auth::Bearer("SHED_TOKEN".into()))
//!         .says(&["/error/message"])
//!         .full_when(&["quota", "no capacity"])
//! }
//!
//! impl Cloud for Shed {
//!     type Config = Config;
//!
//!     fn login(config: &Config) -> &Login {
//!         &config.login
//!     }
//!
//!     fn create(ctx: &Context<Config>, request: &Request, guest: &Guest) -> Result<String> {
//!         let labels = Labels::of(ctx, request).object();
//!         let body = json!({"plan": ctx.config.plan, "labels": labels, "user_data": guest.user_data});
//!         text(&api().post("/machines", &body)?.success()?, "/id")
//!     }
//!
//!     fn look(_: &Context<Config>, id: &str) -> Result<Option<Machine>> {
//!         let Some(body) = api().get(&format!("/machines/{id}"))?.found()? else {
//!             return Ok(None);
//!         };
//!         let state = match body["state"].as_str() {
//!             Some("running") => State::Running,
//!             Some("deleting") => State::Ending,
//!             _ => State::Starting,
//!         };
//!         Ok(Some(Machine::new(state, body["ip"].as_str())))
//!     }
//!
//!     fn find(_: &Context<Config>, labels: &Labels) -> Result<Vec<Found>> {
//!         let body = api().get(&format!("/machines?{}", labels.form()))?.success()?;
//!         let all = body["machines"].as_array().into_iter().flatten();
//!         all.map(|one| Ok(Found { token: text(one, "/labels/runner-token")?, id: text(one, "/id")? })).collect()
//!     }
//!
//!     fn delete(_: &Context<Config>, id: &str) -> Result<()> {
//!         api().delete(&format!("/machines/{id}"))?.found()?;
//!         Ok(())
//!     }
//! }
//! # #[cfg(any())]
//! runner_sdk::provider!(Shed, manifest = "plugin.json", optional = [liveness, inventory]);
//! ```

mod api;
mod encode;
mod guest;
mod labels;
mod machine;
mod wait;

pub use api::{Api, Reply, text};
pub use encode::{base64, form};
pub use guest::{Guest, Login, cut, fill, user_data};
pub use labels::{Labels, NAME, SOURCE, STATE, TOKEN, label};
pub use machine::{Cloud, Found, Machine, State};
pub use serde_json::{Value, json};

/// A JSON object.
pub type Map = serde_json::Map<String, Value>;
pub use wait::{pages, settle, wait};
