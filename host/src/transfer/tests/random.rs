//! Random trees, there and back.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use proptest::prelude::*;

use super::harness::{Instance, picture, set_mode, set_time};
use crate::transfer::{
    Destination, LocalSource, PackOptions, Preserve, Quiet, Receiver, Top, pack, relay, unpack,
};

#[derive(Clone, Debug)]
enum Node {
    File {
        seed: u8,
        length: usize,
        mode: u32,
    },
    Symlink(Vec<u8>),
    HardLink(usize),
    Directory {
        children: Vec<(Vec<u8>, Self)>,
        mode: u32,
    },
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..20),
        proptest::collection::vec(b'a'..b'e', 1..4),
        (100..250usize).prop_map(|length| vec![b'l'; length]),
    ]
    .prop_map(|mut name| {
        for byte in &mut name {
            if *byte == 0 || *byte == b'/' {
                *byte = b'_';
            }
        }
        if name == b"." || name == b".." {
            name.push(b'.');
        }
        name
    })
}

fn node() -> impl Strategy<Value = Node> {
    let mode = prop_oneof![Just(0o644), Just(0o755), Just(0o400), 0o600..0o777u32];
    let length = prop_oneof![0..10usize, 500..530usize, 0..50_000usize];
    let leaf = prop_oneof![
        4 => (any::<u8>(), length, mode.clone())
            .prop_map(|(seed, length, mode)| Node::File { seed, length, mode }),
        1 => name().prop_map(Node::Symlink),
        1 => any::<usize>().prop_map(Node::HardLink),
    ];
    leaf.prop_recursive(5, 60, 8, move |inner| {
        (
            proptest::collection::vec((name(), inner), 0..8),
            prop_oneof![Just(0o755), Just(0o700), Just(0o1777), Just(0o555)],
        )
            .prop_map(|(children, mode)| Node::Directory { children, mode })
    })
}

fn build(path: &Path, node: &Node, files: &mut Vec<std::path::PathBuf>) {
    let seconds = i64::from(
        path.as_os_str()
            .as_bytes()
            .iter()
            .map(|&byte| u32::from(byte))
            .sum::<u32>(),
    );
    match node {
        Node::File { seed, length, mode } => {
            // Seeds divisible by three make zeros, which turn into holes.
            let step = usize::from(seed % 3);
            let bytes: Vec<u8> = (0..*length)
                .map(|at| ((at * step + usize::from(*seed)) % 256) as u8 * u8::from(step > 0))
                .collect();
            std::fs::write(path, bytes).unwrap();
            set_mode(path, *mode);
            files.push(path.into());
        }
        Node::Symlink(target) => {
            std::os::unix::fs::symlink(OsStr::from_bytes(target), path).unwrap();
        }
        Node::HardLink(index) => {
            if files.is_empty() {
                return;
            }
            std::fs::hard_link(&files[index % files.len()], path).unwrap();
            return;
        }
        Node::Directory { children, mode } => {
            std::fs::create_dir(path).unwrap();
            for (name, child) in children {
                let path = path.join(OsStr::from_bytes(name));
                if path.symlink_metadata().is_err() {
                    build(&path, child, files);
                }
            }
            set_time(path, seconds, 7);
            set_mode(path, *mode);
            return;
        }
    }
    set_time(path, seconds, 0);
}

fn unpack_as(archive: &[u8], top: &Top, to: &Path) {
    let destination = Destination::resolve(to, Some(b"ignored")).unwrap();
    unpack(archive, top, destination, Preserve::default(), &Quiet)
        .unwrap()
        .commit()
        .unwrap();
}

/// A parcel, without its last entry: as what comes from an instance looks.
fn open(mut parcel: Vec<u8>) -> Vec<u8> {
    let end = parcel.len() - 1024 - 512;
    parcel.truncate(end);
    parcel.extend_from_slice(&[0; 1024]);
    parcel
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn survive_our_own_hands(node in node()) {
        let here = tempfile::tempdir().unwrap();
        let source = here.path().join("source");
        build(&source, &node, &mut Vec::new());
        if source.symlink_metadata().is_err() {
            return Ok(());
        }
        let wanted = picture(&source);
        for receiver in [Receiver::Any, Receiver::Gnu] {
            let options = PackOptions { receiver, ..PackOptions::default() };
            let mut parcel = Vec::new();
            let opened = LocalSource::open(&source).unwrap();
            pack(&opened, options, &mut parcel, &Quiet).unwrap();
            let archive = open(parcel);
            let top = Top::Named(b"data".to_vec());
            let to = here.path().join(format!("{receiver:?}"));
            unpack_as(&archive, &top, &to);
            wanted.assert_same(&picture(&to));
            // Again, over it.
            let mut relayed = Vec::new();
            relay(&archive[..], &top, Preserve::default(), receiver, &mut relayed, &Quiet)
                .unwrap()
                .finish()
                .unwrap();
            let to = here.path().join(format!("relayed {receiver:?}"));
            unpack_as(&open(relayed), &top, &to);
            wanted.assert_same(&picture(&to));
        }
    }

    #[test]
    fn bytes_that_are_flipped_do_no_harm(node in node(), flips in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..6)) {
        let here = tempfile::tempdir().unwrap();
        let source = here.path().join("source");
        build(&source, &node, &mut Vec::new());
        if source.symlink_metadata().is_err() {
            return Ok(());
        }
        let mut parcel = Vec::new();
        let opened = LocalSource::open(&source).unwrap();
        pack(&opened, PackOptions::default(), &mut parcel, &Quiet).unwrap();
        for (at, byte) in flips {
            // Headers are where it matters.
            let at = at % (parcel.len() / 512) * 512 + at % 345;
            parcel[at] ^= byte;
            if let Some(header) = parcel.get_mut(at / 512 * 512..at / 512 * 512 + 512) {
                header[148..156].fill(b' ');
                let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
                header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
            }
        }
        let inside = here.path().join("inside");
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(here.path().join("canary"), "sings").unwrap();
        let destination = Destination::resolve(&inside, None).unwrap();
        let unpacked = unpack(&parcel[..], &Top::Here, destination, Preserve::default(), &Quiet);
        if let Ok(unpacked) = unpacked {
            drop(unpacked.commit());
        }
        prop_assert_eq!(std::fs::read(here.path().join("canary")).unwrap(), b"sings");
        prop_assert_eq!(std::fs::read_dir(here.path()).unwrap().count(), 3);
        // Whatever became of it can be removed.
        let root = rustix::fs::open(here.path(), crate::transfer::tree::DIRECTORY, rustix::fs::Mode::empty()).unwrap();
        crate::transfer::tree::remove(std::os::fd::AsFd::as_fd(&root), b"inside").unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn survive_real_tars(node in node()) {
        let here = tempfile::tempdir().unwrap();
        let source = here.path().join("source");
        build(&source, &node, &mut Vec::new());
        if source.symlink_metadata().is_err() {
            return Ok(());
        }
        let wanted = picture(&source);
        for instance in Instance::all() {
            instance.put(&source, "copy").unwrap();
            wanted.assert_same(&instance.picture("copy"));
            let back = here.path().join(format!("back {}", instance.root.path().display()).replace('/', "_"));
            instance.get("copy", &back).unwrap();
            let mut got = picture(&back);
            if instance.is_busybox {
                got = got.rounded();
            }
            wanted.assert_same(&got);
        }
    }
}
