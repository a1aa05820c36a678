//! What start-up refuses of a program's entities and formatters, all in one error.

use ftn_audit_sea::prelude::*;

macro_rules! entity {
    ($name:ident $table:literal [$($audit:tt)*] { $($fields:tt)* }) => {
        mod $name {
            use ftn_audit_sea::entity::*;
            use sea_orm::entity::prelude::*;

            #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
            #[sea_orm(table_name = $table)]
            #[audit($($audit)*)]
            pub struct Model {
                #[sea_orm(primary_key)]
                pub id: i32,
                $($fields)*
            }

            #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
            pub enum Relation {}
        }
    };
}

entity!(first "shared" [name = "First"] {});
entity!(second "shared" [name = "Second"] {});
entity!(same "one" [name = "Same"] {});
entity!(namesake "other" [name = "Same"] {});
entity!(renamed "renamed" [name = "Renamed", rename(title = "name")] { pub name: String, pub title: String, });
entity!(leading "led" [name = "Leading", primary] {});
entity!(following "led" [name = "Following"] {});
entity!(blocking "blocking" [name = "Blocking", on_failure = "block"] {});
entity!(hashed "hashed" [name = "Hashed"] { #[audit(hash)] pub email: String, });
entity!(never "never" [name = "Never", soft_delete = "deleted_at"] { pub deleted_at: DateTimeUtc, });
entity!(flagged "flagged" [name = "Flagged", soft_delete = "deleted"] { pub deleted: bool, });

#[audit_formatter]
fn never_chosen(_: &Change<following::Model>) -> Formatted {
    Formatted::new("")
}

#[audit_formatter(event = "restoration")]
fn nothing_to_restore(_: &Change<blocking::Model>) -> Formatted {
    Formatted::new("")
}

#[audit_formatter(event = "restoration")]
fn restored(_: &Change<flagged::Model>) -> Formatted {
    Formatted::new("")
}

fn main() {
    let build = || Audit::builder().sink(MemorySink::new()).environment(|_| None);
    let error = build().build().err().expect("start-up refuses");
    let mut expected = vec![
        "two entities are named `Same`: ",
        "`Renamed` at ",
        "the table `shared` has several entities, `First` at ",
        "`Blocking` at ",
        "`Hashed` at ",
        "`Never` at ",
        "the formatter never_chosen at ",
        "the formatter nothing_to_restore at ",
    ];
    for problem in error.problems() {
        let known = expected.iter().position(|start| problem.starts_with(start));
        let known = known.unwrap_or_else(|| panic!("unexpected: {problem}"));
        expected.remove(known);
    }
    assert!(expected.is_empty(), "{expected:?}\n{error}");
}
