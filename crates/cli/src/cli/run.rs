//! The operations, as the worker does them on this host.

use super::exit::Exit;
use super::wire::{ActiveOutput, Failure, MissingOutput, Operation, Outcome, Request};
use crate::attach::{Attach, Budget, Deactivated, Error, Event};
use crate::config::Config;
use crate::setup;

pub(super) fn operation(
    request: &Request,
    budget: &Budget,
    tell: impl Fn(&Event) + Send + Sync + 'static,
) -> Result<Outcome, Failure> {
    let purpose = format!(
        "{} {} {}",
        request.operation, request.storage, request.volume
    );
    let attach = Attach::system().purpose(&purpose).observed_by(tell);
    match request.operation {
        Operation::Activate => activate(&attach, request, budget),
        Operation::Deactivate => deactivate(&attach, request, budget),
    }
}

fn activate(attach: &Attach, request: &Request, budget: &Budget) -> Result<Outcome, Failure> {
    let config = Config::load(&request.config).map_err(|e| Failure::of(Exit::Configuration, &e))?;
    let storage = config
        .storage(&request.storage)
        .map_err(|e| Failure::of(Exit::Configuration, &e))?;
    let volume = setup::volume(storage, &request.volume)
        .map_err(|e| Failure::of(Exit::Configuration, &e))?;
    let appliance = setup::Appliance::new(storage, request.password_file.as_deref());
    let active = attach.activate(&volume, &appliance, budget);
    // Also of one that failed: the address was not the reason.
    appliance.remember();
    let active = active.map_err(|e| failure(&e))?;
    Ok(Outcome::Active(ActiveOutput {
        degraded: !active.missing.is_empty(),
        path: active.path,
        link: active.link,
        wwid: active.wwid,
        size: active.size,
        up: active.up,
        missing: active
            .missing
            .into_iter()
            .map(|m| MissingOutput {
                portal: m.portal,
                reason: m.reason,
            })
            .collect(),
        changed: active.changed,
    }))
}

/// By the record alone: a storage whose configuration is gone can still be
/// taken down.
fn deactivate(attach: &Attach, request: &Request, budget: &Budget) -> Result<Outcome, Failure> {
    let key = jdss_state::Key::new(&request.storage, &request.volume, None)
        .map_err(|e| Failure::of(Exit::Usage, &e))?;
    let done = attach.deactivate(&key, budget).map_err(|e| failure(&e))?;
    if done == Deactivated::WasNot
        && let Ok(config) = Config::load(&request.config)
    {
        // Nothing was up. A misspelt storage must not look like success; one
        // whose configuration has gone with all the others may.
        config
            .storage(&request.storage)
            .map_err(|e| Failure::of(Exit::Configuration, &e))?;
    }
    Ok(Outcome::Deactivated {
        changed: done == Deactivated::Done,
    })
}

fn failure(error: &Error) -> Failure {
    Failure {
        left: error.leaves_something(),
        ..Failure::of(error.class().into(), error)
    }
}
