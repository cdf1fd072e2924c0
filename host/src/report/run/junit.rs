//! JUnit's XML: a suite of tests for each system and suite, a case for each job.
//!
//! What failed is `failure`, what was aborted `error`, what was left out (by a condition, or because it is in quarantine) `skipped`. Attempts
//! before the last are `flakyFailure` where the job worked in the end, else `rerunFailure`, as surefire has them. Scripts that belong
//! to no job, and restores, are cases of their own when they fail: their failure is nobody else's.

use std::collections::BTreeMap;

use crate::jobs::events::{JobFacts, JobResult, verb_word};
use crate::jobs::tally::{JobTally, Step, Tally};
use crate::report::{time, xml};

#[derive(Default)]
struct Suite {
    cases: String,
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
    took: u64,
}

/// The whole document.
pub fn junit(tally: &Tally) -> String {
    let mut suites: BTreeMap<String, Suite> = BTreeMap::new();
    let steps = tally.by_job();
    for (number, job) in tally.jobs.iter().enumerate() {
        let class = class(&job.facts);
        let own = steps.get(&number).map_or(&[][..], Vec::as_slice);
        suites
            .entry(class.clone())
            .or_default()
            .job(&class, job, own);
    }
    for one in &tally.quarantined {
        let class = class(&one.job);
        let message = format!("in quarantine: {}", one.reason);
        let suite = suites.entry(class.clone()).or_default();
        suite.skipped(&class, &case_name(&one.job), &message);
    }
    for step in tally.failed_around() {
        let class = step.scene.name.clone();
        let suite = suites.entry(class.clone()).or_default();
        suite.script(&class, verb_word(step.scene.verb), step);
    }
    let sum = |of: fn(&Suite) -> usize| suites.values().map(of).sum::<usize>();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{}\"{}>\n",
        xml::attribute(&tally.project),
        sum(|suite| suite.tests),
        sum(|suite| suite.failures),
        sum(|suite| suite.errors),
        sum(|suite| suite.skipped),
        seconds(tally.span().0),
        timestamp(tally),
    );
    for (name, suite) in &suites {
        out.push_str(&format!(
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{}\"{}>\n{}  </testsuite>\n",
            xml::attribute(name),
            suite.tests,
            suite.failures,
            suite.errors,
            suite.skipped,
            seconds(suite.took),
            timestamp(tally),
            suite.cases,
        ));
    }
    out.push_str("</testsuites>\n");
    out
}

fn timestamp(tally: &Tally) -> String {
    tally
        .started
        .map(|at| format!(" timestamp=\"{}\"", time::rfc3339(at)))
        .unwrap_or_default()
}

/// `BACKEND:SYSTEM:SUITE/`.
fn class(job: &JobFacts) -> String {
    format!("{}:{}:{}", job.backend, job.system, job.suite)
}

/// What is left of a job's name behind that.
fn case_name(job: &JobFacts) -> String {
    let class = class(job);
    job.name
        .strip_prefix(&class)
        .unwrap_or(&job.name)
        .to_owned()
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}

impl Suite {
    fn job(&mut self, class: &str, job: &JobTally, steps: &[&Step]) {
        let name = case_name(&job.facts);
        let cause = Tally::cause(steps);
        let mut inside = String::new();
        match &job.result {
            Some(JobResult::Passed) => {}
            Some(JobResult::Failed) => {
                self.failures += 1;
                inside.push_str(&element("failure", cause, "the job failed"));
            }
            Some(JobResult::Aborted { cause: why }) => {
                self.errors += 1;
                inside.push_str(&element("error", cause, why));
            }
            None => {
                self.errors += 1;
                inside.push_str(&element("error", None, "the run ended before the job did"));
            }
            Some(JobResult::Skipped { reason }) => {
                return self.skipped(class, &name, reason);
            }
        }
        let earlier = if job.is_flaky() {
            "flakyFailure"
        } else {
            "rerunFailure"
        };
        for attempt in 1..job.attempts {
            let own: Vec<&Step> = steps
                .iter()
                .filter(|step| step.scene.attempt == attempt)
                .copied()
                .collect();
            if let Some(step) = Tally::cause(&own) {
                inside.push_str(&repeated(earlier, step));
            }
        }
        if !job.leaks.is_empty() {
            let leaks = xml::text(&job.leaks.join("\n"));
            inside.push_str(&format!(
                "      <system-out>not as it was before:\n{leaks}</system-out>\n"
            ));
        }
        let took = Tally::took(steps).0;
        self.case(class, &name, took, &inside);
        let last = steps
            .iter()
            .filter(|step| step.scene.attempt == job.attempts);
        for step in last {
            let restore = step.scene.verb == runner_core::schedule::Verb::Restore;
            if restore && !step.passed {
                self.script(class, &format!("{name} (restore)"), step);
            }
        }
    }

    fn script(&mut self, class: &str, name: &str, step: &Step) {
        self.errors += 1;
        let why = "the run ended in the middle of it";
        self.case(class, name, step.took.0, &element("error", Some(step), why));
    }

    fn skipped(&mut self, class: &str, name: &str, message: &str) {
        self.skipped += 1;
        let inside = format!("      <skipped message=\"{}\"/>\n", xml::attribute(message));
        self.case(class, name, 0, &inside);
    }

    fn case(&mut self, class: &str, name: &str, took: u64, inside: &str) {
        self.tests += 1;
        self.took += took;
        self.cases.push_str(&format!(
            "    <testcase classname=\"{}\" name=\"{}\" time=\"{}\"",
            xml::attribute(class),
            xml::attribute(name),
            seconds(took)
        ));
        if inside.is_empty() {
            self.cases.push_str("/>\n");
        } else {
            self.cases
                .push_str(&format!(">\n{inside}    </testcase>\n"));
        }
    }
}

/// What went wrong; by the script that did, if there is one. `why`: of what did not fail, but was not run to its end.
fn element(name: &str, step: Option<&Step>, why: &str) -> String {
    let (kind, message, said) = match step {
        Some(step) if step.cut_off => (
            verb_word(step.scene.verb),
            why.to_owned(),
            step.output.as_str(),
        ),
        Some(step) => (
            verb_word(step.scene.verb),
            message(step),
            step.output.as_str(),
        ),
        None => ("aborted", why.to_owned(), ""),
    };
    format!(
        "      <{name} type=\"{kind}\" message=\"{}\">{}</{name}>\n",
        xml::attribute(&message),
        xml::text(said)
    )
}

fn repeated(name: &str, step: &Step) -> String {
    format!(
        "      <{name} type=\"{}\" message=\"{}\">\n        <stackTrace>{}</stackTrace>\n      </{name}>\n",
        verb_word(step.scene.verb),
        xml::attribute(&message(step)),
        xml::text(&step.output)
    )
}

/// The last line of what a script said.
fn message(step: &Step) -> String {
    let last = step
        .output
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty());
    let last = last.unwrap_or("it failed").trim();
    format!("{}: {last}", verb_word(step.scene.verb))
}

#[cfg(test)]
mod tests {
    use roxmltree::{Document, Node};

    use super::super::sample;
    use super::*;

    fn case<'a>(document: &'a Document<'a>, name: &str) -> Node<'a, 'a> {
        document
            .descendants()
            .find(|node| node.has_tag_name("testcase") && node.attribute("name") == Some(name))
            .unwrap_or_else(|| panic!("no case {name}"))
    }

    #[test]
    fn every_job_is_a_case_and_the_numbers_are_right() {
        let text = junit(&sample::tally());
        let document = Document::parse(&text).unwrap();
        let top = document.root_element();
        assert_eq!(top.attribute("name"), Some("demo & <co>"));
        for node in document
            .descendants()
            .filter(|node| node.has_tag_name("testsuite") || node.has_tag_name("testsuites"))
        {
            let count = |tag: &str| {
                node.descendants()
                    .filter(|one| one.has_tag_name(tag))
                    .count()
            };
            for (attribute, tag) in [
                ("tests", "testcase"),
                ("failures", "failure"),
                ("errors", "error"),
                ("skipped", "skipped"),
            ] {
                let told = node.attribute(attribute).map(str::to_owned);
                assert_eq!(told, Some(count(tag).to_string()), "{attribute}");
            }
        }
        assert_eq!(top.attribute("tests"), Some("8"));
        let good = case(&document, "good:v");
        assert_eq!(good.attribute("classname"), Some("b:s-1:s/"));
        assert_eq!(good.attribute("time"), Some("3.000"));
        let out = good.first_element_child().unwrap();
        assert_eq!(
            out.text(),
            Some("not as it was before:\nnew: process 7 <sleep>")
        );
        let bad = case(&document, "bad").first_element_child().unwrap();
        assert!(bad.has_tag_name("failure"));
        assert_eq!(
            bad.attribute("message"),
            Some("execute: 100% <wrong> & \\u{1b}[1m\"so\"::error::")
        );
        assert_eq!(
            bad.text(),
            Some("+ false\n100% <wrong> & \\u{1b}[1m\"so\"::error::")
        );
        let late = case(&document, "late").first_element_child().unwrap();
        assert_eq!(
            (late.tag_name().name(), late.attribute("message")),
            ("error", Some("b:s-1:s/ <failed>"))
        );
        let flaky = case(&document, "flaky").first_element_child().unwrap();
        assert!(flaky.has_tag_name("flakyFailure"));
        let known = case(&document, "known").first_element_child().unwrap();
        assert_eq!(
            known.attribute("message"),
            Some("in quarantine: races <always> (until 2026-12-31)")
        );
        assert!(case(&document, "bad (restore)").has_children());
        assert!(case(&document, "restore").has_children());
    }

    #[test]
    fn what_failed_at_every_attempt_tells_of_each() {
        let mut tally = sample::tally();
        tally.jobs[4].result = Some(JobResult::Failed);
        tally.steps[6].passed = false;
        let text = junit(&tally);
        let document = Document::parse(&text).unwrap();
        let tags: Vec<_> = case(&document, "flaky")
            .children()
            .filter(Node::is_element)
            .map(|node| node.tag_name().name().to_owned())
            .collect();
        assert_eq!(tags, ["failure", "rerunFailure"]);
    }
}
