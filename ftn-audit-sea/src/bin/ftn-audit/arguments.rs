//! What can be asked.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use ftn_audit_sea::outbox::{Selection, State};

/// The outbox of audit records: make it, deliver from it, look into it, put it right.
///
/// Exit codes: 0 done, 1 failed, 2 not understood, 3 `verify` found something missing.
#[derive(Parser)]
#[command(
    name = "ftn-audit",
    version,
    after_help = "Examples:
  ftn-audit migrate --sql --backend postgres | psql shop
  ftn-audit --database postgres://relay@db/shop relay
  ftn-audit status --json
  ftn-audit retry --state dead --reason 'collector was misconfigured'
  ftn-audit verify --against export.jsonl"
)]
pub struct Arguments {
    /// The database with the outbox.
    #[arg(long, short, global = true, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database: Option<String>,
    /// One JSON object instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    /// Who is to stand on the record that a change of the outbox leaves.
    #[arg(long = "as", global = true, env = "USER", default_value = "unknown", value_name = "NAME")]
    pub who: String,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Make the table, or print the SQL that does, with the rights of each role.
    #[command(after_help = "Example:\n  ftn-audit migrate --sql --backend mysql > outbox.sql")]
    Migrate(Migrate),
    /// Deliver from the outbox to an OTLP receiver, or publish to a broker, until told to stop.
    #[command(
        after_help = "The receiver is that of OTEL_EXPORTER_OTLP_ENDPOINT and its like; FTN_AUDIT_* settings of \
        encodings, batches, leases and retention apply.\n\nExamples:\n  ftn-audit relay\n  ftn-audit relay --once\n  \
        ftn-audit relay --to-file audit.jsonl\n  \
        ftn-audit relay --engine rabbitmq --broker amqp://audit@broker/shop --queue shop.audit"
    )]
    Relay(Relay),
    /// Deliver from a broker to an OTLP receiver until told to stop. Any number may work at once.
    #[command(
        after_help = "The receiver is that of OTEL_EXPORTER_OTLP_ENDPOINT and its like; FTN_AUDIT_* settings of \
        encodings, back-off and ages apply. Records come from the service that OTEL_SERVICE_NAME names.\n\nExamples:\n  \
        ftn-audit worker --broker amqp://audit@broker/shop --queue shop.audit\n  \
        ftn-audit worker --to-file audit.jsonl"
    )]
    Worker(Worker),
    /// Send dead letters of a broker again, or look at them.
    #[command(
        after_help = "Examples:\n  ftn-audit replay --list\n  ftn-audit replay --all --reason 'token renewed'\n  \
        ftn-audit replay 0199d1c2-5a0e-7c4e-8a51-2f0d6b9c1e77 --reason 'tenant made'"
    )]
    Replay(ReplayDead),
    /// How many rows are in each state, and how old the oldest waiting one is.
    Status,
    /// The newest rows, without the data of their records.
    #[command(after_help = "Example:\n  ftn-audit list --state dead --model Item --limit 20")]
    List(List),
    /// One record. Values, actor and addresses are masked unless `--reveal` is said.
    #[command(after_help = "Example:\n  ftn-audit show 0199d1c2-5a0e-7c4e-8a51-2f0d6b9c1e77 --reveal")]
    Show(Show),
    /// Send rows again: dead letters, discarded ones, or sent ones that a store has lost.
    #[command(after_help = "Examples:\n  ftn-audit retry --state dead --reason 'token renewed'\n  \
        ftn-audit retry 0199d1c2-5a0e-7c4e-8a51-2f0d6b9c1e77 --reason 'lost by the store'")]
    Retry(Chosen),
    /// Decide that rows are not sent. They stay in the table until they are old.
    #[command(after_help = "Example:\n  ftn-audit discard --state dead --model Item --reason 'test data'")]
    Discard(Chosen),
    /// Remove rows that came into a state some time ago.
    #[command(
        after_help = "Example:\n  ftn-audit prune --state sent --older-than 1h --reason 'disk is full'"
    )]
    Prune(Prune),
    /// Look for records that are missing, by their numbers, and for sent ones that did not arrive.
    #[command(after_help = "Example:\n  ftn-audit verify --against export.jsonl")]
    Verify(Verify),
}

#[derive(Args)]
pub struct Migrate {
    /// Print the statements instead of running them.
    #[arg(long)]
    pub sql: bool,
    /// Whose SQL, where no database is named.
    #[arg(long, requires = "sql")]
    pub backend: Option<Backend>,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Backend {
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
    Sqlite,
}

#[derive(Args)]
pub struct Relay {
    /// Deliver what is due now, and end.
    #[arg(long)]
    pub once: bool,
    /// How many batches are on their way at once.
    #[arg(long, default_value_t = 2)]
    pub lanes: usize,
    /// Append JSON lines to a file instead of sending OTLP.
    #[arg(long, value_name = "PATH")]
    pub to_file: Option<PathBuf>,
    /// Publish to a broker instead, for workers.
    #[arg(long, conflicts_with = "to_file")]
    pub engine: Option<Engine>,
    #[command(flatten)]
    pub broker: Broker,
}

/// Brokers.
#[derive(Clone, Copy, ValueEnum)]
pub enum Engine {
    Rabbitmq,
}

#[derive(Args)]
pub struct Broker {
    /// The broker, such as amqp://user:password@host:5672/vhost.
    #[arg(long = "broker", env = "FTN_AUDIT_BROKER", hide_env_values = true, value_name = "URL")]
    pub url: Option<String>,
    /// Its queue.
    #[arg(long, env = "FTN_AUDIT_QUEUE", default_value = "ftn-audit", value_name = "NAME")]
    pub queue: String,
}

#[derive(Args)]
pub struct Worker {
    #[command(flatten)]
    pub broker: Broker,
    /// How many batches are on their way at once.
    #[arg(long, default_value_t = 2)]
    pub lanes: usize,
    /// Append JSON lines to a file instead of sending OTLP.
    #[arg(long, value_name = "PATH")]
    pub to_file: Option<PathBuf>,
}

#[derive(Args)]
#[command(group = clap::ArgGroup::new("letters").required(true).args(["ids", "all", "list"]))]
pub struct ReplayDead {
    /// The records' ids.
    pub ids: Vec<String>,
    /// All that are there.
    #[arg(long)]
    pub all: bool,
    /// Show ids and reasons of those that have been there for longest, and leave them there.
    #[arg(long)]
    pub list: bool,
    /// The most that are shown.
    #[arg(long, default_value_t = 50, requires = "list")]
    pub limit: usize,
    /// Why: it stands on the record that this leaves.
    #[arg(long)]
    pub reason: Option<String>,
    #[command(flatten)]
    pub broker: Broker,
}

/// States as an operator names them.
#[derive(Clone, Copy, ValueEnum)]
pub enum AnyState {
    Waiting,
    Sent,
    Dead,
    Discarded,
}

impl AnyState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Dead => "dead",
            Self::Discarded => "discarded",
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub enum EndState {
    Sent,
    Dead,
    Discarded,
}

impl From<EndState> for State {
    fn from(state: EndState) -> Self {
        match state {
            EndState::Sent => Self::Sent,
            EndState::Dead => Self::Dead,
            EndState::Discarded => Self::Discarded,
        }
    }
}

#[derive(Args)]
pub struct Rows {
    /// Rows in this state.
    #[arg(long)]
    state: Option<AnyState>,
    /// Rows of this model.
    #[arg(long)]
    model: Option<String>,
    /// Rows of this tenant.
    #[arg(long)]
    tenant: Option<String>,
    /// Rows of this transaction.
    #[arg(long, value_name = "ID")]
    transaction: Option<String>,
}

impl Rows {
    pub fn selection(self, ids: Vec<String>) -> Selection {
        Selection {
            ids,
            state: self.state.map(|state| state.as_str().to_owned()),
            model: self.model,
            tenant: self.tenant,
            transaction: self.transaction,
        }
    }
}

#[derive(Args)]
pub struct List {
    #[command(flatten)]
    pub rows: Rows,
    /// The most rows.
    #[arg(long, default_value_t = 50)]
    pub limit: u64,
}

#[derive(Args)]
pub struct Show {
    /// The record's id.
    pub id: String,
    /// Show values, actor and addresses.
    #[arg(long)]
    pub reveal: bool,
}

#[derive(Args)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true)
    .args(["ids", "state", "model", "tenant", "transaction"]))]
pub struct Chosen {
    /// The records' ids.
    pub ids: Vec<String>,
    #[command(flatten)]
    pub rows: Rows,
    /// Why: it stands on the record that this leaves.
    #[arg(long)]
    pub reason: Option<String>,
}

#[derive(Args)]
pub struct Prune {
    /// Rows in this state.
    #[arg(long)]
    pub state: EndState,
    /// For how long, such as 90s, 15m, 24h, 30d.
    #[arg(long, value_parser = duration, value_name = "TIME")]
    pub older_than: Duration,
    /// Why: it stands on the record that this leaves.
    #[arg(long)]
    pub reason: Option<String>,
}

#[derive(Args)]
pub struct Verify {
    /// What arrived, as JSON lines with `id`, `transaction_id` and `sequence`.
    #[arg(long, value_name = "PATH")]
    pub against: Option<PathBuf>,
    /// How long the relays keep sent rows.
    #[arg(long, value_parser = duration, default_value = "24h", value_name = "TIME")]
    pub keep_sent: Duration,
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time: write a number and s, m, h or d, such as 24h");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(number.saturating_mul(seconds)))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn times_have_a_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2d"), Ok(Duration::from_secs(172_800)));
        for wrong in ["", "7", "h", "-1h", "1\u{fc}"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
