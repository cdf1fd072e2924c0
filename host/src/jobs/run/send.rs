//! The project's tree on a machine.

use std::time::Instant;

use super::resend;
use super::shop::{Shop, chain};
use super::station::Station;
use crate::jobs::events::{Millis, What};
use crate::jobs::pack::Format;
use crate::jobs::server::script;

/// The status of the script over there that says: something is in the way.
const NOT_EMPTY: u8 = 91;

/// Why the tree is not there.
#[derive(Debug)]
pub(super) enum SendError {
    /// There is something else: another machine may do.
    Occupied(String),
    /// The archive could not be made: no machine can do anything about that.
    NoArchive(String),
    Failed(String),
}

/// Sees to it that the tree is on the machine. One that was used before keeps what it has, unless that is to be sent again.
pub(super) async fn send(shop: &Shop, station: &mut Station, used: bool) -> Result<(), SendError> {
    let path = format!("{}{}", station.root, shop.setup.project.path);
    let quoted = script::quoted(&path);
    let failed = |error: &dyn std::error::Error| SendError::Failed(chain(error));
    let (worker, machine) = (station.worker, station.label.clone());
    if used && shop.setup.options.resend {
        return resend(shop, station, &path).await;
    }
    if used {
        let look = script::pieces([format!("[[ -n $(ls -A -- {quoted} 2> /dev/null) ]]")]);
        let server = station.server().await.map_err(|error| failed(&error))?;
        let (status, _) = server.ask(&look).await.map_err(|error| failed(&error))?;
        if status == 0 {
            shop.stream().emit(What::ReusingData { worker, machine });
            return Ok(());
        }
    }
    whole(shop, station, &path).await
}

/// The tree of today instead of what is there.
async fn resend(shop: &Shop, station: &mut Station, path: &str) -> Result<(), SendError> {
    let failed = |error: &dyn std::error::Error| SendError::Failed(chain(error));
    let (worker, machine) = (station.worker, station.label.clone());
    shop.stream().emit(What::RemovingData {
        worker,
        machine: machine.clone(),
        path: path.to_owned(),
    });
    let archive = shop.archive().await.map_err(SendError::NoArchive)?;
    let begun = Instant::now();
    let server = station.server().await.map_err(|error| failed(&error))?;
    let format = Format::of(server.hello().zstd);
    let updated = resend::update(server, path, archive, format).await;
    if let Some(bytes) = updated.map_err(SendError::Failed)? {
        shop.stream().emit(What::Sending {
            worker,
            machine: machine.clone(),
        });
        shop.stream().emit(What::Sent {
            worker,
            machine,
            bytes,
            took: Millis::from(begun.elapsed()),
        });
        return Ok(());
    }
    remove(station, path).await.map_err(SendError::Failed)?;
    whole(shop, station, path).await
}

/// Removes the project's tree from a machine.
pub(super) async fn remove(station: &mut Station, path: &str) -> Result<(), String> {
    let remove = script::pieces([format!("rm -rf -- {}", script::quoted(path))]);
    let server = station.server().await.map_err(|error| chain(&error))?;
    match server.ask(&remove).await.map_err(|error| chain(&error))? {
        (0, _) => Ok(()),
        (status, said) => Err(words(&said, status)),
    }
}

/// Everything, to where nothing is.
async fn whole(shop: &Shop, station: &mut Station, path: &str) -> Result<(), SendError> {
    let quoted = script::quoted(path);
    let failed = |error: &dyn std::error::Error| SendError::Failed(chain(error));
    let (worker, machine) = (station.worker, station.label.clone());
    shop.stream().emit(What::Sending {
        worker,
        machine: machine.clone(),
    });
    let archive = shop.archive().await.map_err(SendError::NoArchive)?;
    let begun = Instant::now();
    let server = station.server().await.map_err(|error| failed(&error))?;
    let format = Format::of(server.hello().zstd);
    let unpack = format.unpack();
    let opened = tokio::task::spawn_blocking(move || archive.open(format)).await;
    let (file, bytes) = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(error)) => return Err(failed(&error)),
        Err(error) => return Err(failed(&error)),
    };
    let receive = script::pieces([format!(
        "set -o pipefail\nif [[ -n $(ls -A -- {quoted} 2> /dev/null) ]]; then exit {NOT_EMPTY}; fi\n\
         mkdir -p -- {quoted}\ncd {quoted}\n{unpack} | tar -x --no-same-owner\n"
    )]);
    let input = tokio::fs::File::from_std(file);
    let fed = server.feed(&receive, input, bytes).await;
    match fed.map_err(|error| failed(&error))? {
        (0, _) => {
            shop.stream().emit(What::Sent {
                worker,
                machine,
                bytes,
                took: Millis::from(begun.elapsed()),
            });
            Ok(())
        }
        (NOT_EMPTY, _) => Err(SendError::Occupied(format!(
            "remote directory {path} is not empty"
        ))),
        (status, said) => Err(SendError::Failed(words(&said, status))),
    }
}

/// What a script said, or how it ended if it said nothing.
pub(super) fn words(said: &[u8], status: u8) -> String {
    let said = String::from_utf8_lossy(said).trim().to_owned();
    if said.is_empty() {
        format!("exit status {status}")
    } else {
        said
    }
}
