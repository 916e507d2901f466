//! The one deadline of an operation, and how much of it is kept for undoing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::Error;

/// The longest share of a deadline that is kept for undoing.
const UNWIND_MAX: Duration = Duration::from_secs(20);
/// How long a wait for a lock goes on before it is asked whether anybody still
/// wants it.
const LOCK_SLICE: Duration = Duration::from_millis(250);

/// The time an operation may take, split in two: steps forward, then undoing.
///
/// The last fifth (at most 20 s) is kept for undoing, so that an activation
/// that runs out of time still leaves the host as it was.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// let budget = jdss::attach::Budget::new(Duration::from_secs(300));
/// assert!(budget.forward() < budget.end());
/// ```
#[derive(Debug, Clone)]
pub struct Budget {
    forward: Instant,
    end: Instant,
    limit: Duration,
    cancelled: Arc<AtomicBool>,
}

impl Budget {
    /// Starts the clock: the operation ends within `limit` from now.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        let now = Instant::now();
        let unwind = (limit / 5).min(UNWIND_MAX);
        Self {
            forward: now + (limit - unwind),
            end: now + limit,
            limit,
            cancelled: Arc::default(),
        }
    }

    /// Until when steps forward may be taken.
    #[must_use]
    pub fn forward(&self) -> Instant {
        self.forward
    }

    /// Until when everything, undoing included, is over.
    #[must_use]
    pub fn end(&self) -> Instant {
        self.end
    }

    /// A flag that stops the operation before its next step forward, e.g.
    /// because whoever asked for it is gone.
    #[must_use]
    pub fn canceller(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.cancelled)
    }

    /// Takes a lock, noticing meanwhile when the operation is called off.
    pub(super) fn lock<L>(
        &self,
        take: impl Fn(Instant) -> Result<L, jdss_state::Error>,
    ) -> Result<L, Error> {
        loop {
            self.step("waiting for a lock")?;
            match take(self.forward.min(Instant::now() + LOCK_SLICE)) {
                Err(e) if e.is_contention() && Instant::now() < self.forward => {}
                taken => return taken.map_err(Error::State),
            }
        }
    }

    /// Asked while something is waited for.
    pub(super) fn called_off(&self, doing: &'static str) -> Result<(), Error> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Error::Cancelled { doing });
        }
        Ok(())
    }

    /// Asked before every step forward.
    pub(super) fn step(&self, doing: &'static str) -> Result<(), Error> {
        self.called_off(doing)?;
        if Instant::now() >= self.forward {
            Err(Error::TimeOver {
                doing,
                limit: self.limit,
            })
        } else {
            Ok(())
        }
    }
}
