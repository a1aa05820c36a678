mod item {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "item")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
    }
}

use ftn_audit_sea::prelude::*;

#[derive(Default)]
struct Described<M>(std::marker::PhantomData<M>);

#[audit_formatter(event = "update")]
impl<M: Send + Sync + 'static> AuditFormatter for Described<M> {
    type Subject = item::Model;

    fn description(&self, _: &Change<item::Model>) -> String {
        String::new()
    }
}

fn main() {}
