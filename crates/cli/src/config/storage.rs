//! One storage, with every default filled in.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use jdss_rest::Fingerprint;

use super::error::{ConfigError, Place, shorten};
use super::property::{self, Kind, Value, words};
use super::syntax::Section;

/// The beginning of target names where none is configured.
const TARGET_PREFIX: &str = "iqn.2025-04.proxmox.joviandss.iscsi:";

/// One section of type `joviandss`, checked, with defaults filled in.
///
/// Properties that only the existing plugin has a use for, such as its lock times and log file,
/// are checked and left out.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StorageConfig {
    /// The storage's id.
    pub id: String,
    /// Pool of the appliance; [`StorageConfig::pool`] insists on it.
    pub pool_name: Option<String>,
    /// Addresses of the REST API. Default: the data addresses.
    pub control_addresses: Vec<IpAddr>,
    /// Port of the REST API. Default: 82.
    pub control_port: u16,
    /// Addresses that volumes are reached at, one path each, at least one.
    pub data_addresses: Vec<IpAddr>,
    /// iSCSI port at each data address. Default: 3260.
    pub data_port: u16,
    /// User of the REST API.
    pub user_name: String,
    /// Whether the appliance's certificate is checked. Default: yes.
    pub ssl_cert_verify: bool,
    /// The appliance's certificates, one for each head of a cluster; where there are any, they
    /// count alone, whatever [`ssl_cert_verify`](Self::ssl_cert_verify) says. Default: none.
    pub fingerprints: Vec<Fingerprint>,
    /// Beginning of target names, in lower case, with a colon at the end.
    /// Default: `iqn.2025-04.proxmox.joviandss.iscsi:`.
    pub target_prefix: String,
    /// How many LUNs a target gets before the next one is made. Default: 8.
    pub luns_per_target: u16,
    /// Whether volumes are brought up with multipath. Default: no.
    pub multipath: bool,
    /// Whether targets ask for CHAP. Default: no.
    pub chap_enabled: bool,
    /// CHAP user.
    pub chap_user_name: Option<String>,
    /// Stands, with a `_`, before each volume's name on the appliance. Default: nothing.
    pub cluster_prefix: Option<String>,
    /// Block size of new volumes in bytes. Default: 16384.
    pub block_size: u64,
    /// Whether new volumes take space only when written. Default: yes.
    pub thin_provisioning: bool,
    /// What Proxmox VE may put there. Default: `images` and `rootdir`.
    pub content: Vec<String>,
    /// Whether all nodes see the same. Default: no.
    pub shared: bool,
    /// Whether the storage is switched off. Default: no.
    pub disable: bool,
    /// Nodes that may use it; empty: all.
    pub nodes: Vec<String>,
    /// Directory that Proxmox VE was given for it.
    pub path: Option<PathBuf>,
    /// Whether `user_password` is in the configuration, as old releases of the existing plugin
    /// had it. It is not used and not kept: the password file counts.
    pub has_inline_password: bool,
    at: Place,
}

impl StorageConfig {
    /// The pool of the appliance.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Missing`]: the section has no `pool_name`.
    pub fn pool(&self) -> Result<&str, ConfigError> {
        self.pool_name
            .as_deref()
            .ok_or_else(|| ConfigError::Missing {
                at: self.at.clone(),
                section: self.id.clone(),
                property: "pool_name",
            })
    }

    pub(super) fn read(path: &Path, section: &Section<'_>) -> Result<Self, ConfigError> {
        if let Some(problem) = &section.problem {
            return Err(problem.clone());
        }
        let mut values = Values::read(path, section)?;
        let missing = |property| ConfigError::Missing {
            at: Place::new(path, section.line),
            section: section.id.to_owned(),
            property,
        };
        let data_addresses = values
            .addresses("data_addresses")
            .ok_or_else(|| missing("data_addresses"))?;
        let control_addresses = values
            .addresses("control_addresses")
            .filter(|addresses| !addresses.is_empty())
            .unwrap_or_else(|| data_addresses.clone());
        let list = |text: Option<String>| -> Vec<String> {
            text.iter()
                .flat_map(|text| words(text))
                .map(str::to_owned)
                .collect()
        };
        let storage = Self {
            id: section.id.to_owned(),
            pool_name: values.text("pool_name"),
            control_addresses,
            control_port: values.number("control_port", 82),
            data_addresses,
            data_port: values.number("data_port", 3260),
            user_name: values
                .text("user_name")
                .ok_or_else(|| missing("user_name"))?,
            ssl_cert_verify: values.flag("ssl_cert_verify", true),
            fingerprints: values.fingerprints(),
            target_prefix: values
                .text("target_prefix")
                .unwrap_or_else(|| TARGET_PREFIX.to_owned()),
            luns_per_target: values.number("luns_per_target", 8),
            multipath: values.flag("multipath", false),
            chap_enabled: values.flag("chap_enabled", false),
            chap_user_name: values.text("chap_user_name"),
            cluster_prefix: values.text("cluster_prefix"),
            block_size: values.number("block_size", 16 * 1024),
            thin_provisioning: values.flag("thin_provisioning", true),
            content: list(
                values
                    .text("content")
                    .or_else(|| Some("images,rootdir".to_owned())),
            ),
            shared: values.flag("shared", false),
            disable: values.flag("disable", false),
            nodes: list(values.text("nodes")),
            path: values.text("path").map(PathBuf::from),
            has_inline_password: values.0.contains_key("user_password"),
            at: Place::new(path, section.line),
        };
        if storage.chap_enabled && storage.chap_user_name.is_none() {
            return Err(missing("chap_user_name"));
        }
        Ok(storage)
    }
}

/// The checked values of one section, by property.
struct Values(BTreeMap<&'static str, (usize, Value)>);

impl Values {
    fn read(path: &Path, section: &Section<'_>) -> Result<Self, ConfigError> {
        let mut values = BTreeMap::new();
        for line in &section.properties {
            let at = Place::new(path, line.line);
            let section = section.id.to_owned();
            let Some((property, kind)) = property::find(line.name) else {
                return Err(ConfigError::UnknownProperty {
                    at,
                    section,
                    property: shorten(line.name),
                    nearest: property::nearest(line.name),
                });
            };
            if matches!(kind, Kind::Secret { tolerated: false }) {
                return Err(ConfigError::InlineSecret {
                    at,
                    section,
                    property,
                });
            }
            let value = match kind.check(line.value) {
                Ok(value) => value,
                Err(allowed) => {
                    let found = shorten(line.value.unwrap_or_default());
                    return Err(ConfigError::BadValue {
                        at,
                        section,
                        property,
                        found,
                        allowed,
                    });
                }
            };
            if let Some((first, _)) = values.insert(property, (line.line, value)) {
                return Err(ConfigError::PropertyTwice {
                    at,
                    section,
                    property,
                    first,
                });
            }
        }
        Ok(Self(values))
    }

    fn text(&mut self, property: &str) -> Option<String> {
        match self.0.remove(property) {
            Some((_, Value::Text(text))) => Some(text),
            _ => None,
        }
    }

    fn addresses(&mut self, property: &str) -> Option<Vec<IpAddr>> {
        match self.0.remove(property) {
            Some((_, Value::Addresses(addresses))) => Some(addresses),
            _ => None,
        }
    }

    fn fingerprints(&mut self) -> Vec<Fingerprint> {
        match self.0.remove("fingerprint") {
            Some((_, Value::Fingerprints(fingerprints))) => fingerprints,
            _ => Vec::new(),
        }
    }

    fn flag(&self, property: &str, default: bool) -> bool {
        match self.0.get(property) {
            Some((_, Value::Flag(flag))) => *flag,
            _ => default,
        }
    }

    /// The property's kind allows no number that is too large for `T`.
    fn number<T: TryFrom<u64>>(&self, property: &str, default: T) -> T {
        match self.0.get(property) {
            Some((_, Value::Number(number))) => T::try_from(*number).unwrap_or(default),
            _ => default,
        }
    }
}
