//! A page with a whole run in it: one file, nothing from elsewhere, no scripts. A matrix of systems and tasks whose cells lead to what
//! each job did, and the end of what it said.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;

use super::lines::took;
use crate::jobs::events::{JobResult, class_words, verb_word};
use crate::jobs::tally::{JobTally, Step, Tally};
use crate::report::{time, xml};

const STYLE: &str = include_str!("page.css");

/// What a job came to, as a class and a sign: colour alone tells nothing to some.
fn sign(job: &JobTally) -> (&'static str, &'static str, &'static str) {
    match &job.result {
        Some(JobResult::Passed) if job.is_flaky() => ("flaky", "≈", "flaky"),
        Some(JobResult::Passed) => ("passed", "✓", "passed"),
        Some(JobResult::Failed) => ("failed", "✗", "failed"),
        Some(JobResult::Aborted { .. }) => ("aborted", "!", "aborted"),
        Some(JobResult::Skipped { .. }) => ("skipped", "–", "skipped"),
        None => ("aborted", "?", "never ended"),
    }
}

/// The page. Well-formed as XML, too.
pub fn html(tally: &Tally, zone: &TimeZone) -> String {
    let steps = tally.by_job();
    let title = format!("{}: {}", tally.project, verdict(tally));
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{}</h1>\n",
        xml::text(&title),
        xml::text(&title)
    );
    out.push_str(&head(tally, zone));
    out.push_str(&failures(tally));
    out.push_str(&matrix(tally, &steps));
    out.push_str("<h2>Jobs</h2>\n");
    for (number, job) in tally.jobs.iter().enumerate() {
        let own = steps.get(&number).map_or(&[][..], Vec::as_slice);
        out.push_str(&section(number, job, own));
    }
    out.push_str(&around(tally));
    out.push_str(&quarantine(tally));
    out.push_str("</body>\n</html>\n");
    out
}

fn verdict(tally: &Tally) -> &'static str {
    if tally.summary.is_success() {
        "passed"
    } else {
        "failed"
    }
}

fn head(tally: &Tally, zone: &TimeZone) -> String {
    let count = |is: fn(&JobTally) -> bool| tally.count(is).to_string();
    let cells = [
        ("jobs", tally.jobs.len().to_string()),
        ("passed", count(|job| job.result == Some(JobResult::Passed))),
        ("failed", count(|job| job.result == Some(JobResult::Failed))),
        (
            "aborted",
            count(|job| matches!(job.result, Some(JobResult::Aborted { .. }) | None)),
        ),
        (
            "skipped",
            count(|job| matches!(job.result, Some(JobResult::Skipped { .. }))),
        ),
        ("in quarantine", tally.quarantined.len().to_string()),
        ("flaky", count(JobTally::is_flaky)),
        ("took", took(tally.span().0)),
        (
            "started",
            tally
                .started
                .map(|at| time::local(at, zone))
                .unwrap_or_default(),
        ),
    ];
    let mut out = String::from("<dl class=\"totals\">\n");
    for (name, value) in cells {
        out.push_str(&format!(
            "<div><dt>{name}</dt><dd>{}</dd></div>\n",
            xml::text(&value)
        ));
    }
    out.push_str("</dl>\n");
    if let Some(error) = &tally.summary.error {
        out.push_str(&format!("<p class=\"failed\">{}</p>\n", xml::text(error)));
    }
    out
}

/// What the summary of the log lists, with links to the jobs.
fn failures(tally: &Tally) -> String {
    let number = |name: &str| tally.jobs.iter().position(|job| job.facts.name == name);
    let mut lists: Vec<(String, &[String])> = tally
        .summary
        .failed
        .iter()
        .map(|(class, names)| (format!("Failed {}", class_words(*class)), names.as_slice()))
        .collect();
    lists.push(("Aborted tasks".to_owned(), &tally.summary.aborted));
    lists.push(("Flaky tasks".to_owned(), &tally.summary.flaky));
    let mut out = String::new();
    for (title, names) in lists.into_iter().filter(|(_, names)| !names.is_empty()) {
        out.push_str(&format!("<h2>{title}: {}</h2>\n<ul>\n", names.len()));
        for name in names {
            let text = xml::text(name);
            match number(name) {
                Some(number) => {
                    out.push_str(&format!("<li><a href=\"#job-{number}\">{text}</a></li>\n"));
                }
                None => out.push_str(&format!("<li>{text}</li>\n")),
            }
        }
        out.push_str("</ul>\n");
    }
    out
}

/// Tasks down, systems across; a cell for each job that there is, several where there are samples.
fn matrix(tally: &Tally, steps: &std::collections::HashMap<usize, Vec<&Step>>) -> String {
    let mut systems = BTreeSet::new();
    let mut rows: BTreeMap<(String, String), BTreeMap<String, Vec<usize>>> = BTreeMap::new();
    for (number, job) in tally.jobs.iter().enumerate() {
        let facts = &job.facts;
        let system = format!("{}:{}", facts.backend, facts.system);
        systems.insert(system.clone());
        let row = rows.entry((facts.task.clone(), facts.variant.clone()));
        row.or_default().entry(system).or_default().push(number);
    }
    let mut out = String::from(
        "<h2>Systems and tasks</h2>\n<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">task</th>",
    );
    for system in &systems {
        out.push_str(&format!("<th scope=\"col\">{}</th>", xml::text(system)));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for ((task, variant), cells) in &rows {
        let name = if variant.is_empty() {
            task.clone()
        } else {
            format!("{task}:{variant}")
        };
        out.push_str(&format!("<tr><th scope=\"row\">{}</th>", xml::text(&name)));
        for system in &systems {
            out.push_str("<td>");
            for number in cells.get(system).into_iter().flatten() {
                let job = &tally.jobs[*number];
                let (class, sign, word) = sign(job);
                let own = steps.get(number).map_or(&[][..], Vec::as_slice);
                out.push_str(&format!(
                    "<a class=\"{class}\" href=\"#job-{number}\" title=\"{}: {word}\">{sign} {}</a>",
                    xml::attribute(&job.facts.name),
                    if own.is_empty() { word.to_owned() } else { took(Tally::took(own).0) },
                ));
            }
            out.push_str("</td>");
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table></div>\n");
    out
}

fn section(number: usize, job: &JobTally, steps: &[&Step]) -> String {
    let (class, sign, word) = sign(job);
    let bad = matches!(class, "failed" | "aborted");
    let mut out = format!(
        "<details id=\"job-{number}\"{}><summary><span class=\"{class}\">{sign} {word}</span> {}{}</summary>\n",
        if bad { " open=\"open\"" } else { "" },
        xml::text(&job.facts.name),
        match &job.machine {
            Some(machine) => format!(" <small>on {}</small>", xml::text(machine)),
            None => String::new(),
        },
    );
    match &job.result {
        Some(JobResult::Aborted { cause: why }) | Some(JobResult::Skipped { reason: why }) => {
            out.push_str(&format!("<p>{}</p>\n", xml::text(why)));
        }
        Some(JobResult::Passed | JobResult::Failed) | None => {}
    }
    for step in steps {
        out.push_str(&script(step));
    }
    if !job.leaks.is_empty() {
        let leaks = xml::text(&job.leaks.join("\n"));
        out.push_str(&format!(
            "<h3><span class=\"flaky\">not as it was before</span></h3>\n<pre>{leaks}</pre>\n"
        ));
    }
    out.push_str("</details>\n");
    out
}

fn script(step: &Step) -> String {
    let class = if step.passed { "passed" } else { "failed" };
    let how = match (step.passed, step.killed) {
        (true, _) => "passed",
        (false, _) if step.cut_off => "cut off",
        (false, true) => "killed, it took too long",
        (false, false) => "failed",
    };
    let attempt = match step.scene.attempt {
        1 => String::new(),
        attempt => format!(", attempt {attempt}"),
    };
    let said = if step.output.is_empty() {
        String::new()
    } else {
        format!("<pre>{}</pre>\n", xml::text(&step.output))
    };
    format!(
        "<h3>{}{attempt}: <span class=\"{class}\">{how}</span> <small>{}</small></h3>\n{said}",
        verb_word(step.scene.verb),
        took(step.took.0),
    )
}

/// Scripts of suites, backends and projects that failed.
fn around(tally: &Tally) -> String {
    let mut out = String::new();
    for step in tally.failed_around() {
        out.push_str(&format!(
            "<details open=\"open\"><summary><span class=\"failed\">✗ failed</span> {} <small>on {}</small></summary>\n{}</details>\n",
            xml::text(&step.scene.name),
            xml::text(&step.scene.machine),
            script(step)
        ));
    }
    if out.is_empty() {
        return out;
    }
    format!("<h2>Around the jobs</h2>\n{out}")
}

fn quarantine(tally: &Tally) -> String {
    if tally.quarantined.is_empty() {
        return String::new();
    }
    let mut out = String::from("<h2>In quarantine</h2>\n<ul>\n");
    for one in &tally.quarantined {
        let (name, reason) = (xml::text(&one.job.name), xml::text(&one.reason));
        out.push_str(&format!("<li>{name}: {reason}</li>\n"));
    }
    out.push_str("</ul>\n");
    out
}

#[cfg(test)]
mod tests {
    use roxmltree::{Document, Node, ParsingOptions};

    use super::super::sample;
    use super::*;

    #[test]
    fn a_page_that_is_whole_by_itself() {
        let page = html(&sample::tally(), &TimeZone::UTC);
        let options = ParsingOptions {
            allow_dtd: true,
            ..ParsingOptions::default()
        };
        let document = Document::parse_with_options(&page, options).unwrap();
        let all: Vec<Node<'_, '_>> = document.descendants().collect();
        for node in &all {
            let name = node.tag_name().name();
            assert!(
                !matches!(name, "script" | "link" | "img" | "iframe" | "wrong"),
                "{name}"
            );
            for attribute in node.attributes() {
                assert!(!attribute.name().starts_with("on"), "{attribute:?}");
                assert!(attribute.name() != "src", "{attribute:?}");
                let outside = attribute.name() == "href" && !attribute.value().starts_with('#');
                assert!(!outside, "{attribute:?}");
            }
        }
        assert!(!page.contains("url(") && !page.contains("@import"));
        // Every link leads somewhere.
        let ids: BTreeSet<&str> = all.iter().filter_map(|node| node.attribute("id")).collect();
        let links: Vec<&str> = all
            .iter()
            .filter_map(|node| node.attribute("href"))
            .collect();
        assert!(links.len() >= 5, "{links:?}");
        for link in links {
            assert!(ids.contains(&link[1..]), "{link}");
        }
        let said = all.iter().find(|node| {
            node.tag_name().name() == "pre" && node.text().unwrap_or("").contains("wrong")
        });
        assert_eq!(
            said.unwrap().text(),
            Some("+ false\n100% <wrong> & \\u{1b}[1m\"so\"::error::")
        );
        let cells = all.iter().filter(|node| node.tag_name().name() == "td");
        let signs: String = cells
            .filter_map(|cell| cell.first_element_child()?.text()?.chars().next())
            .collect();
        // In the order of the tasks: bad, flaky, good, late, left.
        assert_eq!(signs, "✗≈✓!–");
    }
}
