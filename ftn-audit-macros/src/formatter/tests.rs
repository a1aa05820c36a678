use proc_macro2::TokenStream;
use quote::quote;

use super::register;

fn written(arguments: TokenStream, item: TokenStream) -> String {
    register(arguments, item).to_string().split_whitespace().collect()
}

fn function() -> TokenStream {
    quote! { fn created(change: &Change<item::Model>) -> Formatted { Formatted::new("new") } }
}

fn implementation() -> TokenStream {
    quote! { impl AuditFormatter for X { type Subject = item::Model; } }
}

fn errors(written: &str) -> usize {
    written.matches("compile_error!").count()
}

#[test]
fn an_impl_is_registered() {
    let written =
        written(quote!(route = "patch /items/{id}", event = "update", priority = -10), implementation());
    assert!(written.starts_with("implAuditFormatterforX{typeSubject=item::Model;}const_:()="), "{written}");
    assert!(written.contains("FormatterRegistration::of::<X>(::ftn_audit_sea::private::Rule{"), "{written}");
    assert!(written.contains(r#"route:::core::option::Option::Some("PATCH|/items/:id")"#), "{written}");
    assert!(written.contains(r#"event:::core::option::Option::Some("update")"#), "{written}");
    assert!(written.contains("priority:-10i32,"), "{written}");
}

#[test]
fn a_route_is_understood_in_the_spelling_of_any_framework() {
    for (route, expected) in [
        (r"PATCH /items/{id:\d+}", "PATCH|/items/:id"),
        ("GET /files/{tail}*", "GET|/files/*tail"),
        ("GET /{tail:.*}", "GET|/*tail"),
        ("GET /files/{*rest}", "GET|/files/*rest"),
        ("GET <int:y>-<int:m>/", "GET|/:y-:m/"),
        (r"GET ^x/(?P<outer>a/(?P<inner>b)/c)/$", "GET|/x/:outer/"),
        (r"GET ^(?P<a>\d+)\.json$", "GET|/:a.json"),
        ("GET /v{major}.{minor}", "GET|/v:major.:minor"),
        ("GET report/<int:id>.json", "GET|/report/:id.json"),
        (r"GET ^x/(?:page/)?(?P<n>\d+)/?$", "GET|/x/:n"),
    ] {
        let written = written(quote!(route = #route), function());
        assert!(written.contains(&format!(r#"Some("{expected}")"#)), "{route}: {written}");
    }
}

#[test]
fn a_route_that_is_not_understood_is_refused_with_its_place() {
    for (route, place) in
        [("GET /:n{m}", "at8"), (r"GET ^items/\d+/$", "at12"), ("GET items/<int:id", "at11")]
    {
        let written = written(quote!(route = #route), function());
        assert!(written.contains("compile_error!"), "{written}");
        assert!(written.contains(place), "{written}");
    }
}

#[test]
fn a_function_is_registered() {
    let written = written(quote!(), function());
    assert!(
        written.contains(
            "impl::ftn_audit_sea::private::FunctionFormatterfor__FtnAuditFunction{typeSubject=item::Model;"
        ),
        "{written}"
    );
    assert!(written.contains(r#"of_function::<__FtnAuditFunction>("created","#), "{written}");
    assert!(
        written
            .contains("route:::core::option::Option::None,event:::core::option::Option::None,priority:0i32"),
        "{written}"
    );
}

#[test]
fn conditions_go_with_the_registration() {
    let function = function();
    let written = written(quote!(), quote!(#[cfg(feature = "a")] #[inline] #function));
    assert_eq!(written.matches(r#"#[cfg(feature="a")]"#).count(), 2, "{written}");
    assert_eq!(written.matches("#[inline]").count(), 1, "{written}");
}

#[test]
fn wrong_arguments_leave_the_registration() {
    let written = written(
        quote!(event = "updat", route = "GET|x", priority = 2147483648, event = "update"),
        function(),
    );
    assert_eq!(errors(&written), 4, "{written}");
    assert!(written.contains("of_function"), "{written}");
}

#[test]
fn priorities() {
    for (priority, expected) in [
        (quote!(2147483647), "2147483647i32"),
        (quote!(-2147483648), "-2147483648i32"),
        (quote!(1_000i32), "1000i32"),
    ] {
        let written = written(quote!(priority = #priority), function());
        assert!(written.contains(&format!("priority:{expected},")), "{written}");
    }
    for priority in [quote!(2147483648), quote!(-2147483649), quote!(1u8), quote!(1.0), quote!(!1), quote!(x)]
    {
        assert_eq!(errors(&written(quote!(priority = #priority), function())), 1);
    }
}

#[test]
fn refused_functions_stand_without_registration() {
    for function in [
        quote! { fn f<T>(_: &Change<T>) -> Formatted {} },
        quote! { fn f<'a>(_: &'a Change<M>) -> Formatted {} },
        quote! { async fn f(_: &Change<M>) -> Formatted {} },
        quote! { unsafe fn f(_: &Change<M>) -> Formatted {} },
        quote! { fn f() -> Formatted {} },
        quote! { fn f(_: &Change<M>, _: u8) -> Formatted {} },
        quote! { fn f(_: &mut Change<M>) -> Formatted {} },
        quote! { fn f(_: &'static Change<M>) -> Formatted {} },
        quote! { fn f(_: Change<M>) -> Formatted {} },
        quote! { fn f(_: &Change) -> Formatted {} },
        quote! { fn f(_: &Change<M, N>) -> Formatted {} },
        quote! { fn f(&self, _: &Change<M>) -> Formatted {} },
        quote! { fn f(_: &Change<M>) {} },
        quote! { fn f(_: &Change<M<'_>>) -> Formatted {} },
    ] {
        let written = written(quote!(), function.clone());
        assert_eq!(errors(&written), 1, "{written}");
        assert!(written.contains("fnf") && !written.contains("FormatterRegistration"), "{written}");
    }
}

#[test]
fn refused_impls_stand_without_registration() {
    for item in [
        quote! { impl X {} },
        quote! { impl Clone for X {} },
        quote! { impl<T> AuditFormatter for X<T> { type Subject = T; } },
        quote! { struct X; },
        quote! { mod x {} },
    ] {
        let written = written(quote!(), item);
        assert_eq!(errors(&written), 1, "{written}");
        assert!(written.contains('X') || written.contains("modx"), "{written}");
        assert!(!written.contains("FormatterRegistration"), "{written}");
    }
}

#[test]
fn what_rustc_would_refuse_too_is_left_out() {
    for item in [
        quote! { impl AuditFormatter for X {} },
        quote! { impl AuditFormatter for X<'_> { type Subject = item::Model; } },
    ] {
        let written = written(quote!(), item);
        assert_eq!(errors(&written), 1, "{written}");
        assert!(!written.contains("forX"), "{written}");
    }
    let fine =
        written(quote!(), quote! { impl AuditFormatter for X<'static> { type Subject = item::Model; } });
    assert_eq!(errors(&fine), 0, "{fine}");
}
