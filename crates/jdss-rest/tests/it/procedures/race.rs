//! Two clients attach and detach on one family of targets while the appliance fails now and then.
//!
//! `JDSS_RACE_SEED` chooses another course; a failure names the one it had.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard};
use std::thread;

use jdss_sim::{Fault, Trigger};

use super::*;

/// Rounds of each client: an attachment or a detachment each.
const ROUNDS: usize = 200;
/// Volumes of each client.
const VOLUMES: usize = 3;
/// So few LUNs on a target that there are several, and each changes often.
const LUNS_PER_TARGET: u16 = 2;
/// What the procedures read.
const READ: [&str; 7] = [
    QUERY,
    TARGET,
    LUNS,
    SESSIONS,
    "/pools/{pool}/vips",
    "/pools/{pool}/volumes/{volume}",
    "/pools/{pool}/san/iscsi/targets",
];
/// Tries of an operation that fails in a way that passes.
const TRIES: usize = 20;

#[derive(Clone, Copy)]
struct Kind {
    /// The appliance refuses to delete a target that has LUNs.
    keeps: bool,
    /// The clients hold one lock around each operation.
    locked: bool,
}

impl Kind {
    /// Whether a volume stays attached until its own client detaches it.
    fn is_safe(self) -> bool {
        self.keeps || self.locked
    }
}

#[test]
fn with_a_lock_nothing_is_lost_and_nothing_left() {
    race(Kind {
        keeps: false,
        locked: true,
    });
}

#[test]
fn with_a_lock_the_same_holds_where_targets_with_luns_are_kept() {
    race(Kind {
        keeps: true,
        locked: true,
    });
}

#[test]
fn without_a_lock_nothing_is_lost_where_targets_with_luns_are_kept() {
    race(Kind {
        keeps: true,
        locked: false,
    });
}

#[test]
fn without_a_lock_an_attachment_can_get_lost_and_comes_back() {
    race(Kind {
        keeps: false,
        locked: false,
    });
}

/// What both clients share.
struct Course {
    lab: Lab,
    kind: Kind,
    seed: u64,
    lock: Mutex<()>,
    /// The places that were handed out and not given back.
    places: Mutex<BTreeMap<(String, u16), String>>,
}

fn race(kind: Kind) {
    let seed = std::env::var("JDSS_RACE_SEED").ok();
    let seed = seed.map_or(20, |seed| seed.parse().expect("a number"));
    let course = Course {
        lab: Lab::with(|appliance| match kind.keeps {
            true => appliance.keep_targets_with_luns(),
            false => appliance,
        }),
        kind,
        seed,
        lock: Mutex::default(),
        places: Mutex::default(),
    };
    let race = Fault::configuration_race();
    let faults = [
        (Fault::NoReply, 20),
        (Fault::Reset, 20),
        (Fault::Reset.before_work(), 10),
        (race.clone(), 30),
        (race.after_work(), 10),
        (Fault::scst(), 20),
        (Fault::os_error(), 10),
        (Fault::Delay(Duration::from_millis(2)), 40),
        (Fault::Delay(Duration::from_millis(2)).before_work(), 40),
    ];
    course.lab.appliance.chaos(seed, &faults);
    // Only what reads is answered with nothing: of a deletion that would be the usual answer.
    for route in READ {
        let share = Trigger::Share {
            seed,
            per_mille: 20,
        };
        let added = course
            .lab
            .appliance
            .fault_when("GET", route, share, Fault::NoData);
        added.expect("the route is there");
    }
    thread::scope(|scope| {
        for runner in 0..2 {
            let course = &course;
            scope.spawn(move || course.run(runner));
        }
    });
    course.lab.appliance.clear_faults();
    course.check();
}

impl Course {
    fn run(&self, runner: usize) {
        let client = client(&self.lab.appliance);
        let mut chance = Chance(self.seed.wrapping_add(runner as u64));
        // Each volume with the place it was published at, if it was.
        let first = runner * VOLUMES;
        let volumes = first..first + VOLUMES;
        let mut mine: Vec<(String, Option<(String, u16)>)> = volumes
            .map(|index| (format!("vm-100-disk-{index}"), None))
            .collect();
        for _ in 0..ROUNDS {
            let (volume, place) = &mut mine[chance.below(VOLUMES)];
            match place.take() {
                None => *place = Some(self.attach(&client, volume)),
                Some(place) => self.detach(&client, volume, place),
            }
        }
        for (volume, place) in mine {
            if let Some(place) = place {
                self.detach(&client, &volume, place);
            }
        }
    }

    fn attach(&self, client: &Client, volume: &str) -> (String, u16) {
        let request = Publish {
            luns_per_target: LUNS_PER_TARGET,
            ..request(volume)
        };
        let published = self.cure(&format!("publish {volume}"), || {
            client.publish(&request, soon())
        });
        let place = (published.target, published.lun);
        assert_eq!(published.size, SIZE, "seed {}", self.seed);
        assert!(place.1 < LUNS_PER_TARGET, "seed {}: {place:?}", self.seed);
        let before = self.places().insert(place.clone(), volume.to_owned());
        if self.kind.is_safe() {
            assert_eq!(before, None, "seed {}: {place:?} for {volume}", self.seed);
            let luns = self.lab.appliance.luns(POOL, &place.0);
            let luns = luns.unwrap_or_else(|error| panic!("seed {}: {error}", self.seed));
            let ours = (format!("v_{volume}"), place.1);
            assert!(
                luns.contains(&ours),
                "seed {}: {ours:?}, {luns:?}",
                self.seed
            );
        }
        place
    }

    fn detach(&self, client: &Client, volume: &str, place: (String, u16)) {
        // Before the first try: from then on another may get the place.
        self.places().remove(&place);
        let request = unpublish_request(volume, Some(&place.0));
        let mut done = self.cure(&format!("unpublish {volume}"), || {
            client.unpublish(&request, soon())
        });
        let mut tries = 0;
        while let Some(error) = done.left.take() {
            tries += 1;
            assert!(tries < TRIES, "seed {}: {error}", self.seed);
            done = self.cure(&format!("tidy up after {volume}"), || {
                client.unpublish(&request, soon())
            });
        }
    }

    /// Does it until it is done; what does not pass is a failure of the test.
    fn cure<T: Debug>(&self, what: &str, act: impl Fn() -> Result<T, Error>) -> T {
        let mut tries = 0;
        loop {
            let result = {
                let _lock = self
                    .kind
                    .locked
                    .then(|| self.lock.lock().expect("no panic"));
                act()
            };
            let error = match result {
                Ok(done) => return done,
                Err(error) => error,
            };
            tries += 1;
            let seed = self.seed;
            assert!(error.is_transient(), "seed {seed}: {what}: {error:?}");
            assert!(tries < TRIES, "seed {seed}: {what}, {tries} times: {error}");
        }
    }

    fn places(&self) -> MutexGuard<'_, BTreeMap<(String, u16), String>> {
        self.places.lock().expect("no panic")
    }

    /// All is detached by now, and the appliance does not fail any more.
    fn check(&self) {
        let Self { lab, seed, .. } = self;
        let left = lab.appliance.targets(POOL).expect("the pool is there");
        if self.kind.locked {
            assert_eq!(left, [""; 0], "seed {seed}");
        }
        for target in left {
            // Two that leave at the same time each leave the target to the other.
            let luns = lab.appliance.luns(POOL, &target).expect("it is there");
            assert_eq!(luns, [], "seed {seed}: {target}");
            let gone = lab.client.delete_target_if_empty(POOL, &target, soon());
            assert!(gone.expect("an answer"), "seed {seed}: {target}");
        }
        for index in 0..2 * VOLUMES {
            let volume = format!("vm-100-disk-{index}");
            let published = lab.publish(&volume).expect("the volume is there");
            assert_eq!(
                (published.target, published.size),
                (target(0), SIZE),
                "seed {seed}"
            );
            assert_eq!(usize::from(published.lun), index, "seed {seed}");
        }
        lab.assert_clean();
    }
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }
}
