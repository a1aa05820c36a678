//! The table in each database's words, and the roles that use it.

use sea_orm::DbBackend;

/// The name of the outbox's table. It is looked for where the connection looks for tables without a schema.
pub const TABLE: &str = "audit_outbox";

/// The database's clock in microseconds since 1970, the same throughout a statement, so that an index can be searched
/// for it.
pub(crate) fn now(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Postgres => "(extract(epoch FROM now()) * 1000000)::bigint",
        DbBackend::MySql => "TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6))",
        _ => "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)",
    }
}

/// The statements that make the table and its indexes where they are missing.
///
/// Times are microseconds since 1970 and ids are text, in every database: then no type depends on the features that an
/// application chose for its driver. What the writer does not say has a default, so that it needs no right but INSERT
/// and cannot say it.
pub fn statements(backend: DbBackend) -> Vec<String> {
    match backend {
        DbBackend::Postgres => postgres(),
        DbBackend::MySql => mysql(),
        _ => sqlite(),
    }
}

/// The index of tails leaves single records out: nobody looks for theirs, and every claim and mark would write to it.
fn postgres() -> Vec<String> {
    // A transaction's own moment would make rows of a long one look old when they appear.
    let clock = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    vec![
        format!(
            "CREATE TABLE IF NOT EXISTS {TABLE} (
    id varchar(36) COLLATE \"C\" PRIMARY KEY,
    transaction_id varchar(36) COLLATE \"C\" NOT NULL,
    sequence integer NOT NULL,
    transaction_count integer,
    tenant text,
    model text NOT NULL,
    model_pk text NOT NULL,
    event text NOT NULL,
    format integer NOT NULL,
    payload text NOT NULL,
    occurred_at bigint NOT NULL,
    recorded_at bigint NOT NULL DEFAULT {clock},
    state varchar(16) NOT NULL DEFAULT 'waiting',
    due_at bigint NOT NULL DEFAULT {clock},
    lease_owner varchar(36),
    attempts integer NOT NULL DEFAULT 0,
    last_error text
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02)"
        ),
        format!(
            "CREATE INDEX IF NOT EXISTS {TABLE}_waiting ON {TABLE} (due_at) INCLUDE (recorded_at) \
             WHERE state = 'waiting'"
        ),
        format!(
            "CREATE INDEX IF NOT EXISTS {TABLE}_finished ON {TABLE} (state, due_at) WHERE state <> 'waiting'"
        ),
        format!(
            "CREATE INDEX IF NOT EXISTS {TABLE}_tail ON {TABLE} (transaction_id) \
             WHERE sequence = transaction_count AND sequence > 1"
        ),
    ]
}

fn mysql() -> Vec<String> {
    let clock = now(DbBackend::MySql);
    vec![format!(
        "CREATE TABLE IF NOT EXISTS {TABLE} (
    id char(36) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY,
    transaction_id char(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    sequence int NOT NULL,
    transaction_count int,
    tenant text,
    model text NOT NULL,
    model_pk text NOT NULL,
    event text NOT NULL,
    format int NOT NULL,
    payload longtext NOT NULL,
    occurred_at bigint NOT NULL,
    recorded_at bigint NOT NULL DEFAULT ({clock}),
    state varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'waiting',
    due_at bigint NOT NULL DEFAULT ({clock}),
    lease_owner char(36) CHARACTER SET ascii COLLATE ascii_bin,
    attempts int NOT NULL DEFAULT 0,
    last_error text,
    INDEX {TABLE}_due (state, due_at, recorded_at),
    INDEX {TABLE}_tail (transaction_id)
) ENGINE = InnoDB CHARACTER SET utf8mb4"
    )]
}

fn sqlite() -> Vec<String> {
    let clock = now(DbBackend::Sqlite);
    vec![
        format!(
            "CREATE TABLE IF NOT EXISTS {TABLE} (
    id text PRIMARY KEY NOT NULL,
    transaction_id text NOT NULL,
    sequence integer NOT NULL,
    transaction_count integer,
    tenant text,
    model text NOT NULL,
    model_pk text NOT NULL,
    event text NOT NULL,
    format integer NOT NULL,
    payload text NOT NULL,
    occurred_at bigint NOT NULL,
    recorded_at bigint NOT NULL DEFAULT ({clock}),
    state text NOT NULL DEFAULT 'waiting',
    due_at bigint NOT NULL DEFAULT ({clock}),
    lease_owner text,
    attempts integer NOT NULL DEFAULT 0,
    last_error text
)"
        ),
        format!("CREATE INDEX IF NOT EXISTS {TABLE}_due ON {TABLE} (state, due_at, recorded_at)"),
        format!(
            "CREATE INDEX IF NOT EXISTS {TABLE}_tail ON {TABLE} (transaction_id) \
             WHERE sequence = transaction_count AND sequence > 1"
        ),
    ]
}

/// The rights of the three roles, as statements to be run by the table's owner: the writer (the application), the relay
/// with the command line, and the migrator, who owns the table. None on SQLite, which has no roles.
///
/// The names stand for the database's own: `audit_writer`, `audit_relay`, `audit_migrator`.
pub fn grants(backend: DbBackend) -> Vec<String> {
    match backend {
        DbBackend::Postgres => vec![
            format!("GRANT INSERT ON {TABLE} TO audit_writer"),
            format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {TABLE} TO audit_relay"),
            format!("ALTER TABLE {TABLE} OWNER TO audit_migrator"),
        ],
        DbBackend::MySql => vec![
            format!("GRANT INSERT ON {TABLE} TO 'audit_writer'"),
            format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {TABLE} TO 'audit_relay'"),
            format!("GRANT CREATE, ALTER, INDEX, DROP, REFERENCES ON {TABLE} TO 'audit_migrator'"),
        ],
        _ => Vec::new(),
    }
}

/// The right that the writer needs beyond INSERT when `outbox_max_rows` is set.
pub fn counting_grant(backend: DbBackend) -> Option<String> {
    match backend {
        DbBackend::Postgres => Some(format!("GRANT SELECT (state) ON {TABLE} TO audit_writer")),
        DbBackend::MySql => Some(format!("GRANT SELECT (state) ON {TABLE} TO 'audit_writer'")),
        _ => None,
    }
}
