//! The catalogue of MySQL and MariaDB.

use super::{Kind, Line, Told};

/// One question for everything. The parameters are the schema, or NULL for the current one, and the table, four times.
pub(super) const QUESTION: &str = r#"
SELECT 'table' AS what, CAST(TABLE_TYPE AS CHAR) AS a, CAST(@@auto_increment_increment AS CHAR) AS b, NULL AS c,
       NULL AS d, NULL AS e, NULL AS f, NULL AS g
  FROM information_schema.TABLES WHERE TABLE_SCHEMA = COALESCE(?, DATABASE()) AND TABLE_NAME = ?
UNION ALL
SELECT 'column', CAST(COLUMN_NAME AS CHAR), CAST(PRIVILEGES AS CHAR), NULL, NULL, NULL, NULL, NULL
  FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = COALESCE(?, DATABASE()) AND TABLE_NAME = ?
UNION ALL
SELECT 'unique', CAST(INDEX_NAME AS CHAR), CAST(COLUMN_NAME AS CHAR), NULL, NULL, NULL, NULL, NULL
  FROM information_schema.STATISTICS
 WHERE TABLE_SCHEMA = COALESCE(?, DATABASE()) AND TABLE_NAME = ? AND NON_UNIQUE = 0
UNION ALL
SELECT 'reference', CAST(k.CONSTRAINT_NAME AS CHAR), CAST(k.TABLE_SCHEMA AS CHAR), CAST(k.TABLE_NAME AS CHAR),
       CAST(r.DELETE_RULE AS CHAR), CAST(r.UPDATE_RULE AS CHAR), CAST(k.COLUMN_NAME AS CHAR),
       CAST(k.REFERENCED_COLUMN_NAME AS CHAR)
  FROM information_schema.KEY_COLUMN_USAGE k
  JOIN information_schema.REFERENTIAL_CONSTRAINTS r
    ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME
   AND r.TABLE_NAME = k.TABLE_NAME
 WHERE k.REFERENCED_TABLE_SCHEMA = COALESCE(?, DATABASE()) AND k.REFERENCED_TABLE_NAME = ?
"#;

pub(super) fn note(line: &Line, told: &mut Told) {
    match line.text(0) {
        "table" => {
            told.kind = if line.text(1) == "BASE TABLE" { Kind::Table } else { Kind::View };
            told.lockable = true;
            told.increment = line.text(2).parse().unwrap_or(1);
        }
        "column" if line.text(2).contains("select") => told.readable.push(line.text(1).to_owned()),
        _ => {}
    }
}
