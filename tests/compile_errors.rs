//! What the macros accept, and what they say when they do not. Record the messages with `TRYBUILD=overwrite`.

#[test]
fn accepted() {
    trybuild::TestCases::new().pass("tests/ui/pass_*.rs");
}

#[test]
fn refused_by_the_derive() {
    trybuild::TestCases::new().compile_fail("tests/ui/derive_*.rs");
}

#[test]
fn refused_by_the_formatter_attribute() {
    trybuild::TestCases::new().compile_fail("tests/ui/formatter_*.rs");
}
