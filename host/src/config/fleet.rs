//! The keys of a source that make it a fleet: how many are kept, for how long, under which tags and at which hours.

use runner_core::policy::{Limit, Millis, Tag};

use super::convert::{Converter, limit};
use super::document::{Entry, Node, Value};
use super::error::{Problem, closest};
use super::keys::{self, SCHEDULE_KEYS, TAG_KEYS};
use super::schedule::{self, InvalidSchedule, Schedule};
use super::source::SourceConfig;
use super::values;

/// A command is a line or a few: what is longer is a script, which belongs onto the instance.
const LONGEST_COMMAND: usize = 64 * 1024;

impl Converter<'_> {
    /// One of `FLEET_KEYS`.
    pub(super) fn fleet(&mut self, source: &mut SourceConfig, entry: &Entry) {
        let span = |key: &str, value: &Value, _: bool| values::duration(key, value);
        let some_time = |key: &str, value: &Value, _: bool| values::some_time(key, value);
        // 0 is "no limit", or "never", in files only.
        let bound = |span: Millis| (span > Millis(0)).then_some(span);
        let numbers = &mut source.numbers;
        match entry.key.as_str() {
            "prealloc" => put(&mut numbers.prealloc, self.value(entry, values::count)),
            "max_starting" => {
                let count = self.value(entry, values::count);
                put(&mut numbers.max_starting, count.map(limit));
            }
            "start_delay" => put(&mut numbers.start_delay, self.value(entry, span)),
            "on_demand" => put(&mut numbers.on_demand, self.value(entry, values::flag)),
            "cost" => put(&mut numbers.cost, self.value(entry, values::count)),
            "reuse_max_count" => {
                put(
                    &mut numbers.reuse.max_count,
                    self.value(entry, values::count),
                );
            }
            "reuse_max_time" => {
                put(
                    &mut numbers.reuse.max_time,
                    self.value(entry, span).map(bound),
                );
            }
            "reuse_opportunity_time" => {
                put(
                    &mut numbers.reuse.opportunity,
                    self.value(entry, span).map(Some),
                );
            }
            "idle_timeout" => put(
                &mut numbers.idle_timeout,
                self.value(entry, span).map(bound),
            ),
            "max_age" => put(&mut numbers.max_age, self.value(entry, span).map(bound)),
            "lease_ttl" => put(&mut numbers.lease_ttl, self.value(entry, span).map(bound)),
            "check_period" => put(
                &mut numbers.checks.period,
                self.value(entry, span).map(bound),
            ),
            "check_attempts" => {
                put(
                    &mut numbers.checks.attempts,
                    self.value(entry, values::at_least_one),
                );
            }
            "check_command" => source.check_command = self.command(entry),
            "backoff" => put(&mut numbers.backoff.first, self.value(entry, some_time)),
            "backoff_max" => put(&mut numbers.backoff.longest, self.value(entry, some_time)),
            "schedule" => self.schedules(source, entry),
            _ => {}
        }
    }

    fn command(&mut self, entry: &Entry) -> Option<String> {
        let text = self.text(entry)?;
        let problem = match text {
            text if text.trim().is_empty() => "`check_command` is empty".to_owned(),
            text if text.len() > LONGEST_COMMAND => {
                format!("`check_command` is longer than {LONGEST_COMMAND} bytes")
            }
            text => return Some(text.to_owned()),
        };
        self.problem(self.at(entry.node.at, problem));
        None
    }

    /// `tags`, of sources and pools alike.
    pub(super) fn tags(&mut self, source: &mut SourceConfig, entry: &Entry) {
        let nodes = match &entry.node.value {
            Value::List(nodes) => nodes.clone(),
            Value::Text(_) if self.document.untyped => self.word_nodes(&entry.node),
            other => {
                let problem = self.wrong(entry.node.at, "tags", "a list", other);
                return self.problem(problem.hint("write `tags = [\"x86_64\"]`, also for one"));
            }
        };
        self.mark_all(source, "tags", entry.at, &entry.node);
        for node in &nodes {
            let tag = match &node.value {
                Value::Text(text) => self.tag_text(text, node),
                Value::Table(entries) => self.tag_table(entries, node),
                other => {
                    self.problem(self.wrong(node.at, "tags", "a list of texts or tables", other));
                    None
                }
            };
            let Some(tag) = tag else { continue };
            if source.tags.iter().any(|other| other.name == tag.name) {
                let message = format!("the tag `{}` is given twice", tag.name);
                self.problem(self.at(node.at, message));
                continue;
            }
            source.tags.push(tag);
        }
    }

    /// `name` or `name:priority`.
    fn tag_text(&mut self, text: &str, node: &Node) -> Option<Tag> {
        let (name, priority) = match text.rsplit_once(':') {
            None => (text, 0),
            Some((name, number)) => {
                let number = Value::Text(number.trim().to_owned());
                match values::signed("priority", &number, true) {
                    Ok(priority) => (name.trim(), priority),
                    Err(wrong) => {
                        self.problem(wrong.at(self.document.position(node.at)));
                        return None;
                    }
                }
            }
        };
        self.tag(name, priority, node)
    }

    fn tag_table(&mut self, entries: &[Entry], node: &Node) -> Option<Tag> {
        let mut name = None;
        let mut priority = 0;
        for entry in entries {
            match entry.key.as_str() {
                "name" => name = Some(self.text(entry)?.to_owned()),
                "priority" => priority = self.value(entry, values::signed)?,
                other => {
                    let problem = self.at(entry.at, format!("unknown key `{other}` of a tag"));
                    self.problem(problem.suggest(other, keys::names(&[TAG_KEYS])));
                }
            }
        }
        let Some(name) = name else {
            self.problem(self.at(node.at, "a tag needs `name`".into()));
            return None;
        };
        self.tag(&name, priority, node)
    }

    fn tag(&mut self, name: &str, priority: i32, node: &Node) -> Option<Tag> {
        let bad = |c: char| c.is_whitespace() || c.is_control() || ",:'\"=!<>".contains(c);
        let count = name.chars().count();
        if (1..=64).contains(&count) && !name.starts_with('-') && !name.contains(bad) {
            return Some(Tag {
                name: name.to_owned(),
                priority,
            });
        }
        let problem = self.at(node.at, format!("`{name}` is not a tag"));
        self.problem(problem.hint(
            "tags are 1 to 64 characters other than blanks and `,:'\"=!<>`, not starting with `-`",
        ));
        None
    }

    fn schedules(&mut self, source: &mut SourceConfig, entry: &Entry) {
        self.mark_all(source, "schedule", entry.at, &entry.node);
        match &entry.node.value {
            Value::List(nodes) => {
                for node in nodes {
                    let Value::Table(entries) = &node.value else {
                        self.problem(self.wrong(node.at, "schedule", "a table", &node.value));
                        continue;
                    };
                    let read = self.schedule(entries, node);
                    source.schedule.extend(read);
                }
            }
            Value::Table(entries) => {
                let read = self.schedule(entries, &entry.node);
                source.schedule.extend(read);
            }
            Value::Text(text) if self.document.untyped => {
                for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
                    let read = self.schedule_line(line, &entry.node);
                    source.schedule.extend(read);
                }
            }
            other => {
                let problem = self.wrong(entry.node.at, "schedule", "a list of tables", other);
                self.problem(problem.hint("begin each with a line `[[schedule]]`"));
            }
        }
    }

    /// `CRON | DURATION | TIMEZONE | PREALLOC`, for INI, which has no tables.
    fn schedule_line(&mut self, line: &str, node: &Node) -> Option<Schedule> {
        let parts: Vec<&str> = line.split('|').map(str::trim).collect();
        let [cron, duration, timezone, prealloc] = parts[..] else {
            let problem = self.at(node.at, format!("`{line}` is not a schedule"));
            self.problem(problem.hint(
                "write `CRON | DURATION | TIMEZONE | PREALLOC`, such as `0 8 * * 1-5 | 10h | UTC | 20`",
            ));
            return None;
        };
        let entry = |key: &str, text: &str| Entry {
            key: key.into(),
            at: node.at,
            node: Node {
                at: node.at,
                value: Value::Text(text.into()),
            },
        };
        let entries = [
            entry("cron", cron),
            entry("duration", duration),
            entry("timezone", timezone),
            entry("prealloc", prealloc),
        ];
        self.schedule(&entries, node)
    }

    fn schedule(&mut self, entries: &[Entry], node: &Node) -> Option<Schedule> {
        let some_time = |key: &str, value: &Value, _: bool| values::some_time(key, value);
        let (mut cron, mut duration, mut prealloc) = (None, None, None);
        let mut zone = ("UTC", node.at);
        let before = self.problems();
        for entry in entries {
            match entry.key.as_str() {
                "cron" => cron = self.text(entry).map(|text| (text, entry.node.at)),
                "duration" => duration = self.value(entry, some_time),
                "timezone" => put(
                    &mut zone,
                    self.text(entry).map(|text| (text, entry.node.at)),
                ),
                "prealloc" => prealloc = self.value(entry, values::count),
                other => {
                    let problem = self.at(entry.at, format!("unknown key `{other}` of a schedule"));
                    self.problem(problem.suggest(other, keys::names(&[SCHEDULE_KEYS])));
                }
            }
        }
        for needed in ["cron", "duration", "prealloc"] {
            if entries.iter().all(|entry| entry.key != needed) {
                self.problem(self.at(node.at, format!("a schedule needs `{needed}`")));
            }
        }
        let ((cron, at), duration, prealloc) = (cron?, duration?, prealloc?);
        if self.problems() > before {
            return None;
        }
        let error = match Schedule::new(cron, duration, zone.0, prealloc) {
            Ok(schedule) => return Some(schedule),
            Err(error) => error,
        };
        let message = error.to_string();
        let problem = match &error {
            InvalidSchedule::Cron { .. } => self.at(at, message).hint(
                "write minute, hour, day of the month, month and day of the week, such as `0 8 * * 1-5`",
            ),
            InvalidSchedule::Never { .. } => self.at(at, message),
            InvalidSchedule::Zone { timezone } => {
                let zones = schedule::zones();
                let problem = self.at(zone.1, message);
                match closest(timezone, zones.iter().map(String::as_str)) {
                    Some(near) => problem.hint(format!("did you mean `{near}`?")),
                    None => problem.hint("names are those of the IANA database: `Europe/Berlin`"),
                }
            }
        };
        self.problem(problem);
        None
    }

    /// Keys that contradict each other.
    pub(super) fn agree(&mut self, source: &SourceConfig) {
        let numbers = &source.numbers;
        let mut problems: Vec<Problem> = Vec::new();
        let mut add = |key: &str, message: String, hint: &str| {
            problems.push(Problem::at(self.place(source, key), message).hint(hint));
        };
        if let Some(Limit::At(maximum)) = source.maximum {
            let scheduled = source.schedule.iter().enumerate();
            let scheduled = scheduled.map(|(number, schedule)| {
                (format!("schedule.{number}.prealloc"), schedule.prealloc)
            });
            let counts = [
                ("reserve".to_owned(), source.reserve),
                ("prealloc".to_owned(), numbers.prealloc),
            ];
            for (key, count) in counts.into_iter().chain(scheduled) {
                if count > maximum {
                    let word = key.rsplit('.').next().unwrap_or_default();
                    let message =
                        format!("`{word}` is {count}, more than the `maximum` of {maximum}");
                    let hint = format!(
                        "no more than `maximum` ever exist: lower `{word}` or raise `maximum`"
                    );
                    add(&key, message, &hint);
                }
            }
        }
        if numbers.on_demand {
            let ahead = [
                ("prealloc", numbers.prealloc > 0),
                ("schedule", !source.schedule.is_empty()),
            ];
            for (key, _) in ahead.into_iter().filter(|(_, given)| *given) {
                let message = format!("`{key}` has no effect beside `on_demand`");
                add(
                    key,
                    message,
                    "with `on_demand` nothing is made ahead: remove one of them",
                );
            }
        }
        if source.check_command.is_some() && numbers.checks.period.is_none() {
            let message = "`check_command` has no effect: `check_period` is 0".to_owned();
            add("check_command", message, "remove one of them");
        }
        let (first, longest) = (numbers.backoff.first, numbers.backoff.longest);
        if first > longest {
            let key = match source.position_of("backoff") {
                Some(_) => "backoff",
                None => "backoff_max",
            };
            let message = format!("`backoff` is {first}, more than the `backoff_max` of {longest}");
            add(
                key,
                message,
                "the first pause cannot be longer than the longest",
            );
        }
        for problem in problems {
            self.problem(problem);
        }
    }
}

/// Keeps what was there when nothing could be read: it has been reported.
fn put<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}
