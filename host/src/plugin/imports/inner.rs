//! `provider`, imported: what a wrapper asks of the provider behind it. See `wrap.rs` for what it may name.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use runner_core::id::{InstanceName, Token};
use wasmtime::component::Resource;

use super::{Answer, failed, invalid};
use crate::plugin::bindings::inner::runner::plugin::provider::{Direction, Host};
use crate::plugin::bindings::types::{
    self, Allocated, Command, Context, Error, ExitStatus, Failure, Request,
};
use crate::plugin::purpose::Deed;
use crate::plugin::settings::Changes;
use crate::plugin::state::{CallerStdio, State};
use crate::plugin::wrap::Subject;
use crate::plugin::{convert, text};
use crate::provider::{self, Provider};

/// Bytes of a name; the host's own are shorter.
const LONGEST_NAME: usize = 128;

impl Host for State {
    async fn allocate(&mut self, ctx: Context, req: Request) -> Answer<Allocated> {
        let changes = match Changes::read(&ctx.config, &self.bound.sets) {
            Ok(changes) => changes,
            Err(refused) => return Ok(Err(refused)),
        };
        let (inner, subject) = match self.behind("allocate", &[Deed::Make], changes) {
            Ok(behind) => behind,
            Err(refused) => return Ok(Err(refused)),
        };
        if let Err(refused) = about(&subject, &req.token, None, req.workdir.as_deref()) {
            return Ok(Err(refused));
        }
        let name = match name(req.name) {
            Ok(name) => name,
            Err(refused) => return Ok(Err(refused)),
        };
        if !subject.begin() {
            return Ok(Err(Error::Denied(Failure {
                message: "an instance was asked for already in this call, and may be there"
                    .to_owned(),
                remedy: Some("ask for its `discard` before the next try".to_owned()),
            })));
        }
        let request = provider::Request {
            token: subject.token.clone(),
            name,
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
            Err(error) => {
                subject.note_failed(&error);
                Err(convert::guest_error(error))
            }
        })
    }

    async fn run(
        &mut self,
        ctx: Context,
        inst: types::Instance,
        cmd: Command,
        io: Resource<CallerStdio>,
    ) -> Answer<ExitStatus> {
        let stdio = self.table.delete(io)?.0;
        let (inner, instance) = match self.named("run", &ctx, inst) {
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
        ctx: Context,
        inst: types::Instance,
        dir: Direction,
        io: Resource<CallerStdio>,
    ) -> Answer<()> {
        let stdio = self.table.delete(io)?.0;
        let (inner, instance) = match self.named("copy", &ctx, inst) {
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

    async fn discard(&mut self, ctx: Context, what: types::Doomed) -> Answer<()> {
        if let Err(refused) = as_it_is(&ctx) {
            return Ok(Err(refused));
        }
        // While an instance is made, to take back what a failed try left.
        let (inner, subject) =
            match self.behind("discard", &[Deed::Make, Deed::Destroy], Changes::default()) {
                Ok(behind) => behind,
                Err(refused) => return Ok(Err(refused)),
            };
        let handle = what.handle.as_deref();
        if let Err(refused) = about(&subject, &what.token, handle, what.workdir.as_deref()) {
            return Ok(Err(refused));
        }
        let name = match name(what.name) {
            Ok(name) => name,
            Err(refused) => return Ok(Err(refused)),
        };
        let doomed = provider::Doomed {
            token: subject.token.clone(),
            handle: what.handle,
            name,
            workdir: subject.workdir.clone(),
        };
        let _quiet = self.running.pause();
        let discarded = inner.discard(&doomed).await;
        if discarded.is_ok() {
            subject.note_gone();
        }
        Ok(discarded.map_err(convert::guest_error))
    }
}

impl State {
    /// The provider behind this one, and what this call is about; `asked` belongs to what is done by one of these deeds.
    fn behind(
        &self,
        asked: &str,
        deeds: &[Deed],
        changes: Changes,
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
            Some(subject) => {
                let all = subject.changes.then(changes);
                Ok((inner.under(&self.purpose, all), Arc::clone(subject)))
            }
            None => Err(failed("this call is about no instance")),
        }
    }

    /// The same, and the instance as the provider behind knows it.
    fn named(
        &self,
        asked: &str,
        ctx: &Context,
        inst: types::Instance,
    ) -> Result<(Arc<dyn Provider>, provider::Instance), Error> {
        as_it_is(ctx)?;
        let deeds = [Deed::Make, Deed::Use, Deed::Change];
        let (inner, subject) = self.behind(asked, &deeds, Changes::default())?;
        about(
            &subject,
            &inst.token,
            Some(&inst.handle),
            inst.workdir.as_deref(),
        )?;
        let instance = provider::Instance {
            handle: inst.handle,
            token: subject.token.clone(),
            name: name(inst.name)?,
            workdir: subject.workdir.clone(),
        };
        Ok((inner, instance))
    }
}

/// Settings are changed where an instance is made, and nowhere else.
fn as_it_is(ctx: &Context) -> Result<(), Error> {
    Changes::read(&ctx.config, &BTreeSet::new()).map(drop)
}

/// The name that a wrapper gives: providers trust that one is what the host's own are, and hand it to programs.
fn name(given: String) -> Result<InstanceName, Error> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let starts = given.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !starts || given.len() > LONGEST_NAME || !given.bytes().all(legal) {
        return Err(invalid(format!(
            "`{}` is no name for an instance: 1 to {LONGEST_NAME} letters, digits, `.`, `_` and `-`, a letter or digit first",
            text::printable_cut(&given, 80)
        )));
    }
    Ok(InstanceName::typed(given))
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
    fn a_name_is_plain() {
        for good in ["web-0", "a", "0.x_Y-", &"n".repeat(LONGEST_NAME)] {
            assert!(name(good.to_owned()).is_ok(), "{good}");
        }
        let long = "n".repeat(LONGEST_NAME + 1);
        for bad in [
            "", "-x", ".x", "a b", "a/b", "$(x)", "a\n", "é", "a\u{1b}", &long,
        ] {
            assert!(name(bad.to_owned()).is_err(), "{bad}");
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
