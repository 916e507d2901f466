//! Lists in pages: each call counted, nothing left out, nothing twice.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jdss_rest::transport::{Limits, Reply, Request, Transport, TransportError};
use jdss_rest::{Client, Error, ErrorKind, Pool, SnapshotTime};
use serde_json::{Value, json};

use crate::script::{fail, missing, ok, soon};

type Answer = Result<Reply, TransportError>;

/// Answers call number n (from 0) for a path by a function, and remembers the paths.
struct Served<F> {
    answer: F,
    paths: Arc<Mutex<Vec<String>>>,
}

impl<F> std::fmt::Debug for Served<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Served")
    }
}

impl<F: Fn(usize, &str) -> Answer + Send + Sync> Transport for Served<F> {
    fn exchange(&self, _: SocketAddr, request: &Request, _: Limits) -> Answer {
        let mut paths = self.paths.lock().expect("not poisoned");
        paths.push(request.path.clone());
        (self.answer)(paths.len() - 1, &request.path)
    }
}

type Paths = Arc<Mutex<Vec<String>>>;

fn served(answer: impl Fn(usize, &str) -> Answer + Send + Sync + 'static) -> (Pool, Paths) {
    let paths = Paths::default();
    let transport = Served {
        answer,
        paths: Arc::clone(&paths),
    };
    let client = Client::builder(vec!["192.0.2.1".parse().expect("an address")])
        .retry_pause(Duration::ZERO)
        .build_with(transport)
        .expect("one address is enough");
    (client.pool("Pool-0"), paths)
}

fn count(paths: &Paths) -> usize {
    paths.lock().expect("not poisoned").len()
}

fn volume(number: u64) -> Value {
    json!({ "name": format!("v_{number}"), "volsize": "1024" })
}

fn volumes(total: u64, numbers: impl Iterator<Item = u64>) -> Answer {
    ok(json!({ "results": total, "entries": numbers.map(volume).collect::<Vec<_>>() }))
}

/// The number after `page=`.
fn page_of(path: &str) -> u64 {
    let (_, rest) = path.split_once("page=").expect("a page is asked for");
    let number = rest.split('&').next().expect("split gives one part");
    number.parse().expect("a number")
}

/// A hundred volumes a page, `total` in all.
fn steady(total: u64) -> impl Fn(usize, &str) -> Answer {
    move |_, path| {
        let first = page_of(path) * 100;
        volumes(total, first..total.min(first + 100))
    }
}

#[test]
fn ten_thousand_volumes_are_listed_in_exactly_a_hundred_calls() {
    let (pool, paths) = served(steady(10_000));
    let all = pool.volumes(soon()).all().unwrap();
    assert_eq!(all.len(), 10_000);
    assert_eq!(all[9_999].name, "v_9999");
    let paths = paths.lock().unwrap();
    assert_eq!(paths.len(), 100);
    assert_eq!(paths[0], "/pools/Pool-0/volumes?page=0&per_page=100");
    assert_eq!(paths[99], "/pools/Pool-0/volumes?page=99&per_page=100");
}

#[test]
fn no_call_is_made_beyond_the_last_page() {
    for (total, calls) in [(0, 1), (1, 1), (99, 1), (100, 1), (101, 2), (200, 2)] {
        let (pool, paths) = served(steady(total));
        let all = pool.volumes(soon()).all().unwrap();
        assert_eq!((all.len() as u64, count(&paths)), (total, calls));
    }
}

#[test]
fn pages_are_fetched_when_they_are_needed() {
    let (pool, paths) = served(steady(250));
    let mut list = pool.volumes(soon());
    assert_eq!(count(&paths), 0);
    for (taken, calls) in [(100, 1), (1, 2), (99, 2), (50, 3)] {
        assert_eq!(list.by_ref().take(taken).map(Result::unwrap).count(), taken);
        assert_eq!(count(&paths), calls);
    }
    assert!(list.next().is_none());
    assert!(list.next().is_none());
    assert_eq!(count(&paths), 3);
}

#[test]
fn a_list_whose_total_changes_between_pages_is_read_again() {
    // As seen on an overloaded appliance: 112, then 20, then 112 again.
    let (pool, paths) = served(|call, path| match call {
        1 => volumes(20, 0..0),
        _ => steady(112)(call, path),
    });
    assert_eq!(pool.volumes(soon()).all().unwrap().len(), 112);
    assert_eq!(count(&paths), 4);
}

#[test]
fn a_list_that_grows_between_pages_is_read_again() {
    // As many entries as the first page counted, but by then there is one more.
    let (pool, paths) = served(|call, path| match call {
        0 => volumes(150, 0..100),
        1 => volumes(151, 100..150),
        _ => steady(151)(call, path),
    });
    assert_eq!(pool.volumes(soon()).all().unwrap().len(), 151);
    assert_eq!(count(&paths), 4);
}

#[test]
fn a_list_in_which_an_entry_comes_twice_is_read_again() {
    // One was deleted and one made between the pages: the number is the same.
    let (pool, paths) = served(|call, path| match call {
        1 => volumes(150, 99..149),
        _ => steady(150)(call, path),
    });
    let all = pool.volumes(soon()).all().unwrap();
    assert_eq!((all.len(), count(&paths)), (150, 4));
    assert_eq!(all[149].name, "v_149");
}

#[test]
fn a_list_with_more_or_fewer_entries_than_counted_is_read_again() {
    for wrong in [100..150, 100..152] {
        let (pool, paths) = served(move |call, path| match call {
            1 => volumes(151, wrong.clone()),
            2 if wrong.end < 151 => volumes(151, 0..0),
            _ => steady(151)(call, path),
        });
        assert_eq!(pool.volumes(soon()).all().unwrap().len(), 151);
        assert!(count(&paths) >= 4);
    }
}

#[test]
fn a_list_that_never_comes_right_is_an_error_after_three_readings() {
    let (pool, paths) = served(|_, path| match page_of(path) {
        0 => volumes(112, 0..100),
        _ => volumes(112, 0..0),
    });
    let error = pool.volumes(soon()).all().unwrap_err();
    assert_eq!(count(&paths), 6);
    assert!(error.is_transient());
    assert!(
        matches!(&error, Error::ListChanged { got: 100, of: 112, what } if what == "list the volumes of pool Pool-0"),
        "{error:?}"
    );
}

#[test]
fn an_iterator_ends_with_the_error_when_the_list_changed() {
    let (pool, paths) = served(|_, path| match page_of(path) {
        0 => volumes(112, 0..100),
        _ => volumes(20, 0..0),
    });
    let mut items: Vec<_> = pool.volumes(soon()).collect();
    let last = items.pop().unwrap();
    assert!(matches!(
        last,
        Err(Error::ListChanged {
            got: 100,
            of: 20,
            ..
        })
    ));
    assert!(items.len() == 100 && items.iter().all(Result::is_ok));
    assert_eq!(count(&paths), 2);
}

#[test]
fn an_entry_that_cannot_be_read_is_named_and_not_left_out() {
    let answer = |_: usize, _: &str| {
        let entries = [
            volume(0),
            json!({ "name": "v_odd", "volsize": "huge" }),
            volume(2),
        ];
        ok(json!({ "results": 3, "entries": entries }))
    };
    let error = served(answer).0.volumes(soon()).all().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    let text = error.to_string();
    assert!(text.contains("v_odd") && text.contains("huge"), "{text}");

    let items: Vec<_> = served(answer).0.volumes(soon()).collect();
    let good: Vec<&str> = items.iter().flatten().map(|v| v.name.as_str()).collect();
    assert_eq!((items.len(), good), (3, vec!["v_0", "v_2"]));
    assert!(matches!(&items[1], Err(Error::BadEntry { name, .. }) if name == "v_odd"));
}

#[test]
fn an_entry_without_a_name_is_an_error_too() {
    let (pool, _) = served(|_, _| ok(json!([{ "volsize": "7" }])));
    let error = pool.volumes(soon()).all().unwrap_err();
    assert!(error.to_string().contains(r#"{"volsize":"7"}"#), "{error}");
}

#[test]
fn a_bare_list_is_all_of_it() {
    let (pool, paths) = served(|_, _| ok(json!((0..130).map(volume).collect::<Vec<_>>())));
    assert_eq!(pool.volumes(soon()).all().unwrap().len(), 130);
    assert_eq!(count(&paths), 1);
}

#[test]
fn without_a_total_the_list_is_read_up_to_an_empty_page() {
    let (pool, paths) = served(|_, path| {
        let first = page_of(path) * 100;
        let entries: Vec<_> = (first..first.max(150.min(first + 100)))
            .map(volume)
            .collect();
        ok(json!({ "entries": entries }))
    });
    assert_eq!(pool.volumes(soon()).all().unwrap().len(), 150);
    assert_eq!(count(&paths), 3);
}

#[test]
fn an_answer_without_payload_is_asked_again_and_a_failure_ends_the_list() {
    let (pool, paths) = served(|call, path| match call {
        0 | 2 => ok(Value::Null),
        _ => steady(101)(call, path),
    });
    assert_eq!(pool.volumes(soon()).all().unwrap().len(), 101);
    assert_eq!(count(&paths), 4);

    let (pool, paths) = served(|call, path| match call {
        1 => fail(500, "x.Y", None, "broken"),
        _ => steady(300)(call, path),
    });
    let items: Vec<_> = pool.volumes(soon()).collect();
    assert_eq!((items.len(), count(&paths)), (101, 2));
    assert!(items[100].is_err());
}

#[test]
fn a_list_of_nothing_that_exists_says_what_is_missing() {
    let (pool, paths) = served(|_, _| missing("Pool Pool-0"));
    let error = pool.volumes(soon()).all().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert!(error.to_string().starts_with("pool Pool-0 "), "{error}");
    assert_eq!(count(&paths), 1);
    let error = pool.snapshots("..", soon()).all().unwrap_err();
    assert_eq!((error.kind(), count(&paths)), (ErrorKind::Invalid, 1));
}

#[test]
fn snapshots_are_read_in_both_layouts_and_in_pages() {
    let nested = json!({ "name": "s_a", "volume": "v_x",
        "properties": { "creation": 1_767_230_000, "guid": "123", "createtxg": "77" } });
    let flat = json!({ "name": "s_b", "creation": "2015-5-27 16:8:35", "guid": 99 });
    let (pool, paths) = served(move |call, _| {
        let entry = if call == 0 { &nested } else { &flat };
        ok(json!({ "results": 2, "entries": [entry] }))
    });
    let all = pool.snapshots("v_x", soon()).all().unwrap();
    assert_eq!(
        *paths.lock().unwrap(),
        [
            "/pools/Pool-0/volumes/v_x/snapshots?page=0",
            "/pools/Pool-0/volumes/v_x/snapshots?page=1"
        ]
    );
    assert_eq!(
        (all[0].name.as_str(), all[0].volume.as_str()),
        ("s_a", "v_x")
    );
    assert_eq!(all[0].created, Some(SnapshotTime::Epoch(1_767_230_000)));
    assert_eq!(
        (all[0].guid.as_deref(), all[0].txg),
        (Some("123"), Some(77))
    );
    assert_eq!(
        (all[1].name.as_str(), all[1].volume.as_str()),
        ("s_b", "v_x")
    );
    assert_eq!(all[1].created.unwrap().to_string(), "2015-05-27 16:08:35");
    assert_eq!((all[1].guid.as_deref(), all[1].txg), (Some("99"), None));
}
