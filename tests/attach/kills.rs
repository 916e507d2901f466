//! The process is killed, or refused, at every single effect.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jdss::attach::Deactivated;
use jdss_host::Stopped;

use crate::lab::{Lab, OTHER, VM, quietly};

/// Runs `step` with the process killed before its n-th effect, for every n,
/// and `then` after each; gives how many effects there were.
fn killed_at_every_effect(
    volumes: &[&str],
    before: impl Fn(&Lab),
    step: impl Fn(&Lab),
    then: impl Fn(&Lab, usize),
) -> usize {
    for n in 1.. {
        let lab = Lab::new(volumes);
        before(&lab);
        lab.host.counter().panic_when_stopped(true);
        lab.host.stop_before(Some(n));
        let died = catch_unwind(AssertUnwindSafe(|| step(&lab)));
        let stopped = lab.host.counter().stopped();
        lab.host.stop_before(None);
        match died {
            Ok(()) => {
                assert!(!stopped);
                return n - 1;
            }
            Err(panic) => assert!(panic.is::<Stopped>(), "something else went wrong at {n}"),
        }
        then(&lab, n);
    }
    unreachable!("there are not endlessly many effects")
}

#[test]
fn an_activation_killed_anywhere_is_finished_by_the_next() {
    quietly(|| {
        let effects = killed_at_every_effect(
            &[VM],
            |_| (),
            |lab| drop(lab.activate(VM).unwrap()),
            |lab, n| {
                let active = lab
                    .activate(VM)
                    .unwrap_or_else(|e| panic!("killed at {n}: {e}"));
                assert_eq!(active.up.len(), 2, "killed at {n}");
                assert_eq!(lab.host.serves(&active.wwid).len(), 2, "killed at {n}");
                lab.deactivate(VM)
                    .unwrap_or_else(|e| panic!("killed at {n}: {e}"));
                assert_eq!(lab.host.left(), [""; 0], "killed at {n}");
                lab.assert_as_before();
            },
        );
        assert!(effects > 10, "only {effects} effects");
    });
}

#[test]
fn an_activation_killed_anywhere_is_taken_back_by_deactivate() {
    quietly(|| {
        killed_at_every_effect(
            &[VM],
            |_| (),
            |lab| drop(lab.activate(VM).unwrap()),
            |lab, n| {
                lab.deactivate(VM)
                    .unwrap_or_else(|e| panic!("killed at {n}: {e}"));
                assert_eq!(lab.host.left(), [""; 0], "killed at {n}");
                lab.assert_as_before();
            },
        );
    });
}

#[test]
fn a_deactivation_killed_anywhere_is_finished_by_the_next() {
    quietly(|| {
        let effects = killed_at_every_effect(
            &[VM, OTHER],
            |lab| {
                lab.activate(VM).unwrap();
                lab.activate(OTHER).unwrap();
            },
            |lab| assert_eq!(lab.deactivate(VM).unwrap(), Deactivated::Done),
            |lab, n| {
                lab.deactivate(VM)
                    .unwrap_or_else(|e| panic!("killed at {n}: {e}"));
                assert_eq!(lab.host.serves(&lab.wwid(OTHER)).len(), 2, "killed at {n}");
                lab.deactivate(OTHER)
                    .unwrap_or_else(|e| panic!("killed at {n}: {e}"));
                assert_eq!(lab.host.left(), [""; 0], "killed at {n}");
                lab.assert_as_before();
            },
        );
        assert!(effects > 5, "only {effects} effects");
    });
}

#[test]
fn a_failure_anywhere_is_undone() {
    // Each effect in turn is refused with an error, and so is the undoing: what
    // is left is what the record says, and deactivate takes it away.
    for n in 1..100 {
        let lab = Lab::new(&[VM]);
        lab.host.stop_before(Some(n));
        let result = lab.activate(VM);
        let stopped = lab.host.counter().stopped();
        lab.host.stop_before(None);
        if !stopped {
            assert!(result.is_ok());
            return;
        }
        lab.deactivate(VM)
            .unwrap_or_else(|e| panic!("refused at {n}: {e}"));
        lab.assert_as_before();
    }
    panic!("there are not that many effects");
}
