//! What the conformance suite found: for a person in a hurry, for programs, and for CI servers that read JUnit's XML.

use serde_json::{Value, json};

use super::escape;
use super::xml::text as xml;
use crate::conformance::{Finding, Level, Report, Verdict};
use crate::tape::Difference;

/// One finding, as it becomes known.
pub fn line(finding: &Finding) -> String {
    let word = match finding.verdict {
        Verdict::Passed => "ok  ",
        Verdict::Failed => "FAIL",
        Verdict::NotShown => "--  ",
    };
    let mut out = format!("  {word}  {:<30}  ", finding.name);
    match finding.verdict {
        Verdict::Passed | Verdict::NotShown => out.push_str(&escape::line(&finding.seen)),
        Verdict::Failed => {
            out.push_str(&format!("expected: {}\n", finding.expected));
            out.push_str(&format!(
                "{:40}seen: {}",
                "",
                escape::block(&finding.seen, &" ".repeat(46))
            ));
        }
    }
    out.push('\n');
    out
}

/// What is on trial.
pub fn head(report: &Report) -> String {
    format!(
        "{} {} ({}), source `{}`, {}\n",
        escape::line(&report.plugin),
        escape::line(&report.version),
        report.digest.get(..12).unwrap_or(&report.digest),
        escape::line(&report.source),
        escape::line(&report.against),
    )
}

/// Above the findings of a level.
pub fn heading(level: Level) -> String {
    format!("\n{level}\n")
}

/// The last lines: what it adds up to.
pub fn summary(report: &Report) -> String {
    let count = |verdict| report.with(verdict).count();
    let took: f64 = report
        .findings
        .iter()
        .map(|finding| finding.took.as_secs_f64())
        .sum();
    let reached = match report.reached() {
        Some(level) if level == report.level => format!("conforms at level `{level}`"),
        Some(level) => format!("conforms at level `{level}`, not at `{}`", report.level),
        None => "does not conform".to_owned(),
    };
    let mut out = format!(
        "\n{} {} {reached}: {} passed, {} failed, {} not shown, in {took:.1} s\n",
        escape::line(&report.plugin),
        escape::line(&report.version),
        count(Verdict::Passed),
        count(Verdict::Failed),
        count(Verdict::NotShown),
    );
    for left in &report.left {
        out.push_str(&format!("left behind: {}\n", escape::line(left)));
    }
    out
}

/// The same as JSON.
pub fn json(report: &Report) -> Value {
    let findings: Vec<Value> = report
        .findings
        .iter()
        .map(|finding| {
            json!({
                "name": finding.name, "level": finding.level.word(),
                "verdict": finding.verdict.word(), "expected": finding.expected,
                "seen": finding.seen, "seconds": finding.took.as_secs_f64(),
            })
        })
        .collect();
    json!({
        "plugin": report.plugin, "version": report.version, "digest": report.digest,
        "runner": env!("CARGO_PKG_VERSION"),
        "source": report.source, "against": report.against,
        "level": report.level.word(), "reached": report.reached().map(Level::word),
        "passed": report.passed(), "left": report.left, "findings": findings,
    })
}

/// The same as JUnit's XML.
pub fn junit(report: &Report) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for level in Level::ALL {
        let of: Vec<_> = report
            .findings
            .iter()
            .filter(|finding| finding.level == level)
            .collect();
        let count = |verdict| of.iter().filter(|one| one.verdict == verdict).count();
        out.push_str(&format!(
            "  <testsuite name=\"{}.{level}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\">\n",
            xml(&report.plugin),
            of.len(),
            count(Verdict::Failed),
            count(Verdict::NotShown),
        ));
        for finding in &of {
            let (expected, seen) = (xml(finding.expected), xml(&finding.seen));
            out.push_str(&format!(
                "    <testcase classname=\"{}.{level}\" name=\"{}\" time=\"{:.3}\">",
                xml(&report.plugin),
                finding.name,
                finding.took.as_secs_f64()
            ));
            match finding.verdict {
                Verdict::Passed => out.push_str(&format!("<system-out>{seen}</system-out>")),
                Verdict::Failed => {
                    out.push_str(&format!("<failure message=\"{expected}\">{seen}</failure>"))
                }
                Verdict::NotShown => out.push_str(&format!("<skipped message=\"{seen}\"/>")),
            }
            out.push_str("</testcase>\n");
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

/// Characters of a request that are shown of a difference.
const SHOWN: usize = 2000;

/// What a replay did otherwise.
pub fn differences(found: &[Difference], unplayed: &[(u64, String)]) -> String {
    let mut out = String::new();
    for one in found {
        let place = match (one.call, one.n) {
            (Some(call), Some(n)) => format!("call {call} (`{}`), request {n}", one.verb),
            (Some(call), None) => format!("call {call} (`{}`)", one.verb),
            (None, _) => format!("`{}`", one.verb),
        };
        let at = match one.at.as_str() {
            "" => String::new(),
            at => format!(", in `{}`", escape::line(at.trim_start_matches('.'))),
        };
        out.push_str(&format!("{}: {}{at}\n", escape::line(&place), one.what));
        for (word, value) in [("recorded", &one.recorded), ("seen", &one.seen)] {
            if !value.is_null() {
                let text: String = value.to_string().chars().take(SHOWN).collect();
                out.push_str(&format!("  {word:<8}  {}\n", escape::line(&text)));
            }
        }
    }
    for (call, verb) in unplayed {
        out.push_str(&format!(
            "call {call} (`{}`): was not made\n",
            escape::line(verb)
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn report() -> Report {
        let finding = |name, verdict, seen: &str| Finding {
            name,
            level: Level::Basic,
            expected: "it works & <well>",
            verdict,
            seen: seen.to_owned(),
            took: Duration::from_millis(1500),
        };
        Report {
            plugin: "box".into(),
            version: "1.0.0".into(),
            digest: "0123456789abcdef".into(),
            source: "here".into(),
            against: "live".into(),
            level: Level::Complete,
            findings: vec![
                finding("a.works", Verdict::Passed, "twice"),
                finding(
                    "b.fails",
                    Verdict::Failed,
                    "no\u{1b}[31m\nplugin log: \"x\"",
                ),
                finding("c.absent", Verdict::NotShown, "not exported"),
            ],
            left: vec!["an instance".into()],
        }
    }

    #[test]
    fn people_see_what_failed_and_where_it_leads() {
        let report = report();
        let mut text = head(&report);
        text.push_str(&heading(Level::Basic));
        report
            .findings
            .iter()
            .for_each(|one| text.push_str(&line(one)));
        text.push_str(&summary(&report));
        assert_eq!(
            text,
            "box 1.0.0 (0123456789ab), source `here`, live\n\
             \n\
             basic\n\
             \x20 ok    a.works                         twice\n\
             \x20 FAIL  b.fails                         expected: it works & <well>\n\
             \x20                                       seen: no\\x1b[31m\n\
             \x20                                             plugin log: \"x\"\n\
             \x20 --    c.absent                        not exported\n\
             \n\
             box 1.0.0 does not conform: 1 passed, 1 failed, 1 not shown, in 4.5 s\n\
             left behind: an instance\n"
        );
    }

    #[test]
    fn programs_see_everything() {
        let value = json(&report());
        assert_eq!(
            (&value["reached"], &value["passed"]),
            (&Value::Null, &false.into())
        );
        assert_eq!(value["findings"][1]["verdict"], "failed");
        let xml = junit(&report());
        assert!(xml.contains("<failure message=\"it works &amp; &lt;well&gt;\">no\\u{1b}[31m\nplugin log: &quot;x&quot;</failure>"), "{xml}");
        assert!(
            xml.contains("tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\""),
            "{xml}"
        );
        assert_eq!(
            xml.matches("<testcase").count(),
            xml.matches("</testcase>").count()
        );
    }

    #[test]
    fn a_difference_names_its_place() {
        let found = Difference {
            call: Some(2),
            verb: "discard".into(),
            n: Some(0),
            what: "another request".into(),
            at: ".request.url".into(),
            recorded: json!({"url": "a"}),
            seen: json!({"url": "b"}),
        };
        assert_eq!(
            differences(&[found], &[(3, "list".into())]),
            "call 2 (`discard`), request 0: another request, in `request.url`\n  recorded  {\"url\":\"a\"}\n  seen      {\"url\":\"b\"}\ncall 3 (`list`): was not made\n"
        );
    }
}
