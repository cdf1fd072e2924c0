//! Calling the operator's commands: with which variables, and what became of it.

use runner_sdk::{
    Command, Doomed, Error, ErrorKind, ExitStatus, Instance, Output, Request, Result, log, process,
};

use crate::{Ctx, data, names, pool};

/// A script, behind the functions that it may use.
macro_rules! script {
    ($name:literal) => {
        concat!(include_str!("known.sh"), include_str!($name))
    };
}
pub(crate) use script;

/// What is known of a machine besides its token.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) name: String,
    pub(crate) slot: Option<String>,
    pub(crate) counters: Vec<(String, String)>,
    /// What `new` printed, as much of it as is kept; none when it never succeeded.
    pub(crate) data: Option<Vec<u8>>,
}

impl Known {
    /// No more than a name.
    pub(crate) fn only(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// What the function `known` of the scripts printed.
    fn parse(printed: &[u8]) -> Option<Self> {
        let end = printed.windows(2).position(|two| two == b"\n\n")?;
        let (head, tail) = (&printed[..end], &printed[end + 2..]);
        let head = String::from_utf8_lossy(head);
        let mut lines = head.lines();
        let (name, slot, code) = (lines.next()?, lines.next()?, lines.next()?);
        let counters = lines.filter_map(|line| line.split_once(' '));
        Some(Self {
            name: name.to_owned(),
            slot: Some(slot.to_owned()),
            counters: counters
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            data: (code == "0").then(|| data::kept(tail)),
        })
    }
}

/// A call of a command.
pub(crate) struct Hook<'a> {
    known: Option<&'a Known>,
    token: &'a str,
    id: u64,
    workdir: Option<&'a str>,
}

impl<'a> Hook<'a> {
    /// About this machine.
    pub(crate) fn about(
        known: &'a Known,
        token: &'a str,
        id: u64,
        workdir: Option<&'a str>,
    ) -> Self {
        // What nobody here has made has no directory, and one that is gone cannot be written to.
        let workdir = workdir.filter(|_| known.slot.is_some());
        Self {
            known: Some(known),
            token,
            id,
            workdir,
        }
    }

    /// About none of them: `list`.
    pub(crate) fn about_none() -> Self {
        Self {
            known: None,
            token: "",
            id: 0,
            workdir: None,
        }
    }

    /// Runs it.
    pub(crate) fn run(&self, ctx: &Ctx, what: &str, command: &str) -> Result<Output> {
        let log = self.workdir.map(|workdir| format!("{workdir}/{what}.log"));
        let data = self.known.and_then(|known| known.data.as_deref());
        let has_data = if data.is_some() { "data" } else { "" };
        let mut shell = shell(
            script!("hook.sh"),
            [command, log.as_deref().unwrap_or_default(), what, has_data],
        );
        for (key, value) in self.variables(pool(ctx)) {
            shell = shell.env(key, value);
        }
        let ended = process::output(shell)?;
        if !ended.stderr.is_empty() {
            log::debug(format!(
                "`{what}`: {}",
                String::from_utf8_lossy(&ended.stderr).trim_end()
            ));
        }
        Ok(ended)
    }

    /// As resalloc sets them.
    fn variables(&self, pool: &str) -> Vec<(String, String)> {
        let none = || "None".to_owned();
        let mut all = vec![
            ("RESALLOC_ID".to_owned(), self.id.to_string()),
            (
                "RESALLOC_NAME".to_owned(),
                self.known.map_or_else(none, |known| known.name.clone()),
            ),
            ("RESALLOC_POOL_ID".to_owned(), pool.to_owned()),
        ];
        let slot = self.known.and_then(|known| known.slot.clone());
        all.push(("RESALLOC_ID_IN_POOL".to_owned(), slot.unwrap_or_else(none)));
        if let Some(known) = self.known {
            for (name, value) in &known.counters {
                all.push((format!("RESALLOC_NAMED_COUNTER_{name}"), value.clone()));
            }
            if let Some(data) = &known.data {
                all.push(("RESALLOC_RESOURCE_DATA".to_owned(), data::base64(data)));
            }
        }
        if !self.token.is_empty() {
            all.push(("RUNNER_TOKEN".to_owned(), self.token.to_owned()));
        }
        all
    }
}

/// A script of ours, with arguments.
pub(crate) fn shell<'a>(script: &str, arguments: impl IntoIterator<Item = &'a str>) -> Command {
    Command::from(["/bin/sh", "-c", script, "runner-command"]).args(arguments)
}

/// Runs `new`, and answers the beginning of what it printed.
pub(crate) fn new(ctx: &Ctx, request: &Request, name: &str) -> Result<Vec<u8>> {
    let (token, slot) = (&request.token, request.slot.to_string());
    let known = Known {
        name: name.to_owned(),
        slot: Some(slot.clone()),
        ..Known::default()
    };
    let workdir = request.workdir()?;
    let mut shell = shell(
        script!("new.sh"),
        [workdir, &ctx.config.new, &ctx.source, token, name, &slot],
    );
    shell = shell.args(&ctx.config.counters);
    for (key, value) in Hook::about(&known, token, names::id(token), None).variables(pool(ctx)) {
        shell = shell.env(key, value);
    }
    let mut ended = process::output(shell)?;
    if !ended.stderr.is_empty() {
        log::debug(format!(
            "`new`: {}",
            String::from_utf8_lossy(&ended.stderr).trim_end()
        ));
    }
    let (code, printed) = code(&ended.stdout).ok_or_else(|| {
        let complaint = ended.complaint();
        Error::failed(if complaint.is_empty() {
            format!("the shell that runs `new` {}", ended.status)
        } else {
            complaint
        })
    })?;
    let printed = printed.to_vec();
    ended.status = ExitStatus::Code(code);
    match code {
        0 => Ok(printed),
        _ => Err(failure("new", &ended)),
    }
}

/// The line `ended CODE`, and what comes after it.
fn code(printed: &[u8]) -> Option<(u8, &[u8])> {
    let end = printed.iter().position(|byte| *byte == b'\n')?;
    let line = std::str::from_utf8(&printed[..end]).ok()?;
    Some((
        line.strip_prefix("ended ")?.parse().ok()?,
        &printed[end + 1..],
    ))
}

/// What is known of an instance.
pub(crate) fn known(instance: &Instance) -> Result<Known> {
    let script = concat!(
        include_str!("known.sh"),
        "cd \"$1\" 2>/dev/null || exit 0\nknown\n"
    );
    let printed = process::output(shell(script, [instance.workdir()?]))?.success()?;
    Ok(Known::parse(&printed.stdout).unwrap_or_else(|| Known::only(&instance.handle)))
}

/// Sees to it that `new` does not run any more, and tells what is known. None: it was never started, or nothing was made
/// by this host.
pub(crate) fn doom(doomed: &Doomed) -> Result<Option<Known>> {
    let Some(workdir) = &doomed.workdir else {
        return Ok(None);
    };
    let printed = process::output(shell(script!("doom.sh"), [workdir.as_str(), &doomed.token]))?;
    if !printed.status.success() {
        return Err(Error::unavailable(printed.complaint()));
    }
    Ok(Known::parse(&printed.stdout))
}

/// Runs `check` or `release`.
pub(crate) fn call(ctx: &Ctx, what: &str, command: &str, instance: &Instance) -> Result<()> {
    let known = known(instance)?;
    let id = names::id(&instance.token);
    let hook = Hook::about(&known, &instance.token, id, instance.workdir.as_deref());
    let ended = hook.run(ctx, what, command)?;
    if ended.status.success() {
        return Ok(());
    }
    Err(Error {
        kind: ErrorKind::Failed,
        ..failure(what, &ended)
    })
}

/// The error for a command that did not succeed. For `new` a passing one: it is tried again, perhaps elsewhere.
pub(crate) fn failure(what: &str, ended: &Output) -> Error {
    let complaint = ended.complaint();
    let message = if complaint.is_empty() {
        format!("`{what}` {} and said nothing", ended.status)
    } else {
        format!("`{what}` {}: {complaint}", ended.status)
    };
    match ended.status {
        // What a shell answers for what it cannot start.
        ExitStatus::Code(126 | 127) => Error::invalid(message).remedy(format!(
            "see that the command `{what}` of the source can be started"
        )),
        _ => Error::unavailable(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(hook: &Hook<'_>) -> Vec<String> {
        let all = hook.variables("pool").into_iter();
        all.map(|(key, value)| format!("{key}={value}")).collect()
    }

    #[test]
    fn variables_are_resallocs() {
        assert_eq!(
            variables(&Hook::about_none()),
            [
                "RESALLOC_ID=0",
                "RESALLOC_NAME=None",
                "RESALLOC_POOL_ID=pool",
                "RESALLOC_ID_IN_POOL=None"
            ]
        );
        let known = Known {
            name: "vm".into(),
            slot: Some("3".into()),
            counters: vec![("ip".into(), "4".into())],
            data: Some(b"host\n".to_vec()),
        };
        assert_eq!(
            variables(&Hook::about(&known, "t", 7, Some("/w"))),
            [
                "RESALLOC_ID=7",
                "RESALLOC_NAME=vm",
                "RESALLOC_POOL_ID=pool",
                "RESALLOC_ID_IN_POOL=3",
                "RESALLOC_NAMED_COUNTER_ip=4",
                "RESALLOC_RESOURCE_DATA=aG9zdAo=",
                "RUNNER_TOKEN=t",
            ]
        );
        let orphan = Known::only("vm");
        let hook = Hook::about(&orphan, "t", 0, Some("/w"));
        assert!(hook.workdir.is_none());
        assert_eq!(variables(&hook)[3], "RESALLOC_ID_IN_POOL=None");
    }

    #[test]
    fn what_the_scripts_print_is_read() {
        assert_eq!(Known::parse(b""), None);
        let known = Known::parse(b"vm\n3\n-\nip 4\n\n").unwrap();
        assert_eq!(
            (known.name.as_str(), known.slot.as_deref()),
            ("vm", Some("3"))
        );
        assert_eq!(known.counters, [("ip".to_owned(), "4".to_owned())]);
        assert_eq!(known.data, None);
        let known = Known::parse(b"vm\n0\n0\n\n\n\nx").unwrap();
        assert_eq!(known.data.as_deref(), Some(b"\n\nx".as_slice()));
        assert_eq!(Known::parse(b"vm\n0\n1\n\nx").unwrap().data, None);
        assert_eq!(
            code(b"ended 3\nout\nput"),
            Some((3, b"out\nput".as_slice()))
        );
        assert_eq!(code(b""), None);
    }
}
