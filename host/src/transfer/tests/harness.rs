//! An "instance" that is a shell in another directory, and pictures of trees to compare.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::transfer::remote::{self, Argv, InstanceDestination, InstanceSource};
use crate::transfer::{
    Destination, LocalSource, PackOptions, Preserve, Quiet, Summary, TransferError, pack, relay,
    unpack,
};

pub(super) const TOKEN: &str = "0123456789abcdef";

/// The programs that an instance has.
#[derive(Debug)]
pub(super) struct Instance {
    shell: PathBuf,
    path: Option<PathBuf>,
    pub(super) root: tempfile::TempDir,
    /// busybox keeps no fractions of a second, no times of links and no holes.
    pub(super) is_busybox: bool,
}

impl Instance {
    fn with_shell(shell: &str) -> Option<Self> {
        Path::new(shell).exists().then(|| Self {
            shell: shell.into(),
            path: None,
            root: tempfile::tempdir().unwrap(),
            is_busybox: false,
        })
    }

    fn busybox() -> Option<Self> {
        let busybox = ["/bin/busybox", "/usr/bin/busybox"]
            .into_iter()
            .find(|path| Path::new(path).exists())?;
        let root = tempfile::tempdir().unwrap();
        let bin = root.path().join(".bin");
        std::fs::create_dir(&bin).unwrap();
        let list = Command::new(busybox).arg("--list").output().unwrap();
        for name in String::from_utf8(list.stdout).unwrap().lines() {
            symlink(busybox, bin.join(name)).unwrap();
        }
        Some(Self {
            shell: bin.join("sh"),
            path: Some(bin),
            root,
            is_busybox: true,
        })
    }

    pub(super) fn all() -> Vec<Self> {
        let found: Vec<_> = [
            Self::with_shell("/bin/dash"),
            Self::with_shell("/bin/bash"),
            Self::busybox(),
        ]
        .into_iter()
        .flatten()
        .collect();
        assert!(!found.is_empty(), "neither dash, bash nor busybox is here");
        found
    }

    pub(super) fn any() -> Self {
        Self::all().remove(0)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(super) fn command(&self, argv: &Argv) -> Command {
        let mut command = Command::new(&self.shell);
        command.args(argv[1..].iter().map(|word| OsStr::from_bytes(word)));
        command.current_dir(self.root.path());
        if let Some(path) = &self.path {
            command.env("PATH", path);
        }
        command
    }

    /// Runs a script to its end without streams.
    pub(super) fn run(&self, argv: &Argv) -> (u8, Vec<u8>, Vec<u8>) {
        let output = self.command(argv).stdin(Stdio::null()).output().unwrap();
        (code(output.status), output.stdout, output.stderr)
    }

    /// `runner cp LOCAL ID:PATH`.
    pub(super) fn put(&self, from: &Path, to: impl AsRef<[u8]>) -> Result<Summary, TransferError> {
        let source = LocalSource::open(from)?;
        let to = InstanceDestination::new(to.as_ref(), source.name(), TOKEN, Preserve::default());
        let mut running = spawn(&mut self.command(&to.receive()));
        let mut line = Vec::new();
        let mut stdout = running.child.stdout.take().unwrap();
        read_line(&mut stdout, &mut line);
        let options = PackOptions {
            receiver: remote::receiver(&line).unwrap_or_default(),
            ..PackOptions::default()
        };
        let stdin = file(running.child.stdin.take().unwrap());
        let packed = pack(&source, options, stdin, &Quiet);
        let received = finish(running, |code, stderr| to.failure(code, stderr));
        both(packed, received)
    }

    /// `runner cp ID:PATH LOCAL`.
    pub(super) fn get(&self, from: impl AsRef<[u8]>, to: &Path) -> Result<Summary, TransferError> {
        let source = InstanceSource::new(from.as_ref());
        let destination = Destination::resolve(to, source.name())?;
        let mut running = spawn(&mut self.command(&source.send()));
        let stdout = file(running.child.stdout.take().unwrap());
        let unpacked = unpack(
            stdout,
            &source.top(),
            destination,
            Preserve::default(),
            &Quiet,
        );
        let sent = finish(running, |code, stderr| source.failure(code, stderr));
        both(unpacked, sent)?.commit()
    }

    /// `runner cp ID:PATH OTHER:PATH`.
    pub(super) fn pass(
        &self,
        from: impl AsRef<[u8]>,
        other: &Self,
        to: impl AsRef<[u8]>,
    ) -> Result<Summary, TransferError> {
        let source = InstanceSource::new(from.as_ref());
        let to = InstanceDestination::new(to.as_ref(), source.name(), TOKEN, Preserve::default());
        let mut receiver = spawn(&mut other.command(&to.receive()));
        let mut line = Vec::new();
        read_line(receiver.child.stdout.as_mut().unwrap(), &mut line);
        let kind = remote::receiver(&line).unwrap_or_default();
        let mut sender = spawn(&mut self.command(&source.send()));
        let stdout = file(sender.child.stdout.take().unwrap());
        let stdin = file(receiver.child.stdin.take().unwrap());
        let relayed = relay(
            stdout,
            &source.top(),
            Preserve::default(),
            kind,
            stdin,
            &Quiet,
        );
        let sent = finish(sender, |code, stderr| source.failure(code, stderr));
        let summary = both(relayed, sent).and_then(crate::transfer::Relayed::finish);
        let received = finish(receiver, |code, stderr| to.failure(code, stderr));
        both(summary, received)
    }

    /// What is in the instance, without the programs.
    pub(super) fn picture(&self, name: &str) -> Picture {
        let mut picture = picture(&self.path(name));
        picture.whole_seconds |= self.is_busybox;
        picture
    }

    /// Nothing is left behind.
    pub(super) fn assert_clean(&self) {
        let (_, found, _) = self.run(&vec![
            b"sh".to_vec(),
            b"-c".to_vec(),
            b"find . -name '.runner-*'".to_vec(),
        ]);
        assert_eq!(String::from_utf8_lossy(&found), "");
    }
}

/// What this side answers, or the error that tells the cause.
fn both<T>(
    here: Result<T, TransferError>,
    there: Result<(), TransferError>,
) -> Result<T, TransferError> {
    match (here, there) {
        (Ok(value), Ok(())) => Ok(value),
        (Ok(_), Err(error)) => Err(error),
        (Err(error), there) => Err(error.or_cause(there.err())),
    }
}

/// A script that runs. Its complaints are read all the time, or it would wait for that.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) child: Child,
    stderr: std::thread::JoinHandle<Vec<u8>>,
}

pub(super) fn spawn(command: &mut Command) -> Running {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stderr.take().unwrap();
    let stderr = std::thread::spawn(move || {
        let mut text = Vec::new();
        pipe.read_to_end(&mut text).unwrap();
        text
    });
    Running { child, stderr }
}

fn file(pipe: impl Into<std::os::fd::OwnedFd>) -> std::fs::File {
    pipe.into().into()
}

fn code(status: std::process::ExitStatus) -> u8 {
    u8::try_from(status.code().unwrap_or(128)).unwrap()
}

fn read_line(from: &mut impl std::io::Read, line: &mut Vec<u8>) {
    let mut byte = [0];
    while from.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
        line.push(byte[0]);
    }
}

pub(super) fn finish(
    mut running: Running,
    failure: impl Fn(u8, &[u8]) -> TransferError,
) -> Result<(), TransferError> {
    drop(running.child.stdin.take());
    if let Some(mut stdout) = running.child.stdout.take() {
        stdout.read_to_end(&mut Vec::new()).unwrap();
    }
    let status = running.child.wait().unwrap();
    let stderr = running.stderr.join().unwrap();
    if status.success() {
        Ok(())
    } else {
        Err(failure(code(status), &stderr))
    }
}

/// A tree: what is where, without what differs from run to run.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    nodes: BTreeMap<PathBuf, Node>,
    whole_seconds: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    mode: u32,
    seconds: i64,
    nanoseconds: i64,
    contents: Contents,
    /// The first path of the same file, if this is not it.
    same_as: Option<PathBuf>,
    is_linked: bool,
}

#[derive(Clone, PartialEq, Eq)]
enum Contents {
    File(Vec<u8>),
    Directory,
    Symlink(PathBuf),
    Other(u32),
}

impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(bytes) if bytes.len() > 60 => write!(f, "File({} bytes)", bytes.len()),
            Self::File(bytes) => write!(f, "File({:?})", String::from_utf8_lossy(bytes)),
            Self::Directory => write!(f, "Directory"),
            Self::Symlink(target) => write!(f, "Symlink({})", target.display()),
            Self::Other(mode) => write!(f, "Other({mode:o})"),
        }
    }
}

impl Picture {
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The same, but for what busybox does not keep: fractions of a second, and times of links.
    #[track_caller]
    pub(super) fn assert_same(&self, other: &Self) {
        let round = self.whole_seconds || other.whole_seconds;
        let (mut left, mut right) = (self.nodes.clone(), other.nodes.clone());
        if round {
            for node in left.values_mut().chain(right.values_mut()) {
                node.nanoseconds = 0;
                if node.contents == Contents::Directory && !is_root() {
                    node.mode |= 0o700;
                }
            }
            for nodes in [&mut left, &mut right] {
                forget_times_of_links(nodes);
            }
        }
        for (path, node) in &left {
            assert_eq!(Some(node), right.get(path), "{}", path.display());
        }
        assert_eq!(left.len(), right.len(), "{:?}", right.keys());
    }

    /// Without what busybox has lost on the way.
    pub(super) fn rounded(mut self) -> Self {
        self.whole_seconds = true;
        self
    }
}

/// Of symbolic links, and of directories with links in them, which busybox makes last.
fn forget_times_of_links(nodes: &mut BTreeMap<PathBuf, Node>) {
    let links: Vec<_> = nodes
        .iter()
        .filter(|(_, node)| node.is_linked || matches!(node.contents, Contents::Symlink(_)))
        .map(|(path, node)| (path.clone(), matches!(node.contents, Contents::Symlink(_))))
        .collect();
    for (path, is_symlink) in links {
        let parent = path.parent().and_then(|parent| nodes.get_mut(parent));
        if let Some(parent) = parent {
            parent.seconds = 0;
        }
        if is_symlink && let Some(link) = nodes.get_mut(&path) {
            link.seconds = 0;
        }
    }
}

/// Takes a picture of what is at a path.
pub(super) fn picture(path: &Path) -> Picture {
    let mut nodes = BTreeMap::new();
    let mut seen = BTreeMap::new();
    look(path, PathBuf::new(), &mut nodes, &mut seen);
    Picture {
        nodes,
        whole_seconds: false,
    }
}

fn look(
    root: &Path,
    below: PathBuf,
    nodes: &mut BTreeMap<PathBuf, Node>,
    seen: &mut BTreeMap<u64, PathBuf>,
) {
    let path = if below.as_os_str().is_empty() {
        root.to_path_buf()
    } else {
        root.join(&below)
    };
    let found = path.symlink_metadata().unwrap();
    let same_as = (found.nlink() > 1 && !found.is_dir())
        .then(|| seen.insert(found.ino(), below.clone()))
        .flatten();
    if let Some(first) = &same_as {
        seen.insert(found.ino(), first.clone());
    }
    let contents = if found.is_dir() {
        let mut names: Vec<_> = std::fs::read_dir(&path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        for name in names {
            look(root, below.join(name), nodes, seen);
        }
        Contents::Directory
    } else if found.is_symlink() {
        Contents::Symlink(path.read_link().unwrap())
    } else if found.is_file() {
        let mut bytes = Vec::new();
        std::fs::File::open(&path)
            .unwrap()
            .read_to_end(&mut bytes)
            .unwrap();
        Contents::File(bytes)
    } else {
        Contents::Other(found.mode())
    };
    nodes.insert(
        below,
        Node {
            mode: found.mode() & 0o7777,
            seconds: found.mtime(),
            nanoseconds: found.mtime_nsec(),
            contents,
            same_as,
            is_linked: found.nlink() > 1 && !found.is_dir(),
        },
    );
}

/// Sets the time of a path itself.
pub(super) fn set_time(path: &Path, seconds: i64, nanoseconds: u32) {
    let times = crate::transfer::tree::timestamps(crate::transfer::format::Time {
        seconds,
        nanoseconds,
    });
    let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::utimensat(rustix::fs::CWD, path, &times, flags).unwrap();
}

pub(super) fn set_mode(path: &Path, mode: u32) {
    rustix::fs::chmod(path, rustix::fs::Mode::from_raw_mode(mode)).unwrap();
}

/// Are we the superuser, to whom permissions mean nothing?
pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Removes a tree of any depth and with any permissions.
pub(super) fn remove(path: &Path) {
    let open = crate::transfer::tree::DIRECTORY;
    let at = rustix::fs::open(path.parent().unwrap(), open, rustix::fs::Mode::empty()).unwrap();
    let name = path.file_name().unwrap().as_bytes();
    crate::transfer::tree::remove(std::os::fd::AsFd::as_fd(&at), name).unwrap();
}
