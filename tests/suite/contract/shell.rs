//! No command: an interactive shell on a real terminal, which is as it was afterwards.

use runner_tests::pty::Terminal;

use super::bench::Bench;
use super::over_every_provider;

over_every_provider!(
    a_shell_has_a_terminal_of_the_right_size,
    ctrl_c_ends_the_command_and_not_the_session,
);

fn shell(bench: &Bench, id: &str) -> Terminal {
    let command = bench.env.runner(["run", id]).into_command();
    let mut terminal = Terminal::start(&command, 97, 31);
    // Something the echo of what was typed cannot be taken for.
    terminal.type_in("PS1='> '; echo rea''dy\n");
    terminal.wait_for("ready");
    terminal
}

fn a_shell_has_a_terminal_of_the_right_size(bench: &Bench) {
    let id = bench.acquire();
    let command = bench.env.runner(["run", &id]).into_command();
    let mut terminal = Terminal::start(&command, 97, 31);
    let before = terminal.settings();
    terminal.type_in("test -t 0 && test -t 1 && echo is a ter''minal\n");
    terminal.wait_for("is a terminal");
    terminal.type_in("echo si''ze $(stty size)\n");
    terminal.wait_for("size 31 97");
    terminal.resize(120, 40);
    // The new size travels by itself; asking is how the shell learns of it.
    terminal.type_in("until [ \"$(stty size)\" = '40 120' ]; do :; done; echo now lar''ger\n");
    terminal.wait_for("now larger");
    terminal.type_in("exit 19\n");
    assert_eq!(terminal.wait(), 19, "{}", terminal.seen());
    assert_eq!(terminal.settings(), before, "the terminal was left changed");
}

fn ctrl_c_ends_the_command_and_not_the_session(bench: &Bench) {
    let id = bench.acquire();
    let mut terminal = shell(bench, &id);
    // The foreground program itself says that it is there: after a word of the shell's own, the key could arrive before the
    // program has the terminal, and a shell that is just starting one lets it pass.
    terminal.type_in("sh -c \"echo go''ing; exec sleep 4321\"\n");
    terminal.wait_for("going");
    terminal.type_in("\u{3}");
    terminal.type_in("echo still he''re\n");
    terminal.wait_for("still here");
    terminal.type_in("exit\n");
    terminal.wait();
    bench.run(&id, &["true"]).ok();
}
