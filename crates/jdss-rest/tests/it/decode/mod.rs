//! Answers in all the forms seen, and what none of them may do: make the client panic or guess.

mod anything;
mod errors;
mod fields;
mod snapshots;

use std::net::SocketAddr;

use jdss_rest::Client;
use jdss_rest::transport::{Limits, Reply, Request, Transport, TransportError};
use serde_json::Value;

use crate::script::ok;

/// Gives the same answer to everything.
#[derive(Debug)]
struct Always(Reply);

impl Transport for Always {
    fn exchange(&self, _: SocketAddr, _: &Request, _: Limits) -> Result<Reply, TransportError> {
        Ok(self.0.clone())
    }
}

fn always(reply: Reply) -> Client {
    Client::builder(vec!["192.0.2.1".parse().expect("an address")])
        .retry_pause(std::time::Duration::ZERO)
        .build_with(Always(reply))
        .expect("one address is enough")
}

fn answer(data: Value) -> Client {
    always(ok(data).expect("a reply"))
}
