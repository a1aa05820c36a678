//! What a sequence is made of.

use proptest::prelude::*;
use sea_orm::{
    ActiveValue::Set,
    ConnectionTrait, DbBackend, IntoActiveModel, QueryOrder, Statement, StreamTrait, TransactionTrait,
    entity::prelude::*,
    sea_query::{ExprTrait, OnConflict},
};

use super::entities::*;

/// What is committed or rolled back together.
#[derive(Clone, Debug)]
pub enum Unit {
    Alone(Operation),
    Transaction { operations: Vec<Operation>, savepoint: Option<(Vec<Operation>, bool)>, commit: bool },
}

/// One write. Numbers pick rows and values.
#[derive(Clone, Debug)]
pub enum Operation {
    Insert(u8, Option<u8>),
    InsertWithoutReturning(u8),
    InsertMany(u8, How),
    InsertCells(u8, u8),
    UpsertThing(u8, u8),
    UpsertCells(u8, u8),
    SkipCells(u8, How),
    Update(u8, u8),
    UpdateWithoutReturning(u8, u8),
    UpdateEntity(u8, u8),
    UpdateManyName(u8, u8),
    UpdateManyAmount(i8),
    UpdateBySubQuery(u8),
    UpdateManyReturning(u8),
    MoveCells(u8),
    MoveThing(u8, u8),
    Delete(u8),
    DeleteById(u8),
    DeleteMany(u8),
    DeleteManyReturning(u8),
    Link(u8, u8),
    LinkMany(u8),
    Unlink(u8, u8),
    ClearLinks(u8),
    Raw(u8, u8),
    RawParameters(u8, u8),
    RawStream(u8),
    Replace(u8, u8),
    Limited(u8),
}

#[derive(Clone, Copy, Debug)]
pub enum How {
    Exec,
    WithoutReturning,
    WithReturning,
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![Just(How::Exec), Just(How::WithoutReturning), Just(How::WithReturning)]
}

fn operation(backend: DbBackend) -> BoxedStrategy<Operation> {
    use Operation::*;
    let n = || 0..6_u8;
    let common = prop_oneof![
        (n(), proptest::option::of(n())).prop_map(|(a, b)| Insert(a, b)),
        n().prop_map(InsertWithoutReturning),
        (1..4_u8, how()).prop_map(|(a, b)| InsertMany(a, b)),
        (n(), n()).prop_map(|(a, b)| InsertCells(a, b)),
        (n(), n()).prop_map(|(a, b)| UpsertThing(a, b)),
        (n(), n()).prop_map(|(a, b)| UpsertCells(a, b)),
        (n(), how()).prop_map(|(a, b)| SkipCells(a, b)),
        (n(), n()).prop_map(|(a, b)| Update(a, b)),
        (n(), n()).prop_map(|(a, b)| UpdateWithoutReturning(a, b)),
        (n(), n()).prop_map(|(a, b)| UpdateEntity(a, b)),
        (n(), n()).prop_map(|(a, b)| UpdateManyName(a, b)),
        any::<i8>().prop_map(UpdateManyAmount),
        n().prop_map(UpdateBySubQuery),
        n().prop_map(MoveCells),
        (n(), n()).prop_map(|(a, b)| MoveThing(a, b)),
        n().prop_map(Delete),
        n().prop_map(DeleteById),
        n().prop_map(DeleteMany),
        (n(), n()).prop_map(|(a, b)| Link(a, b)),
        n().prop_map(LinkMany),
        (n(), n()).prop_map(|(a, b)| Unlink(a, b)),
        n().prop_map(ClearLinks),
        (0..8_u8, n()).prop_map(|(a, b)| Raw(a, b)),
        (0..4_u8, n()).prop_map(|(a, b)| RawParameters(a, b)),
    ];
    match backend {
        DbBackend::MySql => prop_oneof![
            12 => common,
            1 => (n(), n()).prop_map(|(a, b)| Replace(a, b)),
            1 => n().prop_map(Limited),
        ]
        .boxed(),
        DbBackend::Sqlite => prop_oneof![
            12 => common,
            1 => (n(), n()).prop_map(|(a, b)| Replace(a, b)),
            1 => n().prop_map(UpdateManyReturning),
            1 => n().prop_map(DeleteManyReturning),
            1 => n().prop_map(RawStream),
        ]
        .boxed(),
        _ => prop_oneof![
            12 => common,
            1 => n().prop_map(UpdateManyReturning),
            1 => n().prop_map(DeleteManyReturning),
            1 => n().prop_map(RawStream),
        ]
        .boxed(),
    }
}

pub fn units(backend: DbBackend) -> impl Strategy<Value = Vec<Unit>> {
    let operations = || proptest::collection::vec(operation(backend), 1..4);
    let savepoint = proptest::option::of((operations(), any::<bool>()));
    let transaction = (operations(), savepoint, proptest::bool::weighted(0.8))
        .prop_map(|(operations, savepoint, commit)| Unit::Transaction { operations, savepoint, commit });
    let unit = prop_oneof![2 => operation(backend).prop_map(Unit::Alone), 1 => transaction];
    proptest::collection::vec(unit, 1..10)
}

/// Runs a unit; what every operation answered.
pub async fn run<C>(db: &C, unit: &Unit) -> Vec<String>
where
    C: ConnectionTrait + StreamTrait + TransactionTrait,
    C::Transaction: StreamTrait,
{
    match unit {
        Unit::Alone(operation) => vec![said(operation.run(db).await)],
        Unit::Transaction { operations, savepoint, commit } => {
            let mut answers = Vec::new();
            let txn = db.begin().await.expect("a transaction begins");
            if ConnectionTrait::get_database_backend(db) == DbBackend::Sqlite {
                // One that reads first fails where another writer comes before its first write, bare or not.
                txn.execute_unprepared("DELETE FROM word WHERE 0").await.expect("the lock");
            }
            for operation in operations {
                answers.push(said(operation.run(&txn).await));
            }
            if let Some((operations, release)) = savepoint {
                // Where the transaction has failed, none can be set.
                if let Ok(inner) = txn.begin().await {
                    for operation in operations {
                        answers.push(said(operation.run(&inner).await));
                    }
                    let ended = if *release { end(inner, true).await } else { end(inner, false).await };
                    answers.push(said(ended));
                }
            }
            answers.push(said(end(txn, *commit).await));
            answers
        }
    }
}

async fn end<T: sea_orm::TransactionSession>(txn: T, commit: bool) -> Result<String, DbErr> {
    let ended = if commit { txn.commit().await } else { txn.rollback().await };
    ended.map(|()| format!("commit {commit}"))
}

/// An answer as text; of an error what an application can see.
fn said(answer: Result<String, DbErr>) -> String {
    match answer {
        Ok(answer) => answer,
        Err(error) => {
            let variant = format!("{error:?}");
            let variant = variant.split(['(', '{']).next().unwrap_or_default();
            // The line of the server's own source depends on what of a statement it has prepared.
            let text = error.to_string();
            let text = text.split(" at line ").next().unwrap_or_default();
            format!("{variant}: {text}")
        }
    }
}

/// A name, which two different picks can share.
fn name(pick: u8) -> String {
    ["a", "b", "c", "d'e", "f", "g"][usize::from(pick % 6)].to_owned()
}

fn code(pick: u8) -> Option<String> {
    (pick < 5).then(|| format!("k{pick}"))
}

fn made(pick: u8) -> thing::ActiveModel {
    thing::ActiveModel { name: Set(name(pick)), amount: Set(Some(i32::from(pick))), ..Default::default() }
}

fn cell_of(x: u8, y: u8, value: u8) -> cell::ActiveModel {
    cell::ActiveModel { x: Set(i32::from(x % 3)), y: Set(i32::from(y % 3)), value: Set(i32::from(value)) }
}

fn three_cells(x: u8, value: u8) -> Vec<cell::ActiveModel> {
    [0, 1, 2].map(|y| cell_of(x, y, value + y)).to_vec()
}

/// The stored thing that a number picks, on the connection under test.
async fn pick(db: &impl ConnectionTrait, number: u8) -> Result<Option<thing::Model>, DbErr> {
    let things = thing::Entity::find().order_by_asc(thing::Column::Id).all(db).await?;
    Ok(if things.is_empty() { None } else { Some(things[usize::from(number) % things.len()].clone()) })
}

impl Operation {
    async fn run<C: ConnectionTrait + StreamTrait>(&self, db: &C) -> Result<String, DbErr> {
        use Operation::*;
        let backend = ConnectionTrait::get_database_backend(db);
        let none = || Ok("nothing to do".to_owned());
        Ok(match self {
            Insert(pick, with_code) => {
                let mut thing = made(*pick);
                thing.code = Set(with_code.and_then(code));
                format!("{:?}", thing.insert(db).await?)
            }
            InsertWithoutReturning(pick) => {
                format!("{:?}", thing::Entity::insert(made(*pick)).exec_without_returning(db).await?)
            }
            InsertMany(count, how) => {
                let insert = thing::Entity::insert_many((0..*count).map(made));
                match how {
                    How::Exec => format!("{:?}", insert.exec(db).await?.last_insert_id),
                    How::WithoutReturning => format!("{:?}", insert.exec_without_returning(db).await?),
                    How::WithReturning => format!("{:?}", insert.exec_with_returning(db).await?),
                }
            }
            InsertCells(x, value) => {
                let cells = cell::Entity::insert_many(three_cells(*x, *value));
                format!("{:?}", cells.exec(db).await?.last_insert_id)
            }
            UpsertThing(pick, with) => {
                let mut thing = made(*pick);
                thing.code = Set(code(*with));
                let update = OnConflict::column(thing::Column::Code)
                    .update_columns([thing::Column::Name, thing::Column::Amount])
                    .to_owned();
                format!(
                    "{:?}",
                    thing::Entity::insert(thing).on_conflict(update).exec_without_returning(db).await?
                )
            }
            UpsertCells(x, value) => {
                let update = OnConflict::columns([cell::Column::X, cell::Column::Y])
                    .update_column(cell::Column::Value)
                    .to_owned();
                let cells = cell::Entity::insert_many(three_cells(*x, *value)).on_conflict(update);
                format!("{:?}", cells.exec_without_returning(db).await?)
            }
            SkipCells(x, how) => {
                let keys = [cell::Column::X, cell::Column::Y];
                let skip = OnConflict::columns(keys).do_nothing_on(keys).to_owned();
                let cells = cell::Entity::insert_many(three_cells(*x, 9)).on_conflict(skip);
                match how {
                    How::Exec => format!("{:?}", cells.exec(db).await?.last_insert_id),
                    How::WithoutReturning => format!("{:?}", cells.exec_without_returning(db).await?),
                    How::WithReturning => format!("{:?}", cells.exec_with_returning(db).await?),
                }
            }
            Update(number, to) => {
                let Some(thing) = pick(db, *number).await? else { return none() };
                let mut thing = thing.into_active_model();
                thing.name = Set(name(*to));
                thing.code = Set(code(*to));
                format!("{:?}", thing.update(db).await?)
            }
            UpdateWithoutReturning(number, to) => {
                let Some(thing) = pick(db, *number).await? else { return none() };
                let mut thing = thing.into_active_model();
                thing.amount = Set(Some(i32::from(*to)));
                format!("{:?}", thing.update_without_returning(db).await?.rows_affected)
            }
            UpdateEntity(x, value) => {
                format!("{:?}", cell::Entity::update(cell_of(*x, 1, *value)).exec(db).await?)
            }
            UpdateManyName(from, to) => {
                let update = thing::Entity::update_many()
                    .col_expr(thing::Column::Name, Expr::value(name(*to)))
                    .filter(thing::Column::Name.eq(name(*from)));
                format!("{:?}", update.exec(db).await?.rows_affected)
            }
            UpdateManyAmount(by) => {
                let update = thing::Entity::update_many()
                    .col_expr(thing::Column::Amount, Expr::col(thing::Column::Amount).add(i32::from(*by)))
                    .filter(thing::Column::Amount.is_not_null());
                format!("{:?}", update.exec(db).await?.rows_affected)
            }
            UpdateBySubQuery(size) => {
                let text = format!(
                    "UPDATE thing SET amount = 77 WHERE id IN (SELECT thing_id FROM part WHERE size > {size})"
                );
                format!("{:?}", db.execute_unprepared(&text).await?.rows_affected())
            }
            UpdateManyReturning(to) => {
                let update = cell::Entity::update_many()
                    .col_expr(cell::Column::Value, Expr::value(i32::from(*to)))
                    .filter(cell::Column::X.lt(2));
                let mut rows = update.exec_with_returning(db).await?;
                rows.sort_by_key(|cell| (cell.x, cell.y));
                format!("{rows:?}")
            }
            MoveCells(by) => {
                let text =
                    format!("UPDATE cell SET x = x + {}, value = value + 1 WHERE y = 1", i32::from(*by) * 10);
                format!("{:?}", db.execute_unprepared(&text).await?.rows_affected())
            }
            MoveThing(number, to) => {
                let Some(thing) = pick(db, *number).await? else { return none() };
                let update = thing::Entity::update_many()
                    .col_expr(thing::Column::Id, Expr::value(2000 + i32::from(*to)))
                    .filter(thing::Column::Id.eq(thing.id));
                format!("{:?}", update.exec(db).await?.rows_affected)
            }
            Delete(number) => {
                let Some(thing) = pick(db, *number).await? else { return none() };
                format!("{:?}", thing.into_active_model().delete(db).await?.rows_affected)
            }
            DeleteById(x) => {
                let key = (i32::from(*x % 3), 1);
                format!("{:?}", cell::Entity::delete_by_id(key).exec(db).await?.rows_affected)
            }
            DeleteMany(pick) => {
                let delete = thing::Entity::delete_many().filter(thing::Column::Name.eq(name(*pick)));
                format!("{:?}", delete.exec(db).await?.rows_affected)
            }
            DeleteManyReturning(x) => {
                let delete = cell::Entity::delete_many().filter(cell::Column::X.eq(i32::from(*x % 3)));
                let mut rows = delete.exec_with_returning(db).await?;
                rows.sort_by_key(|cell| (cell.x, cell.y));
                format!("{rows:?}")
            }
            Link(number, word) => {
                let Some(thing) = pick(db, *number).await? else { return none() };
                let word_id = i32::from(*word % 3) + 1;
                let link = thing_word::ActiveModel { thing_id: Set(thing.id), word_id: Set(word_id) };
                format!("{:?}", link.insert(db).await?)
            }
            LinkMany(number) => {
                let Some(thing) = pick(db, *number).await? else { return none() };
                let links = [1, 2, 3].map(|word_id| thing_word::ActiveModel {
                    thing_id: Set(thing.id),
                    word_id: Set(word_id),
                });
                let keys = [thing_word::Column::ThingId, thing_word::Column::WordId];
                let skip = OnConflict::columns(keys).do_nothing_on(keys).to_owned();
                let links = thing_word::Entity::insert_many(links).on_conflict(skip);
                format!("{:?}", links.exec_without_returning(db).await?)
            }
            Unlink(number, word) => {
                let Some(thing) = pick(db, *number).await? else { return none() };
                let key = (thing.id, i32::from(*word % 3) + 1);
                format!("{:?}", thing_word::Entity::delete_by_id(key).exec(db).await?.rows_affected)
            }
            ClearLinks(number) => {
                let Some(thing) = pick(db, *number).await? else { return none() };
                let delete =
                    thing_word::Entity::delete_many().filter(thing_word::Column::ThingId.eq(thing.id));
                format!("{:?}", delete.exec(db).await?.rows_affected)
            }
            Raw(which, value) => {
                let text = match which {
                    0 => {
                        format!("UPDATE thing SET name = 'r{value}' WHERE amount >= {value} OR code IS NULL")
                    }
                    1 => format!("DELETE FROM part WHERE size = {value}"),
                    2 => format!("INSERT INTO cell (x, y, value) VALUES (7, {value}, 1), (8, {value}, 2)"),
                    3 => format!(
                        "UPDATE part SET size = size * 2 /* {value} */ WHERE size > {value} -- as it is"
                    ),
                    4 => format!("INSERT INTO thing (name) VALUES ('raw {value}')"),
                    5 => "UPDATE cell AS c SET value = 0 WHERE c.x = 1".to_owned(),
                    6 => format!("UPDATE part SET thing_id = NULL WHERE id = {value}"),
                    _ => format!("UPDATE word SET text = 'w{value}' WHERE text LIKE '%e%' AND id <= 3"),
                };
                format!("{:?}", db.execute_unprepared(&text).await?.rows_affected())
            }
            RawParameters(which, value) => {
                let value = i32::from(*value);
                let (text, values): (_, Vec<sea_orm::Value>) = match which {
                    0 => ("UPDATE cell SET value = $1 WHERE x < $2", vec![value.into(), 2.into()]),
                    1 => ("DELETE FROM cell WHERE value = $1", vec![value.into()]),
                    2 => ("INSERT INTO part (id, size) VALUES ($1, $2)", vec![(value + 10).into(), 4.into()]),
                    _ => ("UPDATE part SET size = $1 WHERE id = $2", vec![9.into(), value.into()]),
                };
                let text = match backend {
                    DbBackend::Postgres => text.to_owned(),
                    _ => text.replace("$1", "?").replace("$2", "?"),
                };
                let statement = Statement::from_sql_and_values(backend, text, values);
                format!("{:?}", db.execute_raw(statement).await?.rows_affected())
            }
            RawStream(value) => {
                use futures_util::TryStreamExt;
                let text = format!("UPDATE cell SET value = value + 1 WHERE value < {value} RETURNING x, y");
                let statement = Statement::from_string(backend, text);
                let rows: Vec<_> = db.stream_raw(statement).await?.try_collect().await?;
                let names = rows.first().map(|row| row.column_names());
                format!("{} {names:?}", rows.len())
            }
            Replace(pick, with) => {
                let verb = if backend == DbBackend::Sqlite { "INSERT OR REPLACE" } else { "REPLACE" };
                let text = format!(
                    "{verb} INTO thing (id, name, code) VALUES ({}, 'replaced', 'k{with}')",
                    1000 + i32::from(*pick)
                );
                format!("{:?}", db.execute_unprepared(&text).await?.rows_affected())
            }
            Limited(count) => {
                let text = format!("DELETE FROM cell WHERE value > 1 ORDER BY value, x, y LIMIT {count}");
                format!("{:?}", db.execute_unprepared(&text).await?.rows_affected())
            }
        })
    }
}
