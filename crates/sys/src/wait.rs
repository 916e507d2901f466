//! Waiting with a deadline.

use std::thread;
use std::time::{Duration, Instant};

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Calls `step` until it gives something or `deadline` has passed; the pauses
/// grow from 10 to 100 ms. `None` means that the time is over.
///
/// `step` is called at least once, also when the deadline has passed already,
/// and once more at the deadline. A step that blocks is not interrupted.
///
/// # Errors
///
/// The first error of `step`; it ends the waiting.
///
/// # Example
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let mut left = 3;
/// let deadline = Instant::now() + Duration::from_secs(10);
/// let done = jdss_sys::poll(deadline, || {
///     left -= 1;
///     Ok::<_, std::io::Error>((left == 0).then_some("done"))
/// })?;
/// assert_eq!(done, Some("done"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn poll<T, E>(
    deadline: Instant,
    mut step: impl FnMut() -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let mut pause = FIRST_PAUSE;
    loop {
        // The clock is read before the step: so one look is at or after the deadline.
        let left = deadline.saturating_duration_since(Instant::now());
        if let Some(found) = step()? {
            return Ok(Some(found));
        }
        if left.is_zero() {
            return Ok(None);
        }
        thread::sleep(pause.min(left));
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_once_even_when_the_time_is_over() {
        let now = Instant::now();
        assert_eq!(poll(now, || Ok::<_, ()>(Some(7))), Ok(Some(7)));
        let mut looks = 0;
        let nothing: Result<Option<()>, ()> = poll(now, || {
            looks += 1;
            Ok(None)
        });
        assert_eq!((nothing, looks), (Ok(None), 1));
    }

    #[test]
    fn the_last_look_is_not_before_the_deadline() {
        let deadline = Instant::now() + Duration::from_millis(30);
        let mut last = Instant::now();
        let nothing: Result<Option<()>, ()> = poll(deadline, || {
            last = Instant::now();
            Ok(None)
        });
        assert_eq!(nothing, Ok(None));
        assert!(last >= deadline);
    }

    #[test]
    fn an_error_ends_the_waiting() {
        let far = Instant::now() + Duration::from_secs(3600);
        assert_eq!(poll::<(), _>(far, || Err("broken")), Err("broken"));
    }
}
