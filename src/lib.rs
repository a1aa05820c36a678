//! Holds the tests, the examples and the README of the workspace; the library is `ftn-audit-sea`.

#![forbid(unsafe_code)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
