//! What scripts say need not be text: log files have it byte for byte, and whatever else tells of it stays what it is.

use std::process::Command;

use serde_json::Value;

use super::{Project, log};

/// Bytes that no encoding has, a null, an escape of terminals, a carriage return; and a line that is very long.
const SCRIPT: &str = r"{ set +x; } 2> /dev/null
printf 'a\377\376\0b\r\033[31m\n\342\202'
sleep 0.1
printf '\254\n]]>&<\n'
head -c 300000 /dev/zero | tr '\0' x
printf '\n\360\237'
exit 3";

/// The same.
fn said() -> Vec<u8> {
    let mut all = b"a\xff\xfe\0b\r\x1b[31m\n\xe2\x82\xac\n]]>&<\n".to_vec();
    all.extend([b'x'; 300_000]);
    all.extend(b"\n\xf0\x9f");
    all
}

#[test]
fn as_they_came_in_log_files_and_harmless_elsewhere() {
    // With a secret to look for, pieces of output are held back.
    let project = Project::new()
        .top("environment:\n  API_TOKEN: '$(HOST: echo hunter2hunter2)'\n")
        .executes("s/t", SCRIPT)
        .executes("s/u", &format!("{}\nexit 0", SCRIPT.replace("exit 3", "")));
    project.write();
    let at = |name: &str| project.env.path(format!("tmp/{name}"));
    let file = |name: &str| at(name).display().to_string();
    let outcome = project
        .call(&["--logs", &file("logs"), "--junit", &file("r.xml")])
        .args(["-json", &file("r.json"), "--html", &file("r.html")])
        .args(["--events", &file("r.jsonl"), "--live"])
        .run();
    assert_eq!(outcome.code, Some(1), "{}", log(&outcome).len());
    for task in ["t", "u"] {
        let written = at(&format!("logs/local:this-machine:s/{task}.execute.log"));
        let written = std::fs::read(written).unwrap();
        let end = written.len() - said().len();
        // What comes before is the trace of the first line.
        assert!(
            written[end..] == said(),
            "{task}: {:?}",
            String::from_utf8_lossy(&written[..200.min(written.len())])
        );
    }
    let xml = Command::new("python3")
        .args(["-c", "import sys, xml.etree.ElementTree as t; print(t.parse(sys.argv[1]).find('.//failure').text[-9:])"])
        .arg(at("r.xml"))
        .output()
        .unwrap();
    assert!(
        xml.status.success(),
        "{}",
        String::from_utf8_lossy(&xml.stderr)
    );
    assert!(xml.stdout.starts_with(b"xxxxxx"), "{xml:?}");
    let json: Value = serde_json::from_slice(&std::fs::read(at("r.json")).unwrap()).unwrap();
    assert_eq!(json["results"]["task-failed"], 1, "{json}");
    let html = std::fs::read_to_string(at("r.html")).unwrap();
    assert!(!html.contains(['\0', '\x1b']));
    // A character that came in two pieces is one in each event that has it, or none of it is lost to the others.
    let events = std::fs::read_to_string(at("r.jsonl")).unwrap();
    let ended = events
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|event| event["event"] == "script-ended" && event["passed"] == false)
        .unwrap();
    let output = ended["output"].as_str().unwrap();
    assert!(output.contains("\u{20ac}\n]]>&<\nxxx"), "{output:.100}");
    let results = project
        .env
        .runner(["results", "--json", "--run", "last"])
        .run()
        .ok();
    assert_eq!(results.json()["outcome"], "failed");
    let shown = project
        .env
        .runner(["results", "--run", "last", "s/t"])
        .run()
        .ok();
    assert!(!shown.out().contains(['\0', '\x1b']), "{shown}");
}
