//! From the configuration to what the engine wants.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use jdss_rest::{Client, ClusterPrefix, NameError, TargetGroup, Tls};
use jdss_sys::Root;

use crate::attach::{Connect, Error, Volume};
use crate::config::{ConfigError, StorageConfig, passwords};
use crate::last_good::LastGood;

/// The certificate authorities that this host trusts, as Debian keeps them.
const HOST_CA: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Why a configured storage cannot be used for a volume.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The configuration lacks something.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A name cannot be used on the appliance.
    #[error("{what} `{value}` cannot be used")]
    Name {
        /// What it is.
        what: &'static str,
        /// What was found.
        value: String,
        /// What is allowed.
        #[source]
        source: NameError,
    },
    /// The storage wants CHAP, which this release does not speak.
    #[error(
        "storage {storage} has `chap_enabled 1`, and this release cannot log in with CHAP yet; \
         it does not log in without it either"
    )]
    Chap {
        /// The storage.
        storage: String,
    },
}

/// The volume `name` of a storage, as the engine wants it.
///
/// # Errors
///
/// * [`SetupError::Config`]: the pool is missing in the configuration.
/// * [`SetupError::Name`]: the volume or the target prefix has a name that the
///   appliance cannot have.
/// * [`SetupError::Chap`]: the storage wants CHAP.
pub fn volume(storage: &StorageConfig, name: &str) -> Result<Volume, SetupError> {
    if storage.chap_enabled {
        return Err(SetupError::Chap {
            storage: storage.id.clone(),
        });
    }
    let named = |what, value: &str| {
        let value = value.to_owned();
        move |source| SetupError::Name {
            what,
            value,
            source,
        }
    };
    // A cluster's volumes carry its prefix on the appliance, and there alone.
    let id = match &storage.cluster_prefix {
        Some(prefix) => prefix
            .parse::<ClusterPrefix>()
            .and_then(|prefix| prefix.apply(name)),
        None => name.parse(),
    };
    Ok(Volume {
        storage: storage.id.clone(),
        name: name.to_owned(),
        id: id.map_err(named("volume name", name))?,
        pool: storage.pool()?.to_owned(),
        target_prefix: storage
            .target_prefix
            .parse()
            .map_err(named("target_prefix", &storage.target_prefix))?,
        group: TargetGroup::of(name).map_err(named("volume name", name))?,
        luns_per_target: storage.luns_per_target,
        data_addresses: storage.data_addresses.clone(),
        data_port: storage.data_port,
        multipath: storage.multipath,
    })
}

/// The appliance of a storage: a client is made, and the password read, only
/// when it is asked for one.
///
/// The control address that answered last is asked first, also by the next
/// process: it is kept in `/run/jdss`, by [`remember`](Self::remember).
#[derive(Debug)]
pub struct Appliance<'a> {
    storage: &'a StorageConfig,
    password_file: Option<PathBuf>,
    last_good: LastGood,
    client: OnceLock<Client>,
}

impl<'a> Appliance<'a> {
    /// The appliance of `storage`; its password in the usual place, unless a
    /// file is given.
    #[must_use]
    pub fn new(storage: &'a StorageConfig, password_file: Option<&Path>) -> Self {
        Self {
            storage,
            password_file: password_file.map(Path::to_owned),
            last_good: LastGood::new(Root::host(), &storage.id),
            client: OnceLock::new(),
        }
    }

    /// Keeps what is remembered below another root than `/`, as tests do.
    #[must_use]
    pub fn remembering_below(self, root: Root) -> Self {
        let last_good = LastGood::new(root, &self.storage.id);
        Self { last_good, ..self }
    }

    /// Keeps the control address that answered last, for the next process.
    ///
    /// Costs nothing where it is the same as before, or where none was asked.
    /// It only spares the next process a time-out, so it cannot fail.
    pub fn remember(&self) {
        if let Some(address) = self.client.get().and_then(Client::last_good) {
            self.last_good.store(address.ip());
        }
    }

    fn client(&self) -> Result<Client, Error> {
        let storage = self.storage;
        let passwords = passwords(self.password_file.as_deref(), &storage.id)
            .map_err(|e| Error::Setup(Box::new(e)))?;
        let mut builder = Client::builder(storage.control_addresses.clone())
            .port(storage.control_port)
            .credentials(&storage.user_name, passwords.user)
            .tls(tls(storage));
        if let Some(address) = self.last_good.load() {
            builder = builder.prefer(address);
        }
        builder.build().map_err(|e| Error::Setup(Box::new(e)))
    }
}

/// A pin is stricter than no verification, and stands where the usual one cannot: it goes first.
fn tls(storage: &StorageConfig) -> Tls {
    if !storage.fingerprints.is_empty() {
        return Tls::Pin(storage.fingerprints.clone());
    }
    match (storage.ssl_cert_verify, Path::new(HOST_CA).exists()) {
        (false, _) => Tls::Insecure,
        (true, true) => Tls::CaFile(HOST_CA.into()),
        (true, false) => Tls::WebPki,
    }
}

impl Connect for Appliance<'_> {
    fn connect(&self) -> Result<Client, Error> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let client = self.client()?;
        Ok(self.client.get_or_init(|| client).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn storage(more: &str) -> StorageConfig {
        let text = format!(
            "joviandss: jovian\n\tpool_name Pool-0\n\tuser_name admin\n\tdata_addresses 10.1.0.11\n{more}"
        );
        Config::parse(Path::new("storage.cfg"), &text)
            .storage("jovian")
            .unwrap()
            .clone()
    }

    #[test]
    fn a_cluster_prefix_is_part_of_the_name_on_the_appliance_alone() {
        let volume = volume(&storage("\tcluster_prefix pveA\n"), "vm-100-disk-0").unwrap();
        assert_eq!(volume.id.physical_name(), "v_pveA_vm-100-disk-0");
        assert_eq!(volume.name, "vm-100-disk-0");
        assert_eq!(volume.group.as_str(), "vm-100");
    }

    #[test]
    fn a_fingerprint_is_what_counts_of_a_certificate() {
        let pin = "AB".repeat(32);
        let pins = vec![pin.parse().unwrap()];
        let pinned = storage(&format!("\tfingerprint {pin}\n\tssl_cert_verify 0\n"));
        assert_eq!(tls(&pinned), Tls::Pin(pins));
        assert_eq!(tls(&storage("\tssl_cert_verify 0\n")), Tls::Insecure);
        assert_ne!(tls(&storage("")), Tls::Insecure);
    }

    #[test]
    fn a_storage_that_wants_chap_is_not_used_without_it() {
        let chap = storage("\tchap_enabled 1\n\tchap_user_name user\n");
        assert!(matches!(
            volume(&chap, "vm-100-disk-0"),
            Err(SetupError::Chap { .. })
        ));
    }

    #[test]
    fn a_volume_without_a_name_is_refused() {
        for more in ["", "\tcluster_prefix pveA\n"] {
            let error = volume(&storage(more), "").unwrap_err();
            assert!(matches!(error, SetupError::Name { .. }), "{error}");
        }
    }
}
