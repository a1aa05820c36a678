//! What SeaORM's own attributes and types say of a field, read the way `sea-orm-macros` 2.0 reads them.

use heck::ToUpperCamelCase;
use syn::ext::IdentExt;
use syn::meta::ParseNestedMeta;
use syn::{Attribute, Expr, GenericArgument, Ident, LitStr, Path, PathArguments, Type};

/// The part of a field's `#[sea_orm(..)]` that matters here.
#[derive(Default)]
pub(crate) struct FieldNotes {
    pub(crate) primary_key: bool,
    pub(crate) ignore: bool,
    pub(crate) self_ref: bool,
    pub(crate) reverse: bool,
    pub(crate) via: Option<LitStr>,
    enum_name: Option<LitStr>,
}

impl FieldNotes {
    pub(crate) fn read(attrs: &[Attribute]) -> Self {
        let mut notes = Self::default();
        each(attrs, |meta| {
            match meta.path.get_ident().map(Ident::to_string).as_deref() {
                Some("primary_key") => notes.primary_key = true,
                Some("ignore") => notes.ignore = true,
                Some("self_ref") => notes.self_ref = true,
                Some("reverse") => notes.reverse = true,
                Some("via") => notes.via = Some(meta.value()?.parse()?),
                Some("enum_name") => notes.enum_name = Some(meta.value()?.parse()?),
                _ => pass_over(&meta),
            }
            Ok(())
        });
        notes
    }

    /// The variant of `Column` that SeaORM writes for the field.
    pub(crate) fn variant(&self, field: &Ident) -> Ident {
        let name = match &self.enum_name {
            Some(name) => name.value(),
            None => field.unraw().to_string().to_upper_camel_case(),
        };
        // SeaORM escapes every keyword; of these only `Self` survives the change to upper camel case.
        let name = if name == "Self" { "Self_" } else { &name };
        match syn::parse_str::<Ident>(name) {
            Ok(mut variant) => {
                variant.set_span(field.span());
                variant
            }
            // SeaORM has refused such a name already.
            Err(_) => field.clone(),
        }
    }
}

pub(crate) fn is_compact(attrs: &[Attribute]) -> bool {
    let mut compact = false;
    each(attrs, |meta| {
        compact |= meta.path.is_ident("compact_model");
        pass_over(&meta);
        Ok(())
    });
    compact
}

fn each(attrs: &[Attribute], mut logic: impl FnMut(ParseNestedMeta<'_>) -> syn::Result<()>) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("sea_orm")) {
        // What is wrong in SeaORM's attributes SeaORM's derives report.
        let _ = attr.parse_nested_meta(&mut logic);
    }
}

fn pass_over(meta: &ParseNestedMeta<'_>) {
    if meta.input.peek(syn::Token![=]) {
        let _ = meta.value().and_then(|value| value.parse::<Expr>());
    } else if meta.input.peek(syn::token::Paren) {
        let _ = meta.input.parse::<proc_macro2::TokenTree>();
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cardinality {
    BelongsTo,
    HasOne,
    HasMany,
}

impl Cardinality {
    pub(crate) fn wrapper(self) -> &'static str {
        match self {
            Self::BelongsTo => "BelongsTo",
            Self::HasOne => "HasOne",
            Self::HasMany => "HasMany",
        }
    }
}

/// A field whose type is one of SeaORM's relation wrappers, with the entity inside where it is written as one.
pub(crate) fn relation(ty: &Type) -> Option<(Cardinality, Option<&Path>)> {
    let segment = path(ty)?.segments.last()?;
    let cardinality = [Cardinality::BelongsTo, Cardinality::HasOne, Cardinality::HasMany]
        .into_iter()
        .find(|cardinality| segment.ident == cardinality.wrapper())?;
    let entity = match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => {
            arguments.args.iter().find_map(|argument| match argument {
                GenericArgument::Type(ty) => path(ty),
                _ => None,
            })
        }
        _ => None,
    };
    Some((cardinality, entity))
}

fn path(ty: &Type) -> Option<&Path> {
    match ty {
        Type::Path(ty) => Some(&ty.path),
        Type::Group(group) => path(&group.elem),
        _ => None,
    }
}

/// The module in `via = "item_tag"` and `via = "item_tag::Item"`; the relation behind it is SeaORM's concern.
pub(crate) fn junction_module(via: &LitStr) -> Option<Ident> {
    let path = via.parse::<Path>().ok()?;
    path.segments.into_iter().next().map(|segment| segment.ident)
}

#[cfg(test)]
mod tests {
    use syn::parse::Parser;
    use syn::{Field, parse_quote};

    use super::FieldNotes;

    fn variant(field: &str) -> String {
        let field = Field::parse_named.parse_str(field).expect("a field");
        FieldNotes::read(&field.attrs).variant(field.ident.as_ref().expect("named")).to_string()
    }

    #[test]
    fn variants_as_sea_orm_writes_them() {
        assert_eq!(variant("supplier_note: String"), "SupplierNote");
        assert_eq!(variant("r#type: String"), "Type");
        assert_eq!(variant("_x1_y: String"), "X1Y");
        assert_eq!(variant("r#move: String"), "Move");
        assert_eq!(variant("self_: String"), "Self_");
        assert_eq!(variant(r#"#[sea_orm(column_name = "n", enum_name = "Label")] name: String"#), "Label");
        assert_eq!(variant(r#"#[sea_orm(enum_name = "not a name")] name: String"#), "name");
    }

    #[test]
    fn unknown_parts_are_passed_over() {
        let field: Field = parse_quote! {
            #[sea_orm(column_type = "Text", extra(a, b), nullable, primary_key)]
            #[sea_orm(ignore)]
            name: String
        };
        let notes = FieldNotes::read(&field.attrs);
        assert!(notes.primary_key && notes.ignore);
    }
}
