//! A provider of machines that ssh reaches, from what only the cloud knows.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::{Guest, Labels, Login, settle, wait};
use crate::{
    Allocated, Command, Context, Doomed, Entry, Error, ErrorKind, ExitStatus, Instance, Inventory,
    Liveness, Provider, Request, Result, SshAccess, SshKey, Stdio, secrets,
};

/// How long `discard` waits for the end of a machine before it says "not yet".
const ENDING: Duration = Duration::from_secs(90);

/// The name of the key that is made for each instance.
const KEY: &str = "ssh-key";

/// What a cloud has to say for itself. Whoever implements this has a [`Provider`], with [`Liveness`] and [`Inventory`].
pub trait Cloud {
    /// As in [`Provider`].
    type Config: DeserializeOwned;

    /// The keys that all clouds share.
    fn login(config: &Self::Config) -> &Login;

    /// Asks for a machine, labelled with [`Labels::of`] in this very request, and answers its id: the handle. It does not wait.
    fn create(ctx: &Context<Self::Config>, request: &Request, guest: &Guest) -> Result<String>;

    /// The machine as it is now; none when there is none with this id.
    fn look(ctx: &Context<Self::Config>, id: &str) -> Result<Option<Machine>>;

    /// Everything that has these labels, on all pages.
    fn find(ctx: &Context<Self::Config>, labels: &Labels) -> Result<Vec<Found>>;

    /// Asks for its end. None with this id is success, and so is one that ends already.
    fn delete(ctx: &Context<Self::Config>, id: &str) -> Result<()>;

    /// What is left to do with a machine that runs, such as giving it an address.
    fn finish(
        _ctx: &Context<Self::Config>,
        _request: &Request,
        _id: &str,
        machine: Machine,
    ) -> Result<Machine> {
        Ok(machine)
    }

    /// Removes what `finish` made for this token, once no machine uses it.
    fn sweep(_ctx: &Context<Self::Config>, _token: &str) -> Result<()> {
        Ok(())
    }
}

/// A machine as the cloud sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// What it does.
    pub state: State,
    /// Where ssh reaches it.
    pub address: Option<String>,
    /// The keys that its ssh server will show, where the cloud tells them; else the first one it shows is taken.
    pub host_keys: Vec<String>,
    /// For `runner status -v`.
    pub attributes: Vec<(String, String)>,
}

/// What a machine does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// On its way.
    Starting,
    /// It runs.
    Running,
    /// It does not run and will not by itself; the cloud's word for it.
    Stopped(String),
    /// The cloud gave it up; why. An error of any kind: quota and capacity are `exhausted`.
    Failed(Error),
    /// On its way out.
    Ending,
    /// Over, though the cloud still remembers it. It costs nothing.
    Ended,
}

/// What carries a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The token.
    pub token: String,
    /// As `create` answers it.
    pub id: String,
}

impl Machine {
    /// In this state, at this address.
    pub fn new(state: State, address: Option<impl Into<String>>) -> Self {
        Self {
            state,
            address: address.map(Into::into),
            host_keys: Vec::new(),
            attributes: Vec::new(),
        }
    }

    /// Adds a line to `runner status -v`.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }

    /// None as long as it may still come up.
    fn up(self) -> Result<Option<Self>> {
        match &self.state {
            State::Starting => Ok(None),
            State::Running => Ok(Some(self)),
            State::Stopped(word) => Err(Error::failed(format!("it is {word}"))),
            State::Failed(error) => Err(error.clone()),
            State::Ending | State::Ended => Err(Error::failed("the cloud has ended it")),
        }
    }
}

impl<C: Cloud> Provider for C {
    type Config = C::Config;

    fn allocate(ctx: &Context<C::Config>, request: &Request) -> Result<Allocated> {
        let login = C::login(&ctx.config);
        let guest = Guest::new(login, secrets::make_ssh_key(KEY)?);
        let id = C::create(ctx, request, &guest)?;
        let patience = Duration::from_secs(login.patience);
        // Not to be found is no answer: in many clouds a new machine cannot be seen at once.
        let running = wait(&format!("machine `{id}`"), patience, || {
            match C::look(ctx, &id)? {
                Some(machine) => machine.up(),
                None => Ok(None),
            }
        })?;
        let machine = C::finish(ctx, request, &id, running)?;
        let Some(address) = machine.address else {
            return Err(Error::invalid(format!(
                "machine `{id}` runs, and has no address that could be reached"
            ))
            .remedy("check the keys about its network"));
        };
        let mut access = SshAccess::new(&address)
            .user(&guest.username)
            .key(SshKey::Secret(KEY.to_owned()))
            .first_use();
        for key in machine.host_keys {
            access = access.pinned(key);
        }
        let mut allocated = Allocated::new(id)
            .by_ssh(access)
            .attribute("address", address);
        for (name, value) in machine.attributes {
            allocated = allocated.attribute(name, value);
        }
        Ok(allocated)
    }

    fn run(_: &Context<C::Config>, _: &Instance, _: Command, _: Stdio) -> Result<ExitStatus> {
        Err(Error::unsupported("the host reaches this machine by ssh"))
    }

    fn discard(ctx: &Context<C::Config>, doomed: &Doomed) -> Result<()> {
        let again = Duration::from_secs(C::login(&ctx.config).settle);
        let found = settle(doomed, again, || {
            C::find(ctx, &Labels::token(&doomed.token))
        })?;
        // What the listing does not show yet, or any more, is still asked about by its handle.
        let mut ids: Vec<String> = found.into_iter().map(|found| found.id).collect();
        ids.extend(
            doomed
                .handle
                .iter()
                .filter(|handle| !ids.contains(*handle))
                .cloned()
                .collect::<Vec<_>>(),
        );
        for id in &ids {
            match C::delete(ctx, id) {
                Err(error) if error.kind == ErrorKind::Gone => {}
                other => other?,
            }
        }
        for id in &ids {
            wait(
                &format!("the end of machine `{id}`"),
                ENDING,
                || match C::look(ctx, id)?.map(|machine| machine.state) {
                    None | Some(State::Ended) => Ok(Some(())),
                    Some(_) => Ok(None),
                },
            )?;
        }
        C::sweep(ctx, &doomed.token)
    }
}

impl<C: Cloud> Liveness for C {
    fn check(ctx: &Context<C::Config>, instance: &Instance) -> Result<()> {
        let gone = || Error::gone("the cloud has no such machine any more");
        let machine = C::look(ctx, &instance.handle)?.ok_or_else(gone)?;
        match machine.state {
            State::Running => Ok(()),
            State::Starting => Err(Error::unavailable("the machine is starting")),
            State::Stopped(word) => Err(Error::failed(format!("the machine is {word}"))),
            State::Failed(error) => Err(error),
            State::Ending | State::Ended => Err(gone()),
        }
    }
}

impl<C: Cloud> Inventory for C {
    fn list(ctx: &Context<C::Config>) -> Result<Vec<Entry>> {
        let found = C::find(ctx, &Labels::ours(ctx))?;
        Ok(found
            .into_iter()
            .map(|Found { token, id }| Entry { token, handle: id })
            .collect())
    }
}
