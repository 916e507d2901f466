//! Files that belong to no device: configuration, daemons, mounts, udev's links.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::Daemon;
use crate::holds::minor_of;
use crate::inner::{Inner, WWIDS};
use crate::state::{Hold, HoldKind, ISCSID, MULTIPATHD};
use crate::tree::{Entries, Node};

const DATABASE_LOCK: &str = "run/lock/iscsi/lock.write";

/// The programs, where Debian has them.
const PROGRAMS: &[&str] = &[
    "usr/sbin/iscsiadm",
    "usr/sbin/iscsid",
    "usr/sbin/multipath",
    "usr/sbin/multipathd",
    "usr/sbin/dmsetup",
    "lib/udev/scsi_id",
];

impl Inner {
    /// Stands for everything that [`fixed_files`](Self::fixed_files) shows.
    pub(crate) fn fixed_facts(&self) -> u64 {
        let state = &self.state;
        let mut hasher = DefaultHasher::new();
        (&state.wwids, &state.initiator, state.boots).hash(&mut hasher);
        (&state.daemons, &state.uninstalled, &state.failed_wwids).hash(&mut hasher);
        // Holds are only ever added, with a number of their own, or removed.
        let holds = (state.next_hold, state.holds.len());
        (holds, self.database_locked).hash(&mut hasher);
        hasher.finish()
    }

    pub(crate) fn fixed_files(&self) -> Entries {
        let state = &self.state;
        let mut files = Entries::new();
        let mut put = |path: &str, text: String, mode| {
            files.insert(path.to_owned(), Node::File(text.into_bytes(), mode));
        };
        put(WWIDS, state.wwids.clone(), 0o600);
        put(
            "etc/iscsi/initiatorname.iscsi",
            format!(
                "## DO NOT EDIT OR REMOVE THIS FILE!\n## If you remove this file, the iSCSI \
                 daemon will not start.\nInitiatorName={}\n",
                state.initiator
            ),
            0o600,
        );
        let boot = format!("00000000-0000-4000-8000-{:012x}\n", state.boots);
        put("proc/sys/kernel/random/boot_id", boot, 0o444);
        put("proc/self/mountinfo", self.mountinfo(), 0o444);
        put("dev/mapper/control", String::new(), 0o600);
        let mut sockets = String::from(
            "Num       RefCount Protocol Flags    Type St Inode Path\n\
             0000000000000000: 00000002 00000000 00010000 0001 01 101 /run/systemd/private\n",
        );
        let daemons = [
            (
                Daemon::Iscsid,
                "iscsid",
                ISCSID,
                "@ISCSIADM_ABSTRACT_NAMESPACE",
            ),
            (
                Daemon::Multipathd,
                "multipathd",
                MULTIPATHD,
                "@/org/kernel/linux/storage/multipathd",
            ),
        ];
        for (daemon, name, pid, socket) in daemons {
            if state.is_up(daemon) {
                put(&format!("run/{name}.pid"), format!("{pid}\n"), 0o644);
                sockets += &format!(
                    "0000000000000000: 00000002 00000000 00010000 0001 01 {pid} {socket}\n"
                );
            }
        }
        put("proc/net/unix", sockets, 0o444);
        for wwid in &state.failed_wwids {
            put(
                &format!("run/multipath/failed_wwids/{wwid}"),
                String::new(),
                0o600,
            );
        }
        if self.database_locked {
            put(DATABASE_LOCK, String::new(), 0o600);
        }
        for program in PROGRAMS {
            let name = program.rsplit('/').next().unwrap_or(program);
            if !state.uninstalled.contains(name) {
                put(program, String::new(), 0o755);
            }
        }
        files
    }

    fn mountinfo(&self) -> String {
        let mut text = String::from(
            "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n\
             23 22 0:21 / /sys rw,nosuid shared:2 - sysfs sysfs rw\n",
        );
        for (id, hold) in &self.state.holds {
            let HoldKind::User(Hold::Mount(at)) = &hold.kind else {
                continue;
            };
            let (dev, source) = match self.state.disk_named(&hold.block) {
                Some(index) => (
                    self.state.disks[&index].dev(),
                    format!("/dev/{}", hold.block),
                ),
                None => {
                    let minor = minor_of(&hold.block).unwrap_or_default();
                    let name = self.state.maps.get(&minor).map(|map| map.name.as_str());
                    (
                        format!("253:{minor}"),
                        format!("/dev/mapper/{}", name.unwrap_or("gone")),
                    )
                }
            };
            // A blank in a mount point is written in octal.
            let at = at.replace(' ', "\\040");
            text += &format!(
                "{} 22 {dev} / {at} rw,relatime - ext4 {source} rw\n",
                100 + id
            );
        }
        text
    }

    /// What udev links: a map wins over its paths, the last disk over the first.
    pub(crate) fn by_id_links(&self) -> Entries {
        let mut links = Entries::new();
        let mut put = |path: String, to: String| {
            links.insert(path, Node::Link(format!("../../{to}")));
        };
        for disk in self.state.disks.values() {
            if let Some(wwid) = &disk.udev_wwid {
                put(format!("dev/disk/by-id/scsi-{wwid}"), disk.name());
                put(format!("dev/disk/by-path/{}", disk.by_path), disk.name());
            }
        }
        for map in self.state.maps.values() {
            let device = || format!("dm-{}", map.minor);
            put(format!("dev/disk/by-id/scsi-{}", map.wwid), device());
            put(format!("dev/disk/by-id/dm-name-{}", map.name), device());
            put(
                format!("dev/disk/by-id/dm-uuid-mpath-{}", map.wwid),
                device(),
            );
        }
        links
    }
}
