//! What is read, what is refused, and in which words.

mod any_text;
mod passwords;
mod storages;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::*;

/// As the existing plugin's manual has it, between sections of other types.
const FULL: &str = "\
# a comment
dir: local
\tpath /var/lib/vz
\tcontent iso,vztmpl,backup

joviandss: jdss-Pool-0
\tpool_name Pool-0
\tcontent images,rootdir
\tdebug 0
\tmultipath 1
\tpath /mnt/pve/jdss-Pool-0
\tshared 1
\tdisable 0
\ttarget_prefix iqn.2025-06.proxmox.pool-0
\tuser_name admin
\tuser_password admin
\tssl_cert_verify 0
\tcontrol_addresses 192.168.21.100
\tcontrol_port 8082
\tdata_addresses 192.168.41.100,fd00::1
\tdata_port 3261
\tthin_provisioning 0
\tluns_per_target 4
\tblock_size 32K
\tlog_file /var/log/joviandss/joviandss.log
\tcontent-dirs images=x
\tcreate-base-path 0
\tcreate-subdirs 0
\tprune-backups keep-last=3
\tnodes pve1,pve2
\tchap_enabled 1
\tchap_user_name chap-user
\tcluster_prefix pveA
\tjdssc_timeout 60
\tdelete_timeout 100
\tdata_copy_bs 64K
\tconfig /etc/joviandss/x.yaml
\tjdssc_general_lock_type cluster
\tjdssc_info_lock_path /run/lock
\tmultipath_lock_acquire_timeout 60
\tmultipath_lock_hold_timeout 0

lvmthin: data
\tthinpool data
\tsomething new 1
not even a property
";

/// The least that is enough.
const LEAST: &str = "joviandss: jovian\n\tuser_name admin\n\tdata_addresses 10.1.0.11,10.2.0.11\n";

fn config(text: &str) -> Config {
    Config::parse(Path::new("/etc/pve/storage.cfg"), text)
}

/// [`LEAST`] with one more line.
fn with(line: &str) -> Result<StorageConfig, ConfigError> {
    config(&format!("{LEAST}\t{line}\n"))
        .storage("jovian")
        .cloned()
}

fn put(dir: &Path, name: &str, content: &[u8], mode: u32) -> PathBuf {
    let path = dir.join(name);
    #[expect(
        clippy::disallowed_methods,
        reason = "a test wants exactly these bytes there"
    )]
    fs::write(&path, content).expect("it can be written");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
    path
}

#[test]
fn errors_can_be_sent_between_threads() {
    fn check<T: Send + Sync + 'static>() {}
    check::<ConfigError>();
}
