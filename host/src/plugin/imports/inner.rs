//! `provider`, imported: what a wrapper asks of the provider behind it. See `wrap.rs` for what it may name.

use std::path::PathBuf;
use std::sync::Arc;

use runner_core::id::{InstanceName, Token};
use wasmtime::component::Resource;

use super::{Answer, failed, invalid};
use crate::plugin::bindings::inner::runner::plugin::provider::{Direction, Host};
use crate::plugin::bindings::types::{
    self, Allocated, Command, Context, Error, ExitStatus, Failure, Request,
};
use crate::plugin::convert;
use crate::plugin::purpose::Deed;
use crate::plugin::state::{CallerStdio, State};
use crate::plugin::wrap::Subject;
use crate::provider::{self, Provider};

impl Host for State {
    async fn allocate(&mut self, _ctx: Context, req: Request) -> Answer<Allocated> {
        let (inner, subject) = match self.behind("allocate", &[Deed::Make]) {
            Ok(behind) => behind,
            Err(refused) => return Ok(Err(refused)),
        };
        if let Err(refused) = about(&subject, &req.token, None, req.workdir.as_deref()) {
            return Ok(Err(refused));
        }
        let request = provider::Request {
            token: subject.token.clone(),
            name: InstanceName::typed(req.name),
            slot: req.slot,
            workdir: subject.workdir.clone(),
        };
        let _quiet = self.running.pause();
        Ok(match inner.allocate(&request).await {
            Ok(made) => {
                subject.note(&made);
                Ok(Allocated {
                    handle: made.handle,
                    // The host keeps to what was answered.
                    access: types::Access::Plugin,
                    attributes: made.attributes,
                })
            }
            Err(error) => Err(convert::guest_error(error)),
        })
    }

    async fn run(
        &mut self,
        _ctx: Context,
        inst: types::Instance,
        cmd: Command,
        io: Resource<CallerStdio>,
    ) -> Answer<ExitStatus> {
        let stdio = self.table.delete(io)?.0;
        let (inner, instance) = match self.named("run", inst) {
            Ok(named) => named,
            Err(refused) => return Ok(Err(refused)),
        };
        if cmd.argv.is_empty() {
            return Ok(Err(invalid(
                "the command is empty: it has not even a program",
            )));
        }
        let command = convert::port_command(cmd);
        let _quiet = self.running.pause();
        let ended = inner.run(&instance, &command, stdio).await;
        Ok(ended
            .map(convert::guest_exit_status)
            .map_err(convert::guest_error))
    }

    async fn copy(
        &mut self,
        _ctx: Context,
        inst: types::Instance,
        dir: Direction,
        io: Resource<CallerStdio>,
    ) -> Answer<()> {
        let stdio = self.table.delete(io)?.0;
        let (inner, instance) = match self.named("copy", inst) {
            Ok(named) => named,
            Err(refused) => return Ok(Err(refused)),
        };
        let direction = match dir {
            Direction::Into(path) => provider::Direction::Into(path),
            Direction::OutOf(path) => provider::Direction::OutOf(path),
        };
        let _quiet = self.running.pause();
        let copied = inner.copy(&instance, &direction, stdio).await;
        Ok(copied.map_err(convert::guest_error))
    }

    async fn discard(&mut self, _ctx: Context, what: types::Doomed) -> Answer<()> {
        // While an instance is made, to take back what a failed try left.
        let (inner, subject) = match self.behind("discard", &[Deed::Make, Deed::Destroy]) {
            Ok(behind) => behind,
            Err(refused) => return Ok(Err(refused)),
        };
        let handle = what.handle.as_deref();
        if let Err(refused) = about(&subject, &what.token, handle, what.workdir.as_deref()) {
            return Ok(Err(refused));
        }
        let doomed = provider::Doomed {
            token: subject.token.clone(),
            handle: what.handle,
            name: InstanceName::typed(what.name),
            workdir: subject.workdir.clone(),
        };
        let _quiet = self.running.pause();
        Ok(inner.discard(&doomed).await.map_err(convert::guest_error))
    }
}

impl State {
    /// The provider behind this one, and what this call is about; `asked` belongs to what is done by one of these deeds.
    fn behind(
        &self,
        asked: &str,
        deeds: &[Deed],
    ) -> Result<(Arc<dyn Provider>, Arc<Subject>), Error> {
        let Some(inner) = &self.bound.inner else {
            return Err(Error::Invalid(Failure {
                message: "this is a wrapper, and no provider is behind it".to_owned(),
                remedy: Some("name it under `wrap` of a source with another `type`".to_owned()),
            }));
        };
        if !deeds.contains(&self.purpose.deed) {
            return Err(Error::Denied(Failure {
                message: format!(
                    "a wrapper does not ask for `{asked}` in `{}`",
                    self.context.call
                ),
                remedy: Some("hand each call on as the same call".to_owned()),
            }));
        }
        match &self.subject {
            Some(subject) => Ok((inner.under(&self.purpose), Arc::clone(subject))),
            None => Err(failed("this call is about no instance")),
        }
    }

    /// The same, and the instance as the provider behind knows it.
    fn named(
        &self,
        asked: &str,
        inst: types::Instance,
    ) -> Result<(Arc<dyn Provider>, provider::Instance), Error> {
        let (inner, subject) = self.behind(asked, &[Deed::Make, Deed::Use, Deed::Change])?;
        about(
            &subject,
            &inst.token,
            Some(&inst.handle),
            inst.workdir.as_deref(),
        )?;
        let instance = provider::Instance {
            handle: inst.handle,
            token: subject.token.clone(),
            name: InstanceName::typed(inst.name),
            workdir: subject.workdir.clone(),
        };
        Ok((inner, instance))
    }
}

/// Refuses another instance than the one that the wrapper's call is about.
fn about(
    subject: &Subject,
    token: &str,
    handle: Option<&str>,
    workdir: Option<&str>,
) -> Result<(), Error> {
    let elsewhere = |text: &str| subject.workdir != Some(PathBuf::from(text));
    if subject.token != Token::stored(token)
        || handle.is_some_and(|handle| !subject.has_handle(handle))
        || workdir.is_some_and(elsewhere)
    {
        return Err(Error::Denied(Failure {
            message: "a wrapper can only name the instance that its own call is about".to_owned(),
            remedy: Some("hand on token, handle and directory as they came".to_owned()),
        }));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Access;

    #[test]
    fn a_wrapper_names_the_instance_of_its_call_and_no_other() {
        let (own, other) = (Token::from_bytes([1; 16]), Token::from_bytes([2; 16]));
        let home = PathBuf::from("/srv/own");
        let subject = Subject::new(&own, Some(&home), Some("box:1"));
        let asked = |token: &Token, handle, workdir| {
            about(&subject, token.as_str(), handle, workdir).is_ok()
        };
        assert!(asked(&own, Some("box:1"), Some("/srv/own")));
        // What is left out is filled in by the host.
        assert!(asked(&own, None, None));
        assert!(!asked(&other, Some("box:1"), Some("/srv/own")));
        assert!(!asked(&own, Some("box:2"), None));
        for path in ["/srv/other", "/srv/own/..", "/", ""] {
            assert!(!asked(&own, None, Some(path)), "{path}");
        }
    }

    #[test]
    fn what_was_made_in_this_call_can_be_named() {
        let token = Token::from_bytes([1; 16]);
        let subject = Subject::new(&token, None, None);
        assert!(about(&subject, token.as_str(), Some("box:1"), None).is_err());
        subject.note(&provider::Allocated {
            handle: "box:1".to_owned(),
            access: Access::Plugin,
            attributes: Vec::new(),
        });
        assert!(about(&subject, token.as_str(), Some("box:1"), None).is_ok());
        assert!(about(&subject, token.as_str(), Some("box:2"), None).is_err());
    }
}
