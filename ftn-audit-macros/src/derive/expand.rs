//! The code that the derive writes.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};

use super::ast::Role;
use super::attr::{Bulk, OnFailure, OwnHooks, Target};
use super::valid::{Checked, Column, Link, Treatment};
use crate::hook::Hook;

pub(crate) fn expand(checked: &Checked<'_>) -> TokenStream {
    let links = checked.links.iter().map(link);
    match checked.role {
        Role::ModelEx if checked.links.is_empty() => TokenStream::new(),
        Role::ModelEx => quote!(const _: () = { #(#links)* };),
        Role::Model => {
            let auditable = auditable(checked);
            let hooked = hooked(checked.own_hooks.as_ref());
            quote! {
                const _: () = {
                    #auditable
                    #hooked
                    #(#links)*
                };
            }
        }
    }
}

fn auditable(checked: &Checked<'_>) -> TokenStream {
    let name = option(checked.name.as_ref());
    let junction = checked.junction;
    let (primary, allow) = (checked.primary, checked.allow);
    let columns = checked.columns.iter().map(column);
    let soft_delete = match &checked.soft_delete {
        Some(variant) => quote!(::core::option::Option::Some(Column::#variant)),
        None => quote!(::core::option::Option::None),
    };
    let on_failure = match checked.on_failure {
        Some(OnFailure::Block) => {
            quote!(::core::option::Option::Some(::ftn_audit_sea::private::OnFailure::Block))
        }
        Some(OnFailure::BestEffort) => {
            quote!(::core::option::Option::Some(::ftn_audit_sea::private::OnFailure::BestEffort))
        }
        None => quote!(::core::option::Option::None),
    };
    let reason_required = checked.reason_required;
    let bulk = match checked.bulk {
        None | Some(Bulk::Rows) => quote!(Rows),
        Some(Bulk::Summary) => quote!(Summary),
        Some(Bulk::Refuse) => quote!(Refuse),
    };
    let (file, line) = place(checked.ident);
    quote! {
        #[automatically_derived]
        impl ::ftn_audit_sea::private::Auditable for Entity {
            fn audited() -> &'static ::ftn_audit_sea::private::AuditedEntity<Self> {
                static AUDITED: ::std::sync::OnceLock<::ftn_audit_sea::private::AuditedEntity<Entity>> =
                    ::std::sync::OnceLock::new();
                AUDITED.get_or_init(|| {
                    ::ftn_audit_sea::private::AuditedEntity::new(::ftn_audit_sea::private::Declaration {
                        name: #name,
                        junction: #junction,
                        primary: #primary,
                        allow: #allow,
                        soft_delete: #soft_delete,
                        on_failure: #on_failure,
                        reason_required: #reason_required,
                        bulk: ::ftn_audit_sea::private::Bulk::#bulk,
                        columns: ::std::vec![#(#columns),*],
                        file: #file,
                        line: #line,
                    })
                })
            }
        }

        #[automatically_derived]
        impl ::ftn_audit_sea::private::Subject for Model {
            fn model() -> &'static ::ftn_audit_sea::private::ModelInfo {
                <Entity as ::ftn_audit_sea::private::Auditable>::audited().model()
            }

            fn add_hidden_values(&self, hidden: &mut ::ftn_audit_sea::private::HiddenValues) {
                <Entity as ::ftn_audit_sea::private::Auditable>::audited().add_hidden_values(self, hidden);
            }
        }

        #[automatically_derived]
        impl ::ftn_audit_sea::private::ColumnName for Column {
            fn column_name(&self) -> &'static str {
                <Self as ::ftn_audit_sea::private::sea_orm::IdenStatic>::as_str(self)
            }
        }

        ::ftn_audit_sea::private::inventory::submit! {
            ::ftn_audit_sea::private::EntityRegistration::of::<Entity>()
        }
    }
}

fn column(column: &Column) -> TokenStream {
    let variant = &column.variant;
    let name = option(column.name.as_ref());
    let treatment = match column.treatment {
        Treatment::Default => quote!(Default),
        Treatment::Plain => quote!(Plain),
        Treatment::Mask => quote!(Mask),
        Treatment::Hash => quote!(Hash),
        Treatment::Skip => quote!(Skip),
    };
    let ignore = column.ignore;
    quote! {
        (
            Column::#variant,
            ::ftn_audit_sea::private::ColumnRules {
                name: #name,
                treatment: ::ftn_audit_sea::private::Treatment::#treatment,
                ignore: #ignore,
            },
        )
    }
}

/// What captures plain connections: hooks and methods, as far as the entity leaves them to the derive.
fn hooked(own: Option<&OwnHooks>) -> TokenStream {
    match own {
        None => {
            let hooks = Hook::ALL.map(Hook::written);
            let inherent = inherent();
            quote! {
                #[automatically_derived]
                impl ::ftn_audit_sea::private::sea_orm::ActiveModelBehavior for ActiveModel {
                    #(#hooks)*
                }

                #inherent
            }
        }
        Some(OwnHooks { at, audited: true }) => {
            let inherent = inherent();
            // On the word that asks for it, for rustc to point there when `#[audited]` is missing.
            let hooked = quote_spanned!(at.span()=> ::ftn_audit_sea::private::audited_hooks::<ActiveModel>());
            quote! {
                const _: () = #hooked;

                #inherent
            }
        }
        Some(OwnHooks { audited: false, .. }) => TokenStream::new(),
    }
}

/// Methods by the names of `ActiveModelTrait`'s, before which they win: only around the whole call can what a hook saw
/// before the statement be handed to the one after it.
fn inherent() -> TokenStream {
    let methods = [
        ("insert", quote!(Model), "Inserts the row, as `ActiveModelTrait::insert` does, and audits it."),
        ("update", quote!(Model), "Updates the row, as `ActiveModelTrait::update` does, and audits it."),
        (
            "update_without_returning",
            quote!(::ftn_audit_sea::private::sea_orm::UpdateResult),
            "Updates the row, as `ActiveModelTrait::update_without_returning` does, and audits it.",
        ),
        (
            "save",
            quote!(Self),
            "Inserts or updates the row, as `ActiveModelTrait::save` does, and audits it.",
        ),
        (
            "delete",
            quote!(::ftn_audit_sea::private::sea_orm::DeleteResult),
            "Deletes the row, as `ActiveModelTrait::delete` does, and audits it.",
        ),
    ];
    let methods = methods.map(|(name, output, summary)| {
        let name = Ident::new(name, proc_macro2::Span::call_site());
        quote! {
            #[doc = #summary]
            ///
            /// # Errors
            ///
            /// Those of SeaORM's method.
            pub fn #name<'db, C>(
                self,
                db: &'db C,
            ) -> ::ftn_audit_sea::private::Boxed<
                'db,
                ::core::result::Result<#output, ::ftn_audit_sea::private::sea_orm::DbErr>,
            >
            where
                C: ::ftn_audit_sea::private::sea_orm::ConnectionTrait,
            {
                ::ftn_audit_sea::private::hooks::#name(self, db)
            }
        }
    });
    quote!(impl ActiveModel { #(#methods)* })
}

fn link(link: &Link) -> TokenStream {
    let field = &link.field;
    let (file, line) = place(&Ident::new("here", field.span()));
    let registration = match &link.target {
        // On the target's tokens, for rustc to point there when the two are not `Related`.
        Target::Other { entity: target, via } => {
            let entity = Ident::new("Entity", start(target));
            let through = via.as_ref().map(|via| quote_spanned!(start(via)=> .through::<#via>()));
            quote_spanned! {start(target)=>
                ::ftn_audit_sea::private::LinkRegistration::of::<#entity, #target>(#field, #file, #line) #through
            }
        }
        Target::Itself { junction, reverse } => {
            let entity = Ident::new("Entity", start(junction));
            quote_spanned! {start(junction)=>
                ::ftn_audit_sea::private::LinkRegistration::of_self::<#entity, #junction>(
                    #field, #reverse, #file, #line
                )
            }
        }
    };
    quote!(::ftn_audit_sea::private::inventory::submit! { #registration })
}

fn start(path: &syn::Path) -> proc_macro2::Span {
    syn::spanned::Spanned::span(path)
}

fn option(text: Option<&syn::LitStr>) -> TokenStream {
    match text {
        Some(text) => quote!(::core::option::Option::Some(#text)),
        None => quote!(::core::option::Option::None),
    }
}

/// `file!()` and `line!()` tell the place of their own tokens, so these carry the user's.
fn place(at: &Ident) -> (TokenStream, TokenStream) {
    (quote_spanned!(at.span()=> ::core::file!()), quote_spanned!(at.span()=> ::core::line!()))
}
