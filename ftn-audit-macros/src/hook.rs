//! The four hooks of `ActiveModelBehavior`, as we write them.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::Ident;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    BeforeSave,
    AfterSave,
    BeforeDelete,
    AfterDelete,
}

impl Hook {
    pub(crate) const ALL: [Self; 4] =
        [Self::BeforeSave, Self::AfterSave, Self::BeforeDelete, Self::AfterDelete];

    pub(crate) fn named(name: &Ident) -> Option<Self> {
        Self::ALL.into_iter().find(|hook| name == hook.name())
    }

    fn name(self) -> &'static str {
        match self {
            Self::BeforeSave => "before_save",
            Self::AfterSave => "after_save",
            Self::BeforeDelete => "before_delete",
            Self::AfterDelete => "after_delete",
        }
    }

    /// How many parameters SeaORM gives it, `self` among them.
    pub(crate) fn parameters(self) -> usize {
        match self {
            Self::BeforeSave | Self::AfterSave => 3,
            Self::BeforeDelete | Self::AfterDelete => 2,
        }
    }

    /// The call of ours, and its answer.
    pub(crate) fn call(self, model: &TokenStream, db: &TokenStream, insert: &TokenStream) -> TokenStream {
        let future = self.future(model, db, insert);
        quote!(#future.await)
    }

    fn future(self, model: &TokenStream, db: &TokenStream, insert: &TokenStream) -> TokenStream {
        let name = Ident::new(self.name(), Span::call_site());
        let (turbofish, insert) = match self {
            Self::BeforeSave => (TokenStream::new(), quote!(, #insert)),
            Self::AfterSave => (quote!(::<Self, _>), quote!(, #insert)),
            Self::BeforeDelete | Self::AfterDelete => (TokenStream::new(), TokenStream::new()),
        };
        quote!(::ftn_audit_sea::private::hooks::#name #turbofish(#model, #db #insert))
    }

    /// The whole hook, doing nothing but ours. In the form that `#[async_trait]` would give it: an `async fn` around a future
    /// that is boxed already would be one more to compile for every entity, and to allocate for every write.
    pub(crate) fn written(self) -> TokenStream {
        let name = Ident::new(self.name(), Span::call_site());
        let row = quote! {
            <<Self as ::ftn_audit_sea::private::sea_orm::ActiveModelTrait>::Entity
                as ::ftn_audit_sea::private::sea_orm::EntityTrait>::Model
        };
        let (parameter, model, output) = match self {
            Self::AfterSave => (quote!(model: #row), quote!(model), row),
            _ => (quote!(self), quote!(self), quote!(Self)),
        };
        let insert = match self {
            Self::BeforeSave | Self::AfterSave => quote!(, insert: bool),
            Self::BeforeDelete | Self::AfterDelete => TokenStream::new(),
        };
        let future = self.future(&model, &quote!(db), &quote!(insert));
        quote! {
            fn #name<'life0, 'async_trait, C>(
                #parameter,
                db: &'life0 C
                #insert
            ) -> ::ftn_audit_sea::private::Boxed<
                'async_trait,
                ::core::result::Result<#output, ::ftn_audit_sea::private::sea_orm::DbErr>,
            >
            where
                C: ::ftn_audit_sea::private::sea_orm::ConnectionTrait + 'async_trait,
                'life0: 'async_trait,
                Self: 'async_trait,
            {
                #future
            }
        }
    }
}
