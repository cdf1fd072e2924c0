//! What reaches for things that were not granted.

use runner_sdk::{Error, Result, http, process, secrets, ssh};

use crate::Config;

/// Tries `mode`, if it is one of these, and answers an error that tells how it ended.
pub(crate) fn run(mode: &str, config: &Config) -> Result<()> {
    let target = config.target.as_str();
    let tried: std::result::Result<String, String> = match mode {
        "write-file" => std::fs::write(target, "escaped")
            .map(|()| "wrote".into())
            .map_err(text),
        "read-file" => std::fs::read_to_string(target).map_err(text),
        "read-up" => {
            let up = config
                .backend
                .join("../../../../../..")
                .join(target.trim_start_matches('/'));
            std::fs::read_to_string(up).map_err(text)
        }
        "read-link" => {
            // The link lies in the granted directory and was made by the test.
            std::fs::read_to_string(config.backend.join("link")).map_err(text)
        }
        "environment" => match std::env::vars_os().next() {
            Some((key, value)) => Ok(format!("{key:?}={value:?}")),
            None => Err("no variables".into()),
        },
        "arguments" => match std::env::args_os().next() {
            Some(argument) => Ok(format!("{argument:?}")),
            None => Err("no arguments".into()),
        },
        "stdin" => {
            let mut line = String::new();
            match std::io::stdin().read_line(&mut line) {
                Ok(0) => Err("at its end".into()),
                Ok(_) => Ok(line),
                Err(error) => Err(text(error)),
            }
        }
        "connect" => std::net::TcpStream::connect(target)
            .map(|_| "connected".into())
            .map_err(text),
        "listen" => std::net::TcpListener::bind("127.0.0.1:0")
            .map(|_| "bound".into())
            .map_err(text),
        "resolve" => std::net::ToSocketAddrs::to_socket_addrs(&(target, 80))
            .map(|_| "resolved".into())
            .map_err(text),
        "http" => http::get(target)
            .send()
            .map(|answer| format!("status {}", answer.status))
            .map_err(text),
        "post" | "delete" => http::Request::new(mode.to_uppercase(), target)
            .send()
            .map(|answer| format!("status {}", answer.status))
            .map_err(text),
        "program" => process::output([target, "-c", "true"])
            .map(|output| format!("{:?}", output.status))
            .map_err(text),
        "preload" => process::output(runner_sdk::Command::new("true").env("LD_PRELOAD", target))
            .map(|output| format!("{:?}", output.status))
            .map_err(text),
        // How fine a time can be measured without a wait.
        "clock" => {
            let step = std::iter::repeat_with(step)
                .take(20)
                .min()
                .unwrap_or_default();
            match step.as_micros() >= 50 {
                true => Err(format!("steps of {step:?}")),
                false => Ok(format!("steps of {step:?}")),
            }
        }
        "secret" => secrets::get(target).map_err(text),
        "ssh" => target
            .parse()
            .and_then(|host| ssh::output(&host, ["true"]))
            .map(|output| format!("{:?}", output.status))
            .map_err(text),
        _ => return Ok(()),
    };
    Err(Error::failed(match tried {
        Ok(got) => format!("ESCAPED: {got}"),
        Err(why) => format!("refused: {why}"),
    }))
}

/// From one time that the clock shows to the next one.
fn step() -> std::time::Duration {
    let begun = std::time::Instant::now();
    loop {
        let step = begun.elapsed();
        if !step.is_zero() {
            return step;
        }
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
