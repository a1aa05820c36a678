//! What a statement's first words tell that is not in the parser's tree.

use sea_orm::DbBackend;

/// Whether a statement changes what the catalogue says.
pub(super) fn changes_schema(sql: &str) -> bool {
    const VERBS: [&str; 6] = ["ALTER", "CREATE", "DROP", "GRANT", "RENAME", "REVOKE"];
    words(sql).next().is_some_and(|first| is_one_of(first, &VERBS))
}

/// Whether MySQL may commit the open transaction before it runs a text ("Statements That Cause an Implicit Commit" in its
/// manual). Afterwards it is asked; so a text with a semicolon in a string does no harm.
pub(super) fn commits_implicitly(backend: DbBackend, sql: &str) -> bool {
    backend == DbBackend::MySql && sql.split(';').any(may_commit)
}

fn may_commit(sql: &str) -> bool {
    const ALWAYS: [&str; 11] = [
        "ALTER",
        "FLUSH",
        "GRANT",
        "INSTALL",
        "LOCK",
        "OPTIMIZE",
        "RENAME",
        "REPAIR",
        "REVOKE",
        "TRUNCATE",
        "UNINSTALL",
    ];
    let mut words = words(sql);
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let is = |word: &str| first.eq_ignore_ascii_case(word);
    let next = |words: &[&str]| is_one_of(second, words);
    match () {
        () if is("CREATE") || is("DROP") => !next(&["TEMPORARY"]),
        () if is("ANALYZE") || is("CHECK") => next(&["LOCAL", "NO_WRITE_TO_BINLOG", "TABLE"]),
        () if is("CACHE") || is("LOAD") => next(&["INDEX"]),
        () if is("SET") => next(&["PASSWORD"]),
        () => is_one_of(first, &ALWAYS),
    }
}

fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// The words of a text, behind the comments that it begins with.
fn words(sql: &str) -> impl Iterator<Item = &str> {
    let mut rest = sql.trim_start();
    loop {
        let behind = if let Some(executed) = rest.strip_prefix("/*!") {
            executed.trim_start_matches(|digit: char| digit.is_ascii_digit())
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/").map_or("", |(_, behind)| behind)
        } else if rest.starts_with("--") || rest.starts_with('#') {
            rest.split_once('\n').map_or("", |(_, behind)| behind)
        } else {
            break;
        };
        rest = behind.trim_start();
    }
    rest.split(|character: char| !character.is_alphanumeric() && character != '_')
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_commit() {
        let commits = |sql| commits_implicitly(DbBackend::MySql, sql);
        for sql in [
            "TRUNCATE TABLE label",
            "create table t (id int)",
            "/* by hand */ DROP TABLE t",
            "LOCK TABLES item WRITE",
            "ANALYZE TABLE item",
            "ANALYZE LOCAL TABLE item",
            "LOAD INDEX INTO CACHE item",
            "-- by hand\n# again\nDROP TABLE t",
            "/*!50003 CREATE TABLE t (id int) */",
            "UPDATE item SET name = ''; TRUNCATE label",
        ] {
            assert!(commits(sql), "{sql}");
            assert!(!commits_implicitly(DbBackend::Postgres, sql), "{sql}");
        }
        for sql in [
            "CREATE TEMPORARY TABLE t (id int)",
            "DROP TEMPORARY TABLE t",
            "ANALYZE UPDATE item SET name = ''",
            "LOAD DATA INFILE 'x' INTO TABLE item",
            "SET @a = 1",
            "UPDATE item SET name = 'truncate'",
            "",
            "/* no end",
        ] {
            assert!(!commits(sql), "{sql}");
        }
    }
}
