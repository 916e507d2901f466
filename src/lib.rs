//! Carries the workspace's own tests and examples; see `tests/` and `examples/`.
