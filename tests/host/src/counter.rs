//! One count of effects, shared by everything that a crash can interrupt.

use std::sync::{Mutex, PoisonError};

/// The process under test "died" before this effect: nothing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("stopped before this effect")
    }
}

impl std::error::Error for Stopped {}

/// Counts effects, keeps their order, and can stop before the n-th.
///
/// A [`Host`](crate::Host) owns one; give it ([`Host::counter`](crate::Host::counter))
/// to the other pretend parts of a test, such as the disk below a state store
/// or a simulated appliance, and every crash point of the whole is one number.
#[derive(Debug, Default)]
pub struct Counter(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    left: Option<usize>,
    stopped: bool,
    panics: bool,
    log: Vec<String>,
}

impl Counter {
    /// Registers the effect `what`, which is about to happen.
    ///
    /// # Errors
    ///
    /// [`Stopped`] from the chosen effect on, see [`stop_before`](Self::stop_before).
    ///
    /// # Panics
    ///
    /// With [`Stopped`] as payload, in place of the error, when
    /// [`panic_when_stopped`](Self::panic_when_stopped) is on and the thread is
    /// not unwinding already.
    pub fn step(&self, what: &str) -> Result<(), Stopped> {
        let mut inner = self.inner();
        match inner.left {
            Some(0) => inner.stopped = true,
            left => inner.left = left.map(|left| left - 1),
        }
        if inner.stopped {
            let panics = inner.panics && !std::thread::panicking();
            drop(inner);
            if panics {
                std::panic::panic_any(Stopped);
            }
            return Err(Stopped);
        }
        inner.log.push(what.to_owned());
        Ok(())
    }

    /// Stops before the `n`-th effect from now, the next one being 1; every
    /// later effect is refused too, as from a dead process. `None` lifts it:
    /// the process is started again.
    ///
    /// # Panics
    ///
    /// If `n` is 0.
    pub fn stop_before(&self, n: Option<usize>) {
        assert_ne!(n, Some(0), "the next effect is number 1");
        let mut inner = self.inner();
        inner.left = n.map(|n| n - 1);
        inner.stopped = false;
    }

    /// Chooses how a stop shows: as a panic (nothing of the caller's undo
    /// runs, except in `Drop`) or as an error (the default: the undo runs, and
    /// all its effects are refused).
    pub fn panic_when_stopped(&self, panics: bool) {
        self.inner().panics = panics;
    }

    /// Whether the stop was reached.
    pub fn stopped(&self) -> bool {
        self.inner().stopped
    }

    /// The effects so far, in order.
    pub fn log(&self) -> Vec<String> {
        self.inner().log.clone()
    }

    /// Empties the log.
    pub fn clear(&self) {
        self.inner().log.clear();
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Counter, Stopped};

    #[test]
    fn stops_before_the_chosen_effect_and_stays_stopped() {
        let counter = Counter::default();
        counter.stop_before(Some(2));
        assert_eq!(counter.step("one"), Ok(()));
        assert_eq!(counter.step("two"), Err(Stopped));
        assert_eq!(counter.step("three"), Err(Stopped));
        assert!(counter.stopped());
        counter.stop_before(None);
        assert_eq!(counter.step("four"), Ok(()));
        assert_eq!(counter.log(), ["one", "four"]);
    }

    #[test]
    fn a_stop_can_be_a_panic_that_says_what_it_is() {
        let counter = Counter::default();
        counter.panic_when_stopped(true);
        counter.stop_before(Some(1));
        let caught = std::panic::catch_unwind(|| counter.step("one")).unwrap_err();
        assert!(caught.is::<Stopped>());
    }
}
