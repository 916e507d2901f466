//! SendTargets: which targets there are, and where.

use std::net::{IpAddr, SocketAddr};

use super::keys;
use crate::model::{Model, TargetView};

/// The answer to `SendTargets=<asked>` at this address of ours. `own` is the session's target, in a normal session.
/// `None`: the value is not allowed.
pub(crate) fn send_targets(
    model: &Model,
    asked: &str,
    own: Option<&str>,
    portal: SocketAddr,
) -> Option<Vec<u8>> {
    let targets = match (asked, own) {
        ("All", None) => model.targets(),
        ("All", Some(_)) | ("", None) => return None,
        ("", Some(own)) => model.target(own).into_iter().collect(),
        (name, Some(own)) if name != own => return None,
        (name, _) => model.target(name).into_iter().collect(),
    };
    let mut text = Vec::new();
    for target in targets.iter().filter(|target| visible(target, portal.ip())) {
        keys::push(&mut text, "TargetName", &target.name);
        let others = target
            .addresses
            .iter()
            .filter(|address| **address != portal.ip());
        for address in std::iter::once(&portal.ip()).chain(others) {
            let address = SocketAddr::new(*address, portal.port());
            keys::push(&mut text, "TargetAddress", &format!("{address},1"));
        }
    }
    Some(text)
}

/// A target that is switched off, or that does not allow the address that was asked, is not told of.
fn visible(target: &TargetView, portal: IpAddr) -> bool {
    target.active && target.addresses.contains(&portal)
}
