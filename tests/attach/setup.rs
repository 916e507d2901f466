//! What the command remembers from one process to the next.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jdss::attach::Connect;
use jdss::config::Config;
use jdss::setup;
use jdss_sim::Appliance;
use jdss_sys::Root;

/// An appliance with two control addresses, and where a host keeps its files.
struct Place {
    appliance: Appliance,
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let appliance = Appliance::builder()
            .pool("Pool-0")
            .rest("127.0.0.1:0")
            .rest("127.0.0.2:0")
            .start()
            .expect("loopback addresses are free");
        let directory = tempfile::tempdir().expect("a directory");
        let place = Self {
            appliance,
            directory,
        };
        let file = place.password_file();
        #[expect(clippy::disallowed_methods, reason = "nobody else reads it")]
        fs::write(&file, "user_password secret\n").expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("ours");
        place
    }

    fn password_file(&self) -> PathBuf {
        self.directory.path().join("password")
    }

    /// One process: it reads the pool, and says which address it asked.
    fn process(&self, addresses: &str) -> String {
        let port = self.appliance.rest_addr().port();
        let text = format!(
            "joviandss: jovian\n\tpool_name Pool-0\n\tuser_name admin\n\tdata_addresses 10.1.0.11\n\
             \tcontrol_addresses {addresses}\n\tcontrol_port {port}\n\tssl_cert_verify 0\n"
        );
        let config = Config::parse(Path::new("storage.cfg"), &text);
        let storage = config.storage("jovian").expect("a valid section");
        let appliance = setup::Appliance::new(storage, Some(&self.password_file()))
            .remembering_below(Root::at(self.directory.path()));
        let client = appliance.connect().expect("a client");
        self.appliance.clear_log();
        let deadline = Instant::now() + Duration::from_secs(60);
        client.pool("Pool-0").info(deadline).expect("an answer");
        // One client a process, so that it learns once.
        let again = appliance.connect().expect("a client");
        assert_eq!(again.last_good(), client.last_good());
        appliance.remember();
        let asked = self.appliance.requests();
        assert_eq!(asked.len(), 1);
        asked[0].local.ip().to_string()
    }
}

#[test]
fn the_next_process_asks_the_address_that_answered_the_last_one() {
    let place = Place::new();
    let both = "127.0.0.1,127.0.0.2";
    let first = place.appliance.rest_addrs()[0];
    place.appliance.close_rest(first).unwrap();
    assert_eq!(place.process(both), "127.0.0.2");
    place.appliance.open_rest(first).unwrap();
    assert_eq!(place.process(both), "127.0.0.2");
    // An address that is configured no more is not asked.
    assert_eq!(place.process("127.0.0.1"), "127.0.0.1");
    assert_eq!(place.process(both), "127.0.0.1");
    assert!(place.appliance.violations().is_empty());
}
