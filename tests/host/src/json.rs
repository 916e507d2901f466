//! multipathd's JSON, as 0.9.4 and 0.11.1 print it.

use crate::state::{Map, MapPath, State};

const HEAD: &str = "{\n   \"major_version\": 0,\n   \"minor_version\": 1,\n";

pub(crate) fn maps(state: &State) -> String {
    let maps: Vec<String> = state.maps.values().map(|map| body(state, map)).collect();
    if maps.is_empty() {
        return format!("{HEAD}   \"maps\": []\n}}\n");
    }
    format!("{HEAD}   \"maps\": [{{{}}}]\n}}\n", maps.join("},{"))
}

pub(crate) fn map(state: &State, map: &Map) -> String {
    format!("{HEAD}   \"map\":{{{}}}\n}}\n", body(state, map))
}

fn body(state: &State, map: &Map) -> String {
    let (name, wwid, minor) = (&map.name, &map.wwid, map.minor);
    let (queueing, features) = match map.queueing {
        true => ("on", "1 queue_if_no_path"),
        false => ("off", "0"),
    };
    let up = map.paths.iter().filter(|path| !path.failed).count();
    let dm_st = if map.suspended { "suspend" } else { "active" };
    let (vendor, model) = (&map.vendor, &map.model);
    let faults: u32 = map.paths.iter().map(|path| path.fails).sum();
    let paths: Vec<String> = map.paths.iter().map(|path| line(state, path)).collect();
    let groups = if paths.is_empty() {
        "[]".to_owned()
    } else {
        let pri = u32::from(up > 0);
        format!(
            r#"[{{
         "selector" : "round-robin 0",
         "pri" : {pri},
         "dm_st" : "active",
         "marginal_st" : "normal",
         "group" : 1,
         "paths": [{{{}}}]
      }}]"#,
            paths.join("},{")
        )
    };
    format!(
        r#"
      "name" : "{name}",
      "uuid" : "{wwid}",
      "sysfs" : "dm-{minor}",
      "failback" : "-",
      "queueing" : "{queueing}",
      "paths" : {up},
      "write_prot" : "rw",
      "dm_st" : "{dm_st}",
      "features" : "{features}",
      "hwhandler" : "0",
      "action" : "",
      "path_faults" : {faults},
      "vend" : "{vendor}",
      "prod" : "{model}",
      "rev" : "3110",
      "switch_grp" : 0,
      "map_loads" : 1,
      "total_q_time" : 0,
      "q_timeouts" : 0,
      "path_groups": {groups}
   "#
    )
}

fn line(state: &State, path: &MapPath) -> String {
    let disk = &state.disks[&path.disk];
    let (name, dev, target) = (disk.name(), &path.dev, &path.target);
    let dm_st = if path.failed { "failed" } else { "active" };
    let chk_st = match disk.state {
        "running" if !path.held_failed => "ready",
        "blocked" if !path.failed => "ready",
        _ => "faulty",
    };
    // multipathd shows transport-offline as running, as measured.
    let lun = disk.lun;
    format!(
        r#"
            "dev" : "{name}",
            "dev_t" : "{dev}",
            "dm_st" : "{dm_st}",
            "dev_st" : "running",
            "chk_st" : "{chk_st}",
            "checker" : "tur",
            "pri" : 1,
            "host_wwnn" : "[undef]",
            "target_wwnn" : "{target}",
            "host_wwpn" : "[undef]",
            "target_wwpn" : "[undef]",
            "host_adapter" : "[undef]",
            "lun_hex" : "0x{lun:04x}000000000000",
            "marginal_st" : "normal"
         "#
    )
}
