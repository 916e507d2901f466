//! Bounded child processes, sysfs access and block-device usage on a Linux host.
