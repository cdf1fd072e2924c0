//! The hidden call `runner compile-component STACK MILLISECONDS BYTES`: a component on standard input, its code on standard output.
//! Only this program calls it, to compile in a process that it can do without.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use super::exit_code;
use crate::plugin::{COMPILE, CompileBounds, compile_in_child};

/// Whether the arguments say so; and if they do, all of it.
pub(super) fn called(words: &[OsString]) -> Option<ExitCode> {
    let [_, verb, numbers @ ..] = words else {
        return None;
    };
    (verb == COMPILE).then(|| {
        let code = match run(numbers) {
            Ok(()) => exit_code::OK,
            Err(why) => {
                let _nobody_reads = writeln!(std::io::stderr(), "{why}");
                exit_code::FAILED
            }
        };
        ExitCode::from(code)
    })
}

fn run(numbers: &[OsString]) -> Result<(), String> {
    let number = |index: usize| -> Option<u64> { numbers.get(index)?.to_str()?.parse().ok() };
    let bounds = || {
        Some(CompileBounds {
            stack: usize::try_from(number(0)?).ok()?,
            time: Duration::from_millis(number(1)?),
            memory: number(2)?,
        })
    };
    let bounds = bounds().ok_or("this is for runner itself: STACK MILLISECONDS BYTES")?;
    let code = compile_in_child(bounds, || {
        let mut component = Vec::new();
        std::io::stdin().lock().read_to_end(&mut component)?;
        Ok(component)
    })?;
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(&code)
        .and_then(|()| stdout.flush())
        .map_err(|error| error.to_string())
}
