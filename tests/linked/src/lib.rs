//! What another crate of an application brings: an entity and a formatter that nothing else names.

#![forbid(unsafe_code)]

use ftn_audit_sea::prelude::*;

/// The entity.
pub mod note {
    use ftn_audit_sea::entity::*;
    use sea_orm::entity::prelude::*;

    /// A row.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Auditable)]
    #[sea_orm(table_name = "linked_note")]
    pub struct Model {
        /// The key.
        #[sea_orm(primary_key)]
        pub id: i32,
        /// What it says.
        pub words: String,
    }
}

#[audit_formatter(route = "POST|/linked/notes", event = "creation")]
fn note_taken(change: &Change<note::Model>) -> Formatted {
    Formatted::new(format!("Noted: {}", change.subject().words))
}
