//! Which address is asked, what is repeated, what errors say; and TLS and HTTP to a real peer.

mod addresses;
mod calls;
mod faults;
mod http;
mod retries;
mod settings;
mod tls;

use jdss_rest::transport::{Reply, TransportError};
use serde_json::{Value, json};

use crate::script::*;

fn pool() -> Value {
    json!({ "name": "Pool-0", "id": "8123412341234123412", "size": "2199023255552",
        "available": "1099511627776", "health": "ONLINE", "status": 24 })
}

fn get_pool(answer: Result<Reply, TransportError>) -> Step {
    step(format!("GET {POOL}"), answer)
}
