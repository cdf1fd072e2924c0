//! The write-ahead guard, and a guest that does not care: what leaves the host when the books do not know what for.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use runner::plugin::{
    Binding, Capabilities, HttpRight, Limits, Locator, NoBooks, PluginDirs, PluginHost, Services,
    Standing,
};
use runner::provider::{Doomed, ErrorKind, Instance, Provider, Request};
use runner_core::id::{InstanceName, SourceName, Token};
use runner_tests::guests;
use serde_json::json;

/// A backend that counts what comes.
struct Backend {
    port: u16,
    asked: Arc<AtomicUsize>,
}

impl Backend {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let mut head = [0; 1024];
                let _head = stream.read(&mut head).unwrap();
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                    .unwrap();
            }
        });
        Self { port, asked }
    }
}

struct Guest {
    directory: tempfile::TempDir,
    provider: Arc<dyn Provider>,
    backend: Backend,
}

/// The guest, granted everything that it tries, before books that say this.
fn guest(standing: Standing, at: &str, mode: &str) -> Guest {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::create_dir_all(path("backend/live")).unwrap();
    let host = PluginHost::new(PluginDirs {
        installed: path("installed"),
        components: path("components"),
        compiled: runner_tests::env::shared_cache().join("compiled"),
        ssh: path("ssh"),
        compiler: None,
    });
    let backend = Backend::start();
    let target = match mode {
        "program" => "true".to_owned(),
        "ssh" => "localhost".to_owned(),
        _ => format!("http://127.0.0.1:{}/", backend.port),
    };
    let component = host
        .inspect(&Locator::File(guests::hostile().to_owned()))
        .unwrap();
    let config = json!({"backend": path("backend"), "at": at, "mode": mode, "target": target});
    let config = component
        .manifest
        .configure(config.as_object().unwrap(), &[])
        .unwrap();
    let mut grant = Capabilities::default();
    grant.programs.any = true;
    grant.ssh.insert("localhost".into());
    grant.http.insert(HttpRight {
        host: "127.0.0.1".into(),
        port: backend.port,
        method: "*".into(),
    });
    let backing = path("backend").canonicalize().unwrap();
    grant
        .directories
        .insert(backing, runner::plugin::DirectoryAccess::Write);
    let binding = Binding {
        source: SourceName::new("box").unwrap(),
        config,
        grant,
        limits: Limits::default(),
        services: Services {
            path: "/usr/bin:/bin".into(),
            books: Arc::new(NoBooks {
                standing,
                ..NoBooks::default()
            }),
            ..Services::default()
        },
    };
    component.keep(host.dirs()).unwrap();
    let provider = host.provider(&component.reference, binding).unwrap();
    Guest {
        directory,
        provider,
        backend,
    }
}

impl Guest {
    /// What became of its attempt, in the call that it is for.
    async fn tries(&self, at: &str) -> String {
        let token = Token::from_bytes([7; 16]);
        let name = InstanceName::typed("box-0");
        let instance = Instance {
            handle: "h".into(),
            token: token.clone(),
            name: name.clone(),
            workdir: None,
        };
        let error = match at {
            "allocate" => {
                let request = Request {
                    token,
                    name,
                    slot: 0,
                    workdir: None,
                };
                self.provider.allocate(&request).await.map(drop)
            }
            "discard" => {
                let doomed = Doomed {
                    token,
                    handle: None,
                    name,
                    workdir: None,
                };
                self.provider.discard(&doomed).await
            }
            "check" => self.provider.check(&instance).await,
            "list" => self.provider.list().await.map(drop),
            other => panic!("`{other}` is not tried here"),
        };
        let error = error.expect_err("it tells what it did");
        assert_eq!(error.kind, ErrorKind::Failed, "{error}");
        error.message
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaves_for_what_is_not_in_the_books() {
    for (at, mode, standing, out) in [
        // No intent: nothing is made.
        ("allocate", "post", Standing::Unknown, false),
        ("allocate", "program", Standing::Unknown, false),
        ("allocate", "ssh", Standing::Unknown, false),
        // What exists already is not made again.
        ("allocate", "post", Standing::Live, false),
        ("allocate", "post", Standing::Intended, true),
        ("allocate", "program", Standing::Intended, true),
        // Its own rollback.
        ("allocate", "delete", Standing::Intended, true),
        // Nothing is destroyed that is not recorded as to be destroyed.
        ("discard", "delete", Standing::Unknown, false),
        ("discard", "delete", Standing::Live, false),
        ("discard", "program", Standing::Live, false),
        ("discard", "delete", Standing::Doomed, true),
        // Looking changes nothing, whatever the books say.
        ("check", "post", Standing::Live, false),
        ("check", "delete", Standing::Live, false),
        ("check", "http", Standing::Live, true),
        ("check", "program", Standing::Live, true),
        ("list", "post", Standing::Live, false),
        ("list", "delete", Standing::Doomed, false),
        ("list", "program", Standing::Live, false),
        ("list", "ssh", Standing::Live, false),
        ("list", "http", Standing::Unknown, true),
    ] {
        let guest = guest(standing, at, mode);
        let said = guest.tries(at).await;
        assert_eq!(
            said.contains("ESCAPED"),
            out,
            "{at} {mode} {standing:?}: {said}"
        );
        let asked = guest.backend.asked.load(Ordering::SeqCst);
        let over_http = matches!(mode, "post" | "delete" | "http");
        assert_eq!(
            asked,
            usize::from(out && over_http),
            "{at} {mode} {standing:?}"
        );
        if !out {
            assert!(said.contains("not allowed here"), "{said}");
        }
        drop(guest.directory);
    }
}
