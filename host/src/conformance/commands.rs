//! Commands: codes, signals, arguments and streams, on one instance that all of these share.

use super::behaviour::{Miss, Shown};
use super::bench::{self, Bench, command, plain, told};
use super::cases::{CODES, SHOW, SIGNALS, arguments};
use crate::provider::{ExitStatus, Output};

fn failed<T>(why: impl Into<String>) -> Result<T, Miss> {
    Err(Miss::Failed(why.into()))
}

/// What a command printed, when it succeeded.
pub(super) fn printed(output: Output) -> Result<Vec<u8>, Miss> {
    match output.status.success() {
        true => Ok(output.stdout),
        false => failed(format!(
            "a command that should succeed ended with {}",
            told(&output)
        )),
    }
}

pub(super) async fn exit_codes(bench: &Bench) -> Shown {
    for code in CODES {
        let output = bench.sh(&format!("exit {code}"), &[]).await?;
        // Where a shell stands between, a signal cannot be told from 128 and its number.
        if output.status.shell_code() != *code {
            return failed(format!("`exit {code}` came back as {}", told(&output)));
        }
    }
    Ok(format!(
        "{} codes, among them 0, 125 to 130 and 255",
        CODES.len()
    ))
}

pub(super) async fn signals(bench: &Bench) -> Shown {
    for signal in SIGNALS {
        let script = format!("kill -{signal} $$; sleep 1000");
        let output = bench.sh(&script, &[]).await?;
        if output.status.shell_code() != 128 + signal {
            return failed(format!("signal {signal} came back as {}", told(&output)));
        }
    }
    Ok(format!("signals {SIGNALS:?}"))
}

async fn code_of(bench: &Bench, argv: &[&str], code: u8) -> Result<(), Miss> {
    let held = bench.main().await?;
    let words = argv.iter().map(|word| word.as_bytes().to_vec()).collect();
    let output = bench.run(&held, &plain(words), Vec::new()).await?;
    match output.status == ExitStatus::Code(code) {
        true => Ok(()),
        false => failed(format!(
            "`{}` came back as {}",
            argv.join(" "),
            told(&output)
        )),
    }
}

pub(super) async fn not_found(bench: &Bench) -> Shown {
    code_of(bench, &["no-such-program-anywhere"], 127).await?;
    code_of(bench, &["/no/such/path"], 127).await?;
    Ok("127 for a name and for a path".to_owned())
}

pub(super) async fn not_executable(bench: &Bench) -> Shown {
    code_of(bench, &["/etc"], 126).await?;
    Ok("126 for a directory".to_owned())
}

pub(super) async fn argument_bytes(bench: &Bench) -> Shown {
    let words = arguments();
    let args: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let output = printed(bench.sh(SHOW, &args).await?)?;
    let mut arrived: Vec<&[u8]> = output.split(|byte| *byte == 0).collect();
    // Behind the last zero byte.
    arrived.pop();
    for (number, (sent, got)) in words.iter().zip(&arrived).enumerate() {
        if sent != got {
            return failed(format!(
                "argument {number} is `{}` and arrived as `{}`",
                cut(sent),
                cut(got)
            ));
        }
    }
    match arrived.len() == words.len() {
        true => Ok(format!(
            "{} odd arguments, one of them with every byte",
            words.len()
        )),
        false => failed(format!(
            "{} arguments became {}",
            words.len(),
            arrived.len()
        )),
    }
}

fn cut(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(80)].escape_ascii().to_string()
}

/// Every byte, and line ends of all kinds.
fn every_byte() -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..=255).collect();
    bytes.extend_from_slice(b"\r\n\n\r\0\0\xff\xfe\x1b[0m");
    bytes.repeat(64)
}

pub(super) async fn streams_apart(bench: &Bench) -> Shown {
    let held = bench.main().await?;
    let bytes = every_byte();
    let script = command("cat; printf 'only here' >&2; exit 3", &[]);
    let output = bench.run(&held, &script, bytes.clone()).await?;
    same("standard output", &bytes, &output.stdout)?;
    same("standard error", b"only here", &output.stderr)?;
    let script = command("cat >&2; printf 'only here'", &[]);
    let output = bench.run(&held, &script, bytes.clone()).await?;
    same("standard error", &bytes, &output.stderr)?;
    same("standard output", b"only here", &output.stdout)?;
    Ok(format!(
        "{} bytes of every value on each, and nothing on the other",
        bytes.len()
    ))
}

fn same(what: &str, sent: &[u8], got: &[u8]) -> Result<(), Miss> {
    if sent == got {
        return Ok(());
    }
    let at = sent.iter().zip(got).take_while(|(a, b)| a == b).count();
    let rest = |bytes: &[u8]| cut(&bytes[at.min(bytes.len())..]);
    failed(format!(
        "{what}: {} bytes became {}; from byte {at} on, `{}` became `{}`",
        sent.len(),
        got.len(),
        rest(sent),
        rest(got)
    ))
}

pub(super) async fn stdin_to_its_end(bench: &Bench) -> Shown {
    let held = bench.main().await?;
    let output = bench
        .run(&held, &command("cat; echo end", &[]), Vec::new())
        .await?;
    same("empty input", b"end\n", &printed(output)?)?;
    let input = every_byte();
    let output = bench
        .run(&held, &command("cat", &[]), input.clone())
        .await?;
    same("the input", &input, &printed(output)?)?;
    // Whoever reads only a part must not hang, nor fail.
    let output = bench
        .run(&held, &command("head -c 1", &[]), vec![b'a'; 300_000])
        .await?;
    same("a part of the input", b"a", &printed(output)?)?;
    Ok("empty, binary, and an input that is only read in part".to_owned())
}

pub(super) async fn environment_and_directory(bench: &Bench) -> Shown {
    let held = bench.main().await?;
    let mut command = command("printf '%s|' \"$PROOF\" && pwd", &[]);
    let value = b"two  words $HOME 'quoted' \xc3\xa9".to_vec();
    command.env = vec![("PROOF".to_owned(), value.clone())];
    command.cwd = Some(b"/".to_vec());
    let output = printed(bench.run(&held, &command, Vec::new()).await?)?;
    let mut want = value;
    want.extend_from_slice(b"|/\n");
    same("variable and directory", &want, &output)?;
    Ok("`PROOF` with blanks, quotes and a dollar sign, in `/`".to_owned())
}

pub(super) async fn large_output(bench: &Bench) -> Shown {
    let script = "head -c 8388608 /dev/zero | tr '\\0' x";
    let output = printed(bench.sh(script, &[]).await?)?;
    match output.len() == 8 << 20 && output.iter().all(|byte| *byte == b'x') {
        true => Ok("8388608 bytes".to_owned()),
        false => failed(format!("{} bytes, or other ones", output.len())),
    }
}

pub(super) async fn large_input(bench: &Bench) -> Shown {
    let held = bench.main().await?;
    let output = bench
        .run(&held, &command("wc -c", &[]), vec![b'y'; 4 << 20])
        .await?;
    let output = printed(output)?;
    match String::from_utf8_lossy(&output).trim() {
        "4194304" => Ok("4194304 bytes".to_owned()),
        other => failed(format!("the command counted `{other}`")),
    }
}

pub(super) async fn in_parallel(bench: &Bench) -> Shown {
    let held = bench.main().await?;
    let one = |number: u8| {
        let held = &held;
        async move {
            let script = format!("cat; echo {number} >&2; exit {number}");
            let input = vec![b'0' + number; 100_000];
            let output = bench
                .run(held, &command(&script, &[]), input.clone())
                .await?;
            let wrong = output.stdout != input
                || output.stderr != format!("{number}\n").as_bytes()
                || output.status != ExitStatus::Code(number);
            match wrong {
                false => Ok(()),
                true => failed(format!(
                    "command {number} of 4 ended with {} and {} bytes",
                    bench::status(output.status),
                    output.stdout.len()
                )),
            }
        }
    };
    tokio::try_join!(one(1), one(2), one(3), one(4))?;
    Ok("4 at once".to_owned())
}
