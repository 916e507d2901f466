//! A pretend Linux host for tests: sysfs, iscsiadm, multipathd and friends, with state.
