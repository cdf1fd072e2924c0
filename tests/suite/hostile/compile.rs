//! Components that are made to keep the compiler busy: small files that take minutes and gigabytes before anything of them runs.

use std::path::PathBuf;

use runner_tests::fake::Fake;
use runner_tests::{TestEnv, guests};

/// A number as WebAssembly writes it.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (number % 128) as u8;
        number /= 128;
        if number == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 128);
    }
}

/// A section, or a function's body with its length in front where there is no id.
fn section(id: Option<u8>, content: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = id.into_iter().collect();
    bytes.extend(leb(content.len()));
    bytes.extend(content);
    bytes
}

/// A core module with one function: sums of many locals, all of them needed to the end, in loops within loops that are left from
/// everywhere.
fn bomb(locals: usize, statements: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % below
    };
    let mut body = [&[1][..], &leb(locals), &[0x7f]].concat();
    let mut depth = 0;
    for _ in 0..statements {
        match random(100) {
            0..3 if depth < 200 => {
                body.extend([0x03, 0x40]);
                depth += 1;
            }
            3..5 if depth > 0 => {
                body.push(0x0b);
                depth -= 1;
            }
            5..15 if depth > 0 => {
                body.extend(
                    [
                        &[0x20][..],
                        &leb(random(locals)),
                        &[0x0d],
                        &leb(random(depth)),
                    ]
                    .concat(),
                );
            }
            _ => {
                let [a, b, sum] = [(); 3].map(|()| leb(random(locals)));
                body.extend([&[0x20][..], &a, &[0x20], &b, &[0x6a, 0x21], &sum].concat());
            }
        }
    }
    body.extend(vec![0x0b; depth + 1]);
    let code = [&[1][..], &section(None, &body)].concat();
    [
        b"\0asm\x01\0\0\0".as_slice(),
        &section(Some(1), &[1, 0x60, 0, 0]),
        &section(Some(3), &[1, 0]),
        &section(Some(10), &code),
    ]
    .concat()
}

/// An honest component with a bomb behind it, which nothing ever starts.
fn armed(env: &TestEnv) -> PathBuf {
    let mut component = std::fs::read(guests::fake()).unwrap();
    component.extend(section(Some(1), &bomb(1_000, 60_000)));
    env.write("bomb.wasm", component)
}

#[track_caller]
fn ends_at(limits: &str, says: &[&str]) {
    let env = TestEnv::new();
    let component = armed(&env).display().to_string();
    let fake = Fake::of_type(&env, "evil", &component, &format!("[limits]\n{limits}"));
    env.grant("evil");
    let outcome = env.runner(["acquire", "-s", "evil"]).run().code(3);
    outcome.says(&["cannot be compiled"]).says(says);
    assert!(env.live().is_empty(), "{:?}", env.live());
    assert!(fake.live().is_empty(), "{:?}", fake.live());
    env.runner(["exec", "-s", "local", "--", "true"]).run().ok();
}

#[test]
fn compiling_without_end_ends_at_the_compile_limit() {
    ends_at(
        "compile = 1\n",
        &["more than 1 s of computing", "raise `compile`"],
    );
}

#[test]
fn compiling_with_all_memory_ends_at_the_memory_limit() {
    ends_at(
        "compile-memory = \"64 MiB\"\n",
        &[
            "more than 67108864 bytes of memory",
            "raise `compile-memory`",
        ],
    );
}
