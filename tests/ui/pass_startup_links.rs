//! What start-up refuses of links: relations that are not many-to-many, and junctions that are not known as such.

use ftn_audit_sea::prelude::*;

macro_rules! targets {
    ($($name:ident)+) => {$(
        mod $name {
            use sea_orm::entity::prelude::*;

            #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
            #[sea_orm(table_name = "target")]
            pub struct Model {
                #[sea_orm(primary_key)]
                pub id: i32,
            }

            #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
            pub enum Relation {}

            impl ActiveModelBehavior for ActiveModel {}
        }
    )+};
}

targets!(good tag label child group);

macro_rules! between {
    ($name:ident $table:literal $($audit:meta)?) => {
        mod $name {
            use ftn_audit_sea::entity::*;
            use sea_orm::entity::prelude::*;

            #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
            #[sea_orm(table_name = $table)]
            $(#[$audit])?
            pub struct Model {
                #[sea_orm(primary_key, auto_increment = false)]
                pub owner_id: i32,
                #[sea_orm(primary_key, auto_increment = false)]
                pub target_id: i32,
            }

            #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
            pub enum Relation {}
        }
    };
}

between!(junction "junction" audit(junction));
between!(unsaid "unsaid");

mod unaudited {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "unaudited")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub owner_id: i32,
        #[sea_orm(primary_key, auto_increment = false)]
        pub target_id: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod owner {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "owner")]
    #[audit(link(field = "goods", to = super::good::Entity, via = super::junction::Entity))]
    #[audit(link(field = "tags", to = super::tag::Entity))]
    #[audit(link(field = "labels", to = super::label::Entity))]
    #[audit(link(field = "children", to = super::child::Entity))]
    #[audit(link(field = "groups", to = super::group::Entity, via = super::unaudited::Entity))]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    macro_rules! related {
        ($target:ident through $junction:ident) => {
            impl Related<super::$target::Entity> for Entity {
                fn to() -> RelationDef {
                    super::$junction::Entity::belongs_to(super::$target::Entity)
                        .from(super::$junction::Column::TargetId)
                        .to(super::$target::Column::Id)
                        .into()
                }

                fn via() -> Option<RelationDef> {
                    let owner: RelationDef = super::$junction::Entity::belongs_to(Entity)
                        .from(super::$junction::Column::OwnerId)
                        .to(Column::Id)
                        .into();
                    Some(owner.rev())
                }
            }
        };
    }
    related!(good through junction);
    related!(tag through unaudited);
    related!(label through unsaid);
    related!(group through junction);

    impl Related<super::child::Entity> for Entity {
        fn to() -> RelationDef {
            Entity::belongs_to(super::child::Entity).from(Column::Id).to(super::child::Column::Id).into()
        }
    }
}

fn main() {
    let error = Audit::builder().sink(MemorySink::new()).environment(|_| None).build().err();
    let error = error.expect("start-up refuses");
    let mut expected = vec![
        ("the link `Owner.tags` at ", "goes through `unaudited`, whose entity is not audited"),
        ("the link `Owner.labels` at ", "goes through `unsaid`, whose entity needs `#[audit(junction)]`"),
        ("the link `children` at ", "is not many-to-many"),
        ("the link `Owner.groups` at ", "says `via` the table `unaudited`, and SeaORM's relation goes through `junction`"),
    ];
    for problem in error.problems() {
        let known = expected.iter().position(|(start, why)| problem.starts_with(start) && problem.contains(why));
        expected.remove(known.unwrap_or_else(|| panic!("unexpected: {problem}")));
    }
    assert!(expected.is_empty(), "{expected:?}\n{error}");
}
