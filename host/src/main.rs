//! The command `runner`.

use std::process::ExitCode;

fn main() -> ExitCode {
    runner::cli::main()
}
