//! Compression on every processor: zstd with its own threads, gzip in blocks that stand for themselves (a gzip file may
//! consist of several, and every gzip reads that).

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek as _, Write as _};
use std::num::NonZero;
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;

/// zstd's own default: the best speed for its size.
const LEVEL: i32 = 3;

/// Of gzip: what it saves beyond this takes longer than sending it.
const GZIP_LEVEL: u32 = 4;

/// One block of gzip: large enough to lose little at its borders.
const BLOCK: usize = 1 << 20;

/// As much at once as a pipe holds when it was widened.
const CHUNK: usize = 1 << 20;

/// Compresses what is written into it.
pub(super) struct Zstd(zstd::Encoder<'static, File>);

impl Zstd {
    pub(super) fn new() -> io::Result<Self> {
        let mut encoder = zstd::Encoder::new(tempfile::tempfile()?, LEVEL)?;
        encoder.multithread(threads())?;
        Ok(Self(encoder))
    }

    /// The file, and its length.
    pub(super) fn finish(self) -> io::Result<(File, u64)> {
        finished(self.0.finish()?)
    }
}

impl io::Write for Zstd {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Compresses everything that comes; the file, and its length.
pub(super) fn zstd(mut from: impl Read) -> io::Result<(File, u64)> {
    let mut encoder = Zstd::new()?;
    let mut buffer = vec![0; CHUNK];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => encoder.write_all(&buffer[..read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    encoder.finish()
}

/// The same in the older format.
pub(super) fn zstd_to_gzip(from: File) -> io::Result<(File, u64)> {
    gzip(zstd::Decoder::new(from)?)
}

fn gzip(mut from: impl Read) -> io::Result<(File, u64)> {
    let mut to = BufWriter::new(tempfile::tempfile()?);
    let at_once = usize::try_from(threads()).unwrap_or(1) * 2;
    loop {
        let mut blocks = Vec::new();
        while blocks.len() < at_once {
            let mut block = Vec::with_capacity(BLOCK);
            from.by_ref().take(BLOCK as u64).read_to_end(&mut block)?;
            if block.is_empty() {
                break;
            }
            blocks.push(block);
        }
        if blocks.is_empty() {
            break;
        }
        let packed: Vec<io::Result<Vec<u8>>> = thread::scope(|scope| {
            let working: Vec<_> = blocks
                .iter()
                .map(|block| scope.spawn(|| one_block(block)))
                .collect();
            let joined = working.into_iter().map(|thread| {
                let lost = |_| Err(io::Error::other("a thread that compresses panicked"));
                thread.join().unwrap_or_else(lost)
            });
            joined.collect()
        });
        for block in packed {
            to.write_all(&block?)?;
        }
    }
    let file = to.into_inner().map_err(io::IntoInnerError::into_error)?;
    finished(file)
}

fn one_block(block: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
    encoder.write_all(block)?;
    encoder.finish()
}

fn finished(mut file: File) -> io::Result<(File, u64)> {
    let bytes = file.stream_position()?;
    file.rewind()?;
    Ok((file, bytes))
}

fn threads() -> u32 {
    thread::available_parallelism().map_or(1, |count| {
        u32::try_from(NonZero::get(count)).unwrap_or(u32::MAX)
    })
}
