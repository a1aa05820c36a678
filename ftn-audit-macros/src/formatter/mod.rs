//! `#[audit_formatter]`: parse, check, write.

mod ast;
mod expand;
mod rule;
mod valid;

#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;

use crate::errors::Errors;

pub(crate) fn register(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let rule = rule::Rule::read(arguments, &mut errors);
    let target = ast::Target::read(&item).map(|target| valid::check(target, &mut errors));
    let target = errors.note(target).flatten();

    let mut tokens = errors.to_compile_errors();
    match target {
        // Where rustc would refuse the item too, and on top of ours.
        Some(valid::Checked::Unusable) => {}
        Some(valid::Checked::Impl { cfgs, ty }) => {
            tokens.extend(item);
            tokens.extend(expand::of_impl(&cfgs, &ty, &rule));
        }
        Some(valid::Checked::Function(function)) => {
            tokens.extend(item);
            tokens.extend(expand::of_function(&function, &rule));
        }
        None => tokens.extend(item),
    }
    tokens
}
