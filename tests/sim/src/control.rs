//! Routes below `/sim`, by which labs and scenarios read the logs and play the administrator.
//!
//! They stand outside of the API: another program than the client under test uses them, with the
//! same password. Bodies and answers are JSON, in the API's envelope.

use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::appliance::{Meanwhile, Service};
use crate::error::Error;
use crate::model::{Lag, NewLun, TargetChange};
use crate::rest::{Answer, BLOCK_SIZE, Fault, Firmware, Message, Refusal, Strict, Trigger};

/// What the paths of all these routes begin with.
pub(crate) const PREFIX: &str = "/sim/";

type Outcome = Result<Answer, Refusal>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Portal {
    address: IpAddr,
    state: State,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum State {
    Open,
    /// Connections are cut and refused.
    Closed,
    /// Connections stay and nothing is answered.
    Silent,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rest {
    address: SocketAddr,
    state: State,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sessions {
    target: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VolumeBody {
    pool: String,
    name: String,
    /// Bytes.
    size: Option<u64>,
    scsi_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LunBody {
    pool: String,
    target: String,
    volume: String,
    lun: Option<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetBody {
    pool: String,
    target: String,
    active: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultBody {
    method: String,
    route: String,
    times: Option<usize>,
    every: Option<usize>,
    share: Option<Share>,
    fault: Fault,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Share {
    seed: u64,
    per_mille: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChaosBody {
    seed: u64,
    faults: Vec<ChaosFault>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChaosFault {
    per_mille: u32,
    fault: Fault,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LagBody {
    volumes: u32,
    renames: u32,
    targets: u32,
    luns: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Password {
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PoolBody {
    pool: String,
    state: PoolState,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum PoolState {
    /// Its addresses say nothing.
    Moving,
    /// Its addresses refuse connections.
    Refusing,
    Arrived,
}

/// Answers one control request with a status and a body.
pub(crate) fn answer(
    service: &Service,
    message: &Message,
    path: &str,
    local: SocketAddr,
) -> (u16, String) {
    let what = path.strip_prefix(PREFIX).unwrap_or(path);
    match carry_out(service, &message.method, what, &message.body, Some(local)) {
        Ok(answer) => (answer.status, answer.body()),
        Err(refusal) => refusal.body(Firmware::Classic, path),
    }
}

/// Carries one control request out. `local` is the address that was asked, which has to stay.
pub(crate) fn carry_out(
    service: &Service,
    method: &str,
    what: &str,
    body: &[u8],
    local: Option<SocketAddr>,
) -> Outcome {
    match (method, what) {
        ("GET", "requests") => shown(&service.log().requests()),
        ("GET", "violations") => shown(&service.log().violations()),
        ("GET", "commands") => shown(&service.data().commands()),
        ("GET", "sessions") => shown(&service.model().sessions()),
        ("DELETE", "requests" | "violations") => {
            service.log().clear();
            Ok(Answer::gone())
        }
        ("DELETE", "commands") => {
            service.data().clear_commands();
            Ok(Answer::gone())
        }
        ("DELETE", "sessions") => {
            let Sessions { target } = read(body)?;
            Ok(Answer::ok(json!(service.data().close_sessions(&target))))
        }
        ("PUT", "portal") => {
            let Portal { address, state } = read(body)?;
            done(match state {
                State::Open => service.data().set_open(address, true),
                State::Closed => service.data().set_open(address, false),
                State::Silent => service.data().silence(address),
            })
        }
        ("PUT", "rest") => {
            let Rest { address, state } = read(body)?;
            if state != State::Open && local == Some(address) {
                return Err(Strict::field("the address that is asked stays").into());
            }
            done(match state {
                State::Open => service.set_rest_open(address, true),
                State::Closed => service.set_rest_open(address, false),
                State::Silent => service.silence_rest(address),
            })
        }
        ("GET", "connections") => {
            let counted = |address| {
                let counts = service.connections(address)?;
                Ok(json!({ "address": address, "accepted": counts.accepted,
                    "handshakes": counts.handshakes, "open": counts.open }))
            };
            let counts: Result<Value, Error> =
                service.rest_addrs().into_iter().map(counted).collect();
            Ok(Answer::ok(counts?))
        }
        ("PUT", "lag") => {
            let LagBody {
                volumes,
                renames,
                targets,
                luns,
            } = read(body)?;
            service.model().lateness().set(Lag {
                volumes,
                renames,
                targets,
                luns,
            });
            Ok(Answer::gone())
        }
        ("PUT", "password") => {
            let Password { password } = read(body)?;
            service.set_password(&password);
            Ok(Answer::gone())
        }
        ("PUT", "pool") => pool(service, read(body)?, local),
        (method, "volume") => volume(service, method, read(body)?),
        (method, "lun") => lun(service, method, read(body)?),
        ("PUT", "target") => {
            let TargetBody {
                pool,
                target,
                active,
            } = read(body)?;
            let change = TargetChange {
                active: Some(active),
                ..TargetChange::default()
            };
            done(
                service
                    .model()
                    .update_target(&pool, &target, change)
                    .map(drop),
            )
        }
        ("POST", "fault") => fault(service, read(body)?),
        ("POST", "chaos") => {
            let ChaosBody { seed, faults } = read(body)?;
            let faults: Vec<_> = faults.into_iter().map(|f| (f.fault, f.per_mille)).collect();
            service.faults().set_chaos(seed, &faults, service.model());
            Ok(Answer::gone())
        }
        ("GET", "held") => Ok(Answer::ok(json!(service.held()))),
        ("DELETE", "fault") => {
            service.clear_faults();
            Ok(Answer::gone())
        }
        (method, _) => Err(unknown(method)),
    }
}

fn volume(service: &Service, method: &str, body: VolumeBody) -> Outcome {
    let model = service.model();
    let VolumeBody {
        pool,
        name,
        size,
        scsi_id,
    } = body;
    match method {
        "POST" => {
            let size = size.ok_or_else(|| Strict::field("'size' is missing"))?;
            let properties = Default::default();
            let block_size = BLOCK_SIZE;
            let new = crate::model::NewVolume {
                name,
                size,
                sparse: true,
                block_size,
                scsi_id,
                properties,
            };
            done(model.create_volume(&pool, new).map(drop))
        }
        "PUT" => {
            if let Some(size) = size {
                model.resize_volume(&pool, &name, size)?;
            }
            if let Some(scsi_id) = scsi_id {
                model.set_scsi_id(&pool, &name, &scsi_id)?;
            }
            Ok(Answer::gone())
        }
        "DELETE" => done(model.delete_volume(&pool, &name, true)),
        other => Err(unknown(other)),
    }
}

fn lun(service: &Service, method: &str, body: LunBody) -> Outcome {
    let LunBody {
        pool,
        target,
        volume,
        lun,
    } = body;
    match method {
        "POST" => {
            let number = lun.ok_or_else(|| Strict::field("'lun' is missing"))?;
            let mode = "wt".to_owned();
            let new = NewLun {
                volume,
                number,
                mode,
                block_size: 512,
                scsi_id: None,
            };
            done(service.model().attach(&pool, &target, new).map(drop))
        }
        "DELETE" => done(service.model().detach(&pool, &target, &volume)),
        other => Err(unknown(other)),
    }
}

fn pool(service: &Service, body: PoolBody, local: Option<SocketAddr>) -> Outcome {
    let PoolBody { pool, state } = body;
    if local.is_some_and(|local| service.heads().is_vip(&pool, local.ip())) {
        return Err(
            Strict::field("the address that is asked goes with the pool, ask another").into(),
        );
    }
    done(match state {
        PoolState::Moving => service.move_pool(&pool, Meanwhile::Silence),
        PoolState::Refusing => service.move_pool(&pool, Meanwhile::Refusal),
        PoolState::Arrived => service.arrive(&pool),
    })
}

fn fault(service: &Service, body: FaultBody) -> Outcome {
    let FaultBody {
        method,
        route,
        times,
        every,
        share,
        fault,
    } = body;
    let trigger = match (times, every, share) {
        (Some(times), None, None) => Trigger::Times(times),
        (None, Some(n), None) => Trigger::Every(n),
        (None, None, Some(Share { seed, per_mille })) => Trigger::Share { seed, per_mille },
        _ => return Err(Strict::field("one of 'times', 'every' and 'share' is needed").into()),
    };
    done(service.add_fault(&method, &route, trigger, fault))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Strict> {
    serde_json::from_slice(body)
        .map_err(|error| Strict::new(400, "sim.InvalidBody", error.to_string()))
}

fn shown<T: serde::Serialize>(entries: &[T]) -> Outcome {
    Ok(Answer::ok(json!(entries)))
}

fn done(result: Result<(), Error>) -> Outcome {
    Ok(result.map(|()| Answer::gone())?)
}

fn unknown(method: &str) -> Refusal {
    Strict::new(
        404,
        "sim.UnknownRoute",
        format!("no {method} of this, see the README"),
    )
    .into()
}
