//! What a round decided to make: by whom, from which definition, and the intents in the books.

use runner_core::id::Token;

use super::round::Round;
use super::{Definition, EngineError, FailureKind, Result, random_bytes};
use crate::store::{NewInstance, TicketRow, Tx};

impl Round<'_> {
    /// Who is to make it?
    fn mine(&mut self, source: usize, row: Option<&TicketRow>) -> bool {
        let Some(row) = row else {
            return self.scope.serve;
        };
        let source = &self.knowledge.sources[source];
        let server = self
            .engine
            .server()
            .filter(|_| self.engine.server_makes(&source.name, &source.shape));
        if Some(row.id) == self.work.own {
            if let Some(server) = server.filter(|_| !row.custom && !self.scope.serve) {
                self.work.wake.push(server);
                return false;
            }
            return true;
        }
        if self.scope.serve {
            return !row.custom;
        }
        match &row.worker {
            Some(other) => {
                self.work.wake.push(other.clone());
                false
            }
            None => match server {
                Some(server) => {
                    self.work.wake.push(server);
                    false
                }
                None => self.scope.help,
            },
        }
    }

    /// Records intents, each with a fresh token.
    pub(super) fn grow(
        &mut self,
        tx: &Tx<'_>,
        source: usize,
        count: u32,
        ticket: Option<&TicketRow>,
    ) -> Result<()> {
        if !self.mine(source, ticket) {
            return Ok(());
        }
        let source = &self.knowledge.sources[source].name;
        let definition = match self.knowledge.definitions.get(source) {
            Some(Ok(definition)) => definition,
            Some(Err(text)) => {
                self.engine
                    .note_unusable(tx, source, ticket.map(|row| row.id), text, self.now)?;
                return Ok(());
            }
            None => {
                if !self.work.lacking.contains(source) {
                    self.work.lacking.push(source.clone());
                }
                return Ok(());
            }
        };
        // What was asked for with settings of its own is nobody's trial.
        let custom = ticket.is_some_and(|row| row.custom);
        let trial = match custom {
            true => None,
            false => {
                let ticket = ticket.map(|row| row.id);
                self.engine.trial_of(tx, definition, ticket)?
            }
        };
        let candidate = match &trial {
            Some(trial) if (0..count).any(|further| trial.chooses(further)) => {
                match self.knowledge.candidates.get(source) {
                    None => {
                        let lacking = (source.clone(), trial.row.candidate.clone());
                        self.work.untried.push(lacking);
                        return Ok(());
                    }
                    Some(Ok(candidate)) => {
                        tx.set_canary_shape(trial.row.id, &candidate.shape)?;
                        Some((candidate, keep(tx, candidate)?))
                    }
                    Some(Err(text)) => {
                        self.engine.blame_setup(tx, source, trial, text)?;
                        None
                    }
                }
            }
            _ => None,
        };
        let usual = (definition, keep(tx, definition)?);
        let asked = ticket
            .and_then(|row| row.asked.as_ref())
            .unwrap_or(&definition.source);
        for number in 0..count {
            let chosen = trial.as_ref().is_some_and(|trial| trial.chooses(number));
            let (definition, key, tried) = match candidate {
                Some((candidate, key)) if chosen => (candidate, key, true),
                _ => (usual.0, usual.1, false),
            };
            let token = Token::from_bytes(random_bytes()?);
            let row = tx.insert_intent(NewInstance {
                asked,
                source: &definition.source,
                definition: key,
                workdir: definition
                    .workdir
                    .then(|| self.engine.0.work.join(token.as_str())),
                token,
                worker: self.worker,
                ticket: ticket.map(|row| row.id),
                now: self.now,
            })?;
            if let Some(trial) = &trial {
                tx.begin_in_canary(trial.row.id, row.id, tried, row.ticket)?;
            }
            let why = if ticket.is_some() {
                "new instance"
            } else {
                "ahead of demand"
            };
            let operation = self.engine.begin(tx, "acquire", &row, Some(why))?;
            self.work.new.push((row, operation));
        }
        tx.started(&definition.source, self.now)?;
        tx.count(
            "source_starts_total",
            definition.source.as_str(),
            f64::from(count),
        )?;
        Ok(())
    }
}

/// Stores what instances are made from; answers its key.
fn keep(tx: &Tx<'_>, definition: &Definition) -> Result<i64> {
    let body = serde_json::to_string(definition).map_err(|error| {
        EngineError::new(
            FailureKind::State,
            "cannot store the definition of the source",
        )
        .because(error)
    })?;
    Ok(tx.keep_definition(&definition.source, &definition.shape, &body)?)
}
