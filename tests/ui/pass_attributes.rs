//! What can be said of an entity beside its names and links.

#![deny(warnings, unreachable_pub, unused_qualifications)]

pub mod invoice {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "invoice")]
    #[audit(primary, columns = "allow", hash(payer), plain(total))]
    #[audit(soft_delete = "deleted_at", on_failure = "best_effort", reason = "required", bulk = "rows")]
    pub struct Model {
        #[sea_orm(primary_key)]
        #[audit(hash)]
        pub id: i32,
        #[audit(hash, name = "iban")]
        pub account: String,
        pub payer: String,
        pub total: i32,
        #[sea_orm(column_name = "deleted")]
        pub deleted_at: Option<DateTimeUtc>,
    }
}

pub mod old {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "invoice")]
    #[audit(name = "OldInvoice", own_hooks = "unaudited", soft_delete = "gone", on_failure = "block", bulk = "refuse")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub gone: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

fn main() {}
