//! SQLite's catalogue.

use super::{Action, ForeignKey, Kind, Line, Told};

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
        "unique" => told.unique.push((line.text(1).to_owned(), line.text(2).to_owned())),
        "reference" => {
            let key = ForeignKey {
                schema: None,
                table: line.text(3).to_owned(),
                columns: vec![line.text(6).to_owned()],
                referenced: vec![line.text(7).to_owned()],
                on_delete: action(line.text(4)),
                on_update: action(line.text(5)),
            };
            told.references.push((line.text(1).to_owned(), key));
        }
        _ => {}
    }
}

fn action(rule: &str) -> Action {
    match rule {
        "CASCADE" => Action::Cascade,
        "SET NULL" | "SET DEFAULT" => Action::SetOther,
        _ => Action::Nothing,
    }
}
