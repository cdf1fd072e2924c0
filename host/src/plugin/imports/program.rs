//! Which program a command of a guest starts, and with what: the grant is applied here, before anything is started.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::{failed, invalid};
use crate::plugin::bindings::types::{Command, Error};
use crate::plugin::rights::Rights;
use crate::plugin::text;
use crate::process::NativeCommand;

/// A command that may be started.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) native: NativeCommand,
    /// It was not granted by name: it is the user's command, not one of the plugin's tools.
    pub(crate) any: bool,
}

/// Why it is not.
#[derive(Debug)]
pub(crate) enum Refused {
    /// There is no such program in `PATH`. Only where every program is granted.
    NotFound { name: String },
    /// An answer for the guest.
    Error(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Applies the grant to a command. `path` is where programs are looked for when all are granted.
pub(crate) fn resolve(rights: Rights<'_>, path: &OsStr, cmd: Command) -> Result<Program, Refused> {
    let mut argv = cmd.argv.into_iter();
    let Some(name) = argv.next().filter(|name| !name.is_empty()) else {
        return Err(invalid("the command is empty: it has not even a program").into());
    };
    let args: Vec<OsString> = argv.map(OsString::from_vec).collect();
    let env = environment(rights, cmd.env)?;
    let cwd = cmd.cwd.map(|cwd| PathBuf::from(OsString::from_vec(cwd)));
    let texts = args.iter().map(OsString::as_os_str);
    let texts = texts.chain([OsStr::from_bytes(&name)]);
    let texts = texts.chain(env.iter().map(|(_, value)| value.as_os_str()));
    let texts = texts.chain(cwd.iter().map(|cwd| cwd.as_os_str()));
    if texts.into_iter().any(|text| text.as_bytes().contains(&0)) {
        return Err(
            invalid("the command has a zero byte in it, which no program can be given").into(),
        );
    }

    let named = granted_by_name(rights, &name);
    let any = named.is_none();
    let program = match named {
        Some(path) => path,
        None => any_program(rights, path, &name, &env, cwd.as_deref())?,
    };
    Ok(Program {
        native: NativeCommand {
            program,
            arg0: Some(OsString::from_vec(name)),
            args,
            env,
            cwd,
        },
        any,
    })
}

/// The path that was granted for this name, or this path if it was granted under some name.
fn granted_by_name(rights: Rights<'_>, name: &[u8]) -> Option<PathBuf> {
    let named = &rights.grant.programs.named;
    if name.contains(&b'/') {
        let path = Path::new(OsStr::from_bytes(name));
        let granted = |(key, value): (&String, &PathBuf)| value == path || Path::new(key) == path;
        return named
            .iter()
            .find(|entry| granted(*entry))
            .map(|(_, path)| path.clone());
    }
    named.get(std::str::from_utf8(name).ok()?).cloned()
}

fn any_program(
    rights: Rights<'_>,
    path: &OsStr,
    name: &[u8],
    env: &[(OsString, OsString)],
    cwd: Option<&Path>,
) -> Result<PathBuf, Refused> {
    let shown = text::printable_cut(&String::from_utf8_lossy(name), 200);
    if !rights.grant.programs.any {
        if rights.grant.programs.absent.contains(shown.as_str()) {
            let message =
                format!("the program `{shown}` was not installed when the grant was made");
            return Err(failed(message).into());
        }
        return Err(rights
            .denied(format!("the program `{shown}` is not granted"), "programs")
            .into());
    }
    let given = Path::new(OsStr::from_bytes(name));
    if name.contains(&b'/') {
        // Where the program starts decides what its relative path means, as it does in a shell.
        return Ok(match cwd {
            Some(cwd) if given.is_relative() => cwd.join(given),
            _ => given.to_owned(),
        });
    }
    let own = env.iter().rev().find(|(key, _)| key == "PATH");
    let path = own.map_or(path, |(_, value)| value.as_os_str());
    in_path(path, given).ok_or(Refused::NotFound { name: shown })
}

/// The first executable file of this name; failing that, the first file, for whose error the caller can blame it.
fn in_path(path: &OsStr, name: &Path) -> Option<PathBuf> {
    let candidates = || {
        std::env::split_paths(path)
            .filter(|directory| directory.is_absolute())
            .map(|directory| directory.join(name))
            .filter(|candidate| candidate.is_file())
    };
    let executable = |file: &PathBuf| rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok();
    candidates()
        .find(executable)
        .or_else(|| candidates().next())
}

fn environment(
    rights: Rights<'_>,
    env: Vec<(String, Vec<u8>)>,
) -> Result<Vec<(OsString, OsString)>, Error> {
    env.into_iter()
        .map(|(key, value)| {
            let shown = || text::printable_cut(&key, 80);
            if key.is_empty() || key.contains(['=', '\0']) {
                return Err(invalid(format!("`{}` cannot be the name of a variable", shown())));
            }
            if !rights.grant.programs.any && changes_loading(&key) {
                let message = format!("setting `{}` for a program is not granted: it decides what else is loaded, so it takes the grant of every program (`*`)", shown());
                return Err(rights.denied(message, "programs"));
            }
            Ok((key.into(), OsString::from_vec(value)))
        })
        .collect()
}

/// Variables that make a program load or start something else: with one of them, a grant of any program is
/// a grant of every program.
fn changes_loading(key: &str) -> bool {
    const NAMES: [&str; 32] = [
        "PATH",
        "IFS",
        "ENV",
        "BASH_ENV",
        "BASHOPTS",
        "SHELLOPTS",
        "SHELL",
        "PS4",
        "PROMPT_COMMAND",
        "CDPATH",
        "GLOBIGNORE",
        "PERL5LIB",
        "PERL5OPT",
        "PERL5DB",
        "PERLLIB",
        "RUBYLIB",
        "RUBYOPT",
        "GEM_PATH",
        "NODE_OPTIONS",
        "NODE_PATH",
        "LUA_PATH",
        "LUA_CPATH",
        "LUA_INIT",
        "CLASSPATH",
        "JAVA_TOOL_OPTIONS",
        "GCONV_PATH",
        "GETCONF_DIR",
        "LOCPATH",
        "NLSPATH",
        "TERMINFO",
        "EDITOR",
        "PAGER",
    ];
    const PREFIXES: [&str; 10] = [
        "LD_",
        "DYLD_",
        "GLIBC_",
        "MALLOC_",
        "PYTHON",
        "BASH_FUNC_",
        "GIT_",
        "SSH_",
        "TERMINFO_",
        "ZDOT",
    ];
    NAMES.contains(&key) || PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::Capabilities;

    fn rights(grant: &Capabilities) -> Rights<'_> {
        Rights {
            grant,
            source: "here",
        }
    }

    fn command(argv: &[&str]) -> Command {
        Command {
            argv: argv.iter().map(|arg| arg.as_bytes().to_vec()).collect(),
            env: Vec::new(),
            cwd: None,
            tty: false,
            id: "0".repeat(16),
        }
    }

    fn named() -> Capabilities {
        let mut grant = Capabilities::default();
        grant
            .programs
            .named
            .insert("podman".into(), "/opt/bin/podman-5".into());
        grant.programs.absent.insert("docker".into());
        grant
    }

    fn any() -> Capabilities {
        let mut grant = Capabilities::default();
        grant.programs.any = true;
        grant
    }

    fn kind(grant: &Capabilities, cmd: Command) -> &'static str {
        match resolve(rights(grant), OsStr::new("/usr/bin:/bin"), cmd) {
            Ok(_) => "ok",
            Err(Refused::NotFound { .. }) => "not-found",
            Err(Refused::Error(Error::Denied(_))) => "denied",
            Err(Refused::Error(Error::Invalid(_))) => "invalid",
            Err(Refused::Error(_)) => "failed",
        }
    }

    #[test]
    fn only_what_is_granted() {
        for (argv, expected) in [
            (&["podman", "ps"][..], "ok"),
            (&["/opt/bin/podman-5"], "ok"),
            (&["docker"], "failed"),
            (&["sh"], "denied"),
            (&["./podman"], "denied"),
            (&["/usr/bin/podman"], "denied"),
            (&["/opt/bin/../bin/podman-5"], "denied"),
            (&[], "invalid"),
            (&[""], "invalid"),
            (&["podman", "a\0b"], "invalid"),
        ] {
            assert_eq!(kind(&named(), command(argv)), expected, "{argv:?}");
        }
        let program =
            resolve(rights(&named()), OsStr::new(""), command(&["podman", ""])).expect("granted");
        assert_eq!(program.native.program, Path::new("/opt/bin/podman-5"));
        assert_eq!(program.native.arg0.as_deref(), Some(OsStr::new("podman")));
        assert_eq!(program.native.args, [""]);
        assert!(!program.any);
    }

    #[test]
    fn every_program_means_path_and_cwd() {
        let program = resolve(
            rights(&any()),
            OsStr::new("relative:/nosuch:/bin"),
            command(&["sh"]),
        )
        .expect("there");
        assert_eq!(program.native.program, Path::new("/bin/sh"));
        assert!(program.any);
        assert_eq!(
            kind(&any(), command(&["no-such-program-anywhere"])),
            "not-found"
        );
        let mut relative = command(&["./x"]);
        relative.cwd = Some(b"/w".to_vec());
        let program = resolve(rights(&any()), OsStr::new(""), relative).expect("granted");
        assert_eq!(program.native.program, Path::new("/w/./x"));
        let mut own = command(&["sh"]);
        own.env = vec![("PATH".into(), b"/nosuch".to_vec())];
        assert_eq!(kind(&any(), own), "not-found");
    }

    #[test]
    fn variables_that_load_code_need_every_program() {
        for key in [
            "LD_PRELOAD",
            "PATH",
            "BASH_ENV",
            "PYTHONPATH",
            "GIT_SSH_COMMAND",
            "BASH_FUNC_x%%",
        ] {
            let with = |argv: &[&str]| {
                let mut cmd = command(argv);
                cmd.env = vec![(key.into(), b"/bin".to_vec())];
                cmd
            };
            assert_eq!(kind(&named(), with(&["podman"])), "denied", "{key}");
            assert_eq!(kind(&any(), with(&["/bin/sh"])), "ok", "{key}");
        }
        for (key, expected) in [
            ("LANG", "ok"),
            ("HOME", "ok"),
            ("", "invalid"),
            ("A=B", "invalid"),
            ("A\0", "invalid"),
        ] {
            let mut cmd = command(&["podman"]);
            cmd.env = vec![(key.into(), b"x".to_vec())];
            assert_eq!(kind(&named(), cmd), expected, "{key:?}");
        }
    }
}
