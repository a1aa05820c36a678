//! Postgres's catalogue.

use super::{Kind, Line, Told};

/// One question for everything. `$1` is the table's quoted name.
pub(super) const QUESTION: &str = r#"
WITH t AS (
    SELECT c.oid, c.relkind, c.relrowsecurity FROM pg_catalog.pg_class c WHERE c.oid = to_regclass($1)
)
SELECT 'table'::text, t.relkind::text, t.relrowsecurity::text,
       EXISTS (SELECT 1 FROM pg_catalog.pg_rewrite r WHERE r.ev_class = t.oid AND r.ev_type <> '1')::text,
       has_any_column_privilege(t.oid, 'UPDATE')::text, NULL::text, NULL::text, NULL::text
  FROM t
UNION ALL
SELECT 'column', a.attname::text, has_column_privilege(t.oid, a.attnum, 'SELECT')::text, NULL, NULL, NULL, NULL, NULL
  FROM t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'unique', i.indexrelid::text, a.attname::text, NULL, NULL, NULL, NULL, NULL
  FROM t
  JOIN pg_catalog.pg_index i ON i.indrelid = t.oid AND i.indisunique AND i.indisvalid AND i.indimmediate
                            AND i.indpred IS NULL AND i.indexprs IS NULL
  CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, n)
  JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum
 WHERE k.n <= i.indnkeyatts
UNION ALL
SELECT 'sequence', a.attname::text, s.oid::regclass::text, NULL, NULL, NULL, NULL, NULL
  FROM t
  JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = t.oid
                             AND d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i')
  JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
  JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
 WHERE has_sequence_privilege(s.oid, 'USAGE') OR has_sequence_privilege(s.oid, 'SELECT')
UNION ALL
SELECT 'reference', f.oid::text, n.nspname::text, c.relname::text, f.confdeltype::text, f.confupdtype::text,
       child.attname::text, parent.attname::text
  FROM t
  JOIN pg_catalog.pg_constraint f ON f.confrelid = t.oid AND f.contype = 'f' AND f.conparentid = 0
  JOIN pg_catalog.pg_class c ON c.oid = f.conrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  CROSS JOIN LATERAL unnest(f.conkey, f.confkey) AS k (child, parent)
  JOIN pg_catalog.pg_attribute child ON child.attrelid = f.conrelid AND child.attnum = k.child
  JOIN pg_catalog.pg_attribute parent ON parent.attrelid = f.confrelid AND parent.attnum = k.parent
"#;

pub(super) fn note(line: &Line, told: &mut Told) {
    match line.text(0) {
        "table" => {
            told.kind = match line.text(1) {
                "r" => Kind::Table,
                "p" => Kind::Partitioned,
                _ => Kind::View,
            };
            told.row_security = line.text(2) == "true";
            told.rules = line.text(3) == "true" && told.kind != Kind::View;
            told.lockable = line.text(4) == "true" && told.kind != Kind::View;
        }
        "column" if line.text(2) == "true" => told.readable.push(line.text(1).to_owned()),
        "sequence" => told.sequences.push((line.text(1).to_owned(), line.text(2).to_owned())),
        _ => {}
    }
}
