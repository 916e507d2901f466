//! Whole procedures against a simulated appliance: what they ask, what they
//! leave, and what they do to others.

mod chap;
mod counts;
mod delete;
mod export;
mod home;
mod order;
mod race;
mod unpublish;
mod vips;

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use jdss_rest::{
    Chap, Client, Error, LocalInitiator, Publish, Published, TargetGroup, Tls, Unpublish,
    Unpublished,
};
use jdss_sim::{Appliance, Builder, Firmware};

const POOL: &str = "Pool-0";
const SIZE: u64 = 1 << 30;
const PREFIX: &str = "iqn.2025-04.proxmox.joviandss.iscsi:";
/// Initiator and address of this host, and of another one.
const OWN: (&str, &str) = ("iqn.1993-08.org.debian:01:aa11bb22cc33", "10.1.0.51");
const OTHER: (&str, &str) = ("iqn.1993-08.org.debian:01:dd44ee55ff66", "10.1.0.52");
const VM: &str = "vm-100-disk-0";

const TARGET: &str = "/pools/{pool}/san/iscsi/targets/{target}";
const LUNS: &str = "/pools/{pool}/san/iscsi/targets/{target}/luns";
const LUN: &str = "/pools/{pool}/san/iscsi/targets/{target}/luns/{volume}";
const SESSIONS: &str = "/pools/{pool}/san/iscsi/targets/{target}/sessions";
const QUERY: &str = "/san/iscsi/luns";

/// One appliance, one client of it.
struct Lab {
    appliance: Appliance,
    client: Client,
}

impl Lab {
    /// With the volumes `vm-100-disk-0` to `-9`.
    fn new() -> Self {
        Self::with(|appliance| appliance)
    }

    fn with(change: impl FnOnce(Builder) -> Builder) -> Self {
        let mut builder = Appliance::builder()
            .pool(POOL)
            .pool("Pool-1")
            .vip(POOL, "vip1", ip("127.0.0.11"))
            .vip(POOL, "vip2", ip("127.0.0.12"))
            .vip(POOL, "vip3", ip("127.0.0.13"))
            .firmware(Firmware::Recent);
        for index in 0..10 {
            builder = builder.volume(POOL, &format!("v_vm-100-disk-{index}"), SIZE);
        }
        let appliance = change(builder)
            .start()
            .expect("loopback addresses are free");
        let client = client(&appliance);
        Self { appliance, client }
    }

    fn publish(&self, volume: &str) -> Result<Published, Error> {
        self.client.publish(&request(volume), soon())
    }

    /// The volume is on its target, the VIPs are known, and the log is empty.
    fn published(&self, volume: &str) -> Published {
        let published = self.publish(volume).expect("published");
        self.appliance.clear_log();
        published
    }

    fn unpublish(&self, volume: &str, target: Option<&str>) -> Result<Unpublished, Error> {
        self.client
            .unpublish(&unpublish_request(volume, target), soon())
    }

    /// Another host, or this one, logs in.
    fn log_in(&self, target: &str, (initiator, address): (&str, &str)) -> String {
        let id = self
            .appliance
            .log_in(target, initiator, ip(address), ip("127.0.0.11"));
        id.expect("the target is there")
    }

    /// What was asked since the log was emptied, as `GET luns`.
    fn asked(&self) -> Vec<String> {
        let last = |path: &str| {
            let path = path.split('?').next().unwrap_or(path);
            path.rsplit('/').next().unwrap_or(path).to_owned()
        };
        let requests = self.appliance.requests();
        let asked = requests.iter().map(|request| {
            let route = request.route.unwrap_or("?");
            let what = match route {
                QUERY => "where".to_owned(),
                TARGET => "target".to_owned(),
                _ => last(route),
            };
            format!("{} {}", request.method, what)
        });
        asked.collect()
    }

    fn targets(&self) -> Vec<String> {
        let targets = self.client.pool(POOL).targets(soon());
        let targets = targets.expect("the pool is there").into_iter();
        targets.map(|target| target.name).collect()
    }

    fn vips_of(&self, target: &str) -> Vec<String> {
        let target = self.client.pool(POOL).target(target, soon());
        target
            .expect("the target is there")
            .vips
            .unwrap_or_default()
    }

    fn is_attached(&self, volume: &str) -> bool {
        let found = self.client.attachments(&format!("v_{volume}"), soon());
        !found.expect("an answer").is_empty()
    }

    /// Nothing was asked that a real appliance would not understand.
    #[track_caller]
    fn assert_clean(&self) {
        let violations = self.appliance.violations();
        assert!(violations.is_empty(), "{violations:#?}");
    }
}

fn client(appliance: &Appliance) -> Client {
    let addresses = appliance.rest_addrs();
    Client::builder(addresses.iter().map(SocketAddr::ip).collect())
        .port(appliance.rest_addr().port())
        .credentials("admin", "secret".to_owned().into())
        .tls(Tls::CaPem(appliance.ca_pem().into_bytes()))
        .retry_pause(Duration::from_millis(1))
        .build()
        .expect("a valid certificate")
}

fn request(volume: &str) -> Publish {
    Publish {
        pool: POOL.to_owned(),
        volume: volume.parse().expect("an id"),
        target_prefix: PREFIX.parse().expect("a prefix"),
        group: group(),
        luns_per_target: 8,
        data_addresses: vec![ip("127.0.0.12"), ip("127.0.0.11")],
        chap: Chap::Unmanaged,
        may_move: true,
    }
}

fn unpublish_request(volume: &str, target: Option<&str>) -> Unpublish {
    Unpublish {
        pool: POOL.to_owned(),
        volume: format!("v_{volume}"),
        target: target.map(str::to_owned),
        target_prefix: PREFIX.parse().expect("a prefix"),
        group: group(),
        local: local(),
    }
}

fn group() -> TargetGroup {
    "vm-100".parse().expect("a group")
}

fn local() -> LocalInitiator {
    LocalInitiator::new(OWN.0, &[ip(OWN.1)])
}

fn target(index: u32) -> String {
    format!("{PREFIX}vm-100-{index}")
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}
