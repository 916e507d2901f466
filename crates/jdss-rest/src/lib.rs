//! Typed, blocking client of the Open-E JovianDSS REST API for block volumes.
//!
//! It speaks to the appliance over HTTPS and knows nothing of the host it runs
//! on: names in, names and numbers out. No async runtime, no C library.
//!
//! ```no_run
//! use std::time::{Duration, Instant};
//! use jdss_rest::{Client, ErrorKind, Tls};
//!
//! let client = Client::builder(vec!["10.1.0.11".parse()?, "10.2.0.11".parse()?])
//!     .credentials("admin", "secret".to_owned().into())
//!     .tls(Tls::CaFile("/etc/jdss/ca.pem".into()))
//!     .build()?;
//! let deadline = Instant::now() + Duration::from_secs(20);
//! match client.pool("Pool-0").info(deadline) {
//!     Ok(pool) => println!("{} of {} bytes free", pool.available, pool.size),
//!     Err(error) if error.kind() == ErrorKind::Missing => println!("no such pool"),
//!     Err(error) => return Err(error.into()),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! * [`Client`] asks one appliance; it is cheap to clone, and to be shared by threads.
//! * [`Pool`], from [`Client::pool`], has the single operations by noun: volumes,
//!   snapshots, clones, targets, LUNs, CHAP users, sessions.
//! * The procedures are methods of the client: [`Client::publish`] and
//!   [`Client::unpublish`], [`Client::publish_snapshot`] and
//!   [`Client::unpublish_snapshot`], [`Client::delete`].
//! * [`names`] converts the ids of volumes and snapshots to the names on the
//!   appliance and back.
//!
//! # Connecting and trust
//!
//! Give every *control address* of the appliance to [`Client::builder`]; on a
//! cluster of two heads use VIPs of the pool, which move with it. They are tried
//! in order, each for [`connect_timeout`](Builder::connect_timeout) (2 s); the one
//! that answered last comes first from then on, so that a silent address costs its
//! timeout once. [`Client::last_good`] tells which it is, and
//! [`Builder::prefer`] starts another process with it.
//!
//! Certificates are verified unless told otherwise:
//!
//! | [`Tls`] | trusted is | for |
//! |---|---|---|
//! | [`WebPki`](Tls::WebPki), the default | what browsers trust | a certificate that was bought |
//! | [`CaFile`](Tls::CaFile), [`CaPem`](Tls::CaPem) | what these authorities signed | an authority of one's own |
//! | [`Pin`](Tls::Pin) | exactly this certificate | the self-signed one that appliances come with |
//! | [`Insecure`](Tls::Insecure) | anything | nothing, where a pin can be had: the password goes to whoever answers |
//!
//! User and password are those of the appliance's REST access; both heads must
//! have them. Neither proxies nor redirections are followed, whatever the
//! environment says.
//!
//! # Deadlines and retries
//!
//! Every call takes a `deadline` last, blocks, and ends by then. The
//! deadline is for the whole of the operation, with all its requests, repetitions
//! and pauses; within it a single answer is waited for 15 s, a list 60 s, a
//! deletion or a rollback as long as the deadline allows.
//!
//! * Requests that may be repeated (reading, setting a value, deleting) are: on
//!   the next address when one does not answer, and a few times, after a pause
//!   that grows and is partly random, when the appliance fails in a way that passes.
//!   Where a procedure takes something away that others could use, it first looks
//!   again who does.
//! * Requests that may not (creating, cloning, attaching, rolling back) are sent again only after
//!   a look. When their answer is lost the appliance is looked at: what is found and is ours is
//!   taken, what is another's is reported. Where a single call cannot tell, the error is
//!   [`Error::LostReply`]. What a renaming did is seen by the SCSI ID at the new name.
//! * While no address answers at all, it is tried again for
//!   [`outage`](Builder::outage) (180 s), since a pool that moves to the other head
//!   takes its addresses along for one to two minutes.
//!
//! Procedures, deletions and settings can be done twice: what is already so is success. Only what
//! makes something new says [`Exists`](ErrorKind::Exists) the second time, and a renaming
//! [`Missing`](ErrorKind::Missing). After an error of a procedure the same call, made again, goes on
//! from what is there.
//!
//! # Errors
//!
//! Match on [`Error::kind`], never on texts. [`Error::is_transient`] says whether
//! the same call, made later, may succeed without anybody changing anything. The
//! variants of [`Error`] have the particulars, and the texts name what was to be
//! done, the thing and the address.
//!
//! | [`ErrorKind`] | meaning | what to do |
//! |---|---|---|
//! | [`Missing`](ErrorKind::Missing) | the appliance says that there is no such thing | take it as an answer: nothing else means absent; but ask [`Pool::info`] where the pool may be at the other head |
//! | [`Exists`](ErrorKind::Exists) | there is one already | choose another name, or use it |
//! | [`Busy`](ErrorKind::Busy) | snapshots or clones depend on it; [`Error::HasDependents`] names them | remove those first |
//! | [`Conflict`](ErrorKind::Conflict) | somebody else has the name, the LUN number or the volume | look who; often another pool or cluster |
//! | [`InUse`](ErrorKind::InUse) | initiators have sessions; [`Error::ForeignSessions`] names them | log out there, or ignore a dead node's |
//! | [`NoSpace`](ErrorKind::NoSpace) | the pool is full | make room |
//! | [`Auth`](ErrorKind::Auth) | user or password is wrong, or has no right to do this | set them right, on both heads |
//! | [`Unreachable`](ErrorKind::Unreachable) | no control address answers | try later; check addresses and port |
//! | [`Untrusted`](ErrorKind::Untrusted) | the certificate is not trusted | give its authority or pin |
//! | [`Transient`](ErrorKind::Transient) | the appliance failed in a way that passes, again and again, or an answer was lost | try later |
//! | [`Deadline`](ErrorKind::Deadline) | time is over; the appliance may still finish | look, or do it again |
//! | [`Protocol`](ErrorKind::Protocol) | the answer makes no sense | report it |
//! | [`NoVip`](ErrorKind::NoVip) | no data address can be a portal | set the data addresses to VIPs of the pool |
//! | [`Inactive`](ErrorKind::Inactive) | the target is switched off | switch it on |
//! | [`Unsupported`](ErrorKind::Unsupported) | the appliance is too old | update it |
//! | [`Invalid`](ErrorKind::Invalid) | the request, or a setting of the client, is not valid | change what the text names |
//! | [`Other`](ErrorKind::Other) | a failure of no known kind | read the text |
//!
//! # Names
//!
//! People and storage systems know *ids*, the appliance *physical names*. Methods
//! that make something take ids ([`VolumeId`], [`SnapshotId`]); those that take a
//! `&str` for a volume or a snapshot take the physical name, which may be
//! anybody's. See [`names`] for the rules, and for
//! where they differ from those of the existing open client.
//!
//! ```
//! use jdss_rest::{ClusterPrefix, SnapshotId, VolumeId};
//!
//! let cluster: ClusterPrefix = "pveA".parse()?;
//! let volume: VolumeId = cluster.apply("vm-100-disk-0")?;
//! assert_eq!(volume.physical_name(), "v_pveA_vm-100-disk-0");
//! assert_eq!(VolumeId::from_physical("v_pveA_vm-100-disk-0"), Some(volume));
//! let snapshot: SnapshotId = "before-update".parse()?;
//! assert_eq!(snapshot.physical_name(), "s_before-update");
//! # Ok::<(), jdss_rest::NameError>(())
//! ```
//!
//! [`Pool::free_volume_id`] finds the lowest number that no volume has.
//!
//! # Lists
//!
//! [`Pool::volumes`] and [`Pool::snapshots`] give a [`List`]: an iterator that
//! fetches page by page as it goes, in exactly as many calls as there are pages.
//! An overloaded appliance answers with a part of a list at times. As an iterator the last item
//! is an error then; [`List::all`] reads again, and fails rather than be short.
//!
//! # Publishing
//!
//! [`Client::publish`] makes sure that a volume is a LUN of a target that can be
//! reached at the data addresses, and says what a host needs to find it:
//!
//! ```no_run
//! # use std::time::{Duration, Instant};
//! use jdss_rest::{Chap, Publish, TargetGroup};
//! # let client = jdss_rest::Client::builder(vec![]).build()?;
//! # let deadline = Instant::now() + Duration::from_secs(60);
//! let published = client.publish(
//!     &Publish {
//!         pool: "Pool-0".to_owned(),
//!         volume: "vm-100-disk-0".parse()?,
//!         target_prefix: "iqn.2025-04.proxmox.joviandss.iscsi:".parse()?,
//!         group: TargetGroup::of("vm-100-disk-0")?,
//!         luns_per_target: 8,
//!         data_addresses: vec!["10.1.0.11".parse()?, "10.2.0.11".parse()?],
//!         chap: Chap::Unmanaged,
//!         may_move: true,
//!     },
//!     deadline,
//! )?;
//! for portal in &published.portals {
//!     println!("{} at {portal}, LUN {}", published.target, published.lun);
//! }
//! println!("the disk is /dev/disk/by-id/scsi-{}", published.scsi_id.wwid());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Volumes of one group, such as the disks of a guest, share targets. Nothing on the
//! appliance is locked: when another node is faster the next place is taken.
//!
//! What may be in use is not taken away. [`Client::unpublish`] and
//! [`Client::delete`] look at the sessions first, and refuse, with
//! [`Error::ForeignSessions`], while an initiator is logged in that is not the
//! [`LocalInitiator`] by name *and* address.
//!
//! # Snapshots and clones
//!
//! [`Pool::create_snapshot`], [`Pool::snapshots`] and [`Pool::delete_snapshot`] are for
//! the snapshots of a volume. A list has everybody's: the appliance's own
//! (`autosnap_...`), and one for each clone of the live volume, named like the clone.
//!
//! A clone is a volume that depends on a snapshot. [`Pool::clone_snapshot`] makes one of a
//! snapshot that is there; [`Pool::clone_volume`] makes the snapshot first, and
//! deleting the clone removes it again. What others depend on is not deleted:
//! [`Error::HasDependents`] names them.
//!
//! [`Pool::rollback_check`] names what a rollback destroys; [`Pool::rollback`] destroys only
//! what it is allowed to, and says what that was:
//!
//! ```no_run
//! # use std::time::{Duration, Instant};
//! use jdss_rest::Destroy;
//! # let client = jdss_rest::Client::builder(vec![]).build()?;
//! # let deadline = Instant::now() + Duration::from_secs(60);
//! let pool = client.pool("Pool-0");
//! let newer = pool.rollback_check("v_vm-100-disk-0", "s_before-update", deadline)?;
//! println!("this destroys {:?}", newer.snapshots);
//! let allowed = Destroy::These(&newer.snapshots);
//! let gone = pool.rollback("v_vm-100-disk-0", "s_before-update", allowed, deadline)?;
//! println!("destroyed {gone:?}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A snapshot is no device. [`Client::publish_snapshot`] publishes a read-only clone of it,
//! whose name follows from the ids, and [`Client::unpublish_snapshot`] removes both.
//!
//! # What a call costs
//!
//! Requests when all goes well. An appliance needs some 10 to 160 ms for each, and takes
//! them in turn when it is busy; so these numbers are what an operation lasts. Some versions
//! answer a change with a bare status 200, as an overloaded appliance does that has done
//! nothing: then it is looked what was done, in one or two requests more, five for a
//! clone of a volume as it is.
//!
//! | operation | requests |
//! |---|---|
//! | read one thing | 1 |
//! | list | 1 for each page: a hundred volumes, or as many snapshots as the appliance likes |
//! | find a free name | 2; one more for each further hundred volumes, and for each that an old list lacks |
//! | create a volume | 3; one less where the answer shows it |
//! | grow a volume | 3; 1 when it has the size |
//! | rename a volume | 3 |
//! | delete a volume | 2 |
//! | delete a clone of a volume as it was | 3 |
//! | create a snapshot | 2 |
//! | delete a snapshot | 1 |
//! | check a rollback | 1; 2 when there are newer snapshots, and one for each where they have clones |
//! | roll back | 2; 4 when there are newer snapshots |
//! | clone a snapshot | 3 |
//! | clone a volume as it is | 5 |
//! | promote a clone | 3 |
//! | publish, attached already | 3 |
//! | publish, new on a target | 5; one for each full target of the group before it |
//! | publish, in addition | 1 to read the VIPs of the pool, at most once a minute; 1 when those of the target change; 1 or more for CHAP |
//! | unpublish | 3 with the target known, else 4 |
//! | delete, with what publishes it | 3 when it is attached nowhere, else 6 |
//! | publish a snapshot | as for a volume; 2 more for a clone that has to be made |
//! | unpublish a snapshot | 6 with the target known |
//!
//! # Testing with your own transport
//!
//! The seam to the network is one trait, [`Transport`](transport::Transport): one
//! exchange with one address. [`Builder::build_with`] takes another one, which answers
//! from memory; everything above it, retries and decoding included, works as it does
//! on an appliance. Give [`Duration::ZERO`](std::time::Duration::ZERO) to
//! [`retry_pause`](Builder::retry_pause) and [`outage`](Builder::outage) then.
//!
//! ```
//! use std::net::SocketAddr;
//! use std::time::{Duration, Instant};
//! use jdss_rest::transport::{Limits, Reply, Request, Transport, TransportError};
//! use jdss_rest::{Client, ErrorKind};
//!
//! /// An appliance that has nothing.
//! #[derive(Debug)]
//! struct Empty;
//!
//! impl Transport for Empty {
//!     fn exchange(&self, _: SocketAddr, _: &Request, _: Limits) -> Result<Reply, TransportError> {
//!         let body = br#"{"data": null, "error": {"class": "opene.exceptions.ItemNotFoundError",
//!             "message": "not there", "errno": null}}"#;
//!         Ok(Reply { status: 404, body: body.to_vec() })
//!     }
//! }
//!
//! let client = Client::builder(vec!["192.0.2.1".parse()?])
//!     .retry_pause(Duration::ZERO)
//!     .build_with(Empty)?;
//! let deadline = Instant::now() + Duration::from_secs(1);
//! let error = client.pool("Pool-0").info(deadline).unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::Missing);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The workspace's simulator (`tests/sim`) speaks the API over TLS, with faults on demand.

mod builder;
mod call;
mod chap;
mod client;
mod clones;
mod decode;
mod delete;
mod error;
mod export;
mod fingerprint;
mod free;
mod https;
mod initiator;
mod list;
mod model;
pub mod names;
mod path;
mod pinned;
mod pool;
mod publish;
mod remove;
mod snapshots;
mod targets;
pub mod transport;
mod unpublish;
mod vips;
mod volumes;

pub use builder::Builder;
pub use chap::{Chap, RenewChap};
pub use client::Client;
pub use clones::{CloneOf, CloneVolume};
pub use delete::{Delete, Deleted};
pub use error::{ApiError, Attempts, Difference, Error, ErrorKind, ProtocolReason};
pub use export::UnpublishSnapshot;
pub use fingerprint::{Fingerprint, FingerprintError};
pub use free::FreeName;
pub use https::Tls;
pub use initiator::{Ignored, LocalInitiator};
pub use list::List;
pub use model::{
    Attachment, CloneInfo, LocalTime, Lun, Origin, PoolInfo, Session, Snapshot, SnapshotTime,
    Target, Vip, Volume,
};
pub use names::{
    ChapPassword, ChapPasswordError, ChapUser, ClusterPrefix, NameError, ScsiId, SnapshotId,
    TargetGroup, TargetPrefix, VolumeId,
};
pub use pool::Pool;
pub use publish::{Created, Publish, Published};
pub use secrecy::SecretString;
pub use snapshots::{Destroy, Rollback};
pub use unpublish::{Unpublish, Unpublished};
pub use volumes::{DeleteVolume, NewVolume};
