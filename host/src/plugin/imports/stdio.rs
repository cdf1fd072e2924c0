//! `process.stdio`: a plugin moving its caller's bytes itself. The descriptors are the caller's and shared with others
//! (a terminal belongs to a shell too), so their blocking mode is left as it is: what is not ready is waited for, and
//! only then read or written, in pieces that are taken without blocking.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::FileType;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use wasmtime::component::Resource;

use super::{Answer, failed};
use crate::plugin::bindings::process::HostStdio;
use crate::plugin::bindings::types::Error;
use crate::plugin::state::{CallerStdio, State};
use crate::plugin::tap::through;
use crate::provider::wire::Wire as _;

/// The largest piece that a guest moves at once.
const CHUNK: usize = 1 << 20;
/// What a pipe or a terminal that is ready for writing takes without blocking (`PIPE_BUF`).
const READY: usize = 4096;

impl HostStdio for State {
    async fn read_stdin(&mut self, io: Resource<CallerStdio>, max: u32) -> Answer<Vec<u8>> {
        through!(
            self,
            "process.read-stdin",
            max.to_json(),
            self.read(io, max)
        )
    }

    async fn write_stdout(&mut self, io: Resource<CallerStdio>, bytes: Vec<u8>) -> Answer<()> {
        self.said("process.write-stdout", || bytes.to_json());
        let _quiet = self.running.pause();
        let stdout = self.table.get(&io)?.0.stdout.as_fd();
        let outcome = write(stdout, bytes).await;
        Ok(outcome.map_err(|e| not_written("output", &e)))
    }

    async fn write_stderr(&mut self, io: Resource<CallerStdio>, bytes: Vec<u8>) -> Answer<()> {
        self.said("process.write-stderr", || bytes.to_json());
        let _quiet = self.running.pause();
        let stderr = self.table.get(&io)?.0.stderr.as_fd();
        let outcome = write(stderr, bytes).await;
        Ok(outcome.map_err(|e| not_written("error", &e)))
    }

    async fn drop(&mut self, io: Resource<CallerStdio>) -> wasmtime::Result<()> {
        self.table.delete(io)?;
        Ok(())
    }
}

impl State {
    async fn read(&mut self, io: Resource<CallerStdio>, max: u32) -> Answer<Vec<u8>> {
        let _quiet = self.running.pause();
        let stdin = self.table.get(&io)?.0.stdin.as_fd();
        let outcome = read(stdin, (max as usize).min(CHUNK)).await;
        Ok(outcome.map_err(|e| failed(format!("the caller's standard input cannot be read: {e}"))))
    }
}

fn not_written(which: &str, error: &io::Error) -> Error {
    failed(format!(
        "the caller's standard {which} cannot be written: {error}"
    ))
}

/// Up to `max` bytes of what is there, waiting for the first; empty at the end.
pub(crate) async fn read(fd: BorrowedFd<'_>, max: usize) -> io::Result<Vec<u8>> {
    if max == 0 {
        return Ok(Vec::new());
    }
    if may_take_long(fd)? {
        let fd = fd.try_clone_to_owned()?;
        return blocking(move || read_now(fd.as_fd(), max)).await;
    }
    ready(fd, PollFlags::IN, Interest::READABLE).await?;
    read_now(fd, max)
}

fn read_now(fd: BorrowedFd<'_>, max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; max];
    let read = loop {
        match rustix::io::read(fd, &mut bytes) {
            Ok(read) => break read,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    };
    bytes.truncate(read);
    Ok(bytes)
}

/// All of it, in pieces.
pub(crate) async fn write_all(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    for piece in bytes.chunks(CHUNK) {
        write(fd, piece.to_vec()).await?;
    }
    Ok(())
}

async fn write(fd: BorrowedFd<'_>, bytes: Vec<u8>) -> io::Result<()> {
    if bytes.len() > CHUNK {
        let message = format!(
            "{} bytes at once, and at most {CHUNK} are allowed",
            bytes.len()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    if may_take_long(fd)? {
        let fd = fd.try_clone_to_owned()?;
        return blocking(move || {
            let mut left = &bytes[..];
            while !left.is_empty() {
                left = &left[write_now(fd.as_fd(), left)?..];
            }
            Ok(())
        })
        .await;
    }
    let mut left = &bytes[..];
    while !left.is_empty() {
        ready(fd, PollFlags::OUT, Interest::WRITABLE).await?;
        let piece = &left[..left.len().min(READY)];
        left = &left[write_now(fd, piece)?..];
    }
    Ok(())
}

/// Bytes written; none when somebody else made the descriptor non-blocking and was faster.
fn write_now(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    match rustix::io::write(fd, bytes) {
        Ok(written) => Ok(written),
        Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// Files are always ready, and a network under them may be slow all the same.
fn may_take_long(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let mode = rustix::fs::fstat(fd)?.st_mode;
    Ok(FileType::from_raw_mode(mode) == FileType::RegularFile)
}

/// Waits until the descriptor is ready, registering it anew each time: a registration that outlives one wait
/// could miss what happens between a partial read and the next wait.
async fn ready(fd: BorrowedFd<'_>, flags: PollFlags, interest: Interest) -> io::Result<()> {
    loop {
        let mut fds = [PollFd::from_borrowed_fd(fd, flags)];
        match poll(&mut fds, Some(&Timespec::default())) {
            Ok(0) => {}
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        // A copy, because one descriptor cannot be registered twice and a terminal is often all three streams.
        let copy = fd.try_clone_to_owned()?;
        let registered = register(copy, interest)?;
        let _guard = registered.ready(interest).await?;
    }
}

#[expect(
    deprecated,
    reason = "the new form is `unsafe` for types that may change their descriptor; ours owns it and cannot"
)]
fn register(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<Registered>> {
    AsyncFd::with_interest(Registered(fd), interest)
}

struct Registered(OwnedFd);

impl AsRawFd for Registered {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(io::Error::other(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[tokio::test]
    async fn bytes_go_through_a_pipe_whose_reader_is_slow() {
        let (mut reader, writer) = io::pipe().expect("pipe");
        let all: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let expected = all.clone();
        let collector = std::thread::spawn(move || {
            let mut collected = Vec::new();
            reader.read_to_end(&mut collected).expect("read");
            collected
        });
        write(writer.as_fd(), all).await.expect("write");
        drop(writer);
        assert!(collector.join().expect("join") == expected);
    }

    #[tokio::test]
    async fn reading_waits_and_ends() {
        let (reader, mut writer) = io::pipe().expect("pipe");
        let waiting = tokio::spawn(async move {
            let first = read(reader.as_fd(), 100).await.expect("read");
            let end = read(reader.as_fd(), 100).await.expect("read");
            (first, end)
        });
        tokio::task::yield_now().await;
        writer.write_all(b"abc").expect("write");
        drop(writer);
        let (first, end) = waiting.await.expect("join");
        assert_eq!((&first[..], &end[..]), (&b"abc"[..], &b""[..]));
    }

    #[tokio::test]
    async fn files_work_too() {
        let file = tempfile::tempfile().expect("file");
        write(file.as_fd(), b"hello".to_vec()).await.expect("write");
        rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0)).expect("seek");
        assert_eq!(read(file.as_fd(), 100).await.expect("read"), b"hello");
        assert!(read(file.as_fd(), 0).await.expect("read").is_empty());
    }

    #[tokio::test]
    async fn too_much_at_once_is_refused() {
        let (_reader, writer) = io::pipe().expect("pipe");
        let error = write(writer.as_fd(), vec![0; CHUNK + 1])
            .await
            .expect_err("too much");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
