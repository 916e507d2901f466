//! The initiator of this host: what there is.

use crate::number::Hctl;
use crate::record::Records;
use crate::session::{self, Observed};
use crate::{Disk, DiskState, Error, Iqn, Lun, Portal, Session, SessionState, disk, iscsiadm};
use jdss_sys::{Command, Effects, OnTimeout, Root, RunError, System, Usage};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

const INITIATOR_NAME: &str = "etc/iscsi/initiatorname.iscsi";
/// The abstract socket on which iscsid, or systemd for it, listens.
const DAEMON_SOCKET: &str = "@ISCSIADM_ABSTRACT_NAMESPACE";

/// The iSCSI initiator of a host: its sessions and disks.
///
/// Cheap to clone; all methods take `&self` and can be used from several
/// threads. What is there is read in sysfs anew each time, so nothing here can
/// be out of date.
#[derive(Debug, Clone)]
pub struct Initiator {
    pub(crate) root: Root,
    pub(crate) effects: Arc<dyn Effects>,
}

impl Initiator {
    /// The real host.
    pub fn system() -> Self {
        Self::new(Root::host(), Arc::new(System))
    }

    /// A host whose files lie below `root`, changed through `effects`.
    pub fn new(root: Root, effects: Arc<dyn Effects>) -> Self {
        Self { root, effects }
    }

    /// The name of this host, from `/etc/iscsi/initiatorname.iscsi`.
    ///
    /// # Errors
    ///
    /// [`Error::InitiatorName`] when the file is missing or names none;
    /// [`Error::Read`].
    pub fn initiator_name(&self) -> Result<Iqn, Error> {
        let text = self.root.read(INITIATOR_NAME).map_err(Error::read)?;
        let text = text.unwrap_or_default();
        let name = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("InitiatorName="))
            .find_map(|name| name.trim().parse().ok());
        name.ok_or_else(|| Error::InitiatorName {
            path: self.root.join(INITIATOR_NAME),
        })
    }

    /// What `iscsiadm` says of its version. Runs it once; blocks for up to 10 s.
    ///
    /// # Errors
    ///
    /// [`Error::ToolMissing`], [`Error::Run`].
    pub fn version(&self) -> Result<String, Error> {
        let command = Command::new(iscsiadm::PROGRAM).arg("--version");
        let limit = Duration::from_secs(10);
        let deadline = Instant::now() + limit;
        let terminate = OnTimeout::Terminate;
        let output = iscsiadm::run(&*self.effects, &command, limit, terminate, deadline)?;
        if output.success() {
            Ok(output.stdout.trim().to_owned())
        } else {
            Err(iscsiadm::failed(&command, &output))
        }
    }

    /// Checks that `iscsiadm` is installed. Runs nothing.
    ///
    /// # Errors
    ///
    /// * [`Error::ToolMissing`]: install open-iscsi.
    /// * [`Error::Read`].
    pub fn tools(&self) -> Result<(), Error> {
        if jdss_sys::has_program(&self.root, iscsiadm::PROGRAM).map_err(Error::read)? {
            return Ok(());
        }
        let program = iscsiadm::PROGRAM.into();
        Err(Error::ToolMissing {
            source: RunError::NotFound { program },
        })
    }

    /// Whether iscsid runs, or systemd starts it when asked. Runs nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Read`].
    pub fn iscsid_running(&self) -> Result<bool, Error> {
        let sockets = self.root.read("proc/net/unix").map_err(Error::read)?;
        let names = |text: &str| text.lines().any(|line| line.ends_with(DAEMON_SOCKET));
        if sockets.as_deref().is_some_and(names) {
            return Ok(true);
        }
        let process = jdss_sys::find_process(&self.root, "iscsid").map_err(Error::read)?;
        Ok(process.is_some())
    }

    /// Checks that a login has what it needs: [`tools`](Self::tools), and
    /// [`iscsid_running`](Self::iscsid_running). Runs nothing.
    ///
    /// # Errors
    ///
    /// * [`Error::ToolMissing`]: install open-iscsi.
    /// * [`Error::DaemonMissing`]: start iscsid.
    /// * [`Error::Read`].
    pub fn check(&self) -> Result<(), Error> {
        self.tools()?;
        if !self.iscsid_running()? {
            return Err(Error::DaemonMissing);
        }
        Ok(())
    }

    /// All sessions, by number. A session that is being made or torn down is
    /// left out, and one to a host name that is not connected.
    ///
    /// # Errors
    ///
    /// [`Error::Read`].
    pub fn sessions(&self) -> Result<Vec<Session>, Error> {
        let observed = session::observe(&self.root)?;
        Ok(observed.into_iter().filter_map(Observed::session).collect())
    }

    /// The session to `target` at `portal`. When there are several, one that
    /// is up comes first.
    ///
    /// # Errors
    ///
    /// [`Error::Read`].
    pub fn session(&self, target: &Iqn, portal: &Portal) -> Result<Option<Session>, Error> {
        let mut found: Vec<Session> = self.sessions()?;
        found.retain(|session| session.target == *target && session.portal == *portal);
        found.sort_by_key(|session| !session.is_up());
        Ok(found.into_iter().next())
    }

    /// The portals of `target` that have a node record.
    ///
    /// # Errors
    ///
    /// [`Error::Read`]: without root rights the records cannot be read.
    pub fn records(&self, target: &Iqn) -> Result<Vec<Portal>, Error> {
        Ok(Records::read(&self.root, target)?.whole())
    }

    /// The disks of a session, by LUN.
    ///
    /// # Errors
    ///
    /// [`Error::Read`].
    pub fn disks(&self, session: &Session) -> Result<Vec<Disk>, Error> {
        disk::of(&self.root, session.id, session.host, None)
    }

    /// The disk at exactly this LUN of a session.
    ///
    /// # Errors
    ///
    /// [`Error::Read`].
    pub fn disk(&self, session: &Session, lun: Lun) -> Result<Option<Disk>, Error> {
        let disks = disk::of(&self.root, session.id, session.host, Some(lun))?;
        Ok(disks.into_iter().next())
    }

    /// The disk of this name (`sda`), if it belongs to a session.
    ///
    /// # Errors
    ///
    /// [`Error::Read`].
    pub fn disk_by_name(&self, name: &str) -> Result<Option<Disk>, Error> {
        let disks = self.all_disks()?;
        Ok(disks.into_iter().find(|disk| disk.name == name))
    }

    /// The disks of all sessions, also of those that [`sessions`](Self::sessions)
    /// leaves out since their portal is a host name.
    ///
    /// # Errors
    ///
    /// [`Error::Read`].
    pub fn all_disks(&self) -> Result<Vec<Disk>, Error> {
        disk::of_all(&self.root, &session::observe(&self.root)?)
    }

    /// The disk's page 83 of its vital product data, raw, as the kernel
    /// remembers it; `None` when the disk has none or is gone. Only after a
    /// [`rescan`](Self::rescan) is it what the disk says now.
    ///
    /// # Errors
    ///
    /// [`Error::Read`].
    pub fn page83(&self, disk: &Disk) -> Result<Option<Vec<u8>>, Error> {
        match self.root.read_bytes(format!("{}/vpd_pg83", disk.dir())) {
            Ok(page) => Ok(page.filter(|page| !page.is_empty())),
            // The attribute of a disk that never had this page.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(None),
            Err(source) => Err(Error::Read { source }),
        }
    }

    /// Who uses the disk. Opens it, so a disk that is blocked is not asked.
    ///
    /// # Errors
    ///
    /// [`Error::DiskDown`] when it is blocked; [`Error::Read`] for what cannot
    /// be looked at, which without root rights is nearly everything.
    pub fn usage(&self, disk: &Disk) -> Result<Usage, Error> {
        match self.current(disk)? {
            // Gone, so nobody uses it.
            None => Ok(Usage::default()),
            Some(now) if now.state == DiskState::Blocked => Err(down(disk, Some(now.state))),
            Some(_) => jdss_sys::usage(&self.root, &*self.effects, &disk.name).map_err(Error::read),
        }
    }

    /// The same disk as it is now; `None` when it is gone, also when its name
    /// is another disk's by now.
    pub(crate) fn current(&self, disk: &Disk) -> Result<Option<Disk>, Error> {
        let Some(hctl) = Hctl::parse(&disk.hctl) else {
            return Ok(None);
        };
        let now = disk::at(&self.root, disk.session, hctl)?;
        Ok(now.filter(|now| now.name == disk.name))
    }

    /// The state of a session as it is now; `None` when it is gone.
    pub(crate) fn state(&self, id: crate::SessionId) -> Result<Option<SessionState>, Error> {
        let now = session::observe_one(&self.root, id.get()).map_err(Error::read)?;
        Ok(now.map(|now| now.state))
    }
}

/// The error for a disk in this state.
pub(crate) fn down(disk: &Disk, state: Option<DiskState>) -> Error {
    Error::DiskDown {
        disk: disk.name.clone(),
        state,
    }
}
