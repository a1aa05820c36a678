#![forbid(unsafe_code)]

pub mod route;
