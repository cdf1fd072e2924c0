//! Tar streams over local files: packing, and unpacking that cannot leave its destination.
