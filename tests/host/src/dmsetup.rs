//! `dmsetup`, of which the read-only `status` and `info -o open` are known.

use crate::Ran;
use crate::state::{Map, State};

impl State {
    /// `dmsetup ARGS`.
    ///
    /// # Panics
    ///
    /// For anything but `status [NAME]`, `status --target multipath` and
    /// `info -c --noheadings -o open NAME`.
    pub(crate) fn dmsetup(&self, args: &[&str]) -> Ran {
        match args {
            ["status"] => {
                let maps = self.maps.values().map(|map| (&map.name, status(map)));
                let stacked = self.stacked.values();
                let stacked = stacked.map(|dm| (&dm.name, format!("0 {} linear ", dm.size / 512)));
                list(maps.chain(stacked))
            }
            ["status", "--target", "multipath"] => {
                list(self.maps.values().map(|map| (&map.name, status(map))))
            }
            ["status", name] if !name.starts_with('-') => match self.map_named(name) {
                Some(map) => Ran::new(0, &format!("{}\n", status(map)), ""),
                None => missing(),
            },
            ["info", "-c", "--noheadings", "-o", "open", name] if !name.starts_with('-') => {
                match self.map_named(name) {
                    Some(map) => Ran::new(0, &format!("{}\n", self.open_count(map.minor)), ""),
                    None => missing(),
                }
            }
            other => crate::unknown("dmsetup", other),
        }
    }

    fn map_named(&self, name: &str) -> Option<&Map> {
        let name = name.strip_prefix("/dev/mapper/").unwrap_or(name);
        let map = self.maps.values().find(|map| map.name == name)?;
        Some(map)
    }

    /// How often the map is open: holders and openers, partition maps too.
    pub(crate) fn open_count(&self, minor: u32) -> usize {
        self.holds_of(&format!("dm-{minor}")).count()
    }
}

fn missing() -> Ran {
    Ran::new(1, "", "Device does not exist.\nCommand failed.\n")
}

fn list<'a>(lines: impl Iterator<Item = (&'a String, String)>) -> Ran {
    let text: String = lines
        .map(|(name, status)| format!("{name}: {status}\n"))
        .collect();
    if text.is_empty() {
        return Ran::new(0, "No devices found\n", "");
    }
    Ran::new(0, &text, "")
}

/// `0 131072 multipath 2 0 0 0 1 1 A 0 2 0 8:0 A 0 8:16 F 1 `
fn status(map: &Map) -> String {
    let mut text = format!("0 {} multipath 2 0 0 0 ", map.size / 512);
    if map.paths.is_empty() {
        return text + "0 0 ";
    }
    text += &format!("1 1 A 0 {} 0 ", map.paths.len());
    for path in &map.paths {
        let state = if path.failed { 'F' } else { 'A' };
        text += &format!("{} {state} {} ", path.dev, path.fails);
    }
    text
}
