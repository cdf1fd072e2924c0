//! A wrapper that tells the provider behind it another name for each instance.
//!
//! Names are for people; what identifies an instance is its token, which stays. In every call the name is made anew from what the call
//! says, so nothing is remembered.

use runner_sdk::prelude::*;
use runner_sdk::{Doomed, inner};

struct Rename;

#[derive(serde::Deserialize)]
struct Config {
    pattern: String,
    longest: usize,
}

type Ctx = Context<Config>;

/// The instance's name by the pattern.
fn name(ctx: &Ctx, own: &str, token: &str) -> String {
    let short = token.get(..8).unwrap_or(token);
    let mut name = ctx.config.pattern.clone();
    for (key, value) in [
        ("{name}", own),
        ("{source}", &ctx.source),
        ("{state}", &ctx.state_id),
        ("{token}", token),
        ("{short}", short),
    ] {
        name = name.replace(key, value);
    }
    name.truncate(name.floor_char_boundary(ctx.config.longest));
    // Some backends take no name that ends so.
    name.trim_end_matches(['-', '.', '_']).to_owned()
}

impl Provider for Rename {
    type Config = Config;

    fn allocate(ctx: &Ctx, request: &Request) -> Result<Allocated> {
        inner::allocate(&Request {
            name: name(ctx, &request.name, &request.token),
            ..request.clone()
        })
    }

    fn run(ctx: &Ctx, instance: &Instance, command: Command, io: Stdio) -> Result<ExitStatus> {
        let renamed = Instance {
            name: name(ctx, &instance.name, &instance.token),
            ..instance.clone()
        };
        inner::run(&renamed, command, io)
    }

    fn discard(ctx: &Ctx, doomed: &Doomed) -> Result<()> {
        inner::discard(&Doomed {
            name: name(ctx, &doomed.name, &doomed.token),
            ..doomed.clone()
        })
    }
}

runner_sdk::provider!(Rename, manifest = "plugin.json");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_pattern_and_are_cut() {
        let token = "0123456789abcdef0123456789abcdef";
        let named = |pattern: &str, longest| {
            let ctx = Context {
                source: "web".to_owned(),
                state_id: "feed".to_owned(),
                config: Config {
                    pattern: pattern.to_owned(),
                    longest,
                },
            };
            name(&ctx, "web-3", token)
        };
        assert_eq!(named("ci-{name}-{short}", 63), "ci-web-3-01234567");
        assert_eq!(named("{source}.{state}", 63), "web.feed");
        assert_eq!(named("x{token}", 12), "x0123456789a");
        assert_eq!(named("ci-{name}-{short}", 9), "ci-web-3");
    }
}
