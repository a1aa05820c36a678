//! What the macros accept, and what they say when they do not. Record the messages with `TRYBUILD=overwrite`.

/// One test, because each would build the dependencies of its own.
#[test]
fn accepted_and_refused() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass_*.rs");
    for refused in ["derive", "audited", "formatter"] {
        cases.compile_fail(format!("tests/ui/{refused}_*.rs"));
    }
}
