//! Instances that the host reaches itself, through OpenSSH.
