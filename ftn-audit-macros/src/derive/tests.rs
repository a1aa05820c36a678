use quote::ToTokens;
use syn::{DeriveInput, File, Item, parse_quote};

use super::{ast, derive, valid};
use crate::errors::Errors;

fn messages(node: &DeriveInput) -> Vec<String> {
    let mut errors = Errors::default();
    let checked = ast::Input::read(node, &mut errors).map(|input| {
        valid::check(&input, &mut errors);
    });
    errors.note(checked);
    errors.messages()
}

/// What is written, without white space, so that tests can look for pieces of it.
fn written(node: &DeriveInput) -> String {
    derive(node).to_string().split_whitespace().collect()
}

fn impls(node: &DeriveInput) -> Vec<String> {
    let file: File = syn::parse2(derive(node)).expect("items");
    let mut impls = Vec::new();
    for item in file.items {
        let Item::Const(item) = item else { continue };
        let syn::Expr::Block(block) = *item.expr else { panic!("a block") };
        for statement in block.block.stmts {
            if let syn::Stmt::Item(Item::Impl(item)) = statement {
                let of =
                    item.trait_.map(|(_, path, _)| path.segments.last().expect("a name").ident.to_string());
                impls.push(format!("{} {}", of.unwrap_or_default(), item.self_ty.to_token_stream()));
            }
        }
    }
    impls
}

#[test]
fn a_model_gets_everything_but_links() {
    let node: DeriveInput = parse_quote! {
        #[audit(name = "Item", junction, skip(cache))]
        struct Model {
            id: i32,
            #[audit(mask, ignore, name = "note")]
            supplier_note: String,
            cache: String,
            other: String,
        }
    };
    assert_eq!(
        impls(&node),
        [
            "Auditable Entity",
            "Subject Model",
            "ColumnName Column",
            "ActiveModelBehavior ActiveModel",
            " ActiveModel"
        ]
    );
    let written = written(&node);
    assert!(written.contains(r#"name:::core::option::Option::Some("Item"),junction:true"#), "{written}");
    assert!(written.contains(
        r#"(Column::SupplierNote,::ftn_audit_sea::private::ColumnRules{name:::core::option::Option::Some("note"),treatment:::ftn_audit_sea::private::Treatment::Mask,ignore:true,},),(Column::Cache,"#
    ), "{written}");
    assert!(!written.contains("Column::Other") && !written.contains("LinkRegistration"), "{written}");
}

#[test]
fn a_model_ex_gets_links_only() {
    let node: DeriveInput = parse_quote! {
        #[audit(name = "", mask(nowhere))]
        struct ModelEx {
            id: i32,
            #[audit(maks)]
            name: String,
            #[sea_orm(has_many, via = "item_tag::Item")]
            #[audit(link)]
            tags: HasMany<super::tag::Entity>,
            #[sea_orm(self_ref, via = "friendship", reverse)]
            #[audit(link)]
            friends: HasMany<Entity>,
        }
    };
    assert_eq!(messages(&node), [""; 0]);
    assert_eq!(impls(&node), [""; 0]);
    let written = written(&node);
    assert!(
        written.contains(r#"LinkRegistration::of::<Entity,super::tag::Entity>("tags",::core::file!()"#),
        "{written}"
    );
    assert!(
        written.contains(r#"LinkRegistration::of_self::<Entity,super::friendship::Entity>("friends",true,"#),
        "{written}"
    );
}

#[test]
fn a_model_ex_without_links_gets_nothing() {
    let node: DeriveInput = parse_quote! { struct ModelEx { id: i32, tags: HasMany<super::tag::Entity> } };
    assert_eq!(written(&node), "");
}

#[test]
fn compact_models_need_no_via() {
    let field: syn::FieldsNamed = parse_quote!({ #[audit(link)] tags: HasMany<super::tag::Entity> });
    assert_eq!(messages(&parse_quote! { #[sea_orm(compact_model)] struct ModelEx #field }), [""; 0]);
    assert_eq!(messages(&parse_quote! { struct ModelEx #field }).len(), 1);
}

#[test]
fn mistakes_do_not_keep_the_rest_from_being_written() {
    let node: DeriveInput = parse_quote! {
        #[audit(name = "Item", maks(name))]
        struct Model {
            #[sea_orm(primary_key)]
            #[audit(skip, name = "number")]
            id: i32,
            #[audit(mask, plain)]
            name: String,
        }
    };
    assert_eq!(messages(&node).len(), 3);
    assert_eq!(impls(&node).len(), 5);
    let written = written(&node);
    assert_eq!(written.matches("compile_error!").count(), 3, "{written}");
    assert!(
        written.contains(r#"Some("number"),treatment:::ftn_audit_sea::private::Treatment::Default"#),
        "{written}"
    );
    assert!(written.contains("Treatment::Mask"), "{written}");
}

#[test]
fn what_is_no_model_gets_nothing_but_the_error() {
    for node in [
        parse_quote! { enum Model { A } },
        parse_quote! { struct Item { id: i32 } },
        parse_quote! { struct Model(i32); },
    ] {
        assert_eq!(messages(&node).len(), 1);
        assert_eq!(written(&node).matches("compile_error!").count(), 1);
        assert_eq!(impls(&node), [""; 0]);
    }
}

#[test]
fn a_column_is_said_the_same_on_field_and_struct() {
    let on_field: DeriveInput =
        parse_quote! { struct Model { #[audit(mask, ignore, name = "kind")] r#type: String } };
    let on_struct: DeriveInput = parse_quote! {
        #[audit(mask(type), ignore(r#type), rename(type = "kind"))]
        struct Model { r#type: String }
    };
    assert_eq!(messages(&on_struct), [""; 0]);
    assert_eq!(written(&on_field), written(&on_struct));
}
