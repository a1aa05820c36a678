//! The guide says what there is: every log line, reason, metric and chapter.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The sources of the libraries, without their tests.
fn sources() -> Vec<String> {
    let mut folders: Vec<PathBuf> = ["ftn-audit/src", "ftn-audit-sea/src"]
        .iter()
        .map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))
        .collect();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let is_test = path.file_stem().is_some_and(|name| name == "tests");
            if path.is_dir() && !is_test {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
                sources.push(fs::read_to_string(path).unwrap());
            }
        }
    }
    sources
}

/// The text literal at the beginning, with its continued lines joined, and what follows it.
fn literal(text: &str) -> (String, &str) {
    let mut literal = String::new();
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (literal, &text[at + 1..]),
            '\\' => match letters.next() {
                Some((_, '\n')) => while letters.next_if(|(_, letter)| letter.is_whitespace()).is_some() {},
                Some((_, escaped)) => literal.push(escaped),
                None => break,
            },
            letter => literal.push(letter),
        }
    }
    (literal, "")
}

/// The fixed words with which log lines begin.
fn log_lines() -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for source in sources() {
        for level in ["tracing::error!(", "tracing::warn!(", "tracing::info!("] {
            for (at, _) in source.match_indices(level) {
                let mut rest = &source[at + level.len()..];
                loop {
                    let quote = rest.find('"').expect("a log line has words");
                    let target = rest[..quote].trim_end().ends_with("target:");
                    let (words, behind) = literal(&rest[quote..]);
                    if !target {
                        let fixed = words.split(['{', '`']).next().unwrap_or_default();
                        lines.insert(fixed.trim_end().to_owned());
                        break;
                    }
                    rest = behind;
                }
            }
        }
    }
    lines
}

/// What stands in backticks in the first column of the guide's tables.
fn first_column(chapter: &str) -> BTreeSet<String> {
    let rows = chapter.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = rows.filter_map(|row| row.split(" | ").next());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

#[test]
fn every_log_line_is_in_the_runbook() {
    let known = first_column(&read("docs/operating.md"));
    let lines = log_lines();
    assert!(lines.len() > 25, "the sources have log lines: {lines:#?}");
    let missing: Vec<_> =
        lines.iter().filter(|line| !known.iter().any(|known| line.starts_with(known.as_str()))).collect();
    assert!(missing.is_empty(), "docs/operating.md has no runbook line for {missing:#?}");
}

#[test]
fn every_reason_is_in_the_runbook() {
    let known = first_column(&read("docs/operating.md"));
    let metrics = read("ftn-audit/src/metrics.rs");
    let (_, body) = metrics.split_once("pub(crate) fn as_str").expect("reasons have words");
    let reasons = body.split("fn ").next().unwrap_or_default().split('"').skip(1).step_by(2);
    let missing: Vec<_> = reasons.filter(|reason| !known.contains(*reason)).collect();
    assert!(missing.is_empty(), "docs/operating.md does not explain {missing:?}");
}

/// Names as the OpenTelemetry to Prometheus translation gives them.
fn prometheus_names() -> BTreeSet<String> {
    let source = read("ftn-audit/src/instruments.rs");
    let (source, _) = source.split_once("#[cfg(test)]").expect("the instruments have a test");
    let names = source.split('"').skip(1).step_by(2).filter(|name| name.starts_with("ftn_audit."));
    names
        .flat_map(|name| {
            let name = name.replace('.', "_");
            ["", "_total", "_seconds", "_seconds_total"].map(|suffix| format!("{name}{suffix}"))
        })
        .collect()
}

#[test]
fn alert_rules_use_metrics_that_there_are() {
    let names = prometheus_names();
    for rule in read("docs/alerts.yml").lines().filter(|line| line.trim_start().starts_with("expr:")) {
        let words = rule.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let used: Vec<_> = words.filter(|word| word.starts_with("ftn_audit")).collect();
        assert!(!used.is_empty(), "{rule}");
        for name in used {
            assert!(names.contains(name), "{name} is no metric: {rule}");
        }
    }
}

#[test]
fn every_chapter_is_listed_and_its_code_compiled() {
    let (summary, compiled) = (read("docs/SUMMARY.md"), read("src/lib.rs"));
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") && name != "SUMMARY.md" {
            assert!(summary.contains(&format!("({name})")), "{name} is not in SUMMARY.md");
            assert!(compiled.contains(&format!("docs/{name}")), "{name} is not compiled by src/lib.rs");
        }
    }
}

#[test]
fn every_setting_of_the_environment_is_known_to_who_comes_from_python() {
    let chapter = read("docs/from_python.md");
    let environment = read("ftn-audit/src/environment.rs") + &read("ftn-audit/src/builder.rs");
    for setting in [
        "ENABLED",
        "DELIVERY_MODE",
        "OTLP_FALLBACK",
        "STRICT_FORMATTER_VALIDATION",
        "AUTO_DISCOVER_FORMATTERS",
        "AUTO_CONNECT_SIGNALS",
        "CHANGESET_CHECK_RELATIONSHIP",
    ] {
        assert!(environment.contains(&format!("\"{setting}\"")), "{setting} is not read");
        assert!(chapter.contains(&format!("AUDIT_{setting}")), "{setting} is not in the guide");
    }
}
