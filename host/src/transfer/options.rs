//! What a copy keeps.

/// What is kept beyond contents, permissions and times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preserve {
    /// Numeric owner and group. Only the superuser may give files away; anybody else gets an error.
    pub owner: bool,
    /// The set-user-id and set-group-id bits. Without the owner they would give *our* rights to whoever runs the file.
    pub set_id: bool,
}

impl Preserve {
    /// The permission bits that are kept.
    pub(super) fn mode(self, mode: u32) -> u32 {
        mode & if self.set_id { 0o7777 } else { 0o1777 }
    }
}

/// How holes are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sparse {
    /// As zeros, which every tar reads. Our own unpacking makes holes of them again.
    #[default]
    Zeros,
    /// As a GNU sparse file. busybox does not read those: only after the receiver has said that it is GNU tar.
    Gnu,
}
