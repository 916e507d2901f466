//! Crash-safe attachment records and locks of a host.
