//! Typed, blocking client of the Open-E JovianDSS REST API for block volumes.
