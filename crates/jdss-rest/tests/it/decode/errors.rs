//! What the errors of the appliance mean: each row of the API's tables.

use jdss_rest::transport::Reply;
use jdss_rest::{Error, ErrorKind};
use serde_json::json;

use super::always;
use crate::script::{fail, soon};

/// Status, class, number, message, and what that means.
type Row = (
    u16,
    Option<&'static str>,
    Option<i64>,
    &'static str,
    ErrorKind,
);

const ZFS_RESOURCE: Option<&str> = Some("zfslib.zfsapi.resources.ZfsResourceError");
const ZFS_COMMAND: Option<&str> = Some("zfslib.wrap.zfs.ZfsCmdError");
const ZFS_OE: Option<&str> = Some("opene.storage.zfs.ZfsOeError");
const ZFS_OE_LATER: Option<&str> = Some("opene.storage.zfs.zfs.ZfsOeError");
const NOT_FOUND: Option<&str> = Some("opene.exceptions.ItemNotFoundError");
const CONFLICT: Option<&str> = Some("opene.exceptions.ItemConflictError");
const NAME_CONFLICT: Option<&str> =
    Some("opene.san.target.base.iscsi.target.TargetNameConflictError");
const CFG_PARSER: Option<&str> = Some("opene.cfgparser.CfgParserError");
const SCST: Option<&str> = Some("opene.tools.scstadmin.ScstAdminError");
const OS: Option<&str> = Some("exceptions.OSError");
const VALIDATION: Option<&str> = Some("opene.exceptions.ValidationError");
const WERKZEUG: Option<&str> = Some("werkzeug.exceptions.NotFound");
const UNHEARD: Option<&str> = Some("unheard.Of");

fn check(rows: &[Row]) {
    for &(status, class, errno, message, kind) in rows {
        let mut error = json!({ "message": message, "url": "https://x" });
        if let Some(class) = class {
            error["class"] = class.into();
        }
        // As a number, as a text, or both absent and null where there is none.
        for errno in match errno {
            Some(errno) => [json!(errno), json!(errno.to_string())],
            None => [json!(null), json!("")],
        } {
            error["errno"] = errno;
            let body = json!({ "data": null, "error": error }).to_string();
            let client = always(Reply {
                status,
                body: body.clone().into_bytes(),
            });
            let found = client.pool("Pool-0").volume_named("v_x", soon());
            assert_eq!(
                found.expect_err("a failure").kind(),
                kind,
                "{status} {body}"
            );
        }
    }
}

use ErrorKind::{
    Auth, Busy, Conflict, Exists, Invalid, Missing, NoSpace, Other, Transient, Unsupported,
};

#[test]
fn what_is_missing_is_missing_in_the_words_of_every_version() {
    check(&[
        (404, NOT_FOUND, None, "Pool Pool-9 not found.", Missing),
        (
            500,
            ZFS_RESOURCE,
            Some(1),
            "Zfs resource: P/v not found in this collection.",
            Missing,
        ),
        (
            500,
            ZFS_RESOURCE,
            None,
            "Zfs resource: P/v not found in this collection.",
            Missing,
        ),
        (
            500,
            None,
            Some(1),
            "Zfs resource: P/v not found in this collection.",
            Missing,
        ),
        (
            500,
            UNHEARD,
            None,
            "Zfs resource: P/v not found in this collection.",
            Missing,
        ),
        (404, NOT_FOUND, None, "Resource P/v not found.", Missing),
        (
            404,
            NOT_FOUND,
            None,
            "Volume v not found in pool P.",
            Missing,
        ),
        (
            500,
            NOT_FOUND,
            None,
            "Volume v not found in pool P.",
            Missing,
        ),
        (
            500,
            ZFS_RESOURCE,
            Some(1),
            "Zfs resource: P/v@s not found in this collection.",
            Missing,
        ),
        (500, ZFS_RESOURCE, Some(1), "nothing by that name", Missing),
        (
            500,
            ZFS_COMMAND,
            Some(0),
            "cannot open 'P/v@s': dataset does not exist",
            Missing,
        ),
        (404, NOT_FOUND, None, "Target t not exists.", Missing),
        (404, None, None, "Target t not exists.", Missing),
        (404, WERKZEUG, None, "Clone c not exists", Missing),
        (404, WERKZEUG, None, "Share n not exists.", Missing),
    ]);
}

#[test]
fn a_number_that_is_the_systems_does_not_make_anything_missing_or_existing() {
    check(&[
        (500, ZFS_RESOURCE, None, "cannot lock the resource", Other),
        (500, UNHEARD, Some(1), "Operation not permitted", Other),
        (
            500,
            ZFS_COMMAND,
            Some(1),
            "cannot destroy 'P/v': I/O error",
            Other,
        ),
        (500, ZFS_RESOURCE, None, "Zfs resource: P is locked.", Other),
        (500, OS, Some(1), "Operation not permitted", Transient),
        (500, OS, Some(2), "No such file or directory", Transient),
        (500, OS, Some(5), "Input/output error", Transient),
        (
            500,
            Some("exceptions.IOError"),
            Some(5),
            "Input/output error",
            Transient,
        ),
        (500, SCST, Some(1), "Operation not permitted", Transient),
        (
            500,
            CFG_PARSER,
            Some(1),
            "not found in this collection",
            Transient,
        ),
        (500, UNHEARD, Some(100), "Network is down", Other),
    ]);
}

#[test]
fn what_exists_exists() {
    check(&[
        (
            500,
            ZFS_RESOURCE,
            Some(5),
            "Resource P/v already exists.",
            Exists,
        ),
        (500, UNHEARD, Some(5), "there is one", Exists),
        (
            500,
            ZFS_RESOURCE,
            None,
            "Resource P/v already exists.",
            Exists,
        ),
        (
            500,
            ZFS_COMMAND,
            Some(100),
            "cannot create 'P/v': dataset already exists",
            Exists,
        ),
        (
            500,
            ZFS_COMMAND,
            None,
            "cannot create 'P/v': dataset already exists",
            Exists,
        ),
        (
            500,
            ZFS_RESOURCE,
            Some(5),
            "Resource P/v@s already exists.",
            Exists,
        ),
        (
            409,
            NAME_CONFLICT,
            None,
            "Target with name t is already present on Pool-1.",
            Exists,
        ),
        (
            409,
            UNHEARD,
            None,
            "Target with name t is already present on Pool-1.",
            Exists,
        ),
        (500, NAME_CONFLICT, None, "?", Exists),
        (409, UNHEARD, Some(1), "?", Exists),
    ]);
}

#[test]
fn what_is_taken_is_a_conflict() {
    check(&[
        (409, CONFLICT, None, "Volume P/v is already used.", Conflict),
        (500, CONFLICT, None, "LUN 0 is already used in t.", Conflict),
        (500, UNHEARD, None, "LUN 0 is already used in t.", Conflict),
        (409, CONFLICT, None, "?", Conflict),
        (409, UNHEARD, None, "?", Conflict),
    ]);
}

#[test]
fn what_others_depend_on_is_busy() {
    let clones = "In order to delete a zvol, you must delete all of its clones first.";
    let clones_again = "In order to delete a zvol, you must delete all of its clones first";
    let children = "cannot destroy 'P/v': volume has children\nuse '-r' to destroy the following";
    check(&[
        (500, ZFS_OE, None, clones, Busy),
        (500, ZFS_OE, Some(1000), clones_again, Busy),
        (500, ZFS_OE_LATER, None, clones_again, Busy),
        (500, ZFS_COMMAND, None, children, Busy),
        (500, ZFS_COMMAND, Some(1000), children, Busy),
        (
            500,
            ZFS_COMMAND,
            None,
            "cannot destroy 'P/v@s': snapshot has dependent clones",
            Busy,
        ),
        (500, ZFS_COMMAND, Some(1000), "cannot destroy 'P/v@s'", Busy),
        (
            500,
            ZFS_COMMAND,
            None,
            "cannot destroy 'P/v': dataset is busy",
            Busy,
        ),
    ]);
}

#[test]
fn what_does_not_fit_is_no_space() {
    check(&[
        (
            500,
            ZFS_OE_LATER,
            None,
            "New zvol size(10) exceeds available space on pool P(5).",
            NoSpace,
        ),
        (
            409,
            CONFLICT,
            Some(5),
            "New zvol size(10) exceeds available space on pool P(5).",
            NoSpace,
        ),
        (
            500,
            ZFS_COMMAND,
            None,
            "cannot create 'P/v': out of space",
            NoSpace,
        ),
    ]);
}

#[test]
fn what_passes_is_transient() {
    check(&[
        (
            500,
            CFG_PARSER,
            Some(13),
            "Config file was changed by another process.",
            Transient,
        ),
        (500, SCST, None, "scstadmin failed", Transient),
        (500, OS, None, "?", Transient),
        (429, UNHEARD, None, "?", Transient),
        (502, None, None, "?", Transient),
        (503, UNHEARD, None, "?", Transient),
        (504, UNHEARD, None, "?", Transient),
    ]);
}

#[test]
fn what_is_wrong_with_the_request_is_permanent() {
    let field = "Additional properties are not allowed ('vip_allowed_portals' was unexpected)";
    let route = "404 Not Found: The requested URL was not found on the server.";
    check(&[
        (401, None, None, "unauthorized", Auth),
        (403, UNHEARD, Some(1), "?", Auth),
        (400, VALIDATION, None, "password is too short", Invalid),
        (500, VALIDATION, None, "password is too short", Invalid),
        (400, UNHEARD, None, "?", Invalid),
        (422, UNHEARD, None, "?", Invalid),
        (400, VALIDATION, None, field, Unsupported),
        (500, UNHEARD, None, field, Unsupported),
        (404, WERKZEUG, None, route, Unsupported),
    ]);
}

#[test]
fn what_is_unknown_stays_the_appliances_own_words() {
    check(&[
        (500, UNHEARD, None, "?", Other),
        (500, UNHEARD, Some(77), "?", Other),
        (418, UNHEARD, None, "?", Other),
    ]);
}

#[test]
fn the_bare_words_of_a_refused_user_are_understood() {
    let client = always(Reply {
        status: 401,
        body: b"401 unauthorized".to_vec(),
    });
    let error = client.pool("P").info(soon()).unwrap_err();
    assert_eq!(error.kind(), Auth);
}

#[test]
fn errors_without_an_envelope_or_with_a_bare_text_are_read_too() {
    for body in [
        r#"{"class":"opene.exceptions.ItemNotFoundError","message":"Volume v not found in pool P."}"#,
        r#"{"data":null,"error":"Zfs resource: P/v not found in this collection."}"#,
    ] {
        let client = always(Reply {
            status: 500,
            body: body.as_bytes().to_vec(),
        });
        let error = client.pool("P").volume_named("v", soon()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Missing, "{body}");
    }
}

#[test]
fn an_error_inside_a_success_is_an_error() {
    let body = json!({ "data": { "name": "v_x", "volsize": 1 }, "error": { "class": "x.Y", "message": "no" } });
    let client = always(Reply {
        status: 200,
        body: body.to_string().into_bytes(),
    });
    assert!(client.pool("P").volume_named("v_x", soon()).is_err());
}

#[test]
fn an_error_shows_what_the_appliance_said_about_it() {
    let reply = fail(500, "zfslib.X", Some(77), "a strange thing").unwrap();
    let error = always(reply)
        .pool("Pool-0")
        .volume_named("v_x", soon())
        .unwrap_err();
    let text = error.to_string();
    for part in [
        "volume Pool-0/v_x",
        "192.0.2.1:82",
        "a strange thing",
        "500",
        "zfslib.X",
        "77",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let Error::Api(error) = error else {
        panic!("{error:?}")
    };
    assert_eq!((error.status, error.errno), (500, Some(77)));
}

#[test]
fn a_foreign_page_is_not_shown_at_length() {
    let body = "x".repeat(1 << 20).into_bytes();
    let error = always(Reply { status: 500, body })
        .pool("P")
        .info(soon())
        .unwrap_err();
    assert!(error.to_string().len() < 1000);
}
