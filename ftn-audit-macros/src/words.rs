//! The little language inside our attributes: `word`, `word = value`, `word(word, ..)`, with commas between.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Error, Expr, ExprLit, Ident, Lit, LitStr, Path, Result, Token};

use crate::errors::Errors;
use crate::suggest::{did_you_mean, one_of};

pub(crate) struct Word {
    pub(crate) ident: Ident,
    pub(crate) form: Form,
}

pub(crate) enum Form {
    Bare,
    Value(Expr),
    List(Group),
}

impl Word {
    /// Field names among the words may be keywords: `r#type` and `type` are the same.
    pub(crate) fn name(&self) -> String {
        self.ident.unraw().to_string()
    }

    pub(crate) fn bare(&self) -> Result<()> {
        match &self.form {
            Form::Bare => Ok(()),
            Form::Value(_) | Form::List(_) => {
                Err(self.wrong(format_args!("`{0}` takes no value; write just `{0}`", self.name())))
            }
        }
    }

    pub(crate) fn value(&self, example: &str) -> Result<&Expr> {
        match &self.form {
            Form::Value(value) => Ok(value),
            Form::Bare | Form::List(_) => {
                Err(self.wrong(format_args!("`{0}` needs a value; write `{0} = {example}`", self.name())))
            }
        }
    }

    pub(crate) fn text(&self, example: &str) -> Result<LitStr> {
        match ungrouped(self.value(example)?) {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(text.clone()),
            other => Err(Error::new_spanned(
                other,
                format_args!("`{0}` is a string literal; write `{0} = {example}`", self.name()),
            )),
        }
    }

    /// A string that a record will show, where an empty one would be a hole.
    pub(crate) fn label(&self, example: &str) -> Result<LitStr> {
        let text = self.text(example)?;
        if text.value().trim().is_empty() {
            return Err(Error::new_spanned(
                text,
                format_args!("`{0}` is empty; write `{0} = {example}`, or leave it out", self.name()),
            ));
        }
        Ok(text)
    }

    /// One of some fixed texts.
    pub(crate) fn choice(&self, choices: &[&'static str]) -> Result<&'static str> {
        let example = format!("\"{}\"", choices[0]);
        let text = self.text(&example)?;
        let value = text.value();
        choices.iter().copied().find(|choice| *choice == value).ok_or_else(|| {
            let quoted: Vec<String> =
                choices.iter().map(|choice| format!("{} = \"{choice}\"", self.name())).collect();
            Error::new_spanned(
                &text,
                format_args!(
                    "unknown value `{value}` of `{}`{}; write {}",
                    self.name(),
                    did_you_mean(&value, choices.iter().copied()),
                    one_of(quoted.iter().map(String::as_str)),
                ),
            )
        })
    }

    pub(crate) fn path(&self, example: &str) -> Result<Path> {
        match ungrouped(self.value(example)?) {
            Expr::Path(path) if path.qself.is_none() && path.attrs.is_empty() => Ok(path.path.clone()),
            other => Err(Error::new_spanned(
                other,
                format_args!("`{0}` is a path, without quotes; write `{0} = {example}`", self.name()),
            )),
        }
    }

    pub(crate) fn list(&self, example: &str) -> Result<TokenStream> {
        match &self.form {
            Form::List(group) if !group.stream().is_empty() => Ok(group.stream()),
            _ => Err(self.wrong(format_args!("`{0}` needs a list; write `{0}({example})`", self.name()))),
        }
    }

    pub(crate) fn wrong(&self, message: impl std::fmt::Display) -> Error {
        Error::new(self.ident.span(), message)
    }
}

// A literal that came through a `macro_rules!` fragment arrives in an invisible group.
fn ungrouped(mut expr: &Expr) -> &Expr {
    while let Expr::Group(group) = expr {
        expr = &group.expr;
    }
    expr
}

/// The words of a list; one that cannot be read is noted down and does not hide the others.
pub(crate) fn read(tokens: TokenStream, errors: &mut Errors) -> Vec<Word> {
    let mut words = Vec::new();
    let parser = |input: ParseStream<'_>| {
        while !input.is_empty() {
            match word(input) {
                Ok(word) => words.push(word),
                Err(error) => {
                    errors.push(error);
                    while !input.is_empty() && !input.peek(Token![,]) {
                        input.parse::<TokenTree>()?;
                    }
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(())
    };
    if let Err(error) = parser.parse2(tokens) {
        errors.push(error);
    }
    words
}

fn word(input: ParseStream<'_>) -> Result<Word> {
    if !input.peek(Ident::peek_any) {
        return Err(
            input.error("expected a word here; write `word`, `word = ..` or `word(..)`, with commas between")
        );
    }
    let ident = input.call(Ident::parse_any)?;
    let form = if input.peek(Token![=]) {
        let equals: Token![=] = input.parse()?;
        if input.is_empty() || input.peek(Token![,]) {
            return Err(Error::new_spanned(
                equals,
                format_args!("`{} =` needs a value behind it", ident.unraw()),
            ));
        }
        Form::Value(input.parse()?)
    } else if let Some(group) = parenthesized(input) {
        input.parse::<TokenTree>()?;
        Form::List(group)
    } else {
        Form::Bare
    };
    if !input.is_empty() && !input.peek(Token![,]) {
        return Err(input.error("expected `,` before this"));
    }
    Ok(Word { ident, form })
}

fn parenthesized(input: ParseStream<'_>) -> Option<Group> {
    // Taken as a token tree and read later: a half-read `ParseBuffer` would report itself on top of our own error.
    match input.cursor().token_tree() {
        Some((TokenTree::Group(group), _)) if group.delimiter() == Delimiter::Parenthesis => Some(group),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::{Errors, Form, read};

    #[test]
    fn forms() {
        let mut errors = Errors::default();
        let words = read(quote!(a, b = "x", c(d, e), type, r#match = -1,), &mut errors);
        assert_eq!(errors.messages(), [""; 0]);
        let names: Vec<String> = words.iter().map(super::Word::name).collect();
        assert_eq!(names, ["a", "b", "c", "type", "match"]);
        assert!(matches!(words[0].form, Form::Bare));
        assert!(matches!(words[1].form, Form::Value(_)));
        assert!(matches!(words[2].form, Form::List(_)));
    }

    #[test]
    fn one_mistake_hides_no_other_word() {
        let mut errors = Errors::default();
        let words = read(quote!("a", b =, c d, e(f) g, h), &mut errors);
        assert_eq!(words.len(), 1);
        assert_eq!(
            errors.messages(),
            [
                "expected a word here; write `word`, `word = ..` or `word(..)`, with commas between",
                "`b =` needs a value behind it",
                "expected `,` before this",
                "expected `,` before this"
            ]
        );
    }
}
