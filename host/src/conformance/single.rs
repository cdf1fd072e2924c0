//! One plain life of an instance: for a recording of what a provider does when everything is well.

use super::behaviour::Miss;
use super::bench::{Bench, plain};
use crate::provider::Output;

/// What was done, and how the command ended.
#[derive(Debug)]
pub struct Lived {
    pub steps: Vec<&'static str>,
    /// None: no command was given, or it could not be run.
    pub output: Option<Output>,
    /// The import that a fault struck, if one was armed and did.
    pub struck: Option<&'static str>,
    /// What failed; the instance was discarded all the same.
    pub failure: Option<String>,
    /// What could not be discarded.
    pub left: Vec<String>,
}

/// Allocates, asks everything that the plugin can be asked, runs the command and discards.
pub async fn live(bench: &Bench, argv: Vec<Vec<u8>>) -> Lived {
    let mut lived = Lived {
        steps: Vec::new(),
        output: None,
        struck: None,
        failure: None,
        left: Vec::new(),
    };
    let outcome = through(bench, argv, &mut lived).await;
    if let Err(Miss::Failed(why) | Miss::NotShown(why)) = outcome {
        lived.failure = Some(why);
    }
    let mut armed = bench.setup.faults.disarm().into_iter();
    lived.struck = armed.find_map(|one| one.import);
    lived.left = bench.clear().await;
    lived
}

async fn through(bench: &Bench, argv: Vec<Vec<u8>>, lived: &mut Lived) -> Result<(), Miss> {
    lived.steps.push("allocate");
    let held = bench.main().await?;
    let optional = bench.provider().optional();
    if optional.liveness {
        lived.steps.push("check");
        bench.provider().check(&held.instance).await?;
    }
    if optional.facts {
        lived.steps.push("probe");
        bench.provider().probe(&held.instance).await?;
    }
    if optional.inventory {
        lived.steps.push("list");
        bench.listed().await?;
    }
    if !argv.is_empty() {
        lived.steps.push("run");
        lived.output = Some(bench.run(&held, &plain(argv), Vec::new()).await?);
    }
    lived.steps.push("discard");
    bench.take_main();
    bench.discard(&held).await
}
