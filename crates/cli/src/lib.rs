//! Brings JovianDSS volumes up on this host as multipath devices, and takes them down again.
