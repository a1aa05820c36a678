//! Holds the tests, the examples, the README and the guide of the workspace; the library is `ftn-audit-sea`.

#![forbid(unsafe_code)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The chapters of the guide, whose code blocks are compiled with the README's.
#[cfg(doctest)]
mod guide {
    #[doc = include_str!("../docs/src/actors.md")]
    struct Actors;
    #[doc = include_str!("../docs/src/collector.md")]
    struct Collector;
    #[doc = include_str!("../docs/src/cost.md")]
    struct Cost;
    #[doc = include_str!("../docs/src/databases.md")]
    struct Databases;
    #[doc = include_str!("../docs/src/delivery.md")]
    struct Delivery;
    #[doc = include_str!("../docs/src/entities.md")]
    struct Entities;
    #[doc = include_str!("../docs/src/existing_applications.md")]
    struct ExistingApplications;
    #[doc = include_str!("../docs/src/first_steps.md")]
    struct FirstSteps;
    #[doc = include_str!("../docs/src/formatters.md")]
    struct Formatters;
    #[doc = include_str!("../docs/src/from_hooks_or_triggers.md")]
    struct FromHooksOrTriggers;
    #[doc = include_str!("../docs/src/from_python.md")]
    struct FromPython;
    #[doc = include_str!("../docs/src/introduction.md")]
    struct Introduction;
    #[doc = include_str!("../docs/src/operating.md")]
    struct Operating;
    #[doc = include_str!("../docs/src/security.md")]
    struct Security;
    #[doc = include_str!("../docs/src/signatures.md")]
    struct Signatures;
    #[doc = include_str!("../docs/src/stores.md")]
    struct Stores;
    #[doc = include_str!("../docs/src/testing.md")]
    struct Testing;
    #[doc = include_str!("../docs/src/what_escapes.md")]
    struct WhatEscapes;
}
