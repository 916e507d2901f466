//! Every vector of the existing client: the same result here, or a deviation with its reason.

use jdss_rest::names::{
    Class, SnapshotParts, base32_decode, base32_encode, classify, display_name,
};
use jdss_rest::{
    ChapPassword, ChapUser, Origin, ScsiId, SecretString, SnapshotId, SnapshotTime, VolumeId,
};
use serde_json::{Value, json};

use super::places::place;

/// What came out; `None` is a refusal.
type Outcome = Option<Value>;

/// A vector whose result here is another one on purpose.
struct Deviation {
    function: &'static str,
    args: Value,
    ours: Outcome,
    reason: &'static str,
}

fn deviation(
    function: &'static str,
    args: Value,
    ours: impl Into<Outcome>,
    reason: &'static str,
) -> Deviation {
    let ours = ours.into();
    Deviation {
        function,
        args,
        ours,
        reason,
    }
}

fn deviations() -> Vec<Deviation> {
    let too_long = "x".repeat(254) + ".";
    vec![
        deviation("vname", json!([""]), None, "a volume that no id leads to"),
        deviation(
            "vname",
            json!(["vm-100-disk-0\n"]),
            json!("vh_vm-100-disk-0__OZWS2MJQGAWWI2LTNMWTACQ-"),
            "the appliance refuses the plain name",
        ),
        deviation(
            "vname",
            json!(["vm-\u{fc}-disk"]),
            json!("vh_vm-_-disk_OZWS3Q54FVSGS43L"),
            "the appliance refuses the plain name",
        ),
        deviation("vname", json!([too_long]), None, "ZFS refuses 667 bytes"),
        deviation(
            "vname_to_id",
            json!(["vh_x_MFRGG---"]),
            None,
            "the volume of the id abc is v_abc, not this one",
        ),
        deviation(
            "vname_to_id",
            json!(["vb_MFRGG---"]),
            None,
            "the volume of the id abc is v_abc, not this one",
        ),
        deviation(
            "sname",
            json!(["snap1", ""]),
            None,
            "an export of no volume",
        ),
        deviation(
            "sname",
            json!(["s.1", ""]),
            None,
            "an export of no volume, under the name of the snapshot itself",
        ),
        deviation(
            "hidden",
            json!(["v_vm-100-disk-0"]),
            None,
            "nothing uses hidden names",
        ),
        deviation(
            "hidden",
            json!(["s_snap1"]),
            None,
            "nothing uses hidden names",
        ),
        deviation(
            "hidden",
            json!(["se_s_MFRGG---"]),
            None,
            "nothing uses hidden names, and this one has lost its id",
        ),
        deviation(
            "wwid_from_lun_scsi_id",
            json!(["short"]),
            None,
            "the target pads the id, so the host shows another WWID",
        ),
        deviation(
            "wwid_from_lun_scsi_id",
            json!([""]),
            None,
            "no id is not yet an id",
        ),
        deviation(
            "time_to_epoch(TZ=UTC)",
            json!([""]),
            None,
            "an unknown time is not 1970",
        ),
        deviation(
            "time_to_epoch(TZ=UTC)",
            json!(["garbage"]),
            None,
            "an unknown time is not 1970",
        ),
        deviation(
            "time_to_epoch(TZ=UTC)",
            json!([null]),
            None,
            "an unknown time is not 1970",
        ),
    ]
}

/// What this crate makes of the arguments.
fn ours(function: &str, args: &Value) -> Outcome {
    let text = |index: usize| args[index].as_str();
    let first = text(0).unwrap_or_default();
    match function {
        "vname" => Some(json!(first.parse::<VolumeId>().ok()?.physical_name())),
        "idname" => Some(json!(display_name(first))),
        "vname_to_id" => {
            let id = VolumeId::from_physical(first)?;
            // Theirs is a pair for plain names.
            Some(match first.starts_with("v_") {
                true => json!([id.as_str(), null]),
                false => json!(id.as_str()),
            })
        }
        "sname" => {
            let id: SnapshotId = first.parse().ok()?;
            Some(json!(match (text(1), text(2)) {
                (None, _) => id.physical_name(),
                (Some(volume), None) => id.export_name(&volume.parse().ok()?).ok()?,
                (Some(dataset), Some(file)) => id.nas_export_name(dataset, file).ok()?,
            }))
        }
        "sname_to_id" => {
            let parts = SnapshotParts::parse(first)?;
            Some(json!([parts.id, parts.volume]))
        }
        "proxid_from_sname" => Some(json!(
            SnapshotParts::parse(first).and_then(|parts| parts.nas_volume)
        )),
        "is_volume" => Some(json!(classify(first) == Class::Volume)),
        "is_snapshot" => Some(json!(classify(first) == Class::Snapshot)),
        "is_hidden" => Some(json!(classify(first) == Class::Hidden)),
        "jbase32" => Some(json!(base32_encode(first))),
        "jbase32_decode" => base32_decode(first).map(|text| json!(text)),
        "wwid_from_lun_scsi_id" => Some(json!(first.parse::<ScsiId>().ok()?.wwid())),
        "origin_volume" => Some(json!(origin(args).map(|origin| origin.volume))),
        "origin_snapshot" => Some(json!(origin(args).map(|origin| origin.snapshot))),
        "chap_user_ok" => Some(json!(first.parse::<ChapUser>().is_ok())),
        "chap_password_ok" => {
            // Long ones are written as `a*255`.
            let password = match first.strip_prefix("a*") {
                Some(count) => "a".repeat(count.parse().expect("a number")),
                None => first.to_owned(),
            };
            Some(json!(
                ChapPassword::new(SecretString::from(password)).is_ok()
            ))
        }
        "acquire_target_lun" => Some(place(args)),
        "time_to_epoch(TZ=UTC)" => {
            let text = match &args[0] {
                Value::Number(number) => number.to_string(),
                other => other.as_str().unwrap_or_default().to_owned(),
            };
            Some(json!(SnapshotTime::parse(&text)?.seconds(0)))
        }
        // There is no such function here.
        "hidden" => None,
        _ => panic!("no counterpart of {function}"),
    }
}

fn origin(args: &Value) -> Option<Origin> {
    Origin::parse(args[0]["origin"].as_str()?)
}

#[test]
fn all_vectors_agree_with_the_existing_client_or_are_listed_as_deviations() {
    let vectors: Vec<Value> =
        serde_json::from_str(include_str!("../../fixtures/naming_vectors.json")).unwrap();
    assert_eq!(vectors.len(), 274);
    let mut deviations = deviations();
    let mut wrong = Vec::new();
    for vector in &vectors {
        let function = vector["fn"].as_str().unwrap();
        let args = &vector["args"];
        let theirs = vector.get("out").cloned();
        let ours = ours(function, args);
        let listed = deviations
            .iter()
            .position(|d| d.function == function && d.args == *args)
            .map(|index| deviations.swap_remove(index));
        match listed {
            None if ours == theirs => {}
            Some(Deviation {
                ours: expected,
                reason,
                ..
            }) if ours == expected && ours != theirs && !reason.is_empty() => {}
            listed => wrong.push(format!(
                "{function} {args}: theirs {theirs:?}, ours {ours:?}, listed {:?}",
                listed.map(|d| d.ours)
            )),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let unused: Vec<String> = deviations
        .iter()
        .map(|d| format!("{} {}", d.function, d.args))
        .collect();
    assert!(
        unused.is_empty(),
        "deviations without a vector: {unused:#?}"
    );
}

#[test]
fn the_appliance_and_the_host_agree_on_the_identity_of_a_disk() {
    let vectors: Vec<Value> =
        serde_json::from_str(include_str!("../../fixtures/naming_vectors.json")).unwrap();
    let mut tried = 0;
    for vector in vectors.iter().filter(|v| v.get("volume_get_i").is_some()) {
        let Ok(id) = vector["args"][0].as_str().unwrap().parse::<ScsiId>() else {
            continue;
        };
        // The existing client's second way: all characters in hex, cut to 16 digits.
        let hex = vector["volume_get_i"].as_str().unwrap();
        assert_eq!(format!("2{}", &hex[..16]), id.wwid());
        assert_eq!(vector["volume_get_i_consumer"], json!(id.wwid()));
        tried += 1;
    }
    assert_eq!(tried, 4);
}
