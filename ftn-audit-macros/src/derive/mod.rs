//! `#[derive(Auditable)]`: parse, check, write.

mod ast;
mod attr;
mod expand;
mod sea_orm;
mod valid;

#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::errors::Errors;

pub(crate) fn derive(node: &DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let output =
        ast::Input::read(node, &mut errors).map(|input| expand::expand(&valid::check(&input, &mut errors)));
    let output = errors.note(output);
    // The rest is written in spite of mistakes: without the impls, every use of the entity would be one more error.
    let mut tokens = errors.to_compile_errors();
    tokens.extend(output);
    tokens
}
