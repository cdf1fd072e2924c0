//! Archives that no honest tar writes, made byte by byte. Whatever they try, nothing outside the destination changes,
//! nothing is left in it, and the error names the entry.

use std::path::Path;

use super::harness::picture;
use crate::transfer::{
    Destination, Preserve, Quiet, Receiver, Summary, Top, TransferError, relay, unpack,
};

/// An archive in the making. Names are taken as they are.
#[derive(Clone, Debug, Default)]
pub(super) struct Evil(Vec<u8>);

impl Evil {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn header(mut self, flag: u8, name: &[u8], link: &[u8], size: &[u8]) -> Self {
        let mut block = [0; 512];
        block[..name.len().min(100)].copy_from_slice(&name[..name.len().min(100)]);
        block[100..107].copy_from_slice(b"0000755");
        block[108..115].copy_from_slice(b"0000000");
        block[116..123].copy_from_slice(b"0000000");
        block[124..124 + size.len()].copy_from_slice(size);
        block[136..147].copy_from_slice(b"14000000000");
        block[156] = flag;
        block[157..157 + link.len()].copy_from_slice(link);
        block[257..265].copy_from_slice(b"ustar  \0");
        self.0.extend_from_slice(&block);
        self.seal()
    }

    /// Changes bytes of the last header.
    pub(super) fn patch(mut self, at: usize, bytes: &[u8]) -> Self {
        let start = self.0.len() - 512 + at;
        self.0[start..start + bytes.len()].copy_from_slice(bytes);
        self.seal()
    }

    fn seal(mut self) -> Self {
        let start = self.0.len() - 512;
        let block = &mut self.0[start..];
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        self
    }

    pub(super) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(super) fn file(self, name: &[u8], contents: &[u8]) -> Self {
        let size = format!("{:011o}", contents.len());
        let this = if name.len() > 100 {
            self.long(b'L', name)
        } else {
            self
        };
        this.header(b'0', name, b"", size.as_bytes()).raw(contents)
    }

    pub(super) fn long(self, flag: u8, text: &[u8]) -> Self {
        let size = format!("{:011o}", text.len());
        self.header(flag, b"././@LongLink", b"", size.as_bytes())
            .raw(text)
    }

    pub(super) fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut text = Vec::new();
        for (key, value) in records {
            let body = key.len() + value.len() + 3;
            let mut length = body;
            while length != body + length.to_string().len() {
                length = body + length.to_string().len();
            }
            text.extend_from_slice(format!("{length} {key}=").as_bytes());
            text.extend_from_slice(value);
            text.push(b'\n');
        }
        self.long(b'x', &text)
    }

    pub(super) fn directory(self, name: &[u8]) -> Self {
        self.header(b'5', name, b"", b"")
    }

    pub(super) fn symlink(self, name: &[u8], target: &[u8]) -> Self {
        self.header(b'2', name, target, b"")
    }

    pub(super) fn hard_link(self, name: &[u8], target: &[u8]) -> Self {
        self.header(b'1', name, target, b"")
    }

    pub(super) fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }

    pub(super) fn cut(self) -> Vec<u8> {
        self.0
    }
}

pub(super) fn unpack_here(archive: &[u8], to: &Path) -> Result<Summary, TransferError> {
    let destination = Destination::resolve(to, None)?;
    unpack(
        archive,
        &Top::Here,
        destination,
        Preserve::default(),
        &Quiet,
    )?
    .commit()
}

/// The archive must fail with an error that contains all of `words`, through unpacking and, unless it is about the
/// file system, through relaying; and nothing may change.
#[track_caller]
fn refused(archive: &[u8], words: &[&str]) {
    let around = tempfile::tempdir().unwrap();
    let outside = around.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("canary"), "sings").unwrap();
    let inside = around.path().join("inside");
    std::fs::create_dir(&inside).unwrap();
    std::fs::write(inside.join("old"), "old").unwrap();
    // One that the user has made.
    std::os::unix::fs::symlink("../outside", inside.join("users link")).unwrap();
    super::harness::set_time(&inside, 0, 0);
    let before = picture(around.path());

    let error = unpack_here(archive, &inside).unwrap_err().to_string();
    for word in words {
        assert!(error.contains(word), "{word:?} is not in: {error}");
    }
    // The staging directory came and went, which is a change of the directory's time only.
    super::harness::set_time(&inside, 0, 0);
    before.assert_same(&picture(around.path()));
}

/// As `refused`, and a relay does not pass it on either.
#[track_caller]
fn refused_everywhere(archive: &[u8], words: &[&str]) {
    refused(archive, words);
    let mut out = Vec::new();
    let relayed = relay(
        archive,
        &Top::Here,
        Preserve::default(),
        Receiver::Any,
        &mut out,
        &Quiet,
    );
    let error = relayed.unwrap_err().to_string();
    for word in words {
        assert!(error.contains(word), "{word:?} is not in: {error}");
    }
}

#[test]
fn names_that_lead_out() {
    refused_everywhere(
        &Evil::new().file(b"/etc/evil", b"x").end(),
        &["`/etc/evil`", "absolute"],
    );
    refused_everywhere(
        &Evil::new().file(b"../evil", b"x").end(),
        &["`../evil`", "`..`"],
    );
    refused_everywhere(&Evil::new().file(b"a/../../evil", b"x").end(), &["`..`"]);
    refused_everywhere(&Evil::new().directory(b"..").end(), &["`..`"]);
    refused_everywhere(&Evil::new().file(b"a/..", b"x").end(), &["`..`"]);
    refused_everywhere(&Evil::new().symlink(b"../link", b"x").end(), &["`../link`"]);
    refused_everywhere(
        &Evil::new().header(b'0', b"", b"", b"").end(),
        &["has no name"],
    );
    let long = [b"../".repeat(60), b"evil".to_vec()].concat();
    refused_everywhere(&Evil::new().file(&long, b"x").end(), &["`..`"]);
    let pax = Evil::new().pax(&[("path", b"/evil")]).file(b"good", b"x");
    refused_everywhere(&pax.end(), &["`/evil`", "absolute"]);
    let zero = Evil::new()
        .pax(&[("path", b"good\0/../evil")])
        .file(b"good", b"x");
    refused_everywhere(&zero.end(), &["zero byte"]);
    // ustar's second half of a name.
    let prefix = Evil::new()
        .file(b"evil", b"")
        .patch(257, b"ustar\x0000")
        .patch(345, b"/etc");
    refused_everywhere(&prefix.end(), &["`/etc/evil`"]);
    let sparse_name = Evil::new()
        .pax(&[("GNU.sparse.name", b"../evil"), ("GNU.sparse.size", b"0")])
        .file(b"good", b"");
    refused_everywhere(&sparse_name.end(), &["`../evil`"]);
}

#[test]
fn entries_under_links() {
    let link = || Evil::new().symlink(b"link", b"../outside");
    refused_everywhere(
        &link().file(b"link/evil", b"x").end(),
        &["`link/evil`", "symbolic link"],
    );
    refused_everywhere(
        &link().file(b"link/deep/evil", b"x").end(),
        &["symbolic link"],
    );
    refused_everywhere(&link().directory(b"link/evil").end(), &["symbolic link"]);
    refused_everywhere(
        &link().symlink(b"link/evil", b"x").end(),
        &["symbolic link"],
    );
    refused_everywhere(
        &link().directory(b"link/").end(),
        &["`link/`", "second time"],
    );
    refused_everywhere(
        &link()
            .file(b"file", b"x")
            .hard_link(b"link/evil", b"file")
            .end(),
        &["symbolic link"],
    );
    refused_everywhere(
        &link().hard_link(b"evil", b"link/canary").end(),
        &["`evil`", "`link/canary`", "symbolic link"],
    );
    // A second name for the link, and then under that.
    refused_everywhere(
        &link()
            .hard_link(b"again", b"link")
            .file(b"again/evil", b"x")
            .end(),
        &["`again/evil`", "symbolic link"],
    );
    // A file that becomes a link.
    refused_everywhere(
        &Evil::new()
            .file(b"a", b"x")
            .symlink(b"a", b"../outside")
            .file(b"a/evil", b"x")
            .end(),
        &["`a/evil`", "symbolic link"],
    );
    // The top itself.
    refused_everywhere(
        &Evil::new()
            .symlink(b".", b"../outside")
            .file(b"evil", b"x")
            .end(),
        &["`evil`", "symbolic link"],
    );
    refused(
        &Evil::new().file(b"a", b"x").file(b"a/evil", b"x").end(),
        &["not a directory"],
    );
    refused(
        &Evil::new().directory(b"a").file(b"a", b"x").end(),
        &["`a`", "second time"],
    );
    refused(
        &Evil::new()
            .file(b"a/b", b"x")
            .symlink(b"a", b"../outside")
            .end(),
        &["`a`", "second time"],
    );
}

#[test]
fn links_of_the_user_are_not_followed_either() {
    refused(
        &Evil::new()
            .directory(b".")
            .file(b"users link/evil", b"x")
            .end(),
        &["users link", "in the way"],
    );
}

#[test]
fn a_file_takes_the_place_of_a_link_and_does_not_go_through_it() {
    let around = tempfile::tempdir().unwrap();
    std::fs::write(around.path().join("canary"), "sings").unwrap();
    let inside = around.path().join("inside");
    std::fs::create_dir(&inside).unwrap();
    std::os::unix::fs::symlink("../canary", inside.join("users link")).unwrap();
    let archive = Evil::new()
        .symlink(b"link", b"../canary")
        .file(b"link", b"evil")
        .file(b"users link", b"evil")
        .end();
    unpack_here(&archive, &inside).unwrap();
    assert_eq!(
        std::fs::read(around.path().join("canary")).unwrap(),
        b"sings"
    );
    for name in ["link", "users link"] {
        assert!(inside.join(name).symlink_metadata().unwrap().is_file());
    }
}

#[test]
fn hard_links_that_lead_out() {
    refused_everywhere(
        &Evil::new().hard_link(b"evil", b"/etc/passwd").end(),
        &["`evil`", "`/etc/passwd`", "absolute"],
    );
    refused_everywhere(
        &Evil::new().hard_link(b"evil", b"../outside/canary").end(),
        &["`../outside/canary`", "`..`"],
    );
    refused(
        &Evil::new().hard_link(b"evil", b"missing").end(),
        &["`missing`", "before"],
    );
    refused(
        &Evil::new().hard_link(b"evil", b"missing/deep").end(),
        &["`missing/deep`", "before"],
    );
    // It is in the destination, but not of this archive.
    refused(
        &Evil::new().hard_link(b"evil", b"old").end(),
        &["`old`", "before"],
    );
    refused(
        &Evil::new().directory(b"d").hard_link(b"evil", b"d").end(),
        &["`d`", "is a directory"],
    );
    refused(
        &Evil::new().file(b"a", b"x").hard_link(b"a", b"a").end(),
        &["`a`"],
    );
    refused_everywhere(&Evil::new().hard_link(b"evil", b"").end(), &["no name"]);
    refused(
        &Evil::new()
            .file(b"a", b"x")
            .directory(b"d")
            .hard_link(b"d", b"a")
            .end(),
        &["`d`", "second time"],
    );
    // The same link twice is nothing bad, and over another file it replaces that.
    let around = tempfile::tempdir().unwrap();
    let archive = Evil::new()
        .file(b"a", b"x")
        .file(b"b", b"y")
        .hard_link(b"b", b"a")
        .hard_link(b"b", b"a")
        .end();
    unpack_here(&archive, around.path()).unwrap();
    assert_eq!(std::fs::read(around.path().join("b")).unwrap(), b"x");
    assert_eq!(picture(around.path()).len(), 3);
}

#[test]
fn devices_and_the_unknown() {
    for (flag, words) in [
        (b'3', "character device"),
        (b'4', "block device"),
        (b'6', "fifo"),
        (b'M', "unknown kind 'M'"),
        (b'Z', "unknown kind 'Z'"),
        (b'\xff', "unknown kind"),
    ] {
        refused_everywhere(
            &Evil::new()
                .file(b"good", b"x")
                .header(flag, b"evil", b"", b"")
                .end(),
            &["`evil`", words],
        );
    }
    refused_everywhere(
        &Evil::new().symlink(b"evil", b"").end(),
        &["`evil`", "symbolic link"],
    );
    let long = Evil::new().long(b'K', &[b'x'; 5000]).symlink(b"evil", b"x");
    refused_everywhere(&long.end(), &["`evil`", "symbolic link"]);
}

#[test]
fn claims_that_are_not_kept() {
    // A terabyte, and nothing comes.
    let archive = Evil::new().header(b'0', b"evil", b"", b"20000000000000");
    let claimed = archive
        .clone()
        .patch(124, &[0x80, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
    refused_everywhere(&claimed.cut(), &["`evil`", "ends early"]);
    let more = Evil::new()
        .header(b'0', b"evil", b"", b"")
        .patch(124, &[0xbf; 12]);
    refused_everywhere(&more.end(), &["damaged"]);
    let pax = Evil::new()
        .pax(&[("size", b"9223372036854775808")])
        .file(b"evil", b"");
    refused_everywhere(&pax.end(), &["larger than any file"]);
    let pax = Evil::new()
        .pax(&[("size", b"99999999999999999999999")])
        .file(b"evil", b"");
    refused_everywhere(&pax.end(), &["bad number"]);
    // A directory with contents that never come.
    let directory = Evil::new().header(b'5', b"d/", b"", b"77777777777");
    refused_everywhere(&directory.cut(), &["`d/`", "ends early"]);
    refused_everywhere(b"", &["ends early"]);
    refused_everywhere(&[0; 1024], &["empty"]);
    refused_everywhere(&[b'x'; 1024], &["checksum"]);
    refused_everywhere(b"Welcome to this machine!\n", &["ends early"]);
    refused_everywhere(&Evil::new().file(b"a", b"x").cut(), &["ends early"]);
    let digits = Evil::new().file(b"a", b"").patch(124, b"0000000009x");
    refused_everywhere(&digits.end(), &["bad number"]);
}

#[test]
fn headers_that_grow() {
    // A long name of a gibibyte is refused by its size; it is not read.
    for flag in [b'L', b'K', b'x', b'g'] {
        let bomb = Evil::new().header(flag, b"x", b"", b"10000000000");
        refused_everywhere(&bomb.cut(), &["too large"]);
    }
    // Endless headers.
    let mut endless = Evil::new();
    for _ in 0..10_000 {
        endless = endless.pax(&[("comment", b"x")]);
    }
    refused_everywhere(
        &endless.file(b"a", b"x").end(),
        &["too many extension headers"],
    );
    let mut endless = Evil::new();
    for _ in 0..10_000 {
        endless = endless.long(b'g', b"");
    }
    refused_everywhere(&endless.cut(), &["too many extension headers"]);
    refused_everywhere(&Evil::new().pax(&[("path", b"x")]).end(), &["has no entry"]);
    for text in [
        "x",
        "0 path=a\n",
        "999 path=a\n",
        "-1 path=a\n",
        "11 path=ab",
        "6 path\n",
    ] {
        let bad = Evil::new().long(b'x', text.as_bytes()).file(b"a", b"");
        refused_everywhere(&bad.end(), &["PAX"]);
    }
    let deep = b"d/".repeat(3000);
    refused_everywhere(&Evil::new().file(&deep, b"").end(), &["deep"]);
    let long = vec![b'x'; 100_000];
    refused_everywhere(&Evil::new().file(&long, b"").end(), &["longer than"]);
}

#[test]
fn an_archive_that_does_not_end() {
    struct Endless {
        first: Vec<u8>,
        then: u8,
    }
    impl std::io::Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.first.is_empty() {
                buffer.fill(self.then);
                return Ok(buffer.len());
            }
            let some = buffer.len().min(self.first.len());
            buffer[..some].copy_from_slice(&self.first[..some]);
            self.first.drain(..some);
            Ok(some)
        }
    }
    impl crate::transfer::Inlet for Endless {}
    let around = tempfile::tempdir().unwrap();
    let destination = Destination::resolve(around.path(), None).unwrap();
    let archive = Endless {
        first: Evil::new().file(b"a", b"x").end(),
        then: 0,
    };
    let error = unpack(
        archive,
        &Top::Here,
        destination,
        Preserve::default(),
        &Quiet,
    )
    .unwrap_err();
    assert!(
        error.to_string().contains("no end after the end"),
        "{error}"
    );
    assert_eq!(picture(around.path()).len(), 1);
}

/// A map entry: offset and length, in twelve octal digits each.
fn range(offset: u64, length: u64) -> Vec<u8> {
    format!("{offset:011o}\0{length:011o}\0").into_bytes()
}

#[test]
fn sparse_maps_that_lie() {
    let sparse = |map: &[u8], stored: &[u8], real: u64, more: u8| {
        Evil::new()
            .header(b'S', b"evil", b"", stored)
            .patch(386, map)
            .patch(482, &[more])
            .patch(483, format!("{real:011o}\0").as_bytes())
    };
    let two = [range(1024, 512), range(0, 512)].concat();
    refused_everywhere(
        &sparse(&two, b"2000", 4096, 0).raw(&[1; 1024]).end(),
        &["not in order"],
    );
    let over = [range(0, 512), range(256, 512)].concat();
    refused_everywhere(
        &sparse(&over, b"2000", 4096, 0).raw(&[1; 1024]).end(),
        &["not in order"],
    );
    let beyond = range(8192, 512);
    refused_everywhere(
        &sparse(&beyond, b"1000", 4096, 0).raw(&[1; 512]).end(),
        &["beyond"],
    );
    let more = range(0, 1024);
    refused_everywhere(
        &sparse(&more, b"1000", 4096, 0).raw(&[1; 512]).end(),
        &["does not fit"],
    );
    let within = [range(0, 100), range(512, 412)].concat();
    refused_everywhere(
        &sparse(&within, b"1000", 4096, 0).raw(&[1; 512]).end(),
        &["within a block"],
    );
    // Blocks of map without end.
    let mut endless = sparse(&range(0, 0), b"0", 4096, 1);
    for _ in 0..100 {
        let mut block = [0; 512];
        block[504] = 1;
        endless = endless.raw(&block);
    }
    refused_everywhere(&endless.cut(), &["sparse map is malformed"]);
    let mut full = [0; 512];
    for slot in 0..21 {
        full[slot * 24..slot * 24 + 24].copy_from_slice(&range(0, 0));
    }
    full[504] = 1;
    let mut endless = sparse(&range(0, 0), b"0", 4096, 1).cut();
    for _ in 0..60_000 {
        endless.extend_from_slice(&full);
    }
    refused_everywhere(&endless, &["too many ranges"]);
    // PAX.
    let pax = |records: &[(&str, &[u8])], contents: &[u8]| {
        Evil::new().pax(records).file(b"evil", contents).end()
    };
    let padded = |map: &[u8]| {
        let mut block = map.to_vec();
        block.resize(512, 0);
        block
    };
    let one = [
        ("GNU.sparse.major", &b"1"[..]),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.realsize", b"4096"),
    ];
    refused_everywhere(&pax(&one, &padded(b"99999999999\n")), &["too many ranges"]);
    refused_everywhere(&pax(&one, &padded(b"1000\n0\n")), &["bad number"]);
    refused_everywhere(&pax(&one, &[b'1'; 512]), &["bad number"]);
    refused_everywhere(&pax(&one, &padded(b"x\n")), &["bad number"]);
    refused_everywhere(&pax(&one, b""), &["longer than its file"]);
    let overflow = b"18446744073709551615,18446744073709551615";
    refused_everywhere(
        &pax(
            &[("GNU.sparse.size", b"10"), ("GNU.sparse.map", overflow)],
            b"",
        ),
        &["overflows"],
    );
    refused_everywhere(
        &pax(&[("GNU.sparse.size", b"10"), ("GNU.sparse.map", b"1")], b""),
        &["malformed"],
    );
    refused_everywhere(
        &pax(&[("GNU.sparse.size", b"18446744073709551615")], b""),
        &["beyond"],
    );
}

#[test]
fn a_huge_sparse_file_is_only_a_claim() {
    // Eight tebibytes of hole are no bytes on the disk.
    let around = tempfile::tempdir().unwrap();
    let archive = Evil::new()
        .pax(&[
            ("GNU.sparse.size", b"8796093022208"),
            ("GNU.sparse.map", b"0,3,8796093022208,0"),
        ])
        .file(b"huge", b"abc")
        .end();
    let summary = unpack_here(&archive, around.path()).unwrap();
    assert_eq!(summary.bytes, 8 << 40);
    let found = around.path().join("huge").metadata().unwrap();
    assert_eq!(found.len(), 8 << 40);
    assert!(std::os::unix::fs::MetadataExt::blocks(&found) < 100);
}

#[test]
fn an_instance_sends_only_what_was_asked_for() {
    let around = tempfile::tempdir().unwrap();
    let get = |archive: &[u8], asked: &[u8]| {
        let destination = Destination::resolve(around.path(), Some(asked)).unwrap();
        let top = Top::Named(asked.to_vec());
        unpack(archive, &top, destination, Preserve::default(), &Quiet)
    };
    for evil in [
        &b".bashrc"[..],
        b"notes/../.bashrc",
        b".",
        b"notes2",
        b"note",
    ] {
        let error = get(&Evil::new().file(evil, b"x").end(), b"notes").unwrap_err();
        assert!(matches!(error, TransferError::Refused { .. }), "{error}");
    }
    let second = Evil::new()
        .file(b"notes", b"x")
        .file(b".bashrc", b"x")
        .end();
    let error = get(&second, b"notes").unwrap_err().to_string();
    assert!(
        error.contains("`.bashrc` is not part of what was asked for, `notes`"),
        "{error}"
    );
    assert_eq!(std::fs::read_dir(around.path()).unwrap().count(), 0);
    get(&Evil::new().file(b"./notes", b"x").end(), b"notes")
        .unwrap()
        .commit()
        .unwrap();
    assert_eq!(std::fs::read(around.path().join("notes")).unwrap(), b"x");
}

#[test]
fn rights_are_not_carried_over() {
    let around = tempfile::tempdir().unwrap();
    let archive = Evil::new()
        .file(b"tool", b"")
        .patch(100, b"0006755")
        .directory(b"sticky")
        .patch(100, b"0007777")
        .end();
    unpack_here(&archive, around.path()).unwrap();
    let mode = |name: &str| {
        let found = around.path().join(name).symlink_metadata().unwrap();
        std::os::unix::fs::MetadataExt::mode(&found) & 0o7777
    };
    assert_eq!(mode("tool"), 0o755);
    assert_eq!(mode("sticky"), 0o1777);
}

#[test]
fn an_archive_may_come_back_to_a_closed_directory() {
    let around = tempfile::tempdir().unwrap();
    let archive = Evil::new()
        .directory(b"closed")
        .patch(100, b"0000000")
        .directory(b"other")
        .patch(100, b"0000555")
        .file(b"closed/late", b"x")
        .file(b"other/late", b"x")
        .hard_link(b"link", b"closed/late")
        .end();
    unpack_here(&archive, around.path()).unwrap();
    for (name, mode) in [("closed", 0), ("other", 0o555)] {
        let path = around.path().join(name);
        let found = path.symlink_metadata().unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&found) & 0o777, mode);
        // Also its time is still that of the archive.
        assert_eq!(
            std::os::unix::fs::MetadataExt::mtime(&found),
            0o14_000_000_000
        );
        super::harness::set_mode(&path, 0o755);
        assert_eq!(std::fs::read(path.join("late")).unwrap(), b"x");
    }
    assert_eq!(std::fs::read(around.path().join("link")).unwrap(), b"x");
}

#[test]
fn an_entry_of_every_honest_kind_passes() {
    let around = tempfile::tempdir().unwrap();
    let archive = Evil::new()
        .long(b'g', b"16 comment=hello")
        .header(b'V', b"a volume", b"", b"")
        .header(b'0', b"v7/", b"", b"")
        .header(b'\0', b"v7/file", b"", b"00000000001")
        .raw(b"x")
        .header(b'7', b"contiguous", b"", b"")
        .header(b'D', b"dump/", b"", b"00000000003")
        .raw(b"Yx\0")
        .header(b'1', b"linked", b"v7/file", b"00000000001")
        .end();
    unpack_here(&archive, around.path()).unwrap();
    assert_eq!(std::fs::read(around.path().join("linked")).unwrap(), b"x");
    assert!(around.path().join("dump").is_dir());
    assert!(around.path().join("contiguous").is_file());
    assert_eq!(std::fs::read_dir(around.path()).unwrap().count(), 4);
}
