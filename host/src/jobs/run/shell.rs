//! An interactive shell on the machine, in the place and with the environment of a script. Nothing on the machine is changed
//! for it.

use runner_core::matrix::JobView;

use super::shop::Shop;
use super::station::Station;
use crate::jobs::events::{Scene, ShellWhy, What};
use crate::jobs::server::{Login, Piece, script};
use crate::provider::Command;
use crate::terminal::Terminal;

/// Opens one, and waits until it is left. That there is no terminal is told, and no reason to stop.
pub(super) async fn open(
    shop: &Shop,
    station: &Station,
    scene: &Scene,
    why: ShellWhy,
    view: JobView<'_>,
    environment: &[Piece],
    directory: &str,
) {
    let scene = scene.clone();
    let _turn = shop.terminal.lock().await;
    shop.stream().emit(What::ShellStarted {
        scene: scene.clone(),
        why,
    });
    let error = interact(station, view, environment, directory).await.err();
    shop.stream().emit(What::ShellEnded { scene, error });
}

async fn interact(
    station: &Station,
    view: JobView<'_>,
    environment: &[Piece],
    directory: &str,
) -> Result<(), String> {
    if rustix::termios::tcgetwinsize(rustix::stdio::stdin()).is_err() {
        return Err("cannot get local terminal size".into());
    }
    let system = format!("{}:{}", view.backend().name, view.system().name);
    let argv = command(
        &system,
        &format!("{}{}", station.root, view.project.path),
        environment,
        directory,
        station.login,
    );
    let (terminal, stdio) = Terminal::open().map_err(|error| error.to_string())?;
    let command = Command {
        argv,
        env: Vec::new(),
        cwd: None,
        tty: true,
        id: String::new(),
    };
    let running = station.machine.run(command, stdio);
    match terminal.drive(running).await {
        // However it ended: that is what the user did in it.
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(crate::engine::chain(&error)),
        Err(error) => Err(error.to_string()),
    }
}

/// A bash that reads what it needs from a descriptor instead of a startup file.
fn command(
    system: &str,
    path: &str,
    environment: &[Piece],
    directory: &str,
    login: Login,
) -> Vec<Vec<u8>> {
    let shortened = format!("${{PWD/#{}/...}}", path.replace('/', "\\/"));
    let mut setup: String = environment.iter().map(|piece| &**piece).collect();
    // Their markers mean nothing to a person, and would end the shell.
    setup.push_str("unset -f REBOOT ERROR\n");
    setup.push_str(&format!("PS1='{system} {shortened}# '\n"));
    setup.push_str("set +eu\n");
    let text = format!(
        "cd {}; exec bash --noprofile --rcfile <(printf %s {}) -i",
        script::quoted(directory),
        script::quoted(&setup)
    );
    let words: Vec<String> = match login {
        Login::Plain => vec!["bash".into(), "-c".into(), text],
        // Without its login shell: that one would read the words once more.
        Login::Sudo => vec![
            "sudo".into(),
            "-n".into(),
            "-H".into(),
            "bash".into(),
            "-c".into(),
            text,
        ],
    };
    words.into_iter().map(String::into_bytes).collect()
}
