//! iSCSI sessions and disks of a Linux host, on top of its open-iscsi.
