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

/// The tar that an archive is written for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Receiver {
    /// Any: holes are sent as zeros. Directories come twice, at first open and without a time, because busybox gives them
    /// their mode and time at once, before what is in them. (It makes hard links last of all, so directories with those
    /// have the time of the copy there; it keeps no times of symbolic links; and an ordinary user's directories stay open
    /// for their owner.)
    #[default]
    Any,
    /// GNU tar, which takes sparse files and gives directories their mode and time at the end.
    Gnu,
}
