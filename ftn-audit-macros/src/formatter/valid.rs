//! What can be registered: one type or function, known without parameters, made without arguments.

use syn::visit::{self, Visit};
use syn::{
    Attribute, FnArg, GenericArgument, Generics, Ident, ImplItem, ItemFn, ItemImpl, Lifetime, PathArguments,
    ReturnType, Signature, Type, TypePath,
};

use super::ast::Target;
use crate::errors::Errors;

pub(crate) enum Checked {
    Impl {
        cfgs: Vec<Attribute>,
        ty: Box<Type>,
    },
    Function(Box<Function>),
    /// Refused, and better left out.
    Unusable,
}

pub(crate) struct Function {
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) ident: Ident,
    /// Between the angle brackets of `&Change<..>`.
    pub(crate) subject: Type,
    pub(crate) argument: Type,
    pub(crate) output: Type,
}

/// `None` when the item was refused; it then stands without its registration.
pub(crate) fn check(target: Target, errors: &mut Errors) -> Option<Checked> {
    match target {
        Target::Impl(item) => impl_(item, errors),
        Target::Function(item) => function(item, errors).map(Box::new).map(Checked::Function),
    }
}

fn impl_(item: ItemImpl, errors: &mut Errors) -> Option<Checked> {
    let Some((_, path, _)) = &item.trait_ else {
        errors.at(
            &item.self_ty,
            "`#[audit_formatter]` registers an `AuditFormatter`; write `impl AuditFormatter for ..`",
        );
        return None;
    };
    let is_formatter = path.segments.last().is_some_and(|segment| segment.ident == "AuditFormatter");
    if !is_formatter {
        errors.at(
            path,
            "`#[audit_formatter]` registers an `AuditFormatter`, and this is another trait; write `impl AuditFormatter for ..`",
        );
        return None;
    }
    if !not_generic(&item.generics, "impl", errors) {
        return None;
    }
    if let Some(lifetime) = borrowed(&item.self_ty) {
        errors.at(lifetime, "a registered formatter lives as long as the program; it cannot borrow");
        return Some(Checked::Unusable);
    }
    let has_subject =
        item.items.iter().any(|item| matches!(item, ImplItem::Type(ty) if ty.ident == "Subject"));
    if !has_subject {
        errors.at(
            path,
            "the formatter does not say what it formats; write `type Subject = item::Model;` in the impl",
        );
        return Some(Checked::Unusable);
    }
    Some(Checked::Impl { cfgs: cfgs(&item.attrs), ty: item.self_ty })
}

fn not_generic(generics: &Generics, what: &str, errors: &mut Errors) -> bool {
    let Some(first) = generics.params.first() else { return true };
    errors.at(
        first,
        format_args!(
            "a registered formatter is not generic; write one {what} for each subject, without parameters"
        ),
    );
    false
}

/// The first lifetime that is not `'static`.
fn borrowed(ty: &Type) -> Option<Lifetime> {
    struct First(Option<Lifetime>);
    impl<'ast> Visit<'ast> for First {
        fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
            if self.0.is_none() && lifetime.ident != "static" {
                self.0 = Some(lifetime.clone());
            }
            visit::visit_lifetime(self, lifetime);
        }
    }
    let mut first = First(None);
    first.visit_type(ty);
    first.0
}

const SIGNATURE: &str = "write `fn f(change: &Change<item::Model>) -> Formatted`";

fn function(item: ItemFn, errors: &mut Errors) -> Option<Function> {
    let Signature { asyncness, unsafety, variadic, generics, inputs, output, .. } = &item.sig;
    if let Some(receiver) = item.sig.receiver() {
        errors.at(
            receiver,
            format_args!(
                "a method cannot be registered; {SIGNATURE} outside an impl, or implement `AuditFormatter`"
            ),
        );
        return None;
    }
    if let Some(asyncness) = asyncness {
        errors.at(
            asyncness,
            "a formatter runs while the change is recorded and cannot wait; leave `async` out",
        );
        return None;
    }
    if let Some(unsafety) = unsafety {
        errors.at(unsafety, "a formatter is called by safe code; leave `unsafe` out");
        return None;
    }
    if !not_generic(generics, "function", errors) {
        return None;
    }
    let mut arguments = inputs.iter();
    let (Some(FnArg::Typed(argument)), None, None) = (arguments.next(), arguments.next(), variadic) else {
        if inputs.is_empty() {
            errors.at(
                &item.sig.ident,
                format_args!("a formatter takes the change as its argument; {SIGNATURE}"),
            );
        } else {
            errors.at(inputs, format_args!("a formatter takes the change as its only argument; {SIGNATURE}"));
        }
        return None;
    };
    let Some(subject) = subject(&argument.ty) else {
        errors.at(&argument.ty, format_args!("a formatter's argument is `&Change<..>`; {SIGNATURE}"));
        return None;
    };
    if let Some(lifetime) = borrowed(subject) {
        errors.at(lifetime, "a subject is a `Model`, which cannot borrow; leave the lifetime out");
        return None;
    }
    let ReturnType::Type(_, output) = output else {
        errors.at(&item.sig.ident, format_args!("a formatter returns what it wrote; {SIGNATURE}"));
        return None;
    };
    Some(Function {
        cfgs: cfgs(&item.attrs),
        ident: item.sig.ident.clone(),
        subject: subject.clone(),
        argument: (*argument.ty).clone(),
        output: (**output).clone(),
    })
}

fn subject(argument: &Type) -> Option<&Type> {
    let Type::Reference(reference) = bared(argument) else { return None };
    let elided = reference.lifetime.as_ref().is_none_or(|lifetime| lifetime.ident == "_");
    if reference.mutability.is_some() || !elided {
        return None;
    }
    let Type::Path(TypePath { qself: None, path }) = bared(&reference.elem) else { return None };
    let change = path.segments.last().filter(|segment| segment.ident == "Change")?;
    let PathArguments::AngleBracketed(arguments) = &change.arguments else { return None };
    match (arguments.args.first(), arguments.args.len()) {
        (Some(GenericArgument::Type(subject)), 1) => Some(subject),
        _ => None,
    }
}

fn bared(mut ty: &Type) -> &Type {
    loop {
        ty = match ty {
            Type::Group(group) => &group.elem,
            Type::Paren(paren) => &paren.elem,
            _ => return ty,
        }
    }
}

/// A formatter that is compiled only sometimes is registered only then.
fn cfgs(attrs: &[Attribute]) -> Vec<Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("cfg")).cloned().collect()
}
