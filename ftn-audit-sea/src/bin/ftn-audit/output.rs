//! Text for people, JSON for scripts, a bar for those who wait.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tracing_subscriber::{
    Layer as _,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::failure::Failure;

pub struct Output {
    pub json: bool,
}

impl Output {
    /// One answer: the object, or the lines.
    pub fn answer(&self, object: &Value, lines: impl IntoIterator<Item = String>) {
        if self.json {
            println!("{object}");
        } else {
            lines.into_iter().for_each(|line| println!("{line}"));
        }
    }

    pub fn failed(&self, failure: &Failure) {
        if self.json {
            eprintln!("{}", json!({ "error": failure.to_string() }));
        } else {
            eprintln!("ftn-audit: {failure}");
        }
    }

    /// Hidden where nobody looks: no terminal, or JSON.
    pub fn bar(&self, length: u64, what: &'static str) -> ProgressBar {
        if self.json {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(length).with_message(what);
        if let Ok(style) = ProgressStyle::with_template("{msg} {bar:40} {human_pos}/{human_len} {eta}") {
            bar.set_style(style);
        }
        bar
    }

    pub fn spinner(&self, what: &'static str) -> ProgressBar {
        if self.json {
            return ProgressBar::hidden();
        }
        let spinner = ProgressBar::new_spinner().with_message(what);
        spinner.enable_steady_tick(Duration::from_millis(200));
        spinner
    }
}

/// What this library says goes to standard error; what others say, who knows what it quotes, goes nowhere.
pub fn log() {
    let ours = Targets::new().with_target("ftn_audit", LevelFilter::INFO);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    tracing_subscriber::registry().with(lines.with_filter(ours)).init();
}

/// Microseconds since 1970 as a date and time.
pub fn time(micros: i64) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| micros.to_string())
}
