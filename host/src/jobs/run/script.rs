//! One script on a machine, to its end: with its clock, and with the reboots that it asks for.

use std::time::Duration;

use runner_core::matrix::Limits;
use runner_core::schedule::{Outcome, Verb};
use tokio::time::Instant;

use super::shop::Shop;
use super::station::Station;
use super::watch::{Tick, Watch};
use crate::engine::Rebooting;
use crate::jobs::events::{Millis, Scene, What};
use crate::jobs::server::script::{self, Answer};
use crate::jobs::server::{Event, Piece, ScriptServer, ServerError};

/// More often nobody means it.
const REBOOTS: u32 = 10;

/// Output beyond this is cut out of the middle: what matters is at its beginning and its end.
const MOST: usize = 64 << 20;
const KEPT: usize = 16 << 20;

/// How often to look whether a machine is up again, at first.
const GLANCE: Duration = Duration::from_millis(50);

/// How long it may take until a machine has heard that it shall reboot.
const ASKING: Duration = Duration::from_secs(30);

/// A script, ready to be run.
pub(super) struct Order<'a> {
    pub(super) scene: Scene,
    pub(super) environment: &'a [Piece],
    /// Where it starts.
    pub(super) directory: String,
    pub(super) bodies: Vec<&'a str>,
    pub(super) traced: bool,
    pub(super) limits: Limits,
    /// Its own beginning and end are events: not those of conditions.
    pub(super) told: bool,
}

/// How it ended.
pub(super) struct Done {
    pub(super) outcome: Outcome,
    pub(super) output: Vec<u8>,
}

/// Why a script has no end of its own.
enum Trouble {
    /// The shell over there is gone.
    Server(ServerError),
    Other(String),
}

impl From<ServerError> for Trouble {
    fn from(error: ServerError) -> Self {
        Self::Server(error)
    }
}

impl Order<'_> {
    /// Runs it. Everything that happens is told.
    pub(super) async fn run(self, shop: &Shop, station: &mut Station) -> Done {
        let begun = Instant::now();
        let mut output = Vec::new();
        let (outcome, shown) = match self.rounds(shop, station, &mut output).await {
            Ok((Answer::Error(text), _)) => (Outcome::Failed, text.into_bytes()),
            Ok((Answer::Passed, _)) => (Outcome::Passed, std::mem::take(&mut output)),
            Ok((_, status)) => {
                if output.trim_ascii().is_empty() {
                    output = format!("Process exited with status {status}").into_bytes();
                }
                (Outcome::Failed, std::mem::take(&mut output))
            }
            Err(Trouble::Other(error)) => {
                add_line(&mut output, &error);
                (Outcome::Failed, std::mem::take(&mut output))
            }
            Err(Trouble::Server(error)) => {
                station.drop_server();
                add_line(&mut output, &super::shop::chain(&error));
                // A script may have killed every shell that it found: is the machine still there?
                let outcome = match station.connect(Duration::from_secs(20), |_| {}).await {
                    Ok(()) => Outcome::Failed,
                    Err(error) => {
                        add_line(&mut output, &super::shop::chain(&error));
                        Outcome::Lost
                    }
                };
                (outcome, std::mem::take(&mut output))
            }
        };
        let took = Millis::from(begun.elapsed());
        if self.scene.verb == Verb::Execute {
            shop.results().took(self.scene.job.0, took);
        }
        if self.told {
            shop.stream().emit(What::ScriptEnded {
                scene: self.scene,
                passed: outcome == Outcome::Passed,
                output: shown.clone(),
                took,
            });
        }
        Done {
            outcome,
            output: shown,
        }
    }

    /// Again after each reboot.
    async fn rounds(
        &self,
        shop: &Shop,
        station: &mut Station,
        output: &mut Vec<u8>,
    ) -> Result<(Answer, u8), Trouble> {
        let mut reboots = 0;
        let mut key = None;
        loop {
            let mut part = Vec::new();
            let told = key.take().unwrap_or_else(|| reboots.to_string());
            let ended = self.once(shop, station, &told, &mut part).await;
            if !output.is_empty() {
                output.extend_from_slice(b"\n");
            }
            let status = match ended {
                Ok(status) => status,
                Err(trouble) => {
                    output.append(&mut part);
                    return Err(trouble);
                }
            };
            let answer = script::answer(status, &mut part);
            output.append(&mut part);
            let Answer::Reboot(wanted) = answer else {
                return Ok((answer, status));
            };
            reboots += 1;
            key = wanted;
            shop.stream().emit(What::Rebooting {
                scene: self.scene.clone(),
            });
            self.reboot(shop, station).await.map_err(Trouble::Other)?;
            if reboots > REBOOTS {
                return Err(Trouble::Other(format!(
                    "rebooted on {} more than {REBOOTS} times",
                    station.label
                )));
            }
        }
    }

    async fn once(
        &self,
        shop: &Shop,
        station: &mut Station,
        reboot: &str,
        output: &mut Vec<u8>,
    ) -> Result<u8, Trouble> {
        let mut pieces: Vec<Piece> = self.environment.to_vec();
        // In front of the variables that may refer to it, behind the functions.
        let at = pieces.len().min(1);
        pieces.insert(at, script::export("SPREAD_REBOOT", reboot).into());
        pieces
            .push(script::bodies(&self.directory, self.traced, self.bodies.iter().copied()).into());
        let worker = station.worker;
        let server = station.server().await?;
        let mut watch = Watch::start(self.limits);
        let mut running = server.begin(&pieces).await?;
        let mut killed = None;
        loop {
            tokio::select! {
                event = running.next() => match event? {
                    Event::Output(bytes) => {
                        output.extend_from_slice(&bytes);
                        cut(output);
                        if self.told {
                            shop.stream().emit(What::Output { worker, bytes });
                        }
                    }
                    Event::Ended(status) => match killed {
                        None => return Ok(status),
                        Some(after) => {
                            shop.stream().emit(What::Killed { scene: self.scene.clone(), after });
                            return Err(Trouble::Other("<kill-timeout reached>".into()));
                        }
                    },
                },
                tick = watch.tick() => match tick {
                    Tick::Warn => {
                        let news = watch.late(output);
                        shop.stream().emit(What::Late { scene: self.scene.clone(), news });
                    }
                    Tick::Kill if killed.is_some() => {
                        return Err(Trouble::Server(ServerError::Lost("it does not end".into())));
                    }
                    Tick::Kill => {
                        killed = Some(Millis::from(watch.elapsed()));
                        watch.killing();
                        running.kill().await?;
                    }
                },
            }
        }
    }

    /// Reboots the machine, and waits until it has another boot behind it and takes scripts.
    async fn reboot(&self, shop: &Shop, station: &mut Station) -> Result<(), String> {
        let rebooting = station
            .machine
            .rebooting()
            .map_err(|error| crate::engine::chain(&error))?;
        let boot = match station.server().await {
            Ok(server) => server.hello().boot.clone(),
            Err(error) => return Err(super::shop::chain(&error)),
        };
        let mut watch = Watch::start(self.limits);
        match rebooting {
            Rebooting::Impossible => {
                return Err(format!(
                    "cannot reboot {}: it has no kernel of its own to boot",
                    station.label
                ));
            }
            Rebooting::Provider => {
                station.drop_server();
                let machine = std::sync::Arc::clone(&station.machine);
                let asked = machine.reboot();
                tokio::pin!(asked);
                loop {
                    tokio::select! {
                        done = &mut asked => {
                            done.map_err(|error| crate::engine::chain(&error))?;
                            break;
                        }
                        tick = watch.tick() => self.still_down(shop, &mut watch, tick)?,
                    }
                }
            }
            Rebooting::Command => {
                if let Ok(server) = station.server().await {
                    ask_for_reboot(server).await;
                }
            }
        }
        let mut pause = GLANCE;
        loop {
            let look = async {
                tokio::time::sleep(pause).await;
                again(station, boot.as_deref(), rebooting).await
            };
            tokio::select! {
                up = look => if up { return Ok(()) },
                tick = watch.tick() => self.still_down(shop, &mut watch, tick)?,
            }
            pause = (pause * 3 / 2).min(Duration::from_secs(2));
        }
    }

    fn still_down(&self, shop: &Shop, watch: &mut Watch, tick: Tick) -> Result<(), String> {
        match tick {
            Tick::Warn => {
                drop(watch.late(b""));
                shop.stream().emit(What::RebootLate {
                    scene: self.scene.clone(),
                });
                Ok(())
            }
            Tick::Kill => Err(format!(
                "kill-timeout reached after {} reboot request",
                self.scene.name
            )),
        }
    }
}

/// Asks for it from a process group that the end of the connection does not end, and hears that this was done: otherwise the
/// machine might be looked at, found up, and the wish be lost with the connection.
async fn ask_for_reboot(server: &mut ScriptServer) {
    let away = script::pieces([
        "unset SCRIPT_OF_RUNNER; set -m\n(sleep 0.1; reboot) > /dev/null 2>&1 < /dev/null &\n",
    ]);
    let asked = async {
        let mut running = server.begin(&away).await?;
        while !matches!(running.next().await?, Event::Ended(_)) {}
        Ok::<(), ServerError>(())
    };
    // It may take the connection with it before it has answered.
    match tokio::time::timeout(ASKING, asked).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "no answer to the wish to reboot"),
        Err(_) => tracing::debug!("no answer to the wish to reboot in time"),
    }
}

/// It is up, and was down.
async fn again(station: &mut Station, before: Option<&str>, rebooting: Rebooting) -> bool {
    station.drop_server();
    // What is left of the connection would only wait for a machine that has forgotten it.
    if let Err(error) = station.machine.disconnect().await {
        tracing::debug!(%error, "the old connection stays");
    }
    match station.server().await {
        // Those who are rebooted by their provider are up when it says so, and may share a boot with others.
        Ok(server) => rebooting == Rebooting::Provider || server.hello().boot.as_deref() != before,
        Err(error) => {
            tracing::debug!(%error, "not up yet");
            false
        }
    }
}

fn add_line(output: &mut Vec<u8>, line: &str) {
    if !output.is_empty() && !output.ends_with(b"\n") {
        output.push(b'\n');
    }
    output.extend_from_slice(line.as_bytes());
}

fn cut(output: &mut Vec<u8>) {
    if output.len() > MOST {
        let end = output.split_off(output.len() - KEPT);
        output.truncate(KEPT);
        output.extend_from_slice(b"\n(... output left out here ...)\n");
        output.extend(end);
    }
}
