//! The code that the derive writes.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};

use super::ast::Role;
use super::attr::Target;
use super::valid::{Checked, Column, Link, Treatment};

pub(crate) fn expand(checked: &Checked<'_>) -> TokenStream {
    let links = checked.links.iter().map(link);
    match checked.role {
        Role::ModelEx if checked.links.is_empty() => TokenStream::new(),
        Role::ModelEx => quote!(const _: () = { #(#links)* };),
        Role::Model => {
            let auditable = auditable(checked);
            let behavior = behavior();
            let inherent = inherent();
            quote! {
                const _: () = {
                    #auditable
                    #behavior
                    #inherent
                    #(#links)*
                };
            }
        }
    }
}

fn auditable(checked: &Checked<'_>) -> TokenStream {
    let name = option(checked.name.as_ref());
    let junction = checked.junction;
    let columns = checked.columns.iter().map(column);
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

/// The hooks, by which a plain connection is captured.
fn behavior() -> TokenStream {
    quote! {
        #[automatically_derived]
        #[::ftn_audit_sea::private::async_trait::async_trait]
        impl ::ftn_audit_sea::private::sea_orm::ActiveModelBehavior for ActiveModel {
            async fn before_save<C>(
                self,
                db: &C,
                insert: bool,
            ) -> ::core::result::Result<Self, ::ftn_audit_sea::private::sea_orm::DbErr>
            where
                C: ::ftn_audit_sea::private::sea_orm::ConnectionTrait,
            {
                ::ftn_audit_sea::private::hooks::before_save(self, db, insert).await
            }

            async fn after_save<C>(
                model: Model,
                db: &C,
                insert: bool,
            ) -> ::core::result::Result<Model, ::ftn_audit_sea::private::sea_orm::DbErr>
            where
                C: ::ftn_audit_sea::private::sea_orm::ConnectionTrait,
            {
                ::ftn_audit_sea::private::hooks::after_save::<Self, C>(model, db, insert).await
            }

            async fn before_delete<C>(
                self,
                db: &C,
            ) -> ::core::result::Result<Self, ::ftn_audit_sea::private::sea_orm::DbErr>
            where
                C: ::ftn_audit_sea::private::sea_orm::ConnectionTrait,
            {
                ::ftn_audit_sea::private::hooks::before_delete(self, db).await
            }

            async fn after_delete<C>(
                self,
                db: &C,
            ) -> ::core::result::Result<Self, ::ftn_audit_sea::private::sea_orm::DbErr>
            where
                C: ::ftn_audit_sea::private::sea_orm::ConnectionTrait,
            {
                ::ftn_audit_sea::private::hooks::after_delete(self, db).await
            }
        }
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
            pub async fn #name<C>(
                self,
                db: &C,
            ) -> ::core::result::Result<#output, ::ftn_audit_sea::private::sea_orm::DbErr>
            where
                C: ::ftn_audit_sea::private::sea_orm::ConnectionTrait,
            {
                ::ftn_audit_sea::private::hooks::#name(self, db).await
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
