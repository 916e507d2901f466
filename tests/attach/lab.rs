//! One appliance, one host, one engine.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use jdss::attach::{Active, Attach, Budget, Deactivated, Error, Volume};
use jdss_host::{Held, Hold, Host, Stopped};
use jdss_rest::{Client, TargetGroup, Tls};
use jdss_sim::Appliance;
use jdss_state::Key;

use crate::support;

pub(crate) const POOL: &str = "Pool-0";
/// The initiator of the host.
const OWN: &str = "iqn.1993-08.org.debian:01:aa11bb22cc33";
pub(crate) const LIMIT: Duration = Duration::from_secs(120);
pub(crate) const SIZE: u64 = 64 << 20;

pub(crate) struct Lab {
    pub(crate) appliance: Appliance,
    pub(crate) host: Host,
    pub(crate) attach: Attach,
    /// Sessions of the host that the appliance shows.
    shown: Mutex<Vec<String>>,
}

impl Lab {
    pub(crate) fn new(volumes: &[&str]) -> Self {
        let mut builder = Appliance::builder()
            .pool(POOL)
            .vip(POOL, "vip1", "127.0.0.1".parse().expect("an address"))
            .vip(POOL, "vip2", "127.0.0.2".parse().expect("an address"));
        for volume in volumes {
            builder = builder.volume(POOL, &format!("v_{volume}"), SIZE);
        }
        let appliance = builder.start().expect("the simulator starts");
        let host = support::host(&appliance);
        let attach = support::engine(&host).opener_patience(Duration::from_millis(50));
        Self {
            appliance,
            host,
            attach,
            shown: Mutex::default(),
        }
    }

    pub(crate) fn volume(&self, name: &str) -> Volume {
        Volume {
            storage: "jdss0".to_owned(),
            name: name.to_owned(),
            id: name.parse().expect("a volume name"),
            pool: POOL.to_owned(),
            target_prefix: "iqn.2025-04.proxmox.joviandss.iscsi:"
                .parse()
                .expect("a prefix"),
            group: TargetGroup::of(name).expect("a group"),
            luns_per_target: 8,
            data_addresses: ["127.0.0.1", "127.0.0.2"]
                .map(|a| a.parse().expect("an address"))
                .into(),
            data_port: self.appliance.data_port(),
            multipath: true,
        }
    }

    pub(crate) fn client(&self, password: &str) -> Client {
        Client::builder(vec![self.appliance.rest_addr().ip()])
            .port(self.appliance.rest_addr().port())
            .credentials("admin", password.to_owned().into())
            .tls(Tls::CaPem(self.appliance.ca_pem().into_bytes()))
            .outage(Duration::ZERO)
            .build()
            .expect("a client")
    }

    pub(crate) fn activate(&self, name: &str) -> Result<Active, Error> {
        self.bring_up(&self.volume(name))
    }

    pub(crate) fn bring_up(&self, volume: &Volume) -> Result<Active, Error> {
        self.show_sessions();
        let client = self.client("secret");
        self.attach
            .activate(volume, &|| Ok(client.clone()), &Budget::new(LIMIT))
    }

    /// Lets the appliance show the sessions that the host has now, and no others of it.
    fn show_sessions(&self) {
        let mut shown = self.shown.lock().expect("no panic");
        for session in shown.drain(..) {
            self.appliance.log_out(&session);
        }
        for (target, address) in self.host.sessions() {
            let (from, at) = ("127.0.0.51", address.parse().expect("an address"));
            let session =
                self.appliance
                    .log_in(&target, OWN, from.parse().expect("an address"), at);
            // A target that is gone has no sessions.
            shown.extend(session);
        }
    }

    pub(crate) fn deactivate(&self, name: &str) -> Result<Deactivated, Error> {
        self.attach.deactivate(&key(name), &Budget::new(LIMIT))
    }

    pub(crate) fn portal(&self, n: u8) -> String {
        format!("127.0.0.{n}:{}", self.appliance.data_port())
    }

    pub(crate) fn wwid(&self, name: &str) -> String {
        let id = self
            .appliance
            .scsi_id(POOL, &format!("v_{name}"))
            .expect("a volume");
        let hex: String = id.bytes().take(8).map(|b| format!("{b:02x}")).collect();
        format!("2{hex}")
    }

    pub(crate) fn target(&self, name: &str) -> String {
        let group = TargetGroup::of(name).expect("a group");
        format!("iqn.2025-04.proxmox.joviandss.iscsi:{group}-0")
    }

    /// Nothing on the host, no record, no harm, and nothing odd asked of the appliance.
    #[track_caller]
    pub(crate) fn assert_as_before(&self) {
        assert_eq!(self.host.left(), [""; 0]);
        assert_eq!(self.records(), [""; 0]);
        self.assert_no_harm();
    }

    #[track_caller]
    pub(crate) fn assert_no_harm(&self) {
        assert_eq!(self.host.harm(), [""; 0]);
        assert!(
            self.appliance.violations().is_empty(),
            "{:?}",
            self.appliance.violations()
        );
    }

    pub(crate) fn records(&self) -> Vec<String> {
        let records = support::store(&self.host)
            .list(None)
            .expect("the records can be listed");
        records
            .into_iter()
            .map(|r| r.expect("a whole record").key().to_string())
            .collect()
    }

    pub(crate) fn children(&self) -> BTreeMap<String, usize> {
        self.host.counts().children
    }

    pub(crate) fn hold(&self, wwid: &str) -> Held {
        let map = self.map(wwid).expect("the map is there");
        self.host.hold(&map, Hold::Process("kvm".to_owned()))
    }

    /// The kernel name of the map.
    pub(crate) fn map(&self, wwid: &str) -> Option<String> {
        let link = std::fs::read_link(self.host.root().join("dev/mapper").join(wwid)).ok()?;
        Some(link.file_name()?.to_string_lossy().into_owned())
    }
}

pub(crate) fn key(name: &str) -> Key {
    Key::new("jdss0", name, None).expect("a key")
}

pub(crate) fn counts(of: &[(&str, usize)]) -> BTreeMap<String, usize> {
    of.iter()
        .map(|(program, n)| ((*program).to_owned(), *n))
        .collect()
}

pub(crate) const VM: &str = "vm-100-disk-0";
pub(crate) const OTHER: &str = "vm-100-disk-1";

/// The volume's LUN number is given to another volume behind our back.
pub(crate) fn reuse_lun(lab: &Lab) {
    let target = lab.target(VM);
    lab.appliance
        .detach(POOL, &target, &format!("v_{VM}"))
        .expect("the volume is attached");
    lab.appliance
        .attach(POOL, &target, &format!("v_{OTHER}"), 0)
        .expect("the number is free");
}

/// Runs `run`, and `then` beside it as soon as `when` holds; not at all if `run` ends before.
pub(crate) fn meanwhile<R>(
    when: impl Fn() -> bool + Sync,
    then: impl FnOnce() + Send,
    run: impl FnOnce() -> R,
) -> R {
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !when() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                thread::yield_now();
            }
            then();
        });
        let result = run();
        ended.store(true, Ordering::Relaxed);
        result
    })
}

/// Without the panic messages of the killed process.
pub(crate) fn quietly(run: impl FnOnce()) {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !info.payload().is::<Stopped>() {
            before(info);
        }
    }));
    run();
}
