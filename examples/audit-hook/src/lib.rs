//! Writes down what happens to instances, and refuses one that has too little free space for what will be done on it:
//! a new one is discarded, a kept one is not handed out or kept again, and a check of it fails.
#![forbid(unsafe_code)]

use runner_sdk::{Context, Error, Event, Hook, Instance, Point, Result, log, target};

struct FreeSpace;

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Config {
    path: String,
    minimum_mb: u64,
}

impl Hook for FreeSpace {
    type Config = Config;

    fn on_event(ctx: &Context<Config>, event: &Event, instance: &Instance) -> Result<()> {
        log::info(format!(
            "{} of `{}`, {}",
            event.at.word(),
            instance.name,
            event.owner.as_deref().unwrap_or("nobody's")
        ));
        if event.at == Point::Discard {
            return Ok(());
        }
        let Config { path, minimum_mb } = &ctx.config;
        let printed = target::run(["df", "-P", "-k", "--", path])?.success()?;
        let free = available(printed.text()?)
            .ok_or_else(|| Error::failed("`df` printed something else than a table"))?
            / 1024;
        log::info(format!(
            "`{}` has {free} MB free under `{path}`",
            instance.name
        ));
        if free < *minimum_mb {
            return Err(
                Error::failed(format!("only {free} MB are free under `{path}`")).remedy(format!(
                    "free some, or lower `minimum-mb` (it is {minimum_mb})"
                )),
            );
        }
        Ok(())
    }
}

/// The fourth column of the line under the heading: kilobytes available.
fn available(table: &str) -> Option<u64> {
    table
        .lines()
        .nth(1)?
        .split_whitespace()
        .nth(3)?
        .parse()
        .ok()
}

runner_sdk::hook!(FreeSpace, manifest = "plugin.json");

#[cfg(test)]
mod tests {
    #[test]
    fn the_column_is_found() {
        let table =
            "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda 100 40 60 40% /";
        assert_eq!(super::available(table), Some(60));
        assert_eq!(super::available("df: no"), None);
    }
}
