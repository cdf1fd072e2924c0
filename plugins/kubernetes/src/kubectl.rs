//! kubectl: what is always said to it, what it says, and what pods say of themselves.

use runner_sdk::cloud::Value;
use runner_sdk::{Command, Complaint, Error, ErrorKind, Output, Result};

use crate::Config;

/// A subcommand in the cluster and namespace that are configured.
pub(crate) fn kubectl(config: &Config, subcommand: &str) -> Command {
    let options = [
        ("kubeconfig", &config.kubeconfig),
        ("context", &config.context),
        ("namespace", &config.namespace),
    ];
    let given = options
        .into_iter()
        .filter_map(|(option, value)| Some(format!("--{option}={}", value.as_ref()?)));
    Command::from(["kubectl", subcommand]).args(given.collect::<Vec<_>>())
}

/// Whether a pod runs; `exhausted` when no node has room, which may change; another error when it never will.
pub(crate) fn state(pod: &Value) -> Result<bool> {
    if !pod["metadata"]["deletionTimestamp"].is_null() {
        return Err(Error::gone("the pod is being deleted"));
    }
    let status = &pod["status"];
    let says = |value: &Value| {
        value["message"]
            .as_str()
            .or(value["reason"].as_str())
            .unwrap_or("it does not say why")
            .to_owned()
    };
    match status["phase"].as_str().unwrap_or_default() {
        "Running" => {}
        "Failed" | "Succeeded" => {
            return Err(Error::failed(format!(
                "the pod has ended: {}",
                says(status)
            )));
        }
        _ => {}
    }
    for container in status["containerStatuses"].as_array().into_iter().flatten() {
        let waiting = &container["state"]["waiting"];
        let reason = waiting["reason"].as_str().unwrap_or_default();
        if matches!(
            reason,
            "ImagePullBackOff"
                | "InvalidImageName"
                | "ErrImageNeverPull"
                | "CreateContainerConfigError"
                | "RunContainerError"
        ) {
            return Err(
                Error::invalid(format!("the pod cannot start: {}", says(waiting)))
                    .remedy("check `image`, `shell` and `pull-secrets`"),
            );
        }
        let terminated = &container["state"]["terminated"];
        if !terminated.is_null() {
            return Err(Error::failed(format!(
                "the pod's container has ended: {}",
                says(terminated)
            )));
        }
    }
    for condition in status["conditions"].as_array().into_iter().flatten() {
        match (condition["type"].as_str(), condition["status"].as_str()) {
            (Some("PodScheduled"), Some("False")) => {
                return Err(Error::exhausted(format!(
                    "no node has room for the pod: {}",
                    says(condition)
                )));
            }
            (Some("Ready"), Some("True")) => return Ok(true),
            _ => {}
        }
    }
    Ok(false)
}

/// Puts one object over another, object by object.
pub(crate) fn merge(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                merge(under.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over.clone(),
    }
}

/// What kubectl says, in lower case, and what it means. The first that fits counts.
const COMPLAINTS: &[Complaint] = &[
    Complaint {
        kind: ErrorKind::Exhausted,
        words: &["exceeded quota", "toomanyrequests", "too many requests"],
        remedy: "",
    },
    Complaint {
        kind: ErrorKind::Denied,
        words: &[
            "forbidden",
            "unauthorized",
            "must be logged in",
            "no configuration has been provided",
        ],
        remedy: "`kubectl auth can-i create pods` says more",
    },
    Complaint {
        kind: ErrorKind::Unavailable,
        words: &[
            "connection refused",
            "unable to connect",
            "was refused",
            "i/o timeout",
            "timed out",
            "no such host",
            "serviceunavailable",
            "internalerror",
            "currently unable to handle",
            "eof",
        ],
        remedy: "",
    },
    Complaint {
        kind: ErrorKind::Invalid,
        words: &[
            "is invalid",
            "invalid value",
            "unknown field",
            "does not exist",
            "not found",
            "no context exists",
        ],
        remedy: "check the keys of this source",
    },
];

/// The error behind a complaint. kubectl has no codes for it, so the words must do.
pub(crate) fn explain(output: &Output) -> Error {
    let said = String::from_utf8_lossy(&output.stderr).to_lowercase();
    // Of what is not found, a pod of ours is gone, and anything else is a wrong key.
    if said.contains("pods \"runner-") && said.contains("not found") {
        return Error {
            kind: ErrorKind::Gone,
            ..output.failure()
        };
    }
    output.failure_by(COMPLAINTS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use runner_sdk::cloud::json;

    #[test]
    fn pods_say_what_becomes_of_them() {
        let of = |status: Value| {
            state(&json!({"metadata": {}, "status": status})).map_err(|error| error.kind)
        };
        assert_eq!(
            of(json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]})),
            Ok(true)
        );
        assert_eq!(of(json!({"phase": "Pending"})), Ok(false));
        let waiting = |reason: &str| json!({"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": reason}}}]});
        assert_eq!(of(waiting("ContainerCreating")), Ok(false));
        assert_eq!(of(waiting("ImagePullBackOff")), Err(ErrorKind::Invalid));
        let full = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}]});
        assert_eq!(of(full), Err(ErrorKind::Exhausted));
        assert_eq!(
            of(json!({"phase": "Failed", "reason": "Evicted"})),
            Err(ErrorKind::Failed)
        );
    }

    #[test]
    fn more_of_a_spec_is_put_over_ours() {
        let mut spec = json!({"a": {"b": 1, "c": 2}, "d": [1]});
        merge(&mut spec, &json!({"a": {"b": 3}, "d": [], "e": true}));
        assert_eq!(spec, json!({"a": {"b": 3, "c": 2}, "d": [], "e": true}));
    }

    #[test]
    fn complaints_are_understood() {
        for (said, kind) in [
            (
                "Error from server (NotFound): pods \"runner-0\" not found",
                ErrorKind::Gone,
            ),
            (
                "Error from server (NotFound): namespaces \"x\" not found",
                ErrorKind::Invalid,
            ),
            (
                "Error from server (Forbidden): pods \"runner-0\" is forbidden: exceeded quota: small",
                ErrorKind::Exhausted,
            ),
            (
                "Error from server (Forbidden): pods is forbidden: User \"x\" cannot list",
                ErrorKind::Denied,
            ),
            (
                "The connection to the server localhost:1 was refused - did you specify the right host or port?",
                ErrorKind::Unavailable,
            ),
            ("error: something new", ErrorKind::Failed),
        ] {
            let error = explain(&Output {
                command: "kubectl".to_owned(),
                status: runner_sdk::ExitStatus::Code(1),
                stdout: Vec::new(),
                stderr: said.as_bytes().to_vec(),
            });
            assert_eq!(error.kind, kind, "{said}");
        }
    }
}
