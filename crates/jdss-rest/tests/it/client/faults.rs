//! Each thing that can go wrong on the way: what the caller gets, and what the
//! simulated appliance was asked.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use data_encoding::BASE64_MIME_PERMISSIVE;
use jdss_rest::{Builder, Client, Error, ErrorKind, Fingerprint, Tls};
use jdss_sim::{Appliance, Fault};

use crate::script::soon;

const INFO: &str = "/pools/{pool}";
const TARGETS: &str = "/pools/{pool}/san/iscsi/targets";
const TARGET: &str = "/pools/{pool}/san/iscsi/targets/{target}";
const IQN: &str = "iqn.a:b-0";

fn start() -> Appliance {
    Appliance::builder()
        .pool("Pool-0")
        .vip("Pool-0", "vip1", "127.0.0.11".parse().expect("an address"))
        .rest("127.0.0.1:0")
        .rest("127.0.0.2:0")
        .start()
        .expect("loopback addresses are free")
}

/// How long a black hole is waited for: longer than a good address takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(3);

/// A client that asks each address once, and pauses for no time that counts.
fn builder(appliance: &Appliance) -> Builder {
    let addresses = appliance.rest_addrs();
    Client::builder(addresses.iter().map(SocketAddr::ip).collect())
        .port(appliance.rest_addr().port())
        .credentials("admin", "secret".to_owned().into())
        .tls(Tls::Pin(vec![fingerprint(appliance)]))
        .connect_timeout(Duration::from_secs(60))
        .retry_pause(Duration::from_millis(1))
        .outage(Duration::ZERO)
}

fn client(appliance: &Appliance) -> Client {
    builder(appliance).build().expect("a pin")
}

fn fingerprint(appliance: &Appliance) -> Fingerprint {
    let pem = appliance.ca_pem();
    let lines = pem.lines().filter(|line| !line.starts_with("-----"));
    let der = BASE64_MIME_PERMISSIVE.decode(lines.collect::<String>().as_bytes());
    Fingerprint::of(&der.expect("PEM"))
}

fn info(client: &Client) -> Result<(), Error> {
    client.pool("Pool-0").info(soon()).map(|_| ())
}

fn create(client: &Client) -> Result<(), Error> {
    let made = client.pool("Pool-0").create_target(IQN, &[], soon());
    made.map(|_| ())
}

fn change(client: &Client) -> Result<(), Error> {
    let vips = ["vip1".to_owned()];
    client.pool("Pool-0").set_target_vips(IQN, &vips, soon())
}

/// Last part of the address, method and whether it was done, of each request.
fn asked(appliance: &Appliance) -> Vec<(u8, String, bool)> {
    let requests = appliance.requests();
    let row = |request: &jdss_sim::Request| {
        let SocketAddr::V4(local) = request.local else {
            panic!("IPv4 only")
        };
        let method = request.method.clone();
        (local.ip().octets()[3], method, request.carried_out)
    };
    requests.iter().map(row).collect()
}

fn rows(rows: &[(u8, &str, bool)]) -> Vec<(u8, String, bool)> {
    let owned = |&(address, method, done): &(u8, &str, bool)| (address, method.to_owned(), done);
    rows.iter().map(owned).collect()
}

#[track_caller]
fn assert_clean(appliance: &Appliance) {
    let violations = appliance.violations();
    assert!(violations.is_empty(), "{violations:#?}");
}

#[test]
fn refused_at_one_address_the_other_is_asked_for_everything() {
    let appliance = start();
    appliance.close_rest(appliance.rest_addrs()[0]).unwrap();
    let client = client(&appliance);
    create(&client).unwrap();
    info(&client).unwrap();
    change(&client).unwrap();
    // This firmware says nothing to a change: it is looked at.
    let expected = [
        (2, "POST", true),
        (2, "GET", true),
        (2, "PUT", true),
        (2, "GET", true),
    ];
    assert_eq!(asked(&appliance), rows(&expected));
    assert_clean(&appliance);
}

#[test]
fn a_black_hole_costs_one_connection_and_none_where_the_good_address_is_known() {
    let appliance = start();
    let first = appliance.rest_addrs()[0];
    appliance.silence_rest(first).unwrap();
    let short = builder(&appliance).connect_timeout(PATIENCE);
    let one = short.build().unwrap();
    create(&one).unwrap();
    info(&one).unwrap();
    assert_eq!(appliance.connections(first).unwrap().accepted, 1);
    assert_eq!(appliance.connections(first).unwrap().handshakes, 0);
    let good = one.last_good().unwrap().ip();
    let other = builder(&appliance).prefer(good).build().unwrap();
    info(&other).unwrap();
    assert_eq!(appliance.connections(first).unwrap().accepted, 1);
    let expected = [(2, "POST", true), (2, "GET", true), (2, "GET", true)];
    assert_eq!(asked(&appliance), rows(&expected));
    assert_clean(&appliance);
}

#[test]
fn a_black_hole_leaves_time_for_the_other_address() {
    let appliance = start();
    appliance.silence_rest(appliance.rest_addrs()[0]).unwrap();
    let slow = builder(&appliance).connect_timeout(Duration::from_secs(3600));
    let client = slow.build().unwrap();
    let deadline = Instant::now() + PATIENCE * 2;
    client.pool("Pool-0").info(deadline).unwrap();
    assert_eq!(asked(&appliance), rows(&[(2, "GET", true)]));
    assert_clean(&appliance);
}

#[test]
fn a_probe_of_black_holes_ends_with_its_deadline() {
    let appliance = start();
    for address in appliance.rest_addrs() {
        appliance.silence_rest(address).unwrap();
    }
    let patient = builder(&appliance)
        .outage(Duration::from_secs(3600))
        .connect_timeout(Duration::from_secs(3600));
    let client = patient.build().unwrap();
    let deadline = Instant::now() + Duration::from_secs(2);
    let error = client.pool("Pool-0").info(deadline).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    let part = format!("{}: no TLS connection within", appliance.rest_addr());
    assert!(error.to_string().contains(&part), "{error}");
    assert!(appliance.requests().is_empty());
}

#[test]
fn a_creation_that_could_not_connect_in_time_is_not_taken_for_a_lost_answer() {
    let appliance = start();
    for address in appliance.rest_addrs() {
        appliance.silence_rest(address).unwrap();
    }
    let slow = builder(&appliance).connect_timeout(Duration::from_secs(3600));
    let client = slow.build().unwrap();
    let deadline = Instant::now() + Duration::from_secs(2);
    let error = client.pool("Pool-0").create_target(IQN, &[], deadline);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Unreachable);
    assert!(appliance.requests().is_empty());
}

#[test]
fn a_creation_is_not_taken_for_a_lost_answer_however_near_the_deadline_is() {
    let appliance = start();
    for address in appliance.rest_addrs() {
        appliance.silence_rest(address).unwrap();
    }
    let client = builder(&appliance).build().unwrap();
    for micros in (20..2000).step_by(20) {
        let deadline = Instant::now() + Duration::from_micros(micros);
        let made = client.pool("Pool-0").create_target(IQN, &[], deadline);
        let error = made.unwrap_err();
        let lost = matches!(error, Error::LostReply { .. });
        assert!(!lost, "{micros}: {error:?}");
    }
}

#[test]
fn an_address_that_goes_away_is_left_for_the_other() {
    let appliance = start();
    let first = appliance.rest_addrs()[0];
    let client = client(&appliance);
    info(&client).unwrap();
    appliance.close_rest(first).unwrap();
    info(&client).unwrap();
    create(&client).unwrap();
    let expected = [(1, "GET", true), (2, "GET", true), (2, "POST", true)];
    assert_eq!(asked(&appliance), rows(&expected));
    assert_clean(&appliance);
}

#[test]
fn an_outage_of_all_addresses_is_ridden_out_for_creations_too() {
    let appliance = start();
    let client = builder(&appliance)
        .outage(Duration::from_secs(60))
        .build()
        .unwrap();
    for address in appliance.rest_addrs() {
        appliance.close_rest(address).unwrap();
    }
    std::thread::scope(|scope| {
        let call = scope.spawn(|| create(&client));
        // Whenever it comes back: before the first try or after the hundredth.
        appliance.open_rest(appliance.rest_addrs()[1]).unwrap();
        call.join().unwrap().unwrap();
    });
    assert_eq!(asked(&appliance), rows(&[(2, "POST", true)]));
    assert_clean(&appliance);
}

#[test]
fn a_slow_answer_is_waited_for_and_not_asked_for_again() {
    let appliance = start();
    let delay = Fault::Delay(Duration::from_millis(300));
    appliance.fault("GET", INFO, 1, delay).unwrap();
    info(&client(&appliance)).unwrap();
    assert_eq!(asked(&appliance), rows(&[(1, "GET", true)]));
    assert_clean(&appliance);
}

#[test]
fn an_answer_that_never_comes_ends_with_the_deadline_and_one_request() {
    let appliance = start();
    appliance.fault("GET", INFO, 1, Fault::Hang).unwrap();
    appliance.fault("PUT", TARGET, 1, Fault::Hang).unwrap();
    let client = client(&appliance);
    create(&client).unwrap();
    let deadline = || Instant::now() + Duration::from_secs(1);
    let pool = client.pool("Pool-0");
    let errors = [
        pool.info(deadline()).unwrap_err(),
        pool.set_target_vips(IQN, &[], deadline()).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Deadline, "{error}");
        assert!(error.is_transient());
        assert!(error.to_string().contains("no answer within"), "{error}");
    }
    let expected = [(1, "POST", true), (1, "GET", true), (1, "PUT", true)];
    assert_eq!(asked(&appliance), rows(&expected));
    assert_clean(&appliance);
}

#[test]
fn a_lost_answer_is_asked_for_again_only_where_that_does_no_harm() {
    for fault in [Fault::NoReply, Fault::Reset, Fault::Reset.before_work()] {
        let appliance = start();
        let done = fault != Fault::Reset.before_work();
        for (method, route) in [("GET", INFO), ("POST", TARGETS), ("PUT", TARGET)] {
            appliance.fault(method, route, 1, fault.clone()).unwrap();
        }
        let client = client(&appliance);
        info(&client).unwrap();
        let error = create(&client).unwrap_err();
        let Error::LostReply { address, .. } = &error else {
            panic!("{fault:?}: {error:?}")
        };
        assert_eq!(*address, appliance.rest_addr());
        assert!(error.to_string().contains("look before trying again"));
        if !done {
            appliance.create_target("Pool-0", IQN).unwrap();
        }
        change(&client).unwrap();
        let expected = [
            (1, "GET", done),
            (1, "GET", true),
            (1, "POST", done),
            (1, "PUT", done),
            (1, "PUT", true),
            (1, "GET", true),
        ];
        assert_eq!(asked(&appliance), rows(&expected), "{fault:?}");
        assert_clean(&appliance);
    }
}

#[test]
fn wrong_credentials_are_told_by_the_first_address_and_not_tried_again() {
    let appliance = start();
    let patient = builder(&appliance).outage(Duration::from_secs(60));
    let client = patient.build().unwrap();
    info(&client).unwrap();
    appliance.set_password("another");
    for error in [
        info(&client).unwrap_err(),
        create(&client).unwrap_err(),
        change(&client).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Auth);
        assert!(!error.is_transient());
        let text = error.to_string();
        assert!(text.contains("check user and password"), "{text}");
        assert!(text.contains(&appliance.rest_addr().to_string()), "{text}");
    }
    let expected = [
        (1, "GET", true),
        (1, "GET", false),
        (1, "POST", false),
        (1, "PUT", false),
    ];
    assert_eq!(asked(&appliance), rows(&expected));
    assert_clean(&appliance);
}

/// All that an appliance says in passing.
fn passing() -> Vec<Fault> {
    vec![
        Fault::configuration_race(),
        Fault::scst(),
        Fault::os_error(),
        Fault::NoData,
        Fault::no_body(),
        Fault::other_data(),
        Fault::proxy(503),
    ]
}

#[test]
fn what_passes_is_outlasted() {
    for fault in passing() {
        let appliance = start();
        appliance.fault("GET", INFO, 7, fault.clone()).unwrap();
        info(&client(&appliance)).unwrap();
        assert_eq!(appliance.requests().len(), 8, "{fault:?}");
        assert_clean(&appliance);
    }
}

#[test]
fn what_does_not_pass_after_all_is_told_in_its_own_words() {
    for (fault, words) in [
        (Fault::configuration_race(), "changed by another process"),
        (Fault::scst(), "Operation timed out"),
        (Fault::os_error(), "Cannot allocate memory"),
        (Fault::NoData, "empty"),
    ] {
        let appliance = start();
        appliance.fault("GET", INFO, 100, fault.clone()).unwrap();
        let error = info(&client(&appliance)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
        assert!(error.is_transient());
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(appliance.requests().len(), 8, "{fault:?}");
        assert_clean(&appliance);
    }
}

#[test]
fn what_passes_is_not_outlasted_by_a_creation_but_told() {
    for fault in [
        Fault::configuration_race(),
        Fault::scst(),
        Fault::os_error(),
    ] {
        let appliance = start();
        appliance.fault("POST", TARGETS, 1, fault.clone()).unwrap();
        let client = client(&appliance);
        let error = create(&client).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
        assert_eq!(asked(&appliance), rows(&[(1, "POST", false)]), "{fault:?}");
        // Told, so that the caller looks and does it again.
        create(&client).unwrap();
        assert_clean(&appliance);
    }
}

#[test]
fn a_change_is_repeated_while_the_appliance_fails_in_passing() {
    let appliance = start();
    appliance.create_target("Pool-0", IQN).unwrap();
    let race = Fault::configuration_race();
    appliance.fault("PUT", TARGET, 3, race).unwrap();
    change(&client(&appliance)).unwrap();
    assert_eq!(appliance.count("PUT", TARGET), 4);
    assert_clean(&appliance);
}

#[test]
fn no_repetition_begins_that_the_deadline_would_end() {
    let appliance = start();
    let race = Fault::configuration_race();
    appliance.fault("GET", INFO, 100, race).unwrap();
    let slow = builder(&appliance).retry_pause(Duration::from_secs(3600));
    let client = slow.build().unwrap();
    let error = client.pool("Pool-0").info(soon()).unwrap_err();
    // The reason, and not just that time was short.
    assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
    assert_eq!(appliance.requests().len(), 1);
    assert_clean(&appliance);
}

#[test]
fn another_appliance_than_the_pinned_one_gets_no_request() {
    let (appliance, other) = (start(), start());
    let pin = Tls::Pin(vec![fingerprint(&other)]);
    let error = info(&builder(&appliance).tls(pin).build().unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Untrusted);
    let found = fingerprint(&appliance).to_string();
    assert_eq!(error.to_string().matches(&found).count(), 2, "{error}");
    assert!(appliance.requests().is_empty());
    for address in appliance.rest_addrs() {
        assert_eq!(appliance.connections(address).unwrap().accepted, 1);
    }
    assert_clean(&appliance);
}
