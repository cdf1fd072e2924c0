//! What several routers say together.

use std::sync::Arc;

use async_trait::async_trait;

use super::model::World;
use super::{limits, source};
use crate::engine::Routing;
use crate::provider::{
    self, CallContext, ErrorKind, Hook, HookPoint, Instance, Occasion, ProviderError,
    RouteCandidate, RouteRequest, RouteVerdict, Target,
};

type Say = fn(&str) -> RouteVerdict;

/// A router that says the same of a source whenever it is asked.
struct Saying(&'static str, Result<Say, ErrorKind>);

#[async_trait]
impl Hook for Saying {
    fn name(&self) -> &str {
        self.0
    }

    fn routes(&self) -> bool {
        true
    }

    async fn on_event(
        &self,
        _at: HookPoint,
        _occasion: &Occasion,
        _instance: &Instance,
        _target: Arc<dyn Target>,
    ) -> provider::Result<()> {
        Ok(())
    }

    async fn route(
        &self,
        _request: &RouteRequest,
        candidates: &[RouteCandidate],
    ) -> provider::Result<Vec<RouteVerdict>> {
        match &self.1 {
            Ok(say) => Ok(candidates
                .iter()
                .map(|one| say(one.source.as_str()))
                .collect()),
            Err(kind) => Err(ProviderError {
                kind: kind.clone(),
                message: "not today".into(),
                remedy: None,
                context: CallContext::default(),
                guest_log: Vec::new(),
                untouched: false,
            }),
        }
    }
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

async fn ask(routers: Vec<Saying>) -> Routing {
    let world = World::new(&[("a", limits(1, 0))]);
    world.route_by(
        routers
            .into_iter()
            .map(|router| Arc::new(router) as Arc<dyn Hook>)
            .collect(),
    );
    let candidates = NAMES.map(|name| RouteCandidate {
        source: source(name),
        tags: Vec::new(),
        priority: 0,
        cost: 0,
        live: 0,
        idle: 0,
        starting: 0,
        maximum: None,
        failures_in_a_row: 0,
    });
    let request = RouteRequest::default();
    world
        .engine
        .route(&source("a"), &request, &candidates)
        .await
        .unwrap()
}

/// The verdicts in short: a rank, or who rejected it and why.
fn short(routing: &Routing) -> Vec<String> {
    let names = routing.verdicts.iter().map(|said| said.source.as_str());
    assert!(names.eq(NAMES));
    let word = |verdict: &RouteVerdict, hook: &Option<String>| match verdict {
        RouteVerdict::Take(rank) => rank.to_string(),
        RouteVerdict::Reject(reason) => format!("{}: {reason}", hook.clone().unwrap_or_default()),
    };
    routing
        .verdicts
        .iter()
        .map(|said| word(&said.verdict, &said.hook))
        .collect()
}

#[tokio::test]
async fn without_hooks_all_are_alike() {
    let routing = ask(Vec::new()).await;
    assert_eq!(short(&routing), ["0", "0", "0", "0"]);
    assert!(routing.troubles.is_empty());
}

#[tokio::test]
async fn the_first_hook_counts_most_and_what_it_rejects_is_gone() {
    let first = Saying(
        "first",
        Ok(|name| match name {
            "b" => RouteVerdict::Reject("far".into()),
            "d" => RouteVerdict::Take(1),
            _ => RouteVerdict::Take(700),
        }),
    );
    let second = Saying(
        "second",
        Ok(|name| match name {
            "b" => unreachable!("it was rejected"),
            "c" => RouteVerdict::Take(0),
            _ => RouteVerdict::Take(9),
        }),
    );
    let routing = ask(vec![first, second]).await;
    assert_eq!(short(&routing), ["2", "first: far", "1", "0"]);
}

#[tokio::test]
async fn one_that_fails_is_passed_over_and_one_that_denies_ends_it() {
    let fails = || Saying("sick", Err(ErrorKind::Failed));
    let orders = || {
        Saying(
            "orders",
            Ok(|name| RouteVerdict::Take(u32::from(name != "c"))),
        )
    };
    let routing = ask(vec![fails(), orders()]).await;
    assert_eq!(short(&routing), ["1", "1", "0", "1"]);
    assert_eq!(routing.troubles.len(), 1);
    assert!(routing.troubles[0].contains("hook `sick` failed at `route`: not today"));

    let denies = Saying("guard", Err(ErrorKind::Denied));
    let routing = ask(vec![orders(), denies, fails()]).await;
    assert_eq!(short(&routing), ["guard: not today"; 4]);
    // There was nothing left to ask the last one about.
    assert!(routing.troubles.is_empty());
}
