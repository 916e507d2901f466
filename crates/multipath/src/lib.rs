//! SCSI IDs and device-mapper multipath maps of a Linux host.
