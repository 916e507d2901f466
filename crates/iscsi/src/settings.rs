//! How a session is to behave: what goes into its node record.

use std::time::Duration;

/// Time limits of a session, written into the node record before the login.
///
/// Besides these, a record gets manual start (nobody but the caller logs in)
/// and manual scan (a login attaches no disk by itself). Authentication is
/// left as it is. Times are whole seconds; parts of one are rounded up.
///
/// ```
/// use jdss_iscsi::LoginSettings;
/// use std::time::Duration;
///
/// let settings = LoginSettings::default().login_timeout(Duration::from_secs(5));
/// assert_ne!(settings, LoginSettings::single_path());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginSettings {
    login_timeout: Duration,
    login_retries: u32,
    replacement_timeout: Duration,
    noop_interval: Duration,
    noop_timeout: Duration,
}

impl Default for LoginSettings {
    /// For several paths below a multipath map: a dead path is given up soon,
    /// the others go on.
    fn default() -> Self {
        Self {
            login_timeout: Duration::from_secs(10),
            login_retries: 1,
            replacement_timeout: Duration::from_secs(5),
            noop_interval: Duration::from_secs(2),
            noop_timeout: Duration::from_secs(2),
        }
    }
}

impl LoginSettings {
    /// For a single path: I/O waits 240 s for the portal to come back, which
    /// outlasts the move of an address from one node of a cluster to another.
    pub fn single_path() -> Self {
        Self::default().replacement_timeout(Duration::from_secs(240))
    }

    /// How long one try to log in may take. Default: 10 s.
    #[must_use]
    pub fn login_timeout(mut self, limit: Duration) -> Self {
        self.login_timeout = limit;
        self
    }

    /// How often iscsid tries to log in before the login has failed. Default: 1.
    #[must_use]
    pub fn login_retries(mut self, count: u32) -> Self {
        self.login_retries = count;
        self
    }

    /// How long I/O waits for a lost session to come back before it fails.
    /// Default: 5 s. Below a multipath map multipathd puts its own
    /// `fast_io_fail_tmo` in its place.
    #[must_use]
    pub fn replacement_timeout(mut self, limit: Duration) -> Self {
        self.replacement_timeout = limit;
        self
    }

    /// How often an idle session is asked whether it lives. Default: 2 s.
    #[must_use]
    pub fn noop_interval(mut self, pause: Duration) -> Self {
        self.noop_interval = pause;
        self
    }

    /// How long it may take to answer. Default: 2 s.
    #[must_use]
    pub fn noop_timeout(mut self, limit: Duration) -> Self {
        self.noop_timeout = limit;
        self
    }

    /// How long `iscsiadm --login` can take with these, and some seconds for
    /// iscsid to notice.
    pub(crate) fn login_limit(&self) -> Duration {
        let tries = self.login_retries.saturating_add(1);
        self.login_timeout
            .saturating_mul(tries)
            .saturating_add(Duration::from_secs(10))
    }

    /// How long one try takes at most.
    pub(crate) fn one_login(&self) -> Duration {
        self.login_timeout
    }

    /// Names and values for the node record.
    pub(crate) fn parameters(&self) -> [(&'static str, String); 7] {
        [
            ("node.startup", "manual".to_owned()),
            ("node.session.scan", "manual".to_owned()),
            (
                "node.session.initial_login_retry_max",
                self.login_retries.to_string(),
            ),
            (
                "node.session.timeo.replacement_timeout",
                seconds(self.replacement_timeout),
            ),
            (
                "node.conn[0].timeo.login_timeout",
                seconds(self.login_timeout),
            ),
            (
                "node.conn[0].timeo.noop_out_interval",
                seconds(self.noop_interval),
            ),
            (
                "node.conn[0].timeo.noop_out_timeout",
                seconds(self.noop_timeout),
            ),
        ]
    }
}

/// Whole seconds, rounded up: a limit must not become 0, which means something else.
fn seconds(time: Duration) -> String {
    let part = u64::from(time.subsec_nanos() > 0);
    time.as_secs().saturating_add(part).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_second_is_never_zero() {
        assert_eq!(seconds(Duration::from_millis(1)), "1");
        assert_eq!(seconds(Duration::from_millis(1001)), "2");
        assert_eq!(seconds(Duration::from_secs(2)), "2");
        assert_eq!(seconds(Duration::ZERO), "0");
    }

    #[test]
    fn a_single_path_outlasts_the_move_of_an_address() {
        let value = |settings: LoginSettings| {
            let found = settings.parameters().into_iter();
            found
                .filter(|(name, _)| name.ends_with("replacement_timeout"))
                .map(|(_, value)| value)
                .collect::<Vec<_>>()
        };
        assert_eq!(value(LoginSettings::single_path()), ["240"]);
        assert_eq!(value(LoginSettings::default()), ["5"]);
    }
}
