//! Providers that speak HTTP, by `http.fetch` and by `wasi:http`, with secrets that they do not see. Over the whole program;
//! what each kind of authorisation sends is tested beside the code.

use runner_tests::web::{Asked, Server, answer};
use runner_tests::{Outcome, TestEnv, guests};

const SECRET: &str = "do-not-tell-8f2a";

/// A source `web` that may send requests to these ports of `127.0.0.1` and use the secret `TOKEN` there.
pub(crate) struct Web {
    pub(crate) env: TestEnv,
}

impl Web {
    pub(crate) fn new(ports: &[u16], more: &str) -> Self {
        let mut env = TestEnv::new();
        env.set("RUNNER_SECRET_TOKEN", SECRET);
        env.source(
            "web",
            &format!(
                "type = \"{}\"\nhosts = [\"127.0.0.1\"]\nports = {ports:?}\nsecrets = [\"TOKEN\"]\n{more}",
                guests::web().display()
            ),
        );
        env.grant("web");
        Self { env }
    }

    /// Sends it from inside of the plugin; the output is what the plugin sees.
    pub(crate) fn send(&self, id: &str, words: &[&str]) -> Outcome {
        let mut all = vec!["run", id, "--"];
        all.extend(words);
        self.env.runner(all).run()
    }

    /// The secret is nowhere in this world: not in the books, not in logs, not in what was said.
    #[track_caller]
    pub(crate) fn nothing_leaked(&self, outcomes: &[&Outcome]) {
        for outcome in outcomes {
            let said = format!("{}{}", outcome.out(), outcome.err());
            assert!(!said.contains(SECRET), "{said}");
        }
        self.env.written_nowhere(SECRET);
    }
}

#[test]
fn a_cloud_is_driven_by_http() {
    let server = Server::start(|asked: &Asked| match asked.line.split(' ').next() {
        Some("POST") => answer("201 Created", "", "{}"),
        _ => answer("204 No Content", "", ""),
    });
    let machines = format!("machines = \"{}\"\n", server.url("/machines"));
    let web = Web::new(&[server.port], &machines);
    let id = web.env.acquire("web");
    web.env.runner(["release", &id]).run().ok();
    let asked = server.asked();
    let lines: Vec<_> = asked.iter().map(|one| one.line.as_str()).collect();
    let token = asked[0].header("x-token").unwrap();
    assert_eq!(
        lines,
        [
            "POST /machines HTTP/1.1",
            &format!("DELETE /machines/{token} HTTP/1.1"),
        ]
    );
}

#[test]
fn a_secret_is_used_and_not_seen() {
    let server = Server::echo();
    let web = Web::new(&[server.port], "");
    let id = web.env.acquire("web");
    let url = server.url("/x");
    let bearer = web
        .send(&id, &["fetch", "GET", &url, "--bearer=TOKEN"])
        .ok();
    let by_wasi = web.send(
        &id,
        &[
            "wasi",
            "POST",
            &url,
            "authorization: Bearer {{secret:TOKEN}}",
            "--body=hello",
        ],
    );
    let by_wasi = by_wasi.ok();
    for outcome in [&bearer, &by_wasi] {
        let seen = outcome.out();
        assert!(seen.starts_with("200\n"), "{outcome}");
        assert!(seen.contains("Bearer {{secret:TOKEN}}"), "{outcome}");
    }
    let asked = server.asked();
    for one in &asked {
        let sent = one.header("authorization").unwrap();
        assert_eq!(sent, format!("Bearer {SECRET}"));
    }
    assert_eq!(
        (asked[1].line.as_str(), asked[1].body.as_str()),
        ("POST /x HTTP/1.1", "hello")
    );
    let log = web.env.runner(["log"]).run().ok();
    web.nothing_leaked(&[&bearer, &by_wasi, &log]);
}

#[test]
fn using_a_secret_is_asked_for_in_other_words_than_reading_it() {
    let env = TestEnv::new();
    env.source(
        "web",
        &format!(
            "type = \"{}\"\nhosts = [\"api.example.com\"]\nports = [443]\nsecrets = [\"TOKEN\"]\nsecret_hosts = [\"api.example.com\"]\n",
            guests::web().display()
        ),
    );
    let outcome = env.runner(["acquire", "-s", "web"]).run().code(3);
    let text = outcome
        .err()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(
        text.contains(
            "have your secret `TOKEN` put into requests to `api.example.com` without seeing it"
        ),
        "{outcome}"
    );
    assert!(!text.contains("read your secret"), "{outcome}");
}

#[test]
fn the_environments_proxy_is_used() {
    let server = Server::start(|_| answer("403 Forbidden", "", ""));
    let more = "";
    let mut web = Web::new(&[80], more);
    web.env.source(
        "web",
        &format!(
            "type = \"{}\"\nhosts = [\"api.example.invalid\"]\nports = [80]\n",
            guests::web().display()
        ),
    );
    web.env.grant("web");
    web.env.set("https_proxy", server.url(""));
    let id = web.env.acquire("web");
    let refused = web.send(&id, &["fetch", "GET", "http://api.example.invalid/"]);
    assert!(refused.code(1).err().contains("refused: "));
    assert_eq!(
        server.asked()[0].line,
        "CONNECT api.example.invalid:80 HTTP/1.1"
    );
    // The operator's word counts more.
    web.env
        .write("config/runner/config.toml", "[http]\nproxy = \"\"\n");
    let direct = web.send(&id, &["fetch", "GET", "http://api.example.invalid/"]);
    direct.code(1);
    assert_eq!(server.asked().len(), 1);
}
