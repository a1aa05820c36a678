//! The item below the attribute.

use proc_macro2::TokenStream;
use syn::{Error, Item, ItemFn, ItemImpl, Result};

pub(crate) enum Target {
    Impl(ItemImpl),
    Function(ItemFn),
}

impl Target {
    pub(crate) fn read(item: &TokenStream) -> Result<Self> {
        match syn::parse2(item.clone()) {
            Ok(Item::Impl(item)) => Ok(Self::Impl(item)),
            Ok(Item::Fn(item)) => Ok(Self::Function(item)),
            _ => Err(Error::new_spanned(
                item,
                "`#[audit_formatter]` goes on `impl AuditFormatter for ..` or on `fn f(change: &Change<..>) -> Formatted`",
            )),
        }
    }
}
