//! What is said against what the entity is; the mistakes are noted, and what is left can be written.

use std::collections::BTreeMap;

use syn::ext::IdentExt;
use syn::{Ident, LitStr, Path, parse_quote_spanned};

use super::ast::{Field, Input, Kind, Role};
use super::attr::{self, Bulk, ColumnWord, FieldWord, OnFailure, OnStruct, OwnHooks, Said, Target};
use super::sea_orm::{Cardinality, FieldNotes, junction_module};
use crate::errors::Errors;
use crate::suggest::{all_of, did_you_mean};

pub(crate) struct Checked<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) role: Role,
    pub(crate) name: Option<LitStr>,
    pub(crate) junction: bool,
    pub(crate) primary: bool,
    pub(crate) allow: bool,
    /// The variant of the column that marks a row as deleted.
    pub(crate) soft_delete: Option<Ident>,
    pub(crate) own_hooks: Option<OwnHooks>,
    pub(crate) on_failure: Option<OnFailure>,
    pub(crate) reason_required: bool,
    pub(crate) bulk: Option<Bulk>,
    pub(crate) columns: Vec<Column>,
    pub(crate) links: Vec<Link>,
}

pub(crate) struct Column {
    pub(crate) variant: Ident,
    pub(crate) name: Option<LitStr>,
    pub(crate) treatment: Treatment,
    pub(crate) ignore: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Treatment {
    #[default]
    Default,
    Plain,
    Mask,
    Hash,
    Skip,
}

pub(crate) struct Link {
    pub(crate) field: LitStr,
    pub(crate) target: Target,
}

pub(crate) fn check<'a>(input: &Input<'a>, errors: &mut Errors) -> Checked<'a> {
    let mut on_struct = match input.role {
        Role::Model => attr::on_struct(&input.words, errors),
        Role::ModelEx => attr::on_struct(&input.words, &mut Errors::default()),
    };
    let mut links = Vec::new();
    let mut columns = Vec::new();
    let mut listed = match input.role {
        Role::Model => listed_by_field(input, &mut on_struct, errors),
        Role::ModelEx => BTreeMap::new(),
    };
    for field in &input.fields {
        let mut said = Vec::new();
        for Said { at, what } in attr::on_field(&field.words, errors) {
            match what {
                FieldWord::Column(what) => said.push(Said { at, what }),
                FieldWord::Link => links.extend(link(&at, field, input, &on_struct, &links, errors)),
            }
        }
        said.extend(listed.remove(&field.ident.unraw().to_string()).unwrap_or_default());
        columns.extend(column(field, said, errors));
    }
    one_name_each(&columns, errors);
    let soft_delete = on_struct
        .soft_delete
        .take()
        .filter(|_| input.role == Role::Model)
        .and_then(|name| soft_delete(&name, input, &columns, errors));
    if input.role == Role::Model {
        for Said { what, .. } in on_struct.links {
            if links.iter().any(|link: &Link| link.field.value() == what.field.value()) {
                errors.at(&what.field, "a link for this field is declared already; leave one out");
            } else {
                links.push(Link { field: what.field, target: what.target });
            }
        }
    }
    Checked {
        ident: input.ident,
        role: input.role,
        name: on_struct.name,
        junction: on_struct.junction,
        primary: on_struct.primary,
        allow: on_struct.allow,
        soft_delete,
        own_hooks: on_struct.own_hooks,
        on_failure: on_struct.on_failure,
        reason_required: on_struct.reason_required,
        bulk: on_struct.bulk,
        columns,
        links,
    }
}

/// The lists on the struct, by field; a name that is no field is refused here.
fn listed_by_field(
    input: &Input<'_>,
    on_struct: &mut OnStruct,
    errors: &mut Errors,
) -> BTreeMap<String, Vec<Said<ColumnWord>>> {
    let mut listed = BTreeMap::<String, Vec<Said<ColumnWord>>>::new();
    for said in on_struct.columns.drain(..) {
        let name = said.at.unraw().to_string();
        if input.fields.iter().any(|field| field.ident.unraw() == name) {
            listed.entry(name).or_default().push(said);
            continue;
        }
        errors.at(&said.at, no_column(&name, input));
    }
    listed
}

fn no_column(name: &str, input: &Input<'_>) -> String {
    let known: Vec<String> = columns_of(input).map(|field| field.unraw().to_string()).collect();
    let known = || known.iter().map(String::as_str);
    format!("no column `{name}`{}; there are {}", did_you_mean(name, known()), all_of(known()))
}

fn soft_delete(name: &LitStr, input: &Input<'_>, columns: &[Column], errors: &mut Errors) -> Option<Ident> {
    let field = input.fields.iter().find(|field| field.ident.unraw() == name.value());
    let Some(Field { kind: Kind::Column { variant, primary_key }, .. }) = field else {
        errors.at(name, no_column(&name.value(), input));
        return None;
    };
    if *primary_key {
        errors.at(
            name,
            "a primary key cannot mark rows as deleted; name a column that is NULL or false until then",
        );
        return None;
    }
    if columns.iter().any(|column| column.ignore && column.variant == *variant) {
        errors.at(
            name,
            format_args!(
                "`{}` is ignored, and a change of it would be a deletion; leave `ignore` out",
                name.value()
            ),
        );
        return None;
    }
    Some(variant.clone())
}

fn columns_of<'i>(input: &'i Input<'_>) -> impl Iterator<Item = &'i Ident> {
    input.fields.iter().filter(|field| matches!(field.kind, Kind::Column { .. })).map(|field| field.ident)
}

fn column(field: &Field<'_>, said: Vec<Said<ColumnWord>>, errors: &mut Errors) -> Option<Column> {
    let (variant, primary_key) = match &field.kind {
        Kind::Column { variant, primary_key } => (variant, *primary_key),
        Kind::Ignored => {
            for Said { at, what } in said {
                let (word, field) = (what.word(), field.ident);
                errors.at(
                    at,
                    format_args!("`{word}` is for columns, and `{field}` is none: it is `#[sea_orm(ignore)]`; leave it out"),
                );
            }
            return None;
        }
        Kind::Relation { .. } => {
            for Said { at, what } in said {
                let (word, field) = (what.word(), field.ident);
                errors.at(
                    at,
                    format_args!(
                        "`{word}` is for columns, and `{field}` is a relation; put it on the column that holds the key"
                    ),
                );
            }
            return None;
        }
    };
    let mut column =
        Column { variant: variant.clone(), name: None, treatment: Treatment::default(), ignore: false };
    let mut treated = None;
    let mut any = false;
    for Said { at, what } in said {
        let word = what.word();
        match what {
            ColumnWord::Name(name) if column.name.is_none() => column.name = Some(name),
            ColumnWord::Ignore if !column.ignore => column.ignore = true,
            ColumnWord::Skip if primary_key => {
                errors.at(
                    at,
                    "a primary key cannot be skipped, records are found by it; `mask` or `hash` hides its value",
                );
                continue;
            }
            ColumnWord::Mask | ColumnWord::Hash | ColumnWord::Skip | ColumnWord::Plain
                if treated.is_none() =>
            {
                treated = Some(word);
                column.treatment = match what {
                    ColumnWord::Mask => Treatment::Mask,
                    ColumnWord::Hash => Treatment::Hash,
                    ColumnWord::Skip => Treatment::Skip,
                    _ => Treatment::Plain,
                };
            }
            ColumnWord::Mask | ColumnWord::Hash | ColumnWord::Skip | ColumnWord::Plain
                if treated != Some(word) =>
            {
                let (first, field) = (treated.unwrap_or_default(), field.ident);
                errors.at(
                    at,
                    format_args!("`{word}` and `{first}` exclude each other on `{field}`; leave one out"),
                );
            }
            _ => errors.at(at, format_args!("`{word}` is said twice of `{}`; leave one out", field.ident)),
        }
        any = true;
    }
    any.then_some(column)
}

fn one_name_each(columns: &[Column], errors: &mut Errors) {
    for (index, column) in columns.iter().enumerate() {
        let Some(name) = &column.name else { continue };
        let earlier = columns[..index]
            .iter()
            .find(|earlier| earlier.name.as_ref().is_some_and(|earlier| earlier.value() == name.value()));
        if let Some(earlier) = earlier {
            errors.at(
                name,
                format_args!(
                    "`Column::{}` is recorded under this name already; choose another",
                    earlier.variant
                ),
            );
        }
    }
}

fn link(
    at: &Ident,
    field: &Field<'_>,
    input: &Input<'_>,
    on_struct: &OnStruct,
    earlier: &[Link],
    errors: &mut Errors,
) -> Option<Link> {
    let name = field.ident.unraw().to_string();
    let Kind::Relation { cardinality, entity, notes } = &field.kind else {
        errors.at(
            at,
            format_args!(
                "`link` is for many-to-many relations, and `{name}` is none; \
                 it goes on a `HasMany<..>` field with `via`, or on the struct as `link(field = \"..\", to = ..)`"
            ),
        );
        return None;
    };
    if *cardinality != Cardinality::HasMany {
        errors.at(
            at,
            format_args!(
                "`link` is for many-to-many relations, `HasMany<..>` with `via`; `{name}` is a `{}`, \
                 a change of which is an update of the column that holds the key: leave it out",
                cardinality.wrapper()
            ),
        );
        return None;
    }
    if notes.via.is_none() && !input.compact {
        errors.at(
            at,
            format_args!(
                "`link` is for many-to-many relations, and `{name}` has no junction; \
                 write `#[sea_orm(has_many, via = \"..\")]`, or leave `link` out: its rows are audited by their own entity"
            ),
        );
        return None;
    }
    let repeated = earlier.iter().any(|link| link.field.value() == name)
        || on_struct.links.iter().any(|said| said.what.field.value() == name);
    if repeated {
        errors.at(at, format_args!("a link for `{name}` is declared already; leave one out"));
        return None;
    }
    let target = target(*entity, notes)?;
    Some(Link { field: LitStr::new(&name, field.ident.span()), target })
}

/// `None` where SeaORM refuses the field itself.
fn target(entity: Option<&Path>, notes: &FieldNotes) -> Option<Target> {
    match &notes.via {
        Some(via) if notes.self_ref => {
            let module = junction_module(via)?;
            // SeaORM looks for the junction's module beside the entity's.
            let junction = parse_quote_spanned!(module.span()=> super::#module::Entity);
            Some(Target::Itself { junction, reverse: notes.reverse })
        }
        _ => entity.cloned().map(|entity| Target::Other { entity, via: None }),
    }
}
