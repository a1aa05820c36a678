//! `#[audited]`: an entity's own hooks, with ours behind them.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Block, FnArg, Ident, ImplItem, ImplItemFn, ItemImpl, ReturnType, parse_quote};

use crate::errors::Errors;
use crate::hook::Hook;

const PLACE: &str = "`#[audited]` goes on `impl ActiveModelBehavior for ActiveModel`";

pub(crate) fn wrap(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    if !arguments.is_empty() {
        errors.at(&arguments, "`#[audited]` takes no arguments; write just `#[audited]`");
    }
    let Ok(mut hooks) = syn::parse2::<ItemImpl>(item.clone()) else {
        errors.push(syn::Error::new(Span::call_site(), PLACE));
        let mut tokens = errors.to_compile_errors();
        tokens.extend(item);
        return tokens;
    };
    if check(&hooks, &mut errors) {
        wrap_all(&mut hooks, &mut errors);
    }
    let ty = &hooks.self_ty;
    let (params, _, where_clause) = hooks.generics.split_for_impl();
    // Also after a mistake: a derive that misses it would report the same thing again.
    let audited = quote! {
        #[automatically_derived]
        impl #params ::ftn_audit_sea::private::AuditedHooks for #ty #where_clause {}
    };
    let mut tokens = errors.to_compile_errors();
    hooks.to_tokens(&mut tokens);
    tokens.extend(audited);
    tokens
}

fn check(hooks: &ItemImpl, errors: &mut Errors) -> bool {
    match &hooks.trait_ {
        Some((_, path, _)) => {
            let right = path.segments.last().is_some_and(|segment| segment.ident == "ActiveModelBehavior");
            if !right {
                errors.at(path, format_args!("{PLACE}, and this is another trait"));
            }
            right
        }
        None => {
            errors.at(&hooks.self_ty, format_args!("{PLACE}, and this impl is of no trait"));
            false
        }
    }
}

fn wrap_all(hooks: &mut ItemImpl, errors: &mut Errors) {
    let mut missing = Hook::ALL.to_vec();
    for item in &mut hooks.items {
        let ImplItem::Fn(function) = item else { continue };
        let Some(hook) = Hook::named(&function.sig.ident) else { continue };
        missing.retain(|other| *other != hook);
        if function.sig.asyncness.is_none() {
            errors.at(
                &function.sig.ident,
                format_args!(
                    "`{}` is no `async fn` here; put `#[audited]` above `#[async_trait]`",
                    function.sig.ident
                ),
            );
        } else if function.sig.inputs.len() == hook.parameters() {
            wrap_one(function, hook);
        }
    }
    if !hooks.attrs.iter().any(is_async_trait) {
        hooks.attrs.push(parse_quote!(#[::ftn_audit_sea::private::async_trait::async_trait]));
    }
    hooks.items.extend(missing.into_iter().map(|hook| ImplItem::Verbatim(hook.written())));
}

fn is_async_trait(attr: &Attribute) -> bool {
    attr.path().segments.last().is_some_and(|segment| segment.ident == "async_trait")
}

/// The user's body runs in a block of its own, so that its `return` and `?` end the body and not the hook. What
/// happened to a row is recorded whatever the user's `after_*` makes of it, and as it is stored, whatever that hands on.
fn wrap_one(function: &mut ImplItemFn, hook: Hook) {
    let output = match &function.sig.output {
        ReturnType::Type(_, output) => output.to_token_stream(),
        ReturnType::Default => quote!(()),
    };
    let mut names = Vec::new();
    let mut bindings = Vec::new();
    for (position, input) in function.sig.inputs.iter_mut().enumerate() {
        match input {
            FnArg::Receiver(_) => names.push(quote!(self)),
            FnArg::Typed(typed) => {
                let name = Ident::new(&format!("__ftn_audit_{position}"), Span::call_site());
                let (pattern, ty) = (&typed.pat, &typed.ty);
                bindings.push(quote!(let #pattern: #ty = #name;));
                typed.pat = parse_quote!(#name);
                names.push(quote!(#name));
            }
        }
    }
    let [model, db, rest @ ..] = names.as_slice() else { return };
    let insert = rest.first().cloned().unwrap_or_default();
    let statements = &function.block.stmts;
    // Located at the user's last words, for rustc to point there when they give another type than the hook.
    let location = statements.last().map_or_else(|| function.block.span(), Spanned::span);
    let at = Span::call_site().located_at(location);
    let body = quote_spanned!(at=> async move { #(#bindings)* #(#statements)* }.await);
    let block: Block = match hook {
        Hook::BeforeSave | Hook::BeforeDelete => {
            let ours = hook.call(&quote!(__ftn_audit_result?), db, &insert);
            parse_quote!({
                let __ftn_audit_result: #output = #body;
                #ours
            })
        }
        Hook::AfterSave | Hook::AfterDelete => {
            let ours = hook.call(&quote!(__ftn_audit_stored), db, &insert);
            parse_quote!({
                let __ftn_audit_stored = ::core::clone::Clone::clone(&#model);
                let __ftn_audit_result: #output = #body;
                #ours?;
                __ftn_audit_result
            })
        }
    };
    function.block = block;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(arguments: TokenStream, item: TokenStream) -> String {
        wrap(arguments, item).to_string().split_whitespace().collect()
    }

    #[test]
    fn missing_hooks_are_added_and_present_ones_wrapped() {
        let written = written(
            TokenStream::new(),
            quote! {
                #[async_trait]
                impl ActiveModelBehavior for ActiveModel {
                    fn new() -> Self { Self::default() }
                    async fn before_save<D: ConnectionTrait>(mut self, _: &D, insert: bool) -> Result<Self, DbErr> {
                        Ok(self)
                    }
                }
            },
        );
        for hook in ["before_save", "after_save", "before_delete", "after_delete"] {
            assert_eq!(written.matches(&format!("fn{hook}<")).count(), 1, "{written}");
        }
        assert_eq!(written.matches("asyncfn").count(), 1, "{written}");
        assert_eq!(written.matches("async_trait]").count(), 1, "{written}");
        assert!(written.contains("let_:&D=__ftn_audit_1;letinsert:bool=__ftn_audit_2;Ok(self)"), "{written}");
        assert!(written.contains("AuditedHooksforActiveModel"), "{written}");
        assert!(!written.contains("compile_error"), "{written}");
    }

    #[test]
    fn mistakes_are_told() {
        for (arguments, item, message) in [
            (quote!(x), quote!(impl ActiveModelBehavior for ActiveModel {}), "takesnoarguments"),
            (
                TokenStream::new(),
                quote!(
                    struct Model;
                ),
                "`#[audited]`goeson",
            ),
            (TokenStream::new(), quote!(impl Other for ActiveModel {}), "anothertrait"),
            (TokenStream::new(), quote!(impl ActiveModel {}), "ofnotrait"),
            (
                TokenStream::new(),
                quote!(impl ActiveModelBehavior for ActiveModel { fn before_delete() -> Pin<Box<X>> {} }),
                "above`#[async_trait]`",
            ),
        ] {
            let written = written(arguments, item);
            assert_eq!(written.matches("compile_error").count(), 1, "{written}");
            assert!(written.contains(message), "{written}");
        }
    }
}
