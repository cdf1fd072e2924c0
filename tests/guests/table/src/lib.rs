//! A provider that would behave, if it were ever started: its function table is larger than any limit (`build.rs`).

use runner_sdk::{
    Allocated, Command, Context, Doomed, Error, ExitStatus, Instance, Provider, Request, Result,
    Stdio,
};

struct Table;

#[derive(serde::Deserialize)]
struct Config {}

impl Provider for Table {
    type Config = Config;

    fn allocate(_: &Context<Config>, request: &Request) -> Result<Allocated> {
        Ok(Allocated::new(&request.token))
    }

    fn run(_: &Context<Config>, _: &Instance, _: Command, _: Stdio) -> Result<ExitStatus> {
        Err(Error::unsupported("it runs nothing"))
    }

    fn discard(_: &Context<Config>, _: &Doomed) -> Result<()> {
        Ok(())
    }
}

runner_sdk::provider!(Table, manifest = "plugin.json");
