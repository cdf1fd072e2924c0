//! A server on loopback that keeps what it was sent. Connections stay open, as real servers' do.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// From 0, over all connections.
    pub(super) number: usize,
    pub(super) connection: usize,
    pub(super) line: String,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

type Answering = dyn Fn(&Seen) -> Vec<u8> + Send + Sync;

/// Answers until the test's process ends.
pub(super) struct Server {
    pub(super) port: u16,
    scheme: &'static str,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// No answer at all where `answering` gives nothing.
    pub(super) fn start(answering: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::run(None, Arc::new(answering))
    }

    pub(super) fn start_tls(
        config: Arc<ServerConfig>,
        answering: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        Self::run(Some(config), Arc::new(answering))
    }

    fn run(tls: Option<Arc<ServerConfig>>, answering: Arc<Answering>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let scheme = if tls.is_some() { "https" } else { "http" };
        let kept = seen.clone();
        std::thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let Ok(stream) = stream else { continue };
                let (kept, answering, tls) = (kept.clone(), answering.clone(), tls.clone());
                std::thread::spawn(move || match tls {
                    None => converse(stream, connection, &kept, &*answering),
                    Some(config) => {
                        let tls = ServerConnection::new(config).expect("a configuration");
                        let stream = StreamOwned::new(tls, stream);
                        converse(stream, connection, &kept, &*answering);
                    }
                });
            }
        });
        Self { port, scheme, seen }
    }

    pub(super) fn url(&self, rest: &str) -> String {
        format!("{}://127.0.0.1:{}{rest}", self.scheme, self.port)
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("lock").clone()
    }
}

fn converse(
    stream: impl Read + Write,
    connection: usize,
    kept: &Mutex<Vec<Seen>>,
    answering: &Answering,
) {
    let mut stream = BufReader::new(stream);
    // A client that had enough closes its end, which is an error here or there.
    while let Some(mut seen) = read(&mut stream) {
        seen.connection = connection;
        {
            let mut kept = kept.lock().expect("lock");
            seen.number = kept.len();
            kept.push(seen.clone());
        }
        let answer = answering(&seen);
        if answer.is_empty() {
            let mut rest = Vec::new();
            let _closed = stream.read_to_end(&mut rest);
            return;
        }
        let out = stream.get_mut();
        if out.write_all(&answer).and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

/// Reads one request; none at the end.
pub(super) fn read(stream: &mut BufReader<impl Read>) -> Option<Seen> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        lines.push(line.to_owned());
    }
    let mut lines = lines.into_iter();
    let line = lines.next()?;
    let headers: Vec<_> = lines
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        })
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, value)| value.parse().expect("a length"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Seen {
        number: 0,
        connection: 0,
        line,
        headers,
        body,
    })
}

/// An answer with a body.
pub(super) fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// A proxy that opens tunnels to this port, whatever host is asked for; gives back what it was asked.
pub(super) fn proxy(to: u16) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = listener.local_addr().expect("address").port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let kept = kept.clone();
            std::thread::spawn(move || tunnel(stream, to, &kept));
        }
    });
    (port, asked)
}

fn tunnel(stream: TcpStream, to: u16, kept: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a copy"));
    let Some(seen) = read(&mut reader) else {
        return;
    };
    let credentials = seen.header("proxy-authorization").unwrap_or("-");
    kept.lock()
        .expect("lock")
        .push(format!("{} {credentials}", seen.line));
    let mut client = stream;
    let server = TcpStream::connect(("127.0.0.1", to)).expect("connect");
    client
        .write_all(b"HTTP/1.1 200 Connected\r\n\r\n")
        .expect("write");
    let (mut up_from, mut up_to) = (client.try_clone().expect("a copy"), server.try_clone());
    std::thread::spawn(move || {
        let up_to = up_to.as_mut().expect("a copy");
        let _closed = std::io::copy(&mut up_from, up_to);
        let _gone = up_to.shutdown(std::net::Shutdown::Write);
    });
    let mut server = server;
    let _closed = std::io::copy(&mut server, &mut client);
}
