//! What the Python library made of the templates of Django, beside what is made of them here.

use crate::route::{RawRoute, RouteFault};

enum Here {
    Same,
    /// Another spelling, and why.
    Other(&'static str, &'static str),
    /// None, with the byte of the template at which the mistake begins, and why it is one.
    Refused(usize, RouteFault, &'static str),
}

use Here::{Other, Refused, Same};

/// Template, and what the library took for the route of a GET.
const TEMPLATES: [(&str, &str, Here); 36] = [
    ("/", "GET|/", Same),
    ("items/<int:id>/", "GET|/items/:id/", Same),
    ("<slug:s>/", "GET|/:s/", Same),
    ("<slug>", "GET|/:slug", Same),
    ("items/<slug>", "GET|/items/:slug", Same),
    ("<uuid:u>/<int:n>/", "GET|/:u/:n/", Same),
    ("^items/(?P<id>[0-9]+)/$", "GET|/items/:id/", Same),
    ("^items/(?P<id>[0-9]+)$", "GET|/items/:id", Same),
    ("^owners/(?P<o>[^/]+)/items/(?P<i>[^/.]+)/$", "GET|/owners/:o/items/:i/", Same),
    (
        "api/^items/(?P<id>[0-9]+)/$",
        "GET|/api/^items/:id/",
        Other("GET|/api/items/:id/", "an anchor in the middle, where an include joined, matches nothing"),
    ),
    ("^api/items/(?P<id>[0-9]+)/$", "GET|/api/items/:id/", Same),
    ("^^x$$", "GET|/x", Same),
    (r"^x/(?P<k>a\)b)/$", "GET|/x/:kb)/", Other("GET|/x/:k/", "an escaped bracket closes no group")),
    (
        r"^x/(?:page/)?(?P<n>\d+)/$",
        "GET|/x/(?:page/)?:n/",
        Other("GET|/x/:n/", "text that may be absent is left out, as in the URLs that Django writes"),
    ),
    (r"^x/(?P<a>\d+)-(?P<b>\d+)/$", "GET|/x/:a-:b/", Same),
    (r"^x\.json$", r"GET|/x\.json", Other("GET|/x.json", "the escape is the pattern's, not the path's")),
    (r"^x/\Z", r"GET|/x/\Z", Other("GET|/x/", "`\\Z` is an anchor")),
    (
        "^x/(?P<n>unclosed",
        "GET|/x/(?P<n>unclosed",
        Refused(3, RouteFault::Unclosed('('), "Django refuses the pattern"),
    ),
    ("^x/(?P<>y)/", "GET|/x//", Refused(3, RouteFault::UnnamedParameter, "Django refuses the pattern")),
    (
        "^x/(?P<outer>a/(?P<inner>b)/c)/$",
        "GET|/x/:outer/c)/",
        Other("GET|/x/:outer/", "the outer group ends where its bracket is"),
    ),
    (
        "report/<int:id>.json",
        "GET|/report/<int:id>.json",
        Other("GET|/report/:id.json", "a parameter may share its segment"),
    ),
    (
        "v<int:v>/items/",
        "GET|/v<int:v>/items/",
        Other("GET|/v:v/items/", "a parameter may share its segment"),
    ),
    (
        "<int:y>x<int:m>",
        "GET|/:yxint:m",
        Other("GET|/:{y}x:m", "two parameters in one segment, and the name ends before the `x`"),
    ),
    ("<a:b:c>", "GET|/:b:c", Refused(4, RouteFault::ParameterCharacter(':'), "Django refuses the name")),
    ("<>", "GET|/:", Refused(0, RouteFault::UnnamedParameter, "a parameter without a name is none")),
    ("<int:>", "GET|/:", Refused(0, RouteFault::UnnamedParameter, "Django refuses the name")),
    ("<:id>", "GET|/:id", Refused(1, RouteFault::ParameterCharacter(':'), "Django refuses the name")),
    ("< int:id >", "GET|/:id ", Refused(1, RouteFault::Blank, "Django refuses white space there")),
    ("items/<int:id>//", "GET|/items/:id//", Same),
    (
        "//items/",
        "GET|/items/",
        Refused(0, RouteFault::EmptySegment, "Django serves it under `///items/`, which is another route"),
    ),
    (
        "items/<int:id",
        "GET|/items/<int:id",
        Refused(6, RouteFault::Unclosed('<'), "Django takes it for text, and warns"),
    ),
    (
        "int:id>/",
        "GET|/int:id>/",
        Refused(6, RouteFault::Unopened('>'), "Django takes it for text, and warns"),
    ),
    ("items/:id/", "GET|/items/:id/", Same),
    ("<drf_format_suffix:format>", "GET|/:format", Same),
    (
        "items<drf_format_suffix:format>",
        "GET|/items<drf_format_suffix:format>",
        Other("GET|/items:format", "a parameter may share its segment"),
    ),
    (r"^(?P<lang>[a-z]{2})/(?P<slug>[\w-]+)/$", "GET|/:lang/:slug/", Same),
];

/// Templates that a running application had, as far as its results (`route_*`) tell them.
const SERVED: [(&str, &str, Here); 13] = [
    ("items/", "GET|/items/", Same),
    ("slug/<slug:s>/", "GET|/slug/:s/", Same),
    ("plain/<name>/", "GET|/plain/:name/", Same),
    ("files/<path:p>", "GET|/files/:p", Same),
    ("report/<int:id>.json", "GET|/report/<int:id>.json", Other("GET|/report/:id.json", "mixed segment")),
    ("v<int:v>/items/", "GET|/v<int:v>/items/", Other("GET|/v:v/items/", "mixed segment")),
    ("^re/(?P<id>[0-9]+)/$", "GET|/re/:id/", Same),
    ("^re2/(?P<k>([a-z])+)/$", "GET|/re2/:k+)/", Other("GET|/re2/:k/", "a group in a group")),
    (
        "^re3/([0-9]+)/$",
        "GET|/re3/([0-9]+)/",
        Other("GET|/re3/:_1/", "a group without a name is a parameter too, known by its number"),
    ),
    (
        r"^re5/(?P<a>\d+)-(?P<b>\d+)\.(?P<fmt>\w+)$",
        r"GET|/re5/:a-:b\.:fmt",
        Other("GET|/re5/:a-:b.:fmt", "the escape is the pattern's"),
    ),
    ("inc/widgets/<int:wid>/", "GET|/inc/widgets/:wid/", Same),
    ("^rinc/widgets/(?P<wid>[0-9]+)/$", "GET|/rinc/widgets/:wid/", Same),
    ("^rinc/gizmos/<int:gid>/", "GET|/rinc/gizmos/:gid/", Same),
];

fn check(cases: &[(&str, &str, Here)]) {
    for (template, library, here) in cases {
        let read = RawRoute::new("GET", template);
        match here {
            Same => assert_eq!(read.as_ref().map(RawRoute::as_str), Ok(*library), "{template}"),
            Other(route, reason) => {
                assert_eq!(read.as_ref().map(RawRoute::as_str), Ok(*route), "{template}: {reason}");
                assert_ne!(route, library);
            }
            Refused(offset, fault, reason) => {
                let error = read.expect_err(reason);
                assert_eq!(
                    (error.offset, &error.reason),
                    ("GET|".len() + offset, fault),
                    "{template}: {error}"
                );
            }
        }
    }
}

#[test]
fn templates() {
    check(&TEMPLATES);
}

#[test]
fn served() {
    check(&SERVED);
}

/// The Django constructors agree, wherever the template is of their kind.
#[test]
fn by_kind() {
    for (template, ..) in TEMPLATES.iter().chain(&SERVED) {
        let found_out = RawRoute::new("GET", template);
        if template.contains("(?") || template.starts_with('^') {
            assert_eq!(RawRoute::from_django_regex("GET", template), found_out);
        } else if template.contains(['<', '>']) {
            assert_eq!(RawRoute::from_django_path("GET", template), found_out);
        }
    }
}

/// A rule without the leading slash never matched there; here it is refused. One in Django's own spelling never matched
/// either; here it is understood.
#[test]
fn rules() {
    assert!(RawRoute::parse("PATCH|items/:id/").is_err());
    let route = RawRoute::parse("PATCH|/items/<int:id>/");
    assert_eq!(route.as_ref().map(RawRoute::as_str), Ok("PATCH|/items/:id/"));
}
