//! Who did it, when a worker does it: the context of a request in a job's payload, a worker that goes on in its name, and
//! a scheduled job that nobody asked for. Runs to its end by itself and prints a JSON record a line:
//!
//! ```text
//! cargo run --example jobs
//! ```

use std::{error::Error, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{Request, StatusCode},
    routing::post,
};
use ftn_audit_sea::prelude::*;
use sea_orm::{ActiveValue::Set, ConnectOptions, Database, Schema, TransactionTrait, prelude::*};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tower::ServiceExt;

mod report {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "report")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub title: String,
        pub state: String,
    }
}

/// The queue: a table here, and a broker's as well. Not audited.
mod job {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "job")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        #[sea_orm(column_type = "Text")]
        pub payload: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

#[derive(Serialize, Deserialize)]
struct Render {
    report: i32,
    /// Who asked for it, by which request.
    context: AuditContext,
}

#[derive(Clone)]
struct Service {
    db: AuditedConnection,
    queued: Arc<Notify>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let audit = Audit::builder().service_name("reports").sink(JsonlSink::stdout()).build()?;
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).idle_timeout(None).max_lifetime(None).sqlx_logging(false);
    let bare = Database::connect(options).await?;
    let schema = Schema::new(bare.get_database_backend());
    bare.execute(&schema.create_table_from_entity(report::Entity)).await?;
    bare.execute(&schema.create_table_from_entity(job::Entity)).await?;

    let service = Service { db: audit.connect(bare).await?, queued: Arc::default() };
    let app = Router::new()
        .route("/reports/{title}", post(order))
        .layer(AuditLayer::new(&audit))
        .with_state(service.clone());
    let worker = tokio::spawn(work(service.clone()));
    for (title, user) in [("sales", "42"), ("stock", "43")] {
        let mut request = Request::post(format!("/reports/{title}")).body(Body::empty())?;
        // What an authenticating middleware would find.
        request.extensions_mut().insert(Actor::user(user));
        let answer = app.clone().oneshot(request).await?;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
    }
    worker.await??;
    clean_up(&service.db).await?;

    let report = audit.shutdown(Duration::from_secs(10)).await;
    assert_eq!((report.failed, report.left), (0, 0));
    Ok(())
}

/// The handler: the report's row, and the job that will fill it, in one transaction.
async fn order(State(service): State<Service>, Path(title): Path<String>) -> Result<StatusCode, StatusCode> {
    ordered(&service, title).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    service.queued.notify_one();
    Ok(StatusCode::ACCEPTED)
}

async fn ordered(service: &Service, title: String) -> Result<(), Box<dyn Error + Send + Sync>> {
    let context = AuditContext::current().ok_or("the layer is around the handler")?;
    let txn = service.db.begin().await?;
    let report =
        report::ActiveModel { title: Set(title), state: Set("ordered".to_owned()), ..Default::default() };
    let report = report.insert(&txn).await?;
    let payload = serde_json::to_string(&Render { report: report.id, context })?;
    job::ActiveModel { payload: Set(payload), ..Default::default() }.insert(&txn).await?;
    txn.commit().await?;
    Ok(())
}

/// The worker, which may be another process: it ends after two jobs, so that the example does.
async fn work(service: Service) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut done = 0;
    while done < 2 {
        let Some(job) = job::Entity::find().one(&service.db).await? else {
            service.queued.notified().await;
            continue;
        };
        let Render { report, context } = serde_json::from_str(&job.payload)?;
        // The records name the worker, and the user on whose behalf it works; route and request are those of the order.
        let context = context.delegated_to(Actor::service("renderer"));
        context.scope(render(&service.db, report)).await?;
        job::Entity::delete_by_id(job.id).exec(&service.db).await?;
        done += 1;
    }
    Ok(())
}

async fn render(db: &AuditedConnection, id: i32) -> Result<(), DbErr> {
    let report = report::Entity::find_by_id(id).one(db).await?;
    let mut report: report::ActiveModel =
        report.ok_or_else(|| DbErr::RecordNotFound(format!("report {id}")))?.into();
    report.state = Set("rendered".to_owned());
    report.update(db).await?;
    Ok(())
}

/// What a scheduler starts: the program itself did it, for a reason.
async fn clean_up(db: &AuditedConnection) -> Result<(), DbErr> {
    let context =
        AuditContext::builder().actor(Actor::system()).reason("reports are kept for a night").build();
    context
        .scope(async {
            for report in report::Entity::find().all(db).await? {
                report::ActiveModel::from(report).delete(db).await?;
            }
            Ok(())
        })
        .await
}
