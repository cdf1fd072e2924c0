//! Copies through the real programs: dash, bash and busybox on the instance's side, with GNU tar and busybox tar.

mod harness;
mod hostile;
mod interrupted;
mod places;
mod random;
mod round_trip;
mod scripts;
