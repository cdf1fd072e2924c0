//! `runner forward`: ports of this machine that lead to an instance.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Args;
use runner_core::id::InstanceName;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::error::Outcome;
use crate::cli::exit_code;
use crate::provider::{Forward as Way, Forwarded};

/// Forward ports of this machine to a leased instance
///
/// Listens on this machine, and passes what connects on to a port that the instance can reach, over the ssh connection that is there
/// anyway, until it is interrupted. For instances that are reached by ssh.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  runner forward web-0 8080:80              its port 80 at localhost:8080
  runner forward web-0 0:db.internal:5432   what it calls `db.internal`, at a free port, which is printed
  runner forward web-0 0.0.0.0:8080:80      for other machines, too")]
pub(crate) struct Forward {
    /// The instance; `ID@FENCE` for one of a certain lease
    #[arg(value_name = "ID")]
    pub id: String,

    /// What leads where: `[ADDRESS:]PORT:[HOST:]PORT`; the first port 0: a free one
    #[arg(value_name = "FORWARD", num_args = 1.., required = true, value_parser = way)]
    pub forwards: Vec<Way>,
}

/// Prints where it listens, and passes on until somebody ends it.
pub(crate) fn run(args: &Forward, context: &Context) -> Outcome {
    let engine = context.engine()?;
    let console = &context.console;
    let told = |news: Forwarded<'_>| match news {
        Forwarded::Listening { at, forward } => {
            let printed = if console.json {
                console.print_json(&json!({
                    "listening": at.to_string(), "host": forward.host, "port": forward.port,
                }))
            } else {
                console.print(&format!("{at} -> {}:{}\n", forward.host, forward.port))
            };
            if printed.is_err() {
                // Nobody reads; the port works all the same.
                tracing::debug!("cannot print where it listens");
            }
        }
        Forwarded::Refused(why) => tracing::warn!("`{}` refused a connection: {why}", args.id),
    };
    context.block_on(engine.forward(&InstanceName::typed(&args.id), &args.forwards, &told))?;
    Ok(exit_code::OK)
}

/// Reads `[ADDRESS:]PORT:[HOST:]PORT`; an IPv6 address stands in brackets.
fn way(text: &str) -> Result<Way, String> {
    let parts = parts(text)?;
    let port = |text: &str| {
        text.parse::<u16>()
            .map_err(|_| format!("`{text}` is not a port"))
    };
    let (address, listen, host, to) = match parts.as_slice() {
        [listen, to] => (None, listen, None, to),
        [first, second, to] if first.parse::<u16>().is_ok() && second.parse::<u16>().is_err() => {
            (None, first, Some(second), to)
        }
        [address, listen, to] => (Some(address), listen, None, to),
        [address, listen, host, to] => (Some(address), listen, Some(host), to),
        _ => return Err("write `[ADDRESS:]PORT:[HOST:]PORT`".to_owned()),
    };
    let address = match address.map(String::as_str) {
        None | Some("localhost") => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Some("*") => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Some(address) => address
            .parse()
            .map_err(|_| format!("`{address}` is not an address of this machine"))?,
    };
    let host = host.map_or("localhost", String::as_str);
    let to = port(to)?;
    if to == 0 || host.is_empty() || host.starts_with('-') || host.chars().any(char::is_control) {
        return Err(format!("`{host}:{to}` is no place to forward to"));
    }
    Ok(Way {
        listen: SocketAddr::new(address, port(listen)?),
        host: host.to_owned(),
        port: to,
    })
}

/// The text between colons; what is in brackets is one part.
fn parts(text: &str) -> Result<Vec<String>, String> {
    let mut parts = vec![String::new()];
    let mut inside = false;
    for letter in text.chars() {
        match letter {
            '[' if !inside => inside = true,
            ']' if inside => inside = false,
            ':' if !inside => parts.push(String::new()),
            other => {
                if let Some(last) = parts.last_mut() {
                    last.push(other);
                }
            }
        }
    }
    if inside {
        return Err("the bracket is not closed".to_owned());
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_are_read() {
        for (text, listen, host, port) in [
            ("8080:80", "127.0.0.1:8080", "localhost", 80),
            ("0:db:5432", "127.0.0.1:0", "db", 5432),
            ("0.0.0.0:1:2", "0.0.0.0:1", "localhost", 2),
            ("*:1:2", "0.0.0.0:1", "localhost", 2),
            ("[::1]:1:[fe80::1]:2", "[::1]:1", "fe80::1", 2),
        ] {
            let found = way(text).unwrap();
            assert_eq!(found.listen.to_string(), listen, "{text}");
            assert_eq!((found.host.as_str(), found.port), (host, port), "{text}");
        }
        for bad in [
            "",
            "80",
            "a:80",
            "80:a",
            "80:0",
            "1:2:3:4:5",
            "[::1:80",
            "70000:1",
            "1:-x:2",
        ] {
            assert!(way(bad).is_err(), "{bad}");
        }
    }
}
