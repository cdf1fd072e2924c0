//! GitHub Actions: annotations, which its runner reads on standard output, and the summary of a job, which is Markdown.

use std::path::PathBuf;

use runner_core::schedule::Verb;

use super::lines;
use crate::jobs::events::{JobResult, class_words, verb_word};
use crate::jobs::tally::{Step, Tally};
use crate::report::escape;

/// Where a script of a job is written: a file, as seen from the repository's top, and a line; 0 is unknown.
pub type Where<'a> = dyn Fn(usize, Verb) -> Option<(PathBuf, u32)> + 'a;

/// GitHub shows ten of a step; more are still counted by problem matchers, and nobody reads more than these.
const ANNOTATIONS: usize = 50;
/// Jobs whose output is in the summary, and how much of each: GitHub takes a mebibyte of it all.
const SHOWN: usize = 20;
const OUTPUT: usize = 8 << 10;
/// So many names of what went wrong.
const NAMED: usize = 200;

/// One line for each job that failed, could not be run, or was flaky.
pub fn annotations(tally: &Tally, place: &Where<'_>) -> String {
    let steps = tally.by_job();
    let mut all = Vec::new();
    for (number, job) in tally.jobs.iter().enumerate() {
        let own = steps.get(&number).map_or(&[][..], Vec::as_slice);
        let cause = Tally::cause(own);
        let verb = cause.map_or(Verb::Execute, |step| step.scene.verb);
        let (level, title, text) = match &job.result {
            Some(JobResult::Failed) => {
                ("error", format!("{} failed", job.facts.name), ending(cause))
            }
            Some(JobResult::Aborted { cause: why }) => {
                let text = match cause {
                    Some(step) if step.cut_off => format!("{why}\n{}", ending(cause)),
                    Some(_) => ending(cause),
                    None => why.clone(),
                };
                ("error", format!("{} was aborted", job.facts.name), text)
            }
            Some(JobResult::Passed) if job.is_flaky() => (
                "warning",
                format!("{} is flaky", job.facts.name),
                format!("attempt {} worked; before: {}", job.attempts, ending(cause)),
            ),
            Some(JobResult::Passed | JobResult::Skipped { .. }) => continue,
            None => (
                "error",
                format!("{} never ended", job.facts.name),
                String::new(),
            ),
        };
        all.push(annotation(level, &title, &text, place(number, verb)));
    }
    for step in tally.failed_around() {
        let title = format!(
            "{} of {} failed",
            verb_word(step.scene.verb),
            step.scene.name
        );
        all.push(annotation("error", &title, &ending(Some(step)), None));
    }
    if all.len() > ANNOTATIONS {
        let more = all.len() - ANNOTATIONS;
        all.truncate(ANNOTATIONS);
        let text = format!("{more} more jobs have something to tell; the summary names them");
        all.push(annotation("notice", "more", &text, None));
    }
    all.concat()
}

fn annotation(level: &str, title: &str, text: &str, place: Option<(PathBuf, u32)>) -> String {
    let mut properties = Vec::new();
    if let Some((file, line)) = place {
        properties.push(format!("file={}", property(&file.display().to_string())));
        if line > 0 {
            properties.push(format!("line={line}"));
        }
    }
    properties.push(format!("title={}", property(title)));
    format!("::{level} {}::{}\n", properties.join(","), data(text))
}

/// The last lines of what a script said.
fn ending(step: Option<&Step>) -> String {
    let text = step.map_or("", |step| step.output.as_str());
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}

/// As the runner's toolkit escapes what stands behind `::`. What a terminal would obey is shown.
fn data(text: &str) -> String {
    let mut out = String::new();
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            out.push_str("%0A");
        }
        out.push_str(&escape::line(line.trim_end_matches('\r')).replace('%', "%25"));
    }
    out
}

/// The same for a property, where `:` and `,` end it.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// The summary, as Markdown.
pub fn summary(tally: &Tally) -> String {
    let steps = tally.by_job();
    let summary = &tally.summary;
    let sign = if summary.is_success() { "✅" } else { "❌" };
    let mut out = format!("### {sign} {}\n\n", markdown(&tally.project));
    out.push_str("| passed | failed | aborted | skipped | in quarantine | flaky | took |\n");
    out.push_str("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    let failed = tally.count(|job| job.result == Some(JobResult::Failed));
    out.push_str(&format!(
        "| {} | {failed} | {} | {} | {} | {} | {} |\n\n",
        tally.count(|job| job.result == Some(JobResult::Passed)),
        summary.aborted.len(),
        summary.skipped.len(),
        tally.quarantined.len(),
        summary.flaky.len(),
        lines::took(tally.span().0),
    ));
    if let Some(error) = &summary.error {
        out.push_str(&format!("**{}**\n\n", markdown(error)));
    }
    for (class, names) in &summary.failed {
        out.push_str(&list(&format!("Failed {}", class_words(*class)), names));
    }
    out.push_str(&list("Aborted tasks", &summary.aborted));
    out.push_str(&list("Flaky tasks", &summary.flaky));
    let mut shown = 0;
    for (number, job) in tally.jobs.iter().enumerate() {
        let own = steps.get(&number).map_or(&[][..], Vec::as_slice);
        let bad = matches!(
            job.result,
            Some(JobResult::Failed | JobResult::Aborted { .. })
        );
        let Some(step) = Tally::cause(own).filter(|_| bad) else {
            continue;
        };
        shown += 1;
        if shown > SHOWN {
            break;
        }
        out.push_str(&details(&job.facts.name, step));
    }
    for step in tally.failed_around().take(SHOWN) {
        out.push_str(&details(&step.scene.name, step));
    }
    out
}

fn list(title: &str, names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let mut out = format!("**{title}: {}**\n\n", names.len());
    for name in names.iter().take(NAMED) {
        out.push_str(&format!("- `{}`\n", name.replace('`', "'")));
    }
    if names.len() > NAMED {
        out.push_str(&format!("- and {} more\n", names.len() - NAMED));
    }
    out.push('\n');
    out
}

/// What a script said, folded. As HTML, in which no text can end the block as it could end a fence of Markdown.
fn details(name: &str, step: &Step) -> String {
    let mut from = step.output.len().saturating_sub(OUTPUT);
    while !step.output.is_char_boundary(from) {
        from += 1;
    }
    // A blank line would end the block: it is not left blank.
    let text = crate::report::xml::text(&step.output[from..]).replace("\n\n", "\n&#32;\n");
    let text = text.replace("\n\n", "\n&#32;\n");
    format!(
        "<details><summary>{} of {}</summary>\n<pre>{text}</pre>\n</details>\n\n",
        verb_word(step.scene.verb),
        crate::report::xml::text(name),
    )
}

/// A text that means nothing in Markdown.
fn markdown(text: &str) -> String {
    let mut out = String::new();
    for c in escape::line(text).chars() {
        if c.is_ascii_punctuation() {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn place(_: usize, verb: Verb) -> Option<(PathBuf, u32)> {
        (verb == Verb::Execute).then(|| (PathBuf::from("a,b/s/t/task.yaml"), 7))
    }

    #[test]
    fn annotations_are_one_line_each_and_escaped() {
        let text = annotations(&sample::tally(), &place);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "::error file=a%2Cb/s/t/task.yaml,line=7,title=b%3As-1%3As/bad failed::+ false%0A100%25 <wrong> & \\x1b[1m\"so\"::error::"
        );
        assert!(
            lines
                .iter()
                .any(|line| line.starts_with("::warning ") && line.contains("is flaky")),
            "{text}"
        );
        assert!(
            lines
                .iter()
                .any(|line| line.starts_with("::error title=restore of b%3As-1%3As/ failed::")),
            "{text}"
        );
        assert!(lines.iter().all(|line| line.starts_with("::")), "{text}");
    }

    #[test]
    fn the_summary_cannot_be_broken_out_of() {
        let text = summary(&sample::tally());
        assert!(text.contains("| 2 | 1 | 1 | 1 | 1 | 1 |"), "{text}");
        assert!(text.contains("- `b:s-1:s/bad`"), "{text}");
        assert!(text.contains("100% &lt;wrong&gt; &amp;"), "{text}");
        let blocks = text.split("<pre>").skip(1);
        for block in blocks {
            let (block, _) = block.split_once("</pre>").unwrap();
            assert!(!block.contains("\n\n") && !block.contains('<'), "{block}");
        }
    }
}
