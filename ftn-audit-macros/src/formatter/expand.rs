//! The code that the attribute writes below the item.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, LitStr, Type};

use super::rule::Rule;
use super::valid::Function;

pub(crate) fn of_impl(cfgs: &[Attribute], ty: &Type, rule: &Rule) -> TokenStream {
    let rule = rule_value(rule, ty);
    // On the type's tokens: a formatter that has no `Default` is reported there.
    let registration = quote_spanned! {ty.span()=>
        ::ftn_audit_sea::private::FormatterRegistration::of::<#ty>(#rule)
    };
    quote! {
        #(#cfgs)*
        const _: () = {
            #[automatically_derived]
            impl ::ftn_audit_sea::private::AnnotatedFormatter for #ty {
                const REGISTRATION: ::ftn_audit_sea::private::FormatterRegistration = #registration;
            }

            ::ftn_audit_sea::private::inventory::submit! {
                <#ty as ::ftn_audit_sea::private::AnnotatedFormatter>::REGISTRATION
            }
        };
    }
}

pub(crate) fn of_function(function: &Function, rule: &Rule) -> TokenStream {
    let Function { cfgs, ident, subject, argument, output } = function;
    let rule = rule_value(rule, ident);
    let name = ident.to_string();
    let name = LitStr::new(name.trim_start_matches("r#"), ident.span());
    // On the user's types, so that a wrong one is reported where it is written.
    let change = quote_spanned!(argument.span()=> change);
    let mut callee = ident.clone();
    callee.set_span(output.span());
    let call = quote_spanned!(output.span()=> #callee(#change));
    quote! {
        #(#cfgs)*
        #[allow(deprecated)]
        const _: () = {
            #[derive(::core::default::Default)]
            struct __FtnAuditFunction;

            #[automatically_derived]
            impl ::ftn_audit_sea::private::FunctionFormatter for __FtnAuditFunction {
                type Subject = #subject;

                fn format(
                    &self,
                    #change: &::ftn_audit_sea::private::Change<#subject>,
                ) -> ::ftn_audit_sea::private::Formatted {
                    #call
                }
            }

            ::ftn_audit_sea::private::inventory::submit! {
                ::ftn_audit_sea::private::FormatterRegistration::of_function::<__FtnAuditFunction>(#name, #rule)
            }
        };
    }
}

fn rule_value(rule: &Rule, at: &impl Spanned) -> TokenStream {
    let option = |text: &Option<LitStr>| match text {
        Some(text) => quote!(::core::option::Option::Some(#text)),
        None => quote!(::core::option::Option::None),
    };
    let (route, event, priority) = (option(&rule.route), option(&rule.event), rule.priority);
    let priority = proc_macro2::Literal::i32_suffixed(priority);
    let (file, line) =
        (quote_spanned!(at.span()=> ::core::file!()), quote_spanned!(at.span()=> ::core::line!()));
    quote! {
        ::ftn_audit_sea::private::Rule {
            route: #route,
            event: #event,
            priority: #priority,
            file: #file,
            line: #line,
        }
    }
}
