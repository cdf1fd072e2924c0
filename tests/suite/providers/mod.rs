//! The providers of `plugins/` that are more than a command on this machine, one file each: over the real thing where it starts
//! here, over what comes closest elsewhere; each file says which. What every provider owes is in `contract/`.

mod clouds;
mod conform;
mod ec2;
mod incus;
mod kubernetes;
mod qemu;
mod stage;

pub(crate) use conform::SHOWN;
