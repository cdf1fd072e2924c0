//! What a guest prints to its standard output and error: kept in memory, at most so many bytes (the newest), to be
//! quoted when the call fails. It never reaches our own streams.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use super::engine::lock;
use super::text;

/// What a guest may hand over in one write.
const CHUNK: usize = 64 << 10;
/// Lines that an error quotes.
const QUOTED: usize = 10;
/// What the Rust in a guest advises: nobody can set a variable for it.
const ADVICE: &str = "note: run with `RUST_BACKTRACE=";
/// Characters of a quoted line.
const WIDTH: usize = 240;

/// A ring of the newest bytes. Clones share it.
#[derive(Clone)]
pub(crate) struct GuestLog(Arc<Mutex<Ring>>);

struct Ring {
    /// The newest bytes at the end; cut to the limit whenever it has grown to twice that, so that a flood of small writes
    /// does not move everything each time.
    bytes: Vec<u8>,
    limit: usize,
    /// Bytes that had to go.
    dropped: usize,
}

impl Ring {
    fn cut(&mut self) {
        let excess = self.bytes.len().saturating_sub(self.limit);
        self.bytes.drain(..excess);
        self.dropped = self.dropped.saturating_add(excess);
    }
}

impl GuestLog {
    pub(crate) fn new(limit: usize) -> Self {
        Self(Arc::new(Mutex::new(Ring {
            bytes: Vec::new(),
            limit,
            dropped: 0,
        })))
    }

    fn push(&self, bytes: &[u8]) {
        let mut ring = lock(&self.0);
        ring.bytes.extend_from_slice(bytes);
        if ring.bytes.len() > ring.limit.saturating_mul(2) {
            ring.cut();
        }
    }

    /// The last lines of what `cleaned` makes of it all, escaped, and how much is missing before them.
    pub(crate) fn quote(&self, cleaned: impl FnOnce(String) -> String) -> Vec<String> {
        let (printed, dropped) = {
            let mut ring = lock(&self.0);
            ring.cut();
            let printed = String::from_utf8_lossy(&ring.bytes).into_owned();
            (printed, ring.dropped)
        };
        let printed = cleaned(printed);
        let lines: Vec<&str> = printed
            .lines()
            .filter(|line| !line.trim().is_empty() && !line.starts_with(ADVICE))
            .collect();
        let last = &lines[lines.len().saturating_sub(QUOTED)..];
        let mut quoted: Vec<String> = last
            .iter()
            .map(|line| text::printable_cut(line, WIDTH))
            .collect();
        if dropped > 0 {
            quoted.insert(
                0,
                format!("({dropped} bytes before were over the limit `log`)"),
            );
        }
        quoted
    }
}

impl IsTerminal for GuestLog {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestLog {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for GuestLog {
    async fn ready(&mut self) {}
}

#[async_trait::async_trait]
impl OutputStream for GuestLog {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(CHUNK)
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }
}

impl AsyncWrite for GuestLog {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        _context: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        self.push(bytes);
        std::task::Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(printed: String) -> String {
        printed
    }

    #[test]
    fn keeps_the_newest_and_counts_the_rest() {
        let log = GuestLog::new(10);
        log.push(b"one\ntwo\n");
        assert_eq!(log.quote(whole), ["one", "two"]);
        log.push(b"th\x1bree\n");
        assert_eq!(
            log.quote(whole),
            [
                "(5 bytes before were over the limit `log`)",
                "wo",
                "th\\u{1b}ree"
            ]
        );
        log.push(&[b'x'; 100]);
        assert_eq!(
            log.quote(whole)[0],
            "(105 bytes before were over the limit `log`)"
        );
        assert_eq!(log.quote(whole)[1], "x".repeat(10));
    }

    #[test]
    fn quotes_the_last_lines() {
        let log = GuestLog::new(1000);
        for n in 0..20 {
            log.push(format!("line {n}\n\n").as_bytes());
        }
        let quoted = log.quote(whole);
        assert_eq!((quoted.len(), quoted[0].as_str()), (10, "line 10"));
        log.push(
            b"note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n",
        );
        assert_eq!(log.quote(whole), quoted);
    }
}
