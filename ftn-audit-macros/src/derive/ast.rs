//! The struct as the derive sees it: SeaORM's part understood, our own attributes as words.

use syn::{Attribute, Data, DeriveInput, Error, Fields, Ident, Meta, Path, Result};

use super::sea_orm::{self, Cardinality, FieldNotes};
use crate::errors::Errors;
use crate::words::{self, Word};

/// `#[sea_orm::model]` puts derives and attributes on both structs of an entity. Each mistake is reported, and each thing
/// written, on one of them: the relation fields' on `ModelEx`, where alone they exist, the rest on `Model`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Model,
    ModelEx,
}

pub(crate) struct Input<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) role: Role,
    pub(crate) compact: bool,
    pub(crate) words: Vec<Word>,
    pub(crate) fields: Vec<Field<'a>>,
}

pub(crate) struct Field<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) kind: Kind<'a>,
    pub(crate) words: Vec<Word>,
}

pub(crate) enum Kind<'a> {
    Column {
        variant: Ident,
        primary_key: bool,
    },
    /// `#[sea_orm(ignore)]`: in the struct, not in the table.
    Ignored,
    Relation {
        cardinality: Cardinality,
        entity: Option<&'a Path>,
        notes: FieldNotes,
    },
}

impl<'a> Input<'a> {
    /// Fails where nothing sensible could be written; lesser mistakes go to `errors`.
    pub(crate) fn read(node: &'a DeriveInput, errors: &mut Errors) -> Result<Self> {
        let Data::Struct(data) = &node.data else {
            return Err(Error::new_spanned(
                &node.ident,
                "`Auditable` is derived on the `struct Model` of a SeaORM entity; this is no struct",
            ));
        };
        let role = if node.ident == "Model" {
            Role::Model
        } else if node.ident == "ModelEx" {
            Role::ModelEx
        } else {
            return Err(Error::new_spanned(
                &node.ident,
                format_args!(
                    "`Auditable` is derived on the `struct Model` of a SeaORM entity, not on `{}`; SeaORM fixes the name",
                    node.ident
                ),
            ));
        };
        let Fields::Named(fields) = &data.fields else {
            return Err(Error::new_spanned(
                &node.ident,
                "`Auditable` needs named fields, as SeaORM does; write `struct Model { .. }`",
            ));
        };
        let words = match role {
            Role::Model => words_of(&node.attrs, errors),
            Role::ModelEx => words_of(&node.attrs, &mut Errors::default()),
        };
        let mut read = Vec::new();
        for field in &fields.named {
            let Some(ident) = &field.ident else { continue };
            let kind = Kind::of(ident, field);
            if role == Role::Model || matches!(kind, Kind::Relation { .. }) {
                read.push(Field { ident, kind, words: words_of(&field.attrs, errors) });
            }
        }
        Ok(Self { ident: &node.ident, role, compact: sea_orm::is_compact(&node.attrs), words, fields: read })
    }
}

impl<'a> Kind<'a> {
    fn of(ident: &Ident, field: &'a syn::Field) -> Self {
        let notes = FieldNotes::read(&field.attrs);
        match sea_orm::relation(&field.ty) {
            Some((cardinality, entity)) => Self::Relation { cardinality, entity, notes },
            None if notes.ignore => Self::Ignored,
            None => Self::Column { variant: notes.variant(ident), primary_key: notes.primary_key },
        }
    }
}

fn words_of(attrs: &[Attribute], errors: &mut Errors) -> Vec<Word> {
    let mut all = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("audit")) {
        match &attr.meta {
            Meta::List(list) if !list.tokens.is_empty() => {
                all.extend(words::read(list.tokens.clone(), errors))
            }
            meta => errors.at(
                meta,
                "nothing is said here; write `#[audit(..)]` with what is meant, such as `#[audit(mask)]`",
            ),
        }
    }
    all
}
