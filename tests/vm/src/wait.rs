//! Waiting for a condition: a short poll, growing, with a bound.

use std::fmt::Debug;
use std::thread;
use std::time::{Duration, Instant};

use crate::Error;

/// The bound for things that take a moment on an idle host. Generous: the guest's processor is emulated, and the
/// machine below it may be busy.
pub const SOON: Duration = Duration::from_secs(30);

const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(200);

/// Looks until `step` gives `Ok`, for at most `limit`, and gives back what it found.
///
/// # Errors
///
/// [`Error::InVain`], with `what` and the last `Err` of `step`: what was seen instead.
pub fn until<T, E: Debug>(
    what: &str,
    limit: Duration,
    mut step: impl FnMut() -> Result<T, E>,
) -> Result<T, Error> {
    let end = Instant::now() + limit;
    let mut pause = FIRST;
    loop {
        let over = Instant::now() >= end;
        match step() {
            Ok(found) => return Ok(found),
            Err(seen) if over => {
                return Err(Error::InVain {
                    what: what.to_owned(),
                    limit,
                    last: format!("{seen:?}"),
                });
            }
            Err(_) => thread::sleep(pause),
        }
        pause = (pause * 2).min(LONGEST);
    }
}

/// Looks until `look` gives exactly `want`, for at most `limit`.
///
/// # Errors
///
/// [`Error::InVain`] with what was seen instead, or the last error of `look`.
pub fn until_equal<T: PartialEq + Debug>(
    what: &str,
    limit: Duration,
    want: &T,
    mut look: impl FnMut() -> Result<T, Error>,
) -> Result<(), Error> {
    until(what, limit, || match look() {
        Ok(seen) if seen == *want => Ok(()),
        seen => Err(seen),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_found_even_without_time() {
        assert_eq!(
            until("a number", Duration::ZERO, || Ok::<_, ()>(7)).unwrap(),
            7
        );
    }

    #[test]
    fn in_vain_tells_what_was_seen_last() {
        let mut n = 0;
        let error = until("a number", Duration::from_millis(50), || {
            n += 1;
            Err::<(), _>(n)
        })
        .unwrap_err();
        assert!(n > 1, "looked only {n} times");
        assert!(
            error.to_string().ends_with(&format!("last seen: {n}")),
            "{error}"
        );
    }
}
