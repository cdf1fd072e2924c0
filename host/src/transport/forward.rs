//! Forwarding ports to an instance: we listen, and each connection becomes a channel of the connection that is there anyway.
//! The `ssh` that holds it moves the bytes between the two descriptors; nothing stays behind when we end.

use std::net::SocketAddr;
use std::os::fd::AsFd as _;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::master::{Held, io_error};
use super::{SshSessions, TransportError};
use crate::provider::{Forward, SshTarget};

/// A port that is listened on.
#[derive(Debug)]
pub(super) struct Forwarding {
    listener: TcpListener,
    host: String,
    port: u16,
    at: SocketAddr,
}

impl Forwarding {
    /// Where it listens.
    pub(super) fn at(&self) -> SocketAddr {
        self.at
    }
}

impl SshSessions {
    /// Listens.
    ///
    /// # Errors
    /// The port is taken, or not ours to take.
    pub(super) async fn listen(
        &self,
        to: &SshTarget,
        forward: &Forward,
    ) -> Result<Forwarding, TransportError> {
        let trouble = |e| io_error(to, "listening for what is to be forwarded", e);
        let listener = TcpListener::bind(forward.listen).await.map_err(trouble)?;
        let at = listener.local_addr().map_err(trouble)?;
        Ok(Forwarding {
            listener,
            host: forward.host.clone(),
            port: forward.port,
            at,
        })
    }

    /// Passes on what connects, until the future is dropped or the instance cannot be reached any more. A connection that the
    /// instance refuses is closed, and `refused` is told why.
    ///
    /// # Errors
    /// No connection to the instance.
    pub(super) async fn forward(
        &self,
        to: &SshTarget,
        forwarding: Forwarding,
        refused: impl Fn(&str) + Send + Sync,
    ) -> Result<(), TransportError> {
        let mut open: JoinSet<()> = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = forwarding.listener.accept() => accepted,
                Some(_ended) = open.join_next() => continue,
            };
            let (stream, _from) =
                accepted.map_err(|e| io_error(to, "accepting what is to be forwarded", e))?;
            match self.channel(to, &forwarding, &stream).await? {
                Ok(channel) => {
                    // The holder has duplicates; ours would keep the connection half open.
                    drop(stream);
                    open.spawn(channel.ended());
                }
                Err(reason) => refused(&reason),
            }
        }
    }

    /// A channel from this stream to the place on the instance, or why there is none.
    async fn channel(
        &self,
        to: &SshTarget,
        forwarding: &Forwarding,
        stream: &TcpStream,
    ) -> Result<Result<super::mux::Channel, String>, TransportError> {
        let Held { control, .. } = self.master(to, 0).await?;
        let opened = control
            .open_channel(&forwarding.host, forwarding.port, stream.as_fd())
            .await;
        opened.map_err(|e| io_error(to, "opening a channel", e))
    }
}
