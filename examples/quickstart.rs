//! The whole of it on one page: entities, a formatter, a connection, and the records of what was done, a JSON line
//! each. Needs nothing but this program:
//!
//! ```text
//! cargo run --example quickstart
//! ```

use std::time::Duration;

use ftn_audit_sea::prelude::*;
use sea_orm::{ActiveValue::Set, ConnectOptions, Database, TransactionTrait, prelude::*};

mod item {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "item")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub title: String,
        #[sea_orm(column_type = "Decimal(Some((12, 2)))")]
        pub price: Decimal,
        #[audit(mask)]
        pub supplier_note: Option<String>,
        #[sea_orm(has_many, via = "item_tag")]
        #[audit(link)]
        pub tags: HasMany<super::tag::Entity>,
    }
}

mod tag {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "tag")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
        #[sea_orm(has_many, via = "item_tag")]
        pub items: HasMany<super::item::Entity>,
    }
}

mod item_tag {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "item_tag")]
    #[audit(junction)]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub item_id: i32,
        #[sea_orm(primary_key, auto_increment = false)]
        pub tag_id: i32,
        #[sea_orm(belongs_to, from = "item_id", to = "id")]
        pub item: BelongsTo<super::item::Entity>,
        #[sea_orm(belongs_to, from = "tag_id", to = "id")]
        pub tag: BelongsTo<super::tag::Entity>,
    }
}

#[derive(Default)]
struct Repriced;

#[audit_formatter(route = "PATCH|/items/:id", event = "update")]
impl AuditFormatter for Repriced {
    type Subject = item::Model;

    fn description(&self, change: &Change<item::Model>) -> String {
        let item = change.subject();
        match change.old() {
            Some(old) if change.changed(item::Column::Price) => {
                format!("{} repriced from {} to {}", item.title, old.price, item.price)
            }
            _ => change.default_description(),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let audit = Audit::builder().service_name("quickstart").sink(JsonlSink::stdout()).build()?;

    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1);
    let db = audit.connect(Database::connect(options).await?).await?;
    // Schema work is not audited; SeaORM's own tools want SeaORM's own connection.
    let schema = db.inner().get_schema_builder().register(item::Entity).register(tag::Entity);
    schema.register(item_tag::Entity).apply(db.inner()).await?;

    // In a service, `AuditLayer` makes the context of each request.
    let ann = || Actor::user("42").email("ann@example.org");
    AuditContext::builder().actor(ann()).raw_route("POST|/items").build().scope(create(&db)).await?;
    AuditContext::builder().actor(ann()).raw_route("PATCH|/items/:id").build().scope(change(&db)).await?;
    AuditContext::builder().actor(ann()).raw_route("DELETE|/items/:id").build().scope(delete(&db)).await?;

    let report = audit.shutdown(Duration::from_secs(5)).await;
    assert_eq!((report.failed, report.left), (0, 0), "every record was printed");
    Ok(())
}

async fn create(db: &AuditedConnection) -> Result<(), DbErr> {
    let tea = item::ActiveModel {
        title: Set("Tea".to_owned()),
        price: Set(Decimal::new(350, 2)),
        supplier_note: Set(Some("never shown".to_owned())),
        ..Default::default()
    };
    tea.insert(db).await?;
    Ok(())
}

async fn change(db: &AuditedConnection) -> Result<(), DbErr> {
    let tea = item::Entity::find_by_id(1).one(db).await?.ok_or(DbErr::RecordNotFound("tea".to_owned()))?;

    let mut repriced: item::ActiveModel = tea.clone().into();
    repriced.price = Set(Decimal::new(420, 2));
    repriced.update(db).await?;

    // Both tags and both links are one transaction, and so are their records.
    let tagged = item::ActiveModel::from(tea.clone()).into_ex();
    let tagged = tagged.add_tag(tag::ActiveModel::builder().set_name("hot"));
    tagged.add_tag(tag::ActiveModel::builder().set_name("green")).save(db).await?;

    // What is rolled back leaves no record.
    let txn = db.begin().await?;
    let mut given_away: item::ActiveModel = tea.into();
    given_away.price = Set(Decimal::ZERO);
    given_away.update(&txn).await?;
    txn.rollback().await
}

async fn delete(db: &AuditedConnection) -> Result<(), DbErr> {
    let tea = item::Entity::find_by_id(1).one(db).await?.ok_or(DbErr::RecordNotFound("tea".to_owned()))?;
    // Breaks the links first, then deletes the item, in one transaction.
    tea.cascade_delete(db).await?;
    Ok(())
}
