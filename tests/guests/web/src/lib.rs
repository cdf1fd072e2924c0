//! A provider whose backend speaks HTTP, and a client that sends what a test tells it: `run ID -- fetch GET URL` prints all that a
//! plugin gets to see. `wasi` instead of `fetch` sends the same by `wasi:http`.
//!
//! After method and URL come headers (`name: value`) and `--bearer=SECRET`, `--body=TEXT`, `--times=N`.

mod wasi;

use runner_sdk::{
    Allocated, Command, Context, Doomed, Error, ExitStatus, Instance, Provider, Request, Result,
    Stdio, http,
};

struct Web;

#[derive(serde::Deserialize)]
struct Config {
    machines: Option<String>,
}

/// What a test wants sent.
#[derive(Default)]
struct Order {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    bearer: Option<String>,
    body: String,
    times: usize,
}

impl Order {
    fn read(words: &[String]) -> Result<Self> {
        let [method, url, rest @ ..] = words else {
            return Err(Error::invalid("METHOD and URL are needed"));
        };
        let mut order = Self {
            method: method.clone(),
            url: url.clone(),
            times: 1,
            ..Self::default()
        };
        for word in rest {
            if let Some(secret) = word.strip_prefix("--bearer=") {
                order.bearer = Some(secret.to_owned());
            } else if let Some(body) = word.strip_prefix("--body=") {
                body.clone_into(&mut order.body);
            } else if let Some(times) = word.strip_prefix("--times=") {
                order.times = times.parse().map_err(|_| Error::invalid("a number"))?;
            } else if let Some((name, value)) = word.split_once(": ") {
                order.headers.push((name.to_owned(), value.to_owned()));
            } else {
                return Err(Error::invalid(format!("`{word}` means nothing")));
            }
        }
        Ok(order)
    }

    fn fetch(&self) -> Result<String> {
        let mut request = http::Request::new(&self.method, &self.url).body(self.body.clone());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(secret) = &self.bearer {
            request = request.bearer(secret);
        }
        let answer = request.send()?;
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        Ok(shown(answer.status, &answer.headers, &body))
    }
}

fn shown(status: u16, headers: &[(String, String)], body: &str) -> String {
    let mut text = format!("{status}\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\n"));
    }
    format!("{text}\n{body}\n")
}

impl Provider for Web {
    type Config = Config;

    fn allocate(ctx: &Context<Config>, request: &Request) -> Result<Allocated> {
        if let Some(machines) = &ctx.config.machines {
            http::post(machines)
                .header("x-token", &request.token)
                .send()?
                .success()?;
        }
        Ok(Allocated::new(&request.token))
    }

    fn run(_: &Context<Config>, _: &Instance, command: Command, io: Stdio) -> Result<ExitStatus> {
        let words: Vec<_> = command
            .argv
            .iter()
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect();
        let (through, words) = words
            .split_first()
            .ok_or_else(|| Error::invalid("nothing"))?;
        let order = Order::read(words)?;
        for _ in 0..order.times {
            let outcome = match through.as_str() {
                "wasi" => wasi::send(&order),
                _ => order.fetch().map_err(|error| format!("{error:?}")),
            };
            match outcome {
                Ok(answer) => io.write_stdout(answer.as_bytes())?,
                Err(why) => {
                    io.write_stderr(format!("refused: {why}\n").as_bytes())?;
                    return Ok(ExitStatus::Code(1));
                }
            }
        }
        Ok(ExitStatus::Code(0))
    }

    fn discard(ctx: &Context<Config>, doomed: &Doomed) -> Result<()> {
        if let Some(machines) = &ctx.config.machines {
            http::delete(format!("{machines}/{}", doomed.token))
                .send()?
                .success()?;
        }
        Ok(())
    }
}

runner_sdk::provider!(Web, manifest = "plugin.json");
