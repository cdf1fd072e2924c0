//! `list`: the machines of this pool by their names, and which of them are nobody's.

use std::collections::{BTreeSet, HashMap};

use runner_sdk::{Entry, Error, Result, log, process};

use crate::hooks::{self, Hook};
use crate::{Ctx, names};

/// Everything that `list` prints. What an instance of this source is called has its token; a name of another source's is
/// left out; the rest are orphans, with a token that follows from the name.
pub(crate) fn list(ctx: &Ctx) -> Result<Vec<Entry>> {
    let printed = printed(ctx)?;
    // Afterwards: what was made while `list` ran must not be taken for an orphan.
    let known = process::output(hooks::shell(hooks::script!("names.sh"), []))?.success()?;
    let known = String::from_utf8_lossy(&known.stdout);
    let mut instances = HashMap::new();
    for line in known.lines() {
        let mut words = line.splitn(3, ' ');
        if let (Some(source), Some(token), Some(name)) = (words.next(), words.next(), words.next())
        {
            instances.insert(name, (source, token));
        }
    }
    let pattern = &ctx.config.name_pattern;
    let entries = printed.into_iter().filter_map(|name| {
        let token = match instances.get(name.as_str()) {
            Some((source, token)) if *source == ctx.source => (*token).to_owned(),
            Some(_) => return None,
            None => names::orphan(&ctx.source, pattern, &name),
        };
        Some(Entry {
            token,
            handle: name,
        })
    });
    Ok(entries.collect())
}

/// `list` works, and does not name it.
pub(crate) fn is_gone(ctx: &Ctx, name: &str) -> bool {
    match printed(ctx) {
        Ok(names) => !names.contains(name),
        Err(error) => {
            if ctx.config.list.is_some() {
                log::warn(error.message);
            }
            false
        }
    }
}

fn printed(ctx: &Ctx) -> Result<BTreeSet<String>> {
    let Some(command) = &ctx.config.list else {
        return Err(Error::unsupported(format!(
            "source `{}` has no command `list`",
            ctx.source
        )));
    };
    let ended = Hook::about_none().run(ctx, "list", command)?;
    if !ended.status.success() {
        return Err(Error::unavailable(hooks::failure("list", &ended).message));
    }
    let text = String::from_utf8(ended.stdout)
        .map_err(|_| Error::unavailable("`list` printed something that is not text"))?;
    let names: BTreeSet<String> = text.split_whitespace().map(str::to_owned).collect();
    match names
        .iter()
        .find(|name| name.len() > 255 || name.chars().any(char::is_control))
    {
        Some(bad) => Err(Error::unavailable(format!(
            "`list` printed `{}`, which is no machine's name",
            bad.escape_debug()
        ))),
        None => Ok(names),
    }
}
