//! The management side: the appliance's REST API over TLS, and the log of what it was asked.

mod answer;
mod call;
mod clones;
mod connection;
mod faults;
mod gate;
mod http;
pub(crate) mod log;
mod luns;
mod pool;
mod routes;
mod server;
mod snapshots;
mod targets;
mod time;
mod tls;
mod users;
mod volumes;

pub(crate) use answer::{Answer, Refusal, Strict};
pub(crate) use call::{Call, parameters};
pub(crate) use connection::{Origin, Reply, Site, serve};
pub(crate) use faults::{Effects, Faults, Strike};
pub use faults::{Fault, Moment, Trigger};
pub(crate) use gate::hold;
pub(crate) use http::Message;
pub(crate) use log::Log;
pub use log::{Request, Violation};
pub(crate) use routes::{Found, dispatch, find, is_route};
pub use server::Connections;
pub(crate) use server::Server;
pub(crate) use tls::Identity;
pub(crate) use volumes::BLOCK_SIZE;

/// Which generation of the appliance's software is simulated: they differ in what they answer and offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Firmware {
    /// The default. Names what is missing in ZFS's words, with status 500 and `errno` 1; writes numbers as strings,
    /// and the creation of a snapshot as a local date, `2015-5-27 16:8:35`.
    #[default]
    Classic,
    /// Names what is missing by status 404 and class `ItemNotFoundError`; writes numbers as numbers; nests what a list
    /// of snapshots says in `properties`, with the creation in seconds since 1970. Successes have other statuses.
    Recent,
    /// Does not know `vip_allowed_portals`, sessions and the global list of LUNs: too old for its clients. A missing
    /// snapshot has `errno` 0, and a list of snapshots that is not paged is a bare array.
    Old,
}
