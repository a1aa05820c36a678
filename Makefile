# The work is done by cargo and .ci/run; these are the names that the Python library's Makefile has.

.PHONY: bootstrap test test-unit test-integration

bootstrap:
	rustup component add rustfmt clippy
	cargo fetch --locked

test:
	cargo test --workspace --all-features

test-unit:
	cargo test --workspace --all-features --lib --bins

test-integration:
	.ci/run databases receiver collector
