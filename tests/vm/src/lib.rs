//! Scenarios that run as root in a guest with a real kernel, open-iscsi and multipathd.
