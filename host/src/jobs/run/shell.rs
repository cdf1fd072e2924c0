//! An interactive shell on the machine, in the place and with the environment of a script. Nothing on the machine is changed
//! for it.

use std::sync::Arc;

use runner_core::matrix::JobView;

use super::shop::{Shop, chain};
use super::station::Station;
use crate::engine::Machine;
use crate::jobs::events::{Scene, ShellWhy, What};
use crate::jobs::server::{Event, Login, Piece, Running, ServerError, script};
use crate::provider::Command;
use crate::terminal::Terminal;

/// Opens one, and waits until it is left. That there is no terminal is told, and no reason to stop.
pub(super) async fn open(
    shop: &Shop,
    station: &mut Station,
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
    station: &mut Station,
    view: JobView<'_>,
    environment: &[Piece],
    directory: &str,
) -> Result<(), String> {
    if rustix::termios::tcgetwinsize(rustix::stdio::stdin()).is_err() {
        return Err("cannot get local terminal size".into());
    }
    let system = format!("{}:{}", view.backend().name, view.system().name);
    let path = format!("{}{}", station.root, view.project.path);
    let setup = setup(&system, &path, environment);
    let (machine, login) = (Arc::clone(&station.machine), station.login);
    let interacted = async {
        let server = station.server().await.map_err(|error| chain(&error))?;
        let lender = script::pieces([lender(&setup)]);
        let mut lending = server.begin(&lender).await.map_err(|error| chain(&error))?;
        let file = lent(&mut lending).await?;
        let ended = on_terminal(&machine, command(directory, &file, login)).await;
        if let Err(error) = returned(&mut lending).await {
            tracing::debug!(%error, "the script server did not outlive the shell");
            return Ok((ended, false));
        }
        Ok::<_, String>((ended, true))
    }
    .await;
    let (ended, alive) = interacted.unwrap_or_else(|error| (Err(error), false));
    if !alive {
        // The next script starts another one.
        station.drop_server();
    }
    ended
}

async fn on_terminal(machine: &Machine, argv: Vec<Vec<u8>>) -> Result<(), String> {
    let (terminal, stdio) = Terminal::open().map_err(|error| error.to_string())?;
    let command = Command {
        argv,
        env: Vec::new(),
        cwd: None,
        tty: true,
        id: String::new(),
    };
    match terminal.drive(machine.run(command, stdio)).await {
        // However it ended: that is what the user did in it.
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(crate::engine::chain(&error)),
        Err(error) => Err(error.to_string()),
    }
}

/// What the shell reads instead of a startup file.
fn setup(system: &str, path: &str, environment: &[Piece]) -> String {
    let shortened = format!("${{PWD/#{}/...}}", path.replace('/', "\\/"));
    let mut setup: String = environment.iter().map(|piece| &**piece).collect();
    // Their markers mean nothing to a person, and would end the shell.
    setup.push_str("unset -f REBOOT ERROR\n");
    setup.push_str(&format!("PS1='{system} {shortened}# '\n"));
    setup.push_str("set +eu\n");
    setup
}

/// A script that lends a text to whoever runs as the same user, says where, and goes on until it is killed. The values of an
/// environment are nobody else's to see, as they would be on a command line.
fn lender(text: &str) -> String {
    format!(
        "exec {{S}}< <(printf %s {})\nprintf '/proc/%s/fd/%s\\n' \"$BASHPID\" \"$S\"\nwhile :; do sleep 3600; done\n",
        script::quoted(text)
    )
}

/// Where the text is.
async fn lent(lending: &mut Running<'_>) -> Result<String, String> {
    let mut said = Vec::new();
    loop {
        match lending.next().await.map_err(|error| chain(&error))? {
            Event::Output(bytes) => said.extend(bytes),
            Event::Ended(status) => {
                let said = String::from_utf8_lossy(&said);
                return Err(format!(
                    "the machine cannot set up a shell (status {status}): {said}"
                ));
            }
        }
        if let Some(file) = said.strip_suffix(b"\n") {
            return Ok(String::from_utf8_lossy(file).into_owned());
        }
    }
}

async fn returned(lending: &mut Running<'_>) -> Result<(), ServerError> {
    lending.kill().await?;
    while !matches!(lending.next().await?, Event::Ended(_)) {}
    Ok(())
}

/// A bash that begins with this file.
fn command(directory: &str, file: &str, login: Login) -> Vec<Vec<u8>> {
    let text = format!(
        "cd {}; exec bash --noprofile --rcfile {} -i",
        script::quoted(directory),
        script::quoted(file)
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
