//! Making and destroying: handles, tokens, lost answers, repeated and parallel calls, the list; and what only shows when
//! everything has been tried.

use super::behaviour::{Miss, Shown};
use super::bench::{self, Bench, command};
use crate::provider::{Access, Doomed, ErrorKind};

fn failed<T>(why: impl Into<String>) -> Result<T, Miss> {
    Err(Miss::Failed(why.into()))
}

pub(super) async fn answers(bench: &Bench) -> Shown {
    let held = bench.main().await?;
    let by = match &held.access {
        Access::Plugin => "by the plugin".to_owned(),
        Access::Ssh(target) => format!("by the host, over ssh at `{}`", target.host),
    };
    Ok(format!("handle `{}`, reached {by}", held.instance.handle))
}

pub(super) async fn unique_handles(bench: &Bench) -> Shown {
    bench.room_for(2)?;
    let first = bench.main().await?;
    let second = bench.allocate().await?;
    bench.discard(&second).await?;
    match first.instance.handle == second.instance.handle {
        false => Ok(format!(
            "`{}` and `{}`",
            first.instance.handle, second.instance.handle
        )),
        true => failed(format!("both are `{}`", first.instance.handle)),
    }
}

/// What of the tokens is listed and should not be; or what stands for a list.
async fn nothing_of(bench: &Bench, token: &str) -> Shown {
    match bench.listed().await? {
        None => {
            Ok("confirmed; the plugin lists nothing, so that the backend was not asked".to_owned())
        }
        Some(tokens) if tokens.contains(token) => {
            failed(format!("`discard` confirmed, and `list` still has {token}"))
        }
        Some(_) => Ok("confirmed, and not listed any more".to_owned()),
    }
}

pub(super) async fn discard_destroys(bench: &Bench) -> Shown {
    let held = bench.allocate_beside().await?;
    bench.discard(&held).await?;
    nothing_of(bench, held.instance.token.as_str()).await
}

pub(super) async fn discard_repeatable(bench: &Bench) -> Shown {
    let held = bench.allocate_beside().await?;
    for _ in 0..3 {
        bench.discard(&held).await?;
    }
    Ok("3 times".to_owned())
}

pub(super) async fn discard_unknown(bench: &Bench) -> Shown {
    let doomed = Doomed {
        token: bench.unknown_token(),
        handle: None,
        name: bench.main().await?.instance.name,
        workdir: None,
    };
    bench.provider().discard(&doomed).await?;
    Ok(format!("token {}", doomed.token.as_str()))
}

pub(super) async fn in_parallel(bench: &Bench) -> Shown {
    bench.room_for(3)?;
    let (first, second) = tokio::join!(bench.allocate(), bench.allocate());
    let (first, second) = match (first, second) {
        (Ok(first), Ok(second)) => (first, second),
        (Ok(only), Err(error)) | (Err(error), Ok(only)) => {
            bench.discard(&only).await?;
            return Err(error);
        }
        (Err(error), Err(_)) => return Err(error),
    };
    let (one, other) = tokio::join!(bench.discard(&first), bench.discard(&second));
    one.and(other)?;
    match first.instance.handle == second.instance.handle {
        false => Ok("2 at once, made and discarded".to_owned()),
        true => failed(format!("both are `{}`", first.instance.handle)),
    }
}

pub(super) async fn repeated(bench: &Bench) -> Shown {
    bench.room_for(2)?;
    let request = bench.request()?;
    let first = bench.provider().allocate(&request).await;
    let second = bench.provider().allocate(&request).await;
    let how = match (&first, &second) {
        (Ok(first), Ok(second)) if first.handle == second.handle => {
            "the same instance again".to_owned()
        }
        (Ok(_), Ok(_)) => "another instance".to_owned(),
        (Ok(_), Err(error)) => format!("an error ({})", error.kind.word()),
        (Err(_), _) => String::new(),
    };
    let held = bench.held(&request, first.clone().unwrap_or_else(|_| bench::nothing()));
    bench.discard_by(&held, false).await?;
    first?;
    let seen = nothing_of(bench, request.token.as_str()).await?;
    Ok(format!("the second answer was {how}; {seen}"))
}

pub(super) async fn by_token_alone(bench: &Bench) -> Shown {
    let held = bench.allocate_beside().await?;
    bench.discard_by(&held, false).await?;
    let seen = nothing_of(bench, held.instance.token.as_str()).await?;
    // Also when the handle turns up after all.
    bench.discard(&held).await?;
    Ok(seen)
}

pub(super) async fn discard_in_parallel(bench: &Bench) -> Shown {
    let held = bench.allocate_beside().await?;
    let (one, other) = tokio::join!(bench.discard_only(&held), bench.discard_only(&held));
    bench.discard(&held).await?;
    one.and(other)?;
    nothing_of(bench, held.instance.token.as_str()).await
}

pub(super) async fn list_exact(bench: &Bench) -> Shown {
    let Some(before) = bench.listed().await? else {
        return Err(Miss::NotShown("the plugin exports no `inventory`, or cannot list with this configuration: what a crash leaves behind can only be found by its token".to_owned()));
    };
    let held = bench.allocate_beside().await?;
    let token = held.instance.token.clone();
    let entries = bench.provider().list().await?;
    let own: Vec<_> = entries
        .iter()
        .filter(|entry| entry.token == token)
        .collect();
    let seen = match &own[..] {
        [] => failed(format!(
            "{token} was made and is not listed",
            token = token.as_str()
        )),
        [one] if one.handle != held.instance.handle => failed(format!(
            "`allocate` answered `{}` and `list` has `{}`",
            held.instance.handle, one.handle
        )),
        [_] => Ok(()),
        many => failed(format!("it is listed {} times", many.len())),
    };
    bench.discard(&held).await?;
    seen?;
    nothing_of(bench, token.as_str()).await?;
    Ok(format!(
        "{} others, then one more, then not that one",
        before.len()
    ))
}

pub(super) async fn gone(bench: &Bench) -> Shown {
    let held = bench.allocate_beside().await?;
    bench.discard(&held).await?;
    if held.access != Access::Plugin {
        return Err(Miss::NotShown(
            "the host reaches its instances by itself: no call of the plugin's is about one"
                .to_owned(),
        ));
    }
    let mut seen = Vec::new();
    match bench.run(&held, &command("true", &[]), Vec::new()).await {
        Ok(output) if output.status.success() => {
            return failed("a command on an instance that was discarded succeeded");
        }
        Ok(output) => seen.push(format!("`run` ended with {}", bench::told(&output))),
        Err(Miss::Failed(why)) => seen.push(format!(
            "`run` is {}",
            why.lines().next().unwrap_or_default()
        )),
        Err(miss) => return Err(miss),
    }
    if bench.provider().optional().liveness {
        match bench.provider().check(&held.instance).await {
            Ok(()) => return failed("`check` of an instance that was discarded succeeded"),
            Err(error) if error.kind == ErrorKind::Gone => {
                seen.push("`check` is `gone`".to_owned())
            }
            Err(error) => {
                return failed(format!(
                    "`check` should be `gone` and is {}",
                    bench::error(&error)
                ));
            }
        }
    }
    Ok(seen.join(", "))
}

pub(super) async fn bad_configuration(bench: &Bench) -> Shown {
    // A wrong host or program is refused by the grant, as it should be.
    let denied = bench.setup.witness.denied();
    let shown = refuses(bench).await;
    bench.setup.witness.only_denied(denied);
    shown
}

async fn refuses(bench: &Bench) -> Shown {
    let mut seen = Vec::new();
    for (what, provider) in &bench.setup.bad {
        let provider = match provider {
            Ok(provider) => provider,
            Err(why) => {
                seen.push(format!(
                    "`{what}` was refused before the plugin was asked: {why}"
                ));
                continue;
            }
        };
        let request = bench.request()?;
        let answer = provider.allocate(&request).await;
        let held = bench.held(
            &request,
            answer.clone().unwrap_or_else(|_| bench::nothing()),
        );
        let doomed = held.doomed(false);
        let _a_provider_that_cannot_work = provider.discard(&doomed).await;
        bench.forget(&held)?;
        match answer {
            Err(error) if matches!(error.kind, ErrorKind::Invalid | ErrorKind::Denied) => {
                seen.push(format!("`{what}`: {}", bench::error(&error)));
            }
            Err(error) => return failed(format!("`{what}`: {}", bench::error(&error))),
            Ok(_) => return failed(format!("`{what}`: an instance was made")),
        }
    }
    match seen.is_empty() {
        true => Err(Miss::NotShown(
            "no bad configuration is known: name one with `--bad KEY=VALUE`".to_owned(),
        )),
        false => Ok(seen.join("; ")),
    }
}

pub(super) async fn no_more_rights(bench: &Bench) -> Shown {
    let denied = bench.setup.witness.denied();
    let (calls, asked) = bench.setup.witness.counts();
    match denied.is_empty() {
        true => Ok(format!(
            "{asked} uses of imports in {calls} calls, none refused"
        )),
        false => failed(denied.join("; ")),
    }
}

pub(super) async fn limits_respected(bench: &Bench) -> Shown {
    if let Some(held) = bench.take_main() {
        bench.discard(&held).await?;
    }
    let bad = bench.setup.witness.bad_ends();
    let (calls, _) = bench.setup.witness.counts();
    match bad.is_empty() {
        true => Ok(format!("{calls} calls")),
        false => failed(bad.join("; ")),
    }
}
