//! The bare connection, its tables, and the owners that are there from the beginning.

use std::env;

use sea_orm::{
    ActiveValue::Set, ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, EntityTrait,
    PaginatorTrait, Schema,
};

use crate::entities::{item, item_tag, owner, tag};

pub async fn open() -> Result<DatabaseConnection, DbErr> {
    let url = env::var("DATABASE_URL").unwrap_or_else(|_| "sqlite::memory:".to_owned());
    let mut options = ConnectOptions::new(&url);
    options.sqlx_logging(false);
    if url.contains(":memory:") {
        // Every connection to it would see a database of its own, and closing the one would lose it.
        options.max_connections(1).idle_timeout(None).max_lifetime(None);
    }
    let db = Database::connect(options).await?;
    create_tables(&db).await?;
    if owner::Entity::find().count(&db).await? == 0 {
        let owners = ["ann", "ben"].map(|name| owner::ActiveModel {
            name: Set(name.to_owned()),
            phone: Set(None),
            ..Default::default()
        });
        owner::Entity::insert_many(owners).exec(&db).await?;
    }
    Ok(db)
}

async fn create_tables(db: &DatabaseConnection) -> Result<(), DbErr> {
    let schema = Schema::new(db.get_database_backend());
    let tables = [
        schema.create_table_from_entity(owner::Entity),
        schema.create_table_from_entity(item::Entity),
        schema.create_table_from_entity(tag::Entity),
        schema.create_table_from_entity(item_tag::Entity),
    ];
    for mut table in tables {
        db.execute(table.if_not_exists()).await?;
    }
    Ok(())
}
