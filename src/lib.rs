//! Holds the tests, the examples, the README and the guide of the workspace; the library is `ftn-audit-sea`.

#![forbid(unsafe_code)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The chapters of the guide, whose code blocks are compiled with the README's.
#[cfg(doctest)]
mod guide {
    #[doc = include_str!("../docs/actors.md")]
    struct Actors;
    #[doc = include_str!("../docs/collector.md")]
    struct Collector;
    #[doc = include_str!("../docs/cost.md")]
    struct Cost;
    #[doc = include_str!("../docs/databases.md")]
    struct Databases;
    #[doc = include_str!("../docs/delivery.md")]
    struct Delivery;
    #[doc = include_str!("../docs/entities.md")]
    struct Entities;
    #[doc = include_str!("../docs/existing_applications.md")]
    struct ExistingApplications;
    #[doc = include_str!("../docs/first_steps.md")]
    struct FirstSteps;
    #[doc = include_str!("../docs/formatters.md")]
    struct Formatters;
    #[doc = include_str!("../docs/from_hooks_or_triggers.md")]
    struct FromHooksOrTriggers;
    #[doc = include_str!("../docs/from_python.md")]
    struct FromPython;
    #[doc = include_str!("../docs/introduction.md")]
    struct Introduction;
    #[doc = include_str!("../docs/numbers.md")]
    struct Numbers;
    #[doc = include_str!("../docs/operating.md")]
    struct Operating;
    #[doc = include_str!("../docs/security.md")]
    struct Security;
    #[doc = include_str!("../docs/signatures.md")]
    struct Signatures;
    #[doc = include_str!("../docs/stores.md")]
    struct Stores;
    #[doc = include_str!("../docs/testing.md")]
    struct Testing;
    #[doc = include_str!("../docs/what_escapes.md")]
    struct WhatEscapes;
}
