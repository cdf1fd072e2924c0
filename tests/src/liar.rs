//! The few HTTP messages that tests read and write themselves, to see what really is on the other side, and a server that lies.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A message: its first line, its headers with lower-case names, its body.
#[derive(Clone, Debug, Default)]
pub struct Message {
    pub first: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Message {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter();
        all.find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The path of a request, with its query.
    pub fn path(&self) -> &str {
        self.first.split(' ').nth(1).unwrap_or_default()
    }

    /// The status of a response.
    pub fn status(&self) -> u16 {
        let word = self.first.split(' ').nth(1).unwrap_or_default();
        word.parse().unwrap_or_default()
    }

    fn read_head(reader: &mut impl std::io::BufRead) -> Option<Self> {
        let mut message = Self::default();
        reader.read_line(&mut message.first).ok()?;
        message.first = message.first.trim_end().to_owned();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let Some((name, value)) = line.trim_end().split_once(':') else {
                return Some(message);
            };
            let header = (name.to_ascii_lowercase(), value.trim().to_owned());
            message.headers.push(header);
        }
    }
}

/// One request to `host`; the whole answer.
#[track_caller]
pub fn request(
    method: &str,
    host: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Message {
    let mut stream = TcpStream::connect(host).expect("the server listens");
    send(&mut stream, method, host, path, headers, body);
    let mut reader = BufReader::new(stream);
    let mut answer = Message::read_head(&mut reader).expect("an answer");
    // The connection ends with the answer.
    let length = answer
        .header("content-length")
        .and_then(|text| text.parse().ok());
    reader
        .take(length.unwrap_or(u64::MAX))
        .read_to_end(&mut answer.body)
        .expect("a body");
    answer
}

fn send(
    stream: &mut TcpStream,
    method: &str,
    host: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) {
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let sent = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(body));
    sent.expect("the request is sent");
}

/// What a [`Liar`] answers instead of the truth.
#[derive(Clone, Debug)]
pub enum Lie {
    /// Exactly this: a head without its blank line, and a body. The connection ends then.
    Say(String, Vec<u8>),
    /// This head, and a body that goes on for as long as somebody listens.
    Endless(String),
    /// The truth, with its body changed.
    Twist(fn(&mut Vec<u8>)),
}

type Judge = dyn Fn(&Message) -> Option<Lie> + Send + Sync;

/// NOT A REGISTRY: a server of these tests that stands before a real one, and lies where the test wants it to. What it is not told to
/// lie about is passed through.
pub struct Liar {
    port: u16,
    asked: Arc<Mutex<Vec<Message>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Liar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Liar({})", self.port)
    }
}

impl Liar {
    /// Stands before the server at `truth`; `judge` says about each request what is answered to it.
    pub fn before(
        truth: &str,
        judge: impl Fn(&Message) -> Option<Lie> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (asked, over) = (Arc::new(Mutex::default()), Arc::new(AtomicBool::new(false)));
        let (truth, judge): (String, Arc<Judge>) = (truth.to_owned(), Arc::new(judge));
        let thread = std::thread::spawn({
            let (asked, over) = (Arc::clone(&asked), Arc::clone(&over));
            move || {
                for stream in listener.incoming().flatten() {
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                    let (truth, judge, asked) =
                        (truth.clone(), Arc::clone(&judge), Arc::clone(&asked));
                    // A client that goes away in the middle is no failure of ours.
                    std::thread::spawn(move || drop(serve(stream, &truth, &*judge, &asked)));
                }
            }
        });
        Self {
            port,
            asked,
            over,
            thread: Some(thread),
        }
    }

    /// As references name it.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Everything that it was asked.
    pub fn asked(&self) -> Vec<Message> {
        self.asked.lock().expect("no panic in here").clone()
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn serve(
    stream: TcpStream,
    truth: &str,
    judge: &Judge,
    asked: &Mutex<Vec<Message>>,
) -> std::io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    let Some(mut message) = Message::read_head(&mut reader) else {
        return Ok(());
    };
    let length = message
        .header("content-length")
        .and_then(|text| text.parse().ok());
    (&mut reader)
        .take(length.unwrap_or(0))
        .read_to_end(&mut message.body)?;
    asked
        .lock()
        .expect("no panic in here")
        .push(message.clone());
    let lie = judge(&message);
    match &lie {
        Some(Lie::Say(head, body)) => {
            out.write_all(format!("{head}\r\nconnection: close\r\n\r\n").as_bytes())?;
            return out.write_all(body);
        }
        Some(Lie::Endless(head)) => {
            out.write_all(format!("{head}\r\nconnection: close\r\n\r\n").as_bytes())?;
            let piece = vec![b'x'; 64 << 10];
            loop {
                out.write_all(&piece)?;
            }
        }
        Some(Lie::Twist(_)) | None => {}
    }
    let mut words = message.first.split(' ');
    let (method, path) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let ours = ["host", "connection", "content-length"];
    let headers: Vec<_> = message
        .headers
        .iter()
        .filter(|(name, _)| !ours.contains(&name.as_str()))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let mut real = TcpStream::connect(truth)?;
    send(&mut real, method, truth, path, &headers, &message.body);
    let Some(Lie::Twist(twist)) = lie else {
        // Addresses that the real one gives lead to itself; ours is where the client came.
        let mut answer = Vec::new();
        real.read_to_end(&mut answer)?;
        let here = out.local_addr()?.to_string();
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
        let (head, body) = answer.split_at(end.unwrap_or(answer.len()));
        let head = String::from_utf8_lossy(head).replace(truth, &here);
        out.write_all(head.as_bytes())?;
        return out.write_all(body);
    };
    let mut reader = BufReader::new(real);
    let Some(mut answer) = Message::read_head(&mut reader) else {
        return Ok(());
    };
    reader.read_to_end(&mut answer.body)?;
    twist(&mut answer.body);
    let mut head = format!("{}\r\n", answer.first);
    let promise = ["content-length", "docker-content-digest", "connection"];
    for (name, value) in &answer.headers {
        if !promise.contains(&name.as_str()) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    head.push_str(&format!(
        "content-length: {}\r\nconnection: close\r\n\r\n",
        answer.body.len()
    ));
    out.write_all(head.as_bytes())?;
    out.write_all(&answer.body)
}
