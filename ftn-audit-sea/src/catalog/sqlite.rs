//! SQLite's catalogue.

use super::{Kind, Line, Told};

/// One question for everything. The parameter is the table, five times.
pub(super) const QUESTION: &str = r#"
SELECT 'table', type, NULL, NULL, NULL, NULL, NULL, NULL
  FROM sqlite_master WHERE name = ? COLLATE NOCASE AND type IN ('table', 'view')
UNION ALL
SELECT 'column', name, CAST(pk AS TEXT), NULL, NULL, NULL, NULL, NULL FROM pragma_table_xinfo(?)
UNION ALL
SELECT 'unique', l.name, i.name, NULL, NULL, NULL, NULL, NULL
  FROM pragma_index_list(?) l, pragma_index_info(l.name) i WHERE l."unique" = 1 AND l.partial = 0
UNION ALL
SELECT 'reference', CAST(f.id AS TEXT), NULL, m.name, f.on_delete, f.on_update, f."from",
       COALESCE(f."to", (SELECT p.name FROM pragma_table_info(?) p WHERE p.pk = f.seq + 1))
  FROM sqlite_master m, pragma_foreign_key_list(m.name) f
 WHERE m.type = 'table' AND f."table" = ? COLLATE NOCASE
"#;

pub(super) fn note(line: &Line, told: &mut Told) {
    match line.text(0) {
        "table" => {
            told.kind = if line.text(1) == "table" { Kind::Table } else { Kind::View };
            told.lockable = true;
        }
        "column" => {
            told.readable.push(line.text(1).to_owned());
            // An INTEGER PRIMARY KEY has no index of its own.
            if line.text(2) != "0" {
                told.unique.push((String::new(), line.text(1).to_owned()));
            }
        }
        _ => {}
    }
}
