//! `secrets`: values that the user granted by name. A value is never logged and never part of a message.

use super::{Answer, failed};
use crate::plugin::bindings::secrets::Host;
use crate::plugin::bindings::types::{Error, Failure};
use crate::plugin::state::State;
use crate::plugin::tap::through;
use crate::plugin::text;
use crate::provider::wire::Wire as _;

impl Host for State {
    async fn get(&mut self, name: String) -> Answer<String> {
        through!(
            self,
            "secrets.get",
            name.to_json(),
            self.granted_secret(name)
        )
    }
}

impl State {
    async fn granted_secret(&mut self, name: String) -> Answer<String> {
        let shown = text::printable_cut(&name, 80);
        if !self.bound.grant.allows_secret(&name) {
            let message = format!("the secret `{shown}` is not granted");
            return Ok(Err(self.bound.rights().denied(message, "secrets")));
        }
        let secrets = &self.bound.services.secrets;
        Ok(match secrets.get(&name) {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(Error::Invalid(Failure {
                message: format!("the secret `{shown}` is granted, but it is not set"),
                remedy: Some(secrets.how_to_set(&name)),
            })),
            Err(why) => Err(failed(format!(
                "the secret `{shown}` cannot be read: {why}"
            ))),
        })
    }
}
