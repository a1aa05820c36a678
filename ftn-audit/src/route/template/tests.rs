use super::cursor::steps;
use super::{Dialect, MAX_BYTES, RouteFault, canonical, canonical_of};

/// What people write becomes `expected`, which is canonical.
#[track_caller]
pub(super) fn reads(text: &str, expected: &str) {
    assert_eq!(canonical(text).as_deref(), Ok(expected), "{text}");
    assert_eq!(canonical(expected).as_deref(), Ok(expected), "not canonical");
}

#[track_caller]
pub(super) fn refuses(text: &str, offset: usize, reason: RouteFault) {
    let error = canonical(text).expect_err(text);
    assert_eq!((error.offset, &error.reason), (offset, &reason), "{error}");
    assert_eq!(error.template, text);
}

/// A framework's template becomes `expected`, which is canonical.
#[track_caller]
pub(super) fn reads_as(dialect: Dialect, template: &str, expected: &str) {
    let expected = format!("GET|{expected}");
    assert_eq!(canonical_of(dialect, "get", template).as_deref(), Ok(&*expected), "{template}");
    assert_eq!(canonical(&expected).as_deref(), Ok(&*expected), "not canonical");
}

/// `offset` counts within the template.
#[track_caller]
pub(super) fn refuses_as(dialect: Dialect, template: &str, offset: usize, reason: RouteFault) {
    let error = canonical_of(dialect, "get", template).expect_err(template);
    assert_eq!((error.offset, &error.reason), (offset + 4, &reason), "{error}");
    assert_eq!(error.template, format!("get|{template}"));
}

#[test]
fn every_spelling_of_a_parameter() {
    for text in ["PATCH|/items/:id", "PATCH|/items/{id}", "PATCH /items/{id}", "patch  /items/:id"] {
        reads(text, "PATCH|/items/:id");
    }
    reads("GET /files/{*rest}", "GET|/files/*rest");
    reads("GET /files/*rest", "GET|/files/*rest");
    reads("GET /{user-id}/{a.b}", "GET|/:{user-id}/:{a.b}");
}

#[test]
fn what_is_no_parameter_stays_as_written() {
    reads("GET|/", "GET|/");
    reads("GET|/items/:id/", "GET|/items/:id/");
    reads("GET /a::b/c**d/%7Bx", "GET|/a::b/c**d/%7Bx");
    reads("GET /{{id}}/x{{", "GET|/{{id}}/x{{");
    reads("GET /a|b", "GET|/a|b");
    reads("GET /ä/{ö}", "GET|/ä/:{ö}");
}

#[test]
fn any_token_is_a_method() {
    reads("report /x", "REPORT|/x");
    reads("M-SEARCH|/x", "M-SEARCH|/x");
    refuses("GÉT|/x", 1, RouteFault::MethodCharacter('É'));
    refuses("PATCH/items", 5, RouteFault::MethodCharacter('/'));
    refuses("(GET)|/", 0, RouteFault::MethodCharacter('('));
}

#[test]
fn a_half_is_missing() {
    refuses("", 0, RouteFault::Empty);
    refuses("/items", 0, RouteFault::NoMethod);
    refuses("|/items", 0, RouteFault::NoMethod);
    refuses("GET", 3, RouteFault::NoTemplate);
    refuses("GET|", 4, RouteFault::NoTemplate);
    refuses("GET  ", 3, RouteFault::NoTemplate);
    refuses("GET|items", 4, RouteFault::NoLeadingSlash);
    refuses("GET|items/:id/", 4, RouteFault::NoLeadingSlash);
    refuses("GET|items/{id}/", 4, RouteFault::NoLeadingSlash);
    refuses("GET | /items", 4, RouteFault::NoLeadingSlash);
}

#[test]
fn slashes() {
    refuses("GET|//", 4, RouteFault::EmptySegment);
    refuses("GET|//a", 4, RouteFault::EmptySegment);
    // The routers serve them, and a path may have them anywhere but in front.
    reads("GET|/a//b", "GET|/a//b");
    reads("GET|/a//", "GET|/a//");
}

#[test]
fn parameters() {
    refuses("GET|/{}/x", 5, RouteFault::UnnamedParameter);
    refuses("GET|/{*}", 5, RouteFault::UnnamedParameter);
    reads("GET|/v{n}", "GET|/v:n");
    reads("GET|/{n}.json", "GET|/:n.json");
    reads("GET|/{a}{b}", "GET|/:a:b");
    reads("GET|/{id:[0-9]+}", "GET|/:id");
    refuses("GET|/{**a}", 7, RouteFault::ParameterCharacter('*'));
    refuses("PATCH|/items/{id", 13, RouteFault::Unclosed('{'));
    refuses("PATCH|/items/{id/x}", 13, RouteFault::Unclosed('{'));
    refuses("GET|/a}", 6, RouteFault::Unopened('}'));
    refuses("GET|/{*rest}/x", 5, RouteFault::CatchAllNotLast);
}

#[test]
fn what_no_path_has() {
    refuses("GET|/a b", 6, RouteFault::Blank);
    refuses("GET|/a\n", 6, RouteFault::Blank);
    refuses("GET|/a?b=1", 6, RouteFault::NotPath('?'));
    refuses("GET|/items/?", 11, RouteFault::NotPath('?'));
    refuses("GET|/a#b", 6, RouteFault::NotPath('#'));
}

#[test]
fn a_template_of_unknown_origin() {
    reads_as(Dialect::FoundOut, "items/:id/", "/items/:id/");
    reads_as(Dialect::FoundOut, "items/{id}", "/items/:id");
    reads_as(Dialect::FoundOut, "items/<int:id>", "/items/:id");
    reads_as(Dialect::FoundOut, "items/([0-9]+)/$", "/items/:_1/");
    refuses_as(Dialect::FoundOut, "", 0, RouteFault::NoTemplate);
}

#[test]
fn length_is_bounded() {
    let longest = format!("GET|/{}", "a".repeat(MAX_BYTES - 5));
    reads(&longest, &longest);
    let error = canonical(&format!("{longest}ä")).expect_err("too long");
    assert_eq!((error.offset, error.reason), (MAX_BYTES, RouteFault::TooLong));
    assert_eq!(error.template, longest);
    // What is long enough only in canonical spelling could not be read again.
    refuses_as(Dialect::Axum, &longest[4..longest.len() - 1].replace("aa", "a:"), 1019, RouteFault::TooLong);
}

/// Ten times the text, ten times the steps: no parser goes back by more than a bounded amount.
#[test]
fn the_work_grows_with_the_text_and_no_faster() {
    let families: [(Dialect, &str, &str, &str); 18] = [
        (Dialect::FoundOut, "/", ":a-", "b"),
        (Dialect::FoundOut, "/", ":{a}b", ""),
        (Dialect::FoundOut, "/", "{{", ""),
        (Dialect::FoundOut, "/", "{", ""),
        (Dialect::FoundOut, "/", "/:a", "/{b}"),
        (Dialect::Actix, "/", "{a:b{2}}", ""),
        (Dialect::Actix, "/{a:", "{", ""),
        (Dialect::Axum, "/", "{a}", ""),
        (Dialect::DjangoPath, "", "<a:b>", ""),
        (Dialect::DjangoPath, "", "a<", ""),
        (Dialect::DjangoRegex, "^", "(a)", "$"),
        (Dialect::DjangoRegex, "^", "(?P<a>[b)])", "$"),
        (Dialect::DjangoRegex, "^(?P<a>", "(b)", ")$"),
        (Dialect::DjangoRegex, "^", "[[:a", "$"),
        (Dialect::DjangoRegex, "^(?P<a>", "[[:a", "$"),
        (Dialect::DjangoRegex, "^", "(?:(?:a)?)?", "$"),
        (Dialect::DjangoRegex, "^", "a?", "$"),
        (Dialect::DjangoRegex, "^", "(?#", ""),
    ];
    for (dialect, head, repeated, tail) in families {
        let steps = |times: usize| {
            let template = format!("{head}{}{tail}", repeated.repeat(times));
            assert!(template.len() < MAX_BYTES - 8, "{template}");
            steps::of(|| drop(canonical_of(dialect, "GET", &template)))
        };
        let (few, many) = (steps(8), steps(80));
        assert!(many <= 10 * few + 10, "{repeated}: {few} steps became {many}");
    }
}

#[test]
fn messages_count_characters_from_one() {
    let message = |text| canonical(text).expect_err(text).to_string();
    assert_eq!(message("PATCH|/items/{id"), "route `PATCH|/items/{id`: `{` at 14 is never closed");
    assert_eq!(message("GET|/ä/{id"), "route `GET|/ä/{id`: `{` at 8 is never closed");
    assert_eq!(
        message("GET|/a\n"),
        "route `GET|/a\\n`: white space or a control character at 7; a path has it percent-encoded"
    );
    assert_eq!(
        message(r"GET|^x/\d+"),
        "route `GET|^x/\\\\d+`: the pattern at 8 matches text that varies outside a group; write `(?P<name>..)` \
         around it"
    );
    assert_eq!(
        message("GET|/12:30"),
        "route `GET|/12:30`: `3` at 9 begins no parameter's name; write `:{..}` around the name, or `::` for a \
         colon"
    );
}
