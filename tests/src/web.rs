//! A server on loopback for providers that speak HTTP: keeps what it was sent, and answers what the test says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// One request, as it arrived.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `GET /path HTTP/1.1`.
    pub line: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Asked {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Answers for as long as the test's process lives.
#[derive(Debug)]
pub struct Server {
    pub port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// A server that answers this; nothing at all where it gives an empty text.
    pub fn start(answering: impl Fn(&Asked) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = asked.clone();
        let answering = Arc::new(answering);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, answering) = (kept.clone(), answering.clone());
                std::thread::spawn(move || converse(stream, &kept, &*answering));
            }
        });
        Self { port, asked }
    }

    /// A server that sends back all that it got.
    pub fn echo() -> Self {
        Self::start(|asked| {
            let told = format!("{}\n{:?}\n{}", asked.line, asked.headers, asked.body);
            answer("200 OK", "", &told)
        })
    }

    /// An address here.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What was asked until now.
    pub fn asked(&self) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }
}

/// An answer; `headers` end with `\r\n` each.
pub fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
}

fn converse(stream: TcpStream, kept: &Mutex<Vec<Asked>>, answering: &dyn Fn(&Asked) -> String) {
    let mut stream = BufReader::new(stream);
    // A client that goes away is no error of the server's.
    while let Some(asked) = read(&mut stream) {
        let text = answering(&asked);
        kept.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(asked);
        if text.is_empty() {
            let mut rest = Vec::new();
            let _gone = stream.read_to_end(&mut rest);
            return;
        }
        if stream.get_mut().write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

fn read(stream: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut line = || {
        let mut line = String::new();
        let read = stream.read_line(&mut line).ok()?;
        (read > 0).then(|| line.trim_end().to_owned())
    };
    let first = line()?;
    let mut headers = Vec::new();
    loop {
        let line = line()?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Asked {
        line: first,
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}
