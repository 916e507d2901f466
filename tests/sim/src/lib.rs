//! A simulated JovianDSS appliance: REST over TLS and a real iSCSI target in one process.
