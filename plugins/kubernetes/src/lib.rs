//! Pods of a Kubernetes cluster, by `kubectl`: it knows every way in that a kubeconfig can name (certificates, tokens, programs that
//! fetch one), and `exec` speaks the protocols of old and new API servers. What exists is recognised by labels.

mod kubectl;

use std::collections::BTreeMap;
use std::time::Duration;

use kubectl::{explain, kubectl};
use runner_sdk::cloud::{Labels, TOKEN, Value, json, text, wait};
use runner_sdk::{
    Allocated, Command, Context, Doomed, Entry, Error, ErrorKind, ExitStatus, Facts, Instance,
    Inventory, Liveness, Probe, Provider, Request, Result, Signals, Stdio, process, shell,
};

struct Kubernetes;

/// As in `plugin.json`, which documents each key.
#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Config {
    image: String,
    context: Option<String>,
    kubeconfig: Option<String>,
    namespace: Option<String>,
    cpus: Option<String>,
    memory: Option<String>,
    storage: Option<String>,
    node_selector: BTreeMap<String, String>,
    service_account: Option<String>,
    pull_secrets: Vec<String>,
    pod: Value,
    shell: String,
    patience: u64,
}

type Ctx = Context<Config>;

/// For what is answered at once; on the others it would cut off what takes long.
const SHORT: &str = "--request-timeout=30s";

/// The container of ours in a pod.
const MAIN: &str = "main";

impl Provider for Kubernetes {
    type Config = Config;

    fn allocate(ctx: &Ctx, request: &Request) -> Result<Allocated> {
        let name = name(&request.token);
        // The name is the token: a request that arrives twice makes one.
        let create = kubectl(&ctx.config, "create").args(["--filename=-", "--output=name", SHORT]);
        let created = process::output_with(create, pod(ctx, request).to_string().as_bytes())?;
        if !created.status.success() {
            return Err(explain(&created).context(format!("image `{}`", ctx.config.image)));
        }
        // The last thing that was in the way, should it stay there.
        let mut last = None;
        let running = wait(
            "the pod",
            Duration::from_secs(ctx.config.patience),
            || match get(ctx, &name)? {
                None => Err(Error::gone(
                    "somebody deleted the pod while it was starting",
                )),
                Some(pod) => match kubectl::state(&pod) {
                    Ok(running) => Ok(running.then_some(pod)),
                    Err(error) if error.kind == ErrorKind::Exhausted => {
                        last = Some(error);
                        Ok(None)
                    }
                    Err(error) => Err(error),
                },
            },
        );
        let pod = running.map_err(|error| {
            last.filter(|_| error.kind == ErrorKind::Unavailable)
                .unwrap_or(error)
        })?;
        let node = pod
            .pointer("/spec/nodeName")
            .and_then(Value::as_str)
            .unwrap_or_default();
        Ok(Allocated::new(&name)
            .attribute("image", &ctx.config.image)
            .attribute("pod", &name)
            .attribute("node", node))
    }

    fn run(ctx: &Ctx, instance: &Instance, command: Command, io: Stdio) -> Result<ExitStatus> {
        let shell::Start { argv, env } = shell::start(&ctx.config.shell, &command)?;
        let mut exec =
            kubectl(&ctx.config, "exec").args([&instance.handle, "--container", MAIN, "--stdin"]);
        exec.tty = command.tty;
        exec.id.clone_from(&command.id);
        if command.tty {
            exec = exec.arg("--tty");
        }
        exec = exec.arg("--");
        if !env.is_empty() {
            let pairs = env
                .iter()
                .map(|(variable, value)| [variable.as_bytes(), b"=", value].concat());
            exec = exec.arg("env").args(pairs);
        }
        match process::exec(exec.args(argv), io)? {
            // kubectl's own code, which a command may use too.
            ExitStatus::Code(1 | 126 | 127)
                if !inside(ctx, instance, &shell::started(&command.id)?)? =>
            {
                running(ctx, instance)?;
                Err(
                    Error::failed("kubectl failed before it started the command")
                        .remedy("it has written the reason to standard error"),
                )
            }
            // What a shell says of a signal, kubectl does too.
            ExitStatus::Code(code @ 129..=159) => Ok(ExitStatus::Signal(code - 128)),
            status => Ok(status),
        }
    }

    fn discard(ctx: &Ctx, doomed: &Doomed) -> Result<()> {
        let label = format!("--selector={TOKEN}={}", doomed.token);
        let delete = kubectl(&ctx.config, "delete").args([
            "pods",
            &label,
            "--ignore-not-found",
            "--wait",
            "--timeout=90s",
            "--grace-period=1",
        ]);
        let deleted = process::output(delete)?;
        if !deleted.status.success() {
            let error = explain(&deleted);
            // Gone under our hands, or not yet: the listing decides.
            if !matches!(error.kind, ErrorKind::Gone | ErrorKind::Failed) {
                return Err(error);
            }
        }
        let left = list(ctx, &label)?;
        if left.is_empty() {
            Ok(())
        } else {
            Err(Error::unavailable("the pod is still there"))
        }
    }
}

impl Liveness for Kubernetes {
    fn check(ctx: &Ctx, instance: &Instance) -> Result<()> {
        running(ctx, instance)
    }
}

impl Inventory for Kubernetes {
    fn list(ctx: &Ctx) -> Result<Vec<Entry>> {
        let selector: Vec<String> = Labels::ours(ctx)
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let pods = list(ctx, &format!("--selector={}", selector.join(",")))?;
        let entry = |pod: &Value| {
            Ok(Entry {
                token: text(pod, "/metadata/labels/runner-token")?,
                handle: text(pod, "/metadata/name")?,
            })
        };
        pods.iter().map(entry).collect()
    }
}

impl Probe for Kubernetes {
    fn probe(ctx: &Ctx, instance: &Instance) -> Result<Facts> {
        let printed = process::output(control(ctx, instance, Facts::SCRIPT))?;
        if printed.status.success() {
            Ok(Facts::measured(&printed.stdout))
        } else {
            Err(explain(&printed))
        }
    }
}

impl Signals for Kubernetes {
    fn send(ctx: &Ctx, instance: &Instance, id: &str, signal: u8) -> Result<()> {
        let sent = process::output(control(ctx, instance, &shell::send(id, signal)?))?;
        if sent.status.success() {
            Ok(())
        } else {
            Err(explain(&sent))
        }
    }
}

fn name(token: &str) -> String {
    format!("runner-{token}")
}

/// What is asked for.
fn pod(ctx: &Ctx, request: &Request) -> Value {
    let config = &ctx.config;
    let limits = [
        ("cpu", &config.cpus),
        ("memory", &config.memory),
        ("ephemeral-storage", &config.storage),
    ];
    let limits: runner_sdk::cloud::Map = limits
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value.clone()?.into())))
        .collect();
    let pull: Vec<Value> = config
        .pull_secrets
        .iter()
        .map(|name| json!({"name": name}))
        .collect();
    let mut spec = json!({
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": config.service_account.is_some(),
        "nodeSelector": config.node_selector,
        "imagePullSecrets": pull,
        "containers": [{
            "name": MAIN,
            "image": config.image,
            "command": [config.shell, "-c", shell::IDLE],
            "resources": {"requests": limits, "limits": limits},
        }],
    });
    if let Some(account) = &config.service_account {
        spec["serviceAccountName"] = account.clone().into();
    }
    kubectl::merge(&mut spec, &config.pod);
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name(&request.token), "labels": Labels::of(ctx, request).object()},
        "spec": spec,
    })
}

/// The pod as it is now.
fn get(ctx: &Ctx, name: &str) -> Result<Option<Value>> {
    let got =
        process::output(kubectl(&ctx.config, "get").args(["pod", name, "--output=json", SHORT]))?;
    if got.status.success() {
        return got.json().map(Some);
    }
    match explain(&got) {
        error if error.kind == ErrorKind::Gone => Ok(None),
        error => Err(error),
    }
}

/// Success when it runs.
fn running(ctx: &Ctx, instance: &Instance) -> Result<()> {
    let gone = || Error::gone("the pod does not exist");
    match kubectl::state(&get(ctx, &instance.handle)?.ok_or_else(gone)?) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::unavailable("the pod is not ready")),
        Err(error) => Err(error),
    }
}

/// All pods that the selector selects; kubectl asks for them page by page.
fn list(ctx: &Ctx, selector: &str) -> Result<Vec<Value>> {
    let listed = process::output(kubectl(&ctx.config, "get").args([
        "pods",
        selector,
        "--output=json",
        SHORT,
    ]))?;
    if !listed.status.success() {
        return Err(explain(&listed));
    }
    let mut body: Value = listed.json()?;
    Ok(body["items"]
        .as_array_mut()
        .map(std::mem::take)
        .unwrap_or_default())
}

/// A control command in the pod.
fn control(ctx: &Ctx, instance: &Instance, script: &str) -> Command {
    kubectl(&ctx.config, "exec").args([
        &instance.handle,
        "--container",
        MAIN,
        "--",
        &ctx.config.shell,
        "-c",
        script,
    ])
}

fn inside(ctx: &Ctx, instance: &Instance, script: &str) -> Result<bool> {
    Ok(process::output(control(ctx, instance, script))?
        .status
        .success())
}

runner_sdk::provider!(
    Kubernetes,
    manifest = "plugin.json",
    optional = [liveness, inventory, facts, signals]
);
