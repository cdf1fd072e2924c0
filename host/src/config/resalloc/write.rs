//! The text of a `source.toml`, and what of a pool will not be as it was.

use std::fmt::Write as _;

use super::Reach;
use super::read::Pool;

/// The longest that a command may take. resalloc waits for ever.
const LIMITS: &str = "\n# resalloc waits for these commands for ever; here each has a time limit, in seconds.\n\
    [limits]\nallocate = 3600\ndiscard = 600\nclean = 600\ncheck = 120\nlist = 120\n";

/// The text and the notes of one pool.
pub(super) fn source(pool: &Pool, reach: &Reach) -> (String, Vec<String>) {
    let mut file = File::default();
    let mut notes = Vec::new();
    file.line(&format!(
        "# The pool `{}` of resalloc.",
        one_line(&pool.name)
    ));
    for line in pool.description.iter().flat_map(|text| text.lines()) {
        file.line(format!("# {}", one_line(line)).trim_end());
    }
    file.text("type", "command");
    if pool.source.as_str() != pool.name {
        notes.push(format!(
            "no source can be called `{}`: it is `{}` here, and its commands are still told the old name",
            one_line(&pool.name),
            pool.source
        ));
        file.text("pool_name", &pool.name);
    }
    commands(&mut file, pool, reach);
    numbers(&mut file, &mut notes, pool);
    tags(&mut file, &mut notes, pool);
    reuse(&mut file, &mut notes, pool);
    if let Some(pattern) = &pool.name_pattern {
        file.text("name_pattern", pattern);
    }
    if !pool.named_counters.is_empty() {
        let names: Vec<_> = pool
            .named_counters
            .iter()
            .map(|name| quoted(name))
            .collect();
        file.raw("counters", &format!("[{}]", names.join(", ")));
    }
    file.0.push_str(LIMITS);
    (file.0, notes)
}

fn commands(file: &mut File, pool: &Pool, reach: &Reach) {
    file.text("new", &pool.new);
    file.text("delete", &pool.delete);
    let optional = [
        ("check", &pool.livecheck),
        ("release", &pool.release),
        ("list", &pool.list),
    ];
    for (key, command) in optional {
        if let Some(command) = command {
            file.text(key, command);
        }
    }
    file.text("access", if reach.none { "none" } else { "ssh" });
    if let Some(user) = &reach.user {
        file.text("user", user);
    }
}

fn numbers(file: &mut File, notes: &mut Vec<String>, pool: &Pool) {
    let stopped = match (pool.max, pool.max_starting) {
        (0, _) => Some("`max: 0` stops a pool"),
        (_, 0) => Some("`max_starting: 0` lets nothing start"),
        _ => None,
    };
    match stopped {
        Some(why) => {
            notes.push(format!(
                "{why}: that is `maximum = \"none\"` here, because 0 is no limit"
            ));
            file.text("maximum", "none");
        }
        None => file.number("maximum", pool.max),
    }
    file.number("max_starting", pool.max_starting.max(1));
    let on_demand = !pool.tags_on_demand.is_empty();
    let most = if stopped.is_some() { 0 } else { pool.max };
    let prealloc = if on_demand {
        0
    } else {
        pool.max_prealloc.min(most)
    };
    if prealloc < pool.max_prealloc && !on_demand && stopped.is_none() {
        notes.push(format!(
            "`max_prealloc: {}` is more than `max: {}`, which is all there ever is",
            pool.max_prealloc, pool.max
        ));
    }
    if prealloc == 0 && !on_demand && stopped.is_none() {
        notes.push(
            "with `max_prealloc: 0` resalloc never starts a machine of this pool; here tickets start them".to_owned(),
        );
    }
    file.number("prealloc", prealloc);
    if pool.start_delay > 0 {
        file.seconds("start_delay", pool.start_delay);
    }
    match (&pool.livecheck, pool.livecheck_period) {
        // There is nothing to ask, and asking another way could destroy what only looks dead from here.
        (None, _) => file.seconds("check_period", 0),
        (Some(_), 0) => {
            notes.push(
                "`livecheck_period: 0` checks all the time; here it would be never, so it is 1 s"
                    .to_owned(),
            );
            file.seconds("check_period", 1);
        }
        (Some(_), period) => file.seconds("check_period", period),
    }
    file.number("check_attempts", pool.livecheck_attempts.max(1));
}

fn tags(file: &mut File, notes: &mut Vec<String>, pool: &Pool) {
    let all = pool.tags.iter().chain(&pool.tags_on_demand);
    let all: Vec<_> = all
        .map(|tag| match tag.priority {
            0 => quoted(&tag.name),
            priority => format!("{{ name = {}, priority = {priority} }}", quoted(&tag.name)),
        })
        .collect();
    if !all.is_empty() {
        file.raw("tags", &format!("[{}]", all.join(", ")));
    }
    if pool.tags_on_demand.is_empty() {
        return;
    }
    file.raw("on_demand", "true");
    if !pool.tags.is_empty() {
        let names: Vec<_> = pool
            .tags
            .iter()
            .map(|tag| format!("`{}`", tag.name))
            .collect();
        notes.push(format!(
            "tickets for {} alone start machines too: here a whole source is on demand, not a tag",
            names.join(", ")
        ));
    }
}

fn reuse(file: &mut File, notes: &mut Vec<String>, pool: &Pool) {
    // Also where it is 0: resalloc's default is to use nothing again.
    file.seconds("reuse_opportunity_time", pool.reuse_opportunity_time);
    if pool.reuse_opportunity_time == 0 {
        return;
    }
    file.number("reuse_max_count", pool.reuse_max_count);
    file.seconds("reuse_max_time", pool.reuse_max_time);
    notes.push(
        "a sandbox is a shelf here: what is to be used again is acquired and released with `--shelf NAME`, and the \
         shelf has a capacity; without one nothing is used again"
            .to_owned(),
    );
    if pool.reuse_max_count == 0 && pool.release.is_some() {
        notes.push(
            "a `cmd_release` that fails ends a machine, as resalloc's manual says and its program does not do without `reuse_max_count`"
                .to_owned(),
        );
    }
}

#[derive(Default)]
struct File(String);

impl File {
    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn raw(&mut self, key: &str, value: &str) {
        // Writing to a text cannot fail.
        let _never = writeln!(self.0, "{key} = {value}");
    }

    fn text(&mut self, key: &str, value: &str) {
        self.raw(key, &quoted(value));
    }

    fn number(&mut self, key: &str, value: i64) {
        self.raw(key, &value.to_string());
    }

    fn seconds(&mut self, key: &str, value: i64) {
        self.raw(key, &format!("\"{value}s\""));
    }
}

/// As TOML writes it, in one of its forms.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
