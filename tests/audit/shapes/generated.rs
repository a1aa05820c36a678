//! Entities that `sea-orm-cli generate entity` wrote, in each of its formats:
//!
//! ```text
//! sea-orm-cli generate entity --entity-format compact --with-prelude none --impl-active-model-behavior false
//!     --model-extra-derives ftn_audit_sea::entity::Auditable --model-extra-attributes 'audit(..)'
//! ```
//!
//! [`unchanged`] generates them again, by the library behind that command.

pub mod compact;
pub mod dense;
pub mod expanded;

use sea_orm::sea_query::{Alias, ColumnDef, ForeignKey, Index, Table, TableCreateStatement};
use sea_orm_codegen::{
    BannerVersion, BigIntegerType, DateTimeCrate, EntityFormat, EntityTransformer, EntityWriterContext,
    WithPrelude, WithSerde,
};

pub const FORMATS: [(&str, EntityFormat); 3] = [
    ("compact", EntityFormat::Compact),
    ("dense", EntityFormat::Dense),
    ("expanded", EntityFormat::Expanded),
];

/// What is said of the entities of one format.
fn said(format: &str) -> [(String, String); 3] {
    let worker = format!(
        r#"audit(name = "Employee/{format}", mask(iban), skip(cache), plain(api_token), rename(name = "full_name"), link(field = "skills", to = super::{format}_skill::Entity))"#
    );
    [
        (format!("{format}_worker"), worker),
        (format!("{format}_skill"), format!(r#"audit(name = "Skill/{format}")"#)),
        (format!("{format}_worker_skill"), "audit(junction)".to_owned()),
    ]
}

/// The tables, as a database has them before anybody thinks of entities.
pub fn tables(format: &str) -> Vec<TableCreateStatement> {
    let name = |name: &str| Alias::new(name);
    let table = |name: &str| Alias::new(format!("{format}_{name}"));
    let worker = Table::create()
        .table(table("worker"))
        .col(ColumnDef::new(name("id")).integer().not_null().primary_key())
        .col(ColumnDef::new(name("name")).string().not_null())
        .col(ColumnDef::new(name("iban")).string())
        .col(ColumnDef::new(name("cache")).text())
        .col(ColumnDef::new(name("api_token")).string())
        .to_owned();
    let skill = Table::create()
        .table(table("skill"))
        .col(ColumnDef::new(name("id")).integer().not_null().primary_key())
        .col(ColumnDef::new(name("name")).string().not_null())
        .to_owned();
    let key = |column: &str, to: &str| {
        ForeignKey::create().from(table("worker_skill"), name(column)).to(table(to), name("id")).to_owned()
    };
    let worker_skill = Table::create()
        .table(table("worker_skill"))
        .col(ColumnDef::new(name("worker_id")).integer().not_null())
        .col(ColumnDef::new(name("skill_id")).integer().not_null())
        .primary_key(Index::create().col(name("worker_id")).col(name("skill_id")))
        .foreign_key(&mut key("worker_id", "worker"))
        .foreign_key(&mut key("skill_id", "skill"))
        .to_owned();
    vec![worker, skill, worker_skill]
}

/// Fails when today's generator writes other entities than those that are compiled here. `FTN_AUDIT_GENERATE=1` writes
/// them anew.
pub fn unchanged() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audit/shapes/generated");
    for (format, entity_format) in FORMATS {
        for (table, said) in said(format) {
            let context = EntityWriterContext::new(
                entity_format,
                WithPrelude::None,
                WithSerde::None,
                false,
                DateTimeCrate::Chrono,
                BigIntegerType::I64,
                None,
                false,
                false,
                false,
                vec!["ftn_audit_sea::entity::Auditable".to_owned()],
                vec![said],
                Vec::new(),
                Vec::new(),
                Vec::new(),
                false,
                false,
                BannerVersion::Off,
            );
            let output = EntityTransformer::transform(tables(format)).unwrap().generate(&context);
            let file = output.files.into_iter().find(|file| file.name == format!("{table}.rs")).unwrap();
            let path = folder.join(format).join(&file.name);
            if std::env::var("FTN_AUDIT_GENERATE").is_ok_and(|value| value == "1") {
                std::fs::create_dir_all(folder.join(format)).unwrap();
                std::fs::write(&path, &file.content).unwrap();
            }
            assert_eq!(shape(&file.content), shape(&std::fs::read_to_string(&path).unwrap()), "{table}");
        }
    }
}

/// What is written, however it is laid out.
fn shape(text: &str) -> String {
    let text: String = text.split_whitespace().collect();
    text.replace(",)", ")").replace(",}", "}").replace(",]", "]")
}
