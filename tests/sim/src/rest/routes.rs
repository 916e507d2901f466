//! The table of routes.

use super::answer::{Answer, Refusal, Strict};
use super::call::{Call, decode, parameter};
use super::{clones, luns, pool, snapshots, targets, users, volumes};

/// What a route takes as its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Never,
    Maybe,
    Always,
}

type Handler = fn(&Call<'_>) -> Result<Answer, Refusal>;

/// One route of the API.
#[derive(Debug)]
pub(crate) struct Route {
    method: &'static str,
    /// Below `/api/v3` and `/api/v4`; `{..}` stands for one part of the path.
    pub(crate) path: &'static str,
    parameters: &'static [&'static str],
    body: Body,
    /// Not below `/api/v3`.
    v4_only: bool,
    handler: Handler,
}

impl Route {
    /// Is it new in `/api/v4`?
    pub(crate) fn v4_only(&self) -> bool {
        self.v4_only
    }
}

const PAGES: &[&str] = &["page", "per_page", "_dc"];

macro_rules! routes {
    ($($method:ident $path:literal $parameters:expr, $body:ident, $version:ident, $handler:path;)*) => {
        &[$(Route {
            method: stringify!($method),
            path: $path,
            parameters: $parameters,
            body: Body::$body,
            v4_only: $version,
            handler: $handler,
        }),*]
    };
}

const ANY: bool = false;
const V4: bool = true;

/// A fixed word comes before a `{..}` that would take it, too.
static ROUTES: &[Route] = routes! {
    GET "/pools/{pool}" &[], Never, ANY, pool::get;
    GET "/pools/{pool}/vips" &[], Never, ANY, pool::vips;

    GET "/pools/{pool}/volumes" PAGES, Never, ANY, volumes::list;
    POST "/pools/{pool}/volumes" &[], Always, ANY, volumes::create;
    GET "/pools/{pool}/volumes/snapshots" PAGES, Never, ANY, snapshots::list_all;
    GET "/pools/{pool}/volumes/{volume}" &[], Never, ANY, volumes::get;
    PUT "/pools/{pool}/volumes/{volume}" &[], Always, ANY, volumes::change;
    DELETE "/pools/{pool}/volumes/{volume}" &[], Maybe, ANY, volumes::delete;
    PUT "/pools/{pool}/volumes/{volume}/properties" &[], Always, ANY, volumes::set_property;

    GET "/pools/{pool}/volumes/{volume}/snapshots" PAGES, Never, ANY, snapshots::list;
    POST "/pools/{pool}/volumes/{volume}/snapshots" &[], Always, ANY, snapshots::create;
    GET "/pools/{pool}/volumes/{volume}/snapshots/{snapshot}" &[], Never, ANY, snapshots::get;
    DELETE "/pools/{pool}/volumes/{volume}/snapshots/{snapshot}" &[], Maybe, ANY, snapshots::delete;
    GET "/pools/{pool}/volumes/{volume}/snapshots/{snapshot}/rollback" &[], Never, ANY, snapshots::check_rollback;
    POST "/pools/{pool}/volumes/{volume}/snapshots/{snapshot}/rollback" &[], Never, ANY, snapshots::roll_back;

    POST "/pools/{pool}/volumes/{volume}/clone" &[], Always, ANY, clones::create;
    GET "/pools/{pool}/volumes/{volume}/snapshots/{snapshot}/clones" &[], Never, ANY, clones::list;
    DELETE "/pools/{pool}/volumes/{volume}/snapshots/{snapshot}/clones/{clone}" &[], Maybe, ANY, clones::delete;
    POST "/pools/{pool}/volumes/{volume}/snapshots/{snapshot}/clones/{clone}/promote" &[], Maybe, ANY, clones::promote;

    GET "/pools/{pool}/san/iscsi/targets" PAGES, Never, ANY, targets::list;
    POST "/pools/{pool}/san/iscsi/targets" &[], Always, ANY, targets::create;
    GET "/pools/{pool}/san/iscsi/targets/sessions" &[], Never, V4, targets::pool_sessions;
    GET "/pools/{pool}/san/iscsi/targets/{target}" &[], Never, ANY, targets::get;
    PUT "/pools/{pool}/san/iscsi/targets/{target}" &[], Always, ANY, targets::change;
    DELETE "/pools/{pool}/san/iscsi/targets/{target}" &[], Never, ANY, targets::delete;
    GET "/pools/{pool}/san/iscsi/targets/{target}/sessions" &[], Never, V4, targets::sessions;

    GET "/pools/{pool}/san/iscsi/targets/{target}/luns" &[], Never, ANY, luns::list;
    POST "/pools/{pool}/san/iscsi/targets/{target}/luns" &[], Always, ANY, luns::attach;
    GET "/pools/{pool}/san/iscsi/targets/{target}/luns/{volume}" &[], Never, ANY, luns::get;
    DELETE "/pools/{pool}/san/iscsi/targets/{target}/luns/{volume}" &[], Never, ANY, luns::detach;
    GET "/san/iscsi/luns" &["where"], Never, V4, luns::find;

    GET "/pools/{pool}/san/iscsi/targets/{target}/incoming-users" &[], Never, ANY, users::list;
    POST "/pools/{pool}/san/iscsi/targets/{target}/incoming-users" &[], Always, ANY, users::add;
    DELETE "/pools/{pool}/san/iscsi/targets/{target}/incoming-users/{user}" &[], Never, ANY, users::remove;
};

/// A route that was found, and what stands for its `{..}`.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) route: &'static Route,
    pub(crate) values: Vec<String>,
    pub(crate) v3: bool,
}

/// Is there such a route?
pub(crate) fn is_route(method: &str, path: &str) -> bool {
    ROUTES
        .iter()
        .any(|route| route.method == method && route.path == path)
}

/// Finds the route of an undecoded path without its query.
pub(crate) fn find(method: &str, path: &str) -> Result<Found, Strict> {
    let unknown = |message| Strict::new(404, "sim.UnknownRoute", message);
    let (v3, below) = match (path.strip_prefix("/api/v3"), path.strip_prefix("/api/v4")) {
        (Some(below), _) => (true, below),
        (_, Some(below)) => (false, below),
        _ => return Err(unknown("the API begins with /api/v3 or /api/v4".to_owned())),
    };
    let mut other_method = false;
    for route in ROUTES.iter().filter(|route| !(route.v4_only && v3)) {
        let Some(values) = matches(route.path, below)? else {
            continue;
        };
        if route.method == method {
            return Ok(Found { route, values, v3 });
        }
        other_method = true;
    }
    if other_method {
        let message = format!("this resource has no {method}");
        return Err(Strict::new(405, "sim.MethodNotAllowed", message));
    }
    Err(unknown("there is no such resource".to_owned()))
}

/// The values of the path's parts that stand for a `{..}`, if the path fits.
fn matches(route: &str, path: &str) -> Result<Option<Vec<String>>, Strict> {
    let mut values = Vec::new();
    let (mut wanted, mut given) = (route.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Ok(Some(values)),
            (Some(want), Some(part)) if want.starts_with('{') && !part.is_empty() => {
                values.push(decode(part)?);
            }
            (Some(want), Some(part)) if want == part => {}
            _ => return Ok(None),
        }
    }
}

/// Checks the form of a call and carries it out.
pub(crate) fn dispatch(route: &Route, call: &Call<'_>) -> Result<Answer, Refusal> {
    if let Some((key, _)) = call
        .query
        .iter()
        .find(|(key, _)| !route.parameters.contains(&key.as_str()))
    {
        return Err(parameter(format!("there is no parameter '{key}' here")).into());
    }
    match (route.body, call.body.is_empty()) {
        (Body::Never, false) => {
            Err(Strict::new(400, "sim.InvalidBody", "this call has no body").into())
        }
        (Body::Always, true) => {
            Err(Strict::new(400, "sim.InvalidBody", "this call needs a body").into())
        }
        _ => (route.handler)(call),
    }
}
