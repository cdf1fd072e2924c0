//! Trees of files: making awkward ones, describing what is there so that two can be compared, and digests of streams.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// Describes everything below `root`: kind, mode, modification time in seconds, size and digest or link target, by
/// relative path (escaped where it is not text).
pub fn describe(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    walk(root, root, &mut found);
    found
}

fn walk(root: &Path, path: &Path, found: &mut BTreeMap<String, String>) {
    let meta = std::fs::symlink_metadata(path).expect("metadata");
    let name = path.strip_prefix(root).expect("below the root");
    let name = name.as_os_str().as_bytes().escape_ascii().to_string();
    let mode = meta.permissions().mode() & 0o7777;
    let time = meta.mtime();
    let kind = meta.file_type();
    let line = if kind.is_symlink() {
        let target = std::fs::read_link(path).expect("a link");
        format!("link -> {}", target.as_os_str().as_bytes().escape_ascii())
    } else if kind.is_dir() {
        format!("dir {mode:o}")
    } else if kind.is_file() {
        let file = std::fs::File::open(path).expect("readable");
        format!("file {mode:o} @{time} {} {}", meta.len(), digest(file).0)
    } else {
        "other".to_owned()
    };
    found.insert(name, line);
    if kind.is_dir() {
        for entry in std::fs::read_dir(path).expect("a directory") {
            walk(root, &entry.expect("an entry").path(), found);
        }
    }
}

/// The sha256 and the length of a stream, in constant memory.
pub fn digest(mut stream: impl Read) -> (String, u64) {
    let mut sum = Sha256::new();
    let mut length = 0;
    let mut buffer = vec![0; 1 << 18];
    loop {
        let count = stream.read(&mut buffer).expect("readable");
        if count == 0 {
            break;
        }
        sum.update(&buffer[..count]);
        length += count as u64;
    }
    let hex = sum
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    (hex, length)
}

/// Bytes that do not repeat and do not compress, from a seed: the same ones each time.
#[derive(Clone, Debug)]
pub struct Noise {
    state: u64,
    left: u64,
}

impl Noise {
    /// `length` bytes.
    pub fn new(seed: u64, length: u64) -> Self {
        Self {
            state: seed | 1,
            left: length,
        }
    }
}

impl Read for Noise {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        for chunk in buffer[..count].chunks_mut(8) {
            // xorshift64*: fast, and good enough to show a lost or swapped block.
            self.state ^= self.state >> 12;
            self.state ^= self.state << 25;
            self.state ^= self.state >> 27;
            let word = self.state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes();
            let length = chunk.len();
            chunk.copy_from_slice(&word[..length]);
        }
        self.left -= count as u64;
        Ok(count)
    }
}

/// Sets the modification time.
pub fn set_mtime(path: &Path, seconds: u64) {
    let when = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    std::fs::File::open(path)
        .and_then(|file| file.set_times(std::fs::FileTimes::new().set_modified(when)))
        .expect("the time is set");
}
