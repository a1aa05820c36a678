//! From words to what they say: which attributes there are, where each may stand, what each takes.

use proc_macro2::TokenStream;
use syn::{Error, Ident, LitStr, Path, Result};

use crate::errors::Errors;
use crate::suggest::{did_you_mean, one_of};
use crate::words::{self, Form, Word};

/// What can be said of a column. Where it was said, on the field or in a list on the struct, makes no difference.
#[derive(Clone)]
pub(crate) enum ColumnWord {
    Name(LitStr),
    Mask,
    Hash,
    Skip,
    Plain,
    Ignore,
}

impl ColumnWord {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Name(_) => "name",
            Self::Mask => "mask",
            Self::Hash => "hash",
            Self::Skip => "skip",
            Self::Plain => "plain",
            Self::Ignore => "ignore",
        }
    }

    fn bare(word: &str) -> Option<Self> {
        match word {
            "mask" => Some(Self::Mask),
            "hash" => Some(Self::Hash),
            "skip" => Some(Self::Skip),
            "plain" => Some(Self::Plain),
            "ignore" => Some(Self::Ignore),
            _ => None,
        }
    }
}

pub(crate) enum FieldWord {
    Column(ColumnWord),
    Link,
}

/// Something said, with the token to point at when it is wrong.
pub(crate) struct Said<T> {
    pub(crate) at: Ident,
    pub(crate) what: T,
}

#[derive(Default)]
pub(crate) struct OnStruct {
    pub(crate) name: Option<LitStr>,
    pub(crate) junction: bool,
    pub(crate) primary: bool,
    /// Only columns that are named are recorded.
    pub(crate) allow: bool,
    pub(crate) soft_delete: Option<LitStr>,
    pub(crate) own_hooks: Option<OwnHooks>,
    pub(crate) on_failure: Option<OnFailure>,
    /// A change says why it was made.
    pub(crate) reason_required: bool,
    pub(crate) bulk: Option<Bulk>,
    /// `at` is the field as the list names it.
    pub(crate) columns: Vec<Said<ColumnWord>>,
    pub(crate) links: Vec<Said<ListedLink>>,
}

/// `own_hooks`: the entity writes `ActiveModelBehavior` itself.
pub(crate) struct OwnHooks {
    pub(crate) at: Ident,
    /// With `#[audited]` on it; else only audited connections capture the entity.
    pub(crate) audited: bool,
}

#[derive(Clone, Copy)]
pub(crate) enum OnFailure {
    Block,
    BestEffort,
}

#[derive(Clone, Copy)]
pub(crate) enum Bulk {
    Rows,
    Summary,
    Refuse,
}

/// `link(field = "tags", to = super::tag::Entity)`.
pub(crate) struct ListedLink {
    pub(crate) field: LitStr,
    pub(crate) target: Target,
}

pub(crate) enum Target {
    /// Of another entity. SeaORM knows the junction; where `via` names it too, start-up compares.
    Other { entity: Path, via: Option<Path> },
    /// Of an entity with itself; from which of the junction's two keys the relation starts, only `reverse` tells.
    Itself { junction: Path, reverse: bool },
}

const ON_FIELD: [(&str, &str); 7] = [
    ("name", "name = \"..\""),
    ("mask", "mask"),
    ("hash", "hash"),
    ("skip", "skip"),
    ("plain", "plain"),
    ("ignore", "ignore"),
    ("link", "link"),
];

const ON_STRUCT: [(&str, &str); 16] = [
    ("name", "name = \"..\""),
    ("junction", "junction"),
    ("primary", "primary"),
    ("columns", "columns = \"allow\""),
    ("soft_delete", "soft_delete = \"..\""),
    ("own_hooks", "own_hooks"),
    ("on_failure", "on_failure = \"..\""),
    ("reason", "reason = \"required\""),
    ("bulk", "bulk = \"..\""),
    ("mask", "mask(..)"),
    ("hash", "hash(..)"),
    ("skip", "skip(..)"),
    ("plain", "plain(..)"),
    ("ignore", "ignore(..)"),
    ("rename", "rename(..)"),
    ("link", "link(..)"),
];

const IN_LINK: [&str; 4] = ["field", "to", "via", "reverse"];

pub(crate) fn on_field(words: &[Word], errors: &mut Errors) -> Vec<Said<FieldWord>> {
    words
        .iter()
        .filter_map(|word| {
            let what = errors.note(field_word(word))?;
            Some(Said { at: word.ident.clone(), what })
        })
        .collect()
}

fn field_word(word: &Word) -> Result<FieldWord> {
    let name = word.name();
    match name.as_str() {
        "name" => Ok(FieldWord::Column(ColumnWord::Name(word.label("\"title\"")?))),
        "link" => word.bare().map(|()| FieldWord::Link),
        "junction" | "primary" | "columns" | "soft_delete" | "own_hooks" | "on_failure" | "reason"
        | "bulk" => Err(word.wrong(format_args!("`{name}` is about the entity; put it on the struct"))),
        "rename" => Err(word.wrong("`rename` is for the struct; on a field write `name = \"..\"`")),
        _ => match ColumnWord::bare(&name) {
            Some(column) => word.bare().map(|()| FieldWord::Column(column)),
            None => Err(unknown(word, "a field", &ON_FIELD)),
        },
    }
}

fn unknown(word: &Word, place: &str, accepted: &[(&str, &str)]) -> Error {
    let name = word.name();
    word.wrong(format_args!(
        "unknown attribute `{name}`{}; {place} accepts {}",
        did_you_mean(&name, accepted.iter().map(|(word, _)| *word)),
        one_of(accepted.iter().map(|(_, form)| *form)),
    ))
}

pub(crate) fn on_struct(words: &[Word], errors: &mut Errors) -> OnStruct {
    let mut said = OnStruct::default();
    for word in words {
        match word.name().as_str() {
            "name" if said.name.is_some() => errors.push(twice(&word.ident)),
            "name" => said.name = errors.note(word.label("\"Item\"")),
            "junction" if said.junction => errors.push(twice(&word.ident)),
            "junction" => said.junction = errors.note(word.bare()).is_some(),
            "primary" if said.primary => errors.push(twice(&word.ident)),
            "primary" => said.primary = errors.note(word.bare()).is_some(),
            "columns" if said.allow => errors.push(twice(&word.ident)),
            "columns" => said.allow = errors.note(word.choice(&["allow"])).is_some(),
            "soft_delete" if said.soft_delete.is_some() => errors.push(twice(&word.ident)),
            "soft_delete" => said.soft_delete = errors.note(word.label("\"deleted_at\"")),
            "own_hooks" if said.own_hooks.is_some() => errors.push(twice(&word.ident)),
            "own_hooks" => said.own_hooks = Some(own_hooks(word, errors)),
            "on_failure" if said.on_failure.is_some() => errors.push(twice(&word.ident)),
            "on_failure" => said.on_failure = errors.note(on_failure(word)),
            "reason" if said.reason_required => errors.push(twice(&word.ident)),
            "reason" => said.reason_required = errors.note(word.choice(&["required"])).is_some(),
            "bulk" if said.bulk.is_some() => errors.push(twice(&word.ident)),
            "bulk" => said.bulk = errors.note(bulk(word)),
            "rename" => {
                if let Some(list) = errors.note(word.list("field = \"recorded name\"")) {
                    renamed(list, &mut said, errors);
                }
            }
            "link" => {
                let example = "field = \"tags\", to = super::tag::Entity";
                if let Some(link) =
                    errors.note(word.list(example)).and_then(|list| listed_link(word, list, errors))
                {
                    said.links.push(Said { at: word.ident.clone(), what: link });
                }
            }
            name => match ColumnWord::bare(name) {
                Some(column) => {
                    if let Some(list) = errors.note(word.list("field, ..")) {
                        listed(&column, list, &mut said, errors);
                    }
                }
                None => errors.push(unknown(word, "the struct", &ON_STRUCT)),
            },
        }
    }
    said
}

fn own_hooks(word: &Word, errors: &mut Errors) -> OwnHooks {
    let audited = match word.form {
        Form::Bare => true,
        // The hooks are the user's after a mistake, too: a second set of them would be one more error.
        Form::Value(_) => {
            errors.note(word.choice(&["unaudited"]));
            false
        }
        Form::List(_) => {
            errors.push(word.wrong("`own_hooks` takes no list; write just `own_hooks`"));
            false
        }
    };
    OwnHooks { at: word.ident.clone(), audited }
}

fn on_failure(word: &Word) -> Result<OnFailure> {
    Ok(match word.choice(&["block", "best_effort"])? {
        "block" => OnFailure::Block,
        _ => OnFailure::BestEffort,
    })
}

fn bulk(word: &Word) -> Result<Bulk> {
    Ok(match word.choice(&["rows", "summary", "refuse"])? {
        "rows" => Bulk::Rows,
        "summary" => Bulk::Summary,
        _ => Bulk::Refuse,
    })
}

pub(crate) fn twice(at: &Ident) -> Error {
    Error::new(at.span(), format_args!("`{at}` is said twice; leave one out"))
}

fn listed(column: &ColumnWord, list: TokenStream, said: &mut OnStruct, errors: &mut Errors) {
    for field in words::read(list, errors) {
        if errors.note(field.bare()).is_some() {
            said.columns.push(Said { at: field.ident, what: column.clone() });
        }
    }
}

fn renamed(list: TokenStream, said: &mut OnStruct, errors: &mut Errors) {
    for field in words::read(list, errors) {
        if let Some(name) = errors.note(field.label("\"recorded name\"")) {
            said.columns.push(Said { at: field.ident, what: ColumnWord::Name(name) });
        }
    }
}

fn listed_link(link: &Word, list: TokenStream, errors: &mut Errors) -> Option<ListedLink> {
    let (mut field, mut to, mut via, mut reverse) = (None, None, None, None);
    let mut wrong = false;
    for word in words::read(list, errors) {
        let result = match word.name().as_str() {
            "field" if field.is_none() => word.label("\"tags\"").map(|text| field = Some(text)),
            "to" if to.is_none() => word.path("super::tag::Entity").map(|path| to = Some(path)),
            "via" if via.is_none() => word.path("super::item_tag::Entity").map(|path| via = Some(path)),
            "reverse" if reverse.is_none() => word.bare().map(|()| reverse = Some(word.ident.clone())),
            name if IN_LINK.contains(&name) => Err(twice(&word.ident)),
            name => Err(word.wrong(format_args!(
                "unknown key `{name}` of `link`{}; write {}",
                did_you_mean(name, IN_LINK),
                one_of(IN_LINK),
            ))),
        };
        wrong |= errors.note(result).is_none();
    }
    // What is missing may be what was misspelt.
    if wrong {
        return None;
    }
    let (Some(field), Some(to)) = (field, to) else {
        errors.push(link.wrong(
            "`link` needs the relation's name and its target; write `link(field = \"tags\", to = super::tag::Entity)`",
        ));
        return None;
    };
    let itself = to.is_ident("Entity") || to.is_ident("Self");
    let target = match (itself, via, reverse) {
        (true, Some(junction), reverse) => Target::Itself { junction, reverse: reverse.is_some() },
        (true, None, _) => {
            errors.at(
                to,
                "a link of an entity with itself needs its junction; add `via = super::item_item::Entity`",
            );
            return None;
        }
        (false, via, None) => Target::Other { entity: to, via },
        (false, _, Some(reverse)) => {
            errors.at(reverse, "`reverse` is for a link of an entity with itself; leave it out");
            return None;
        }
    };
    Some(ListedLink { field, target })
}
