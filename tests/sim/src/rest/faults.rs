//! Faults on demand: what can go wrong with a request, when, and how often.

mod rules;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use rules::{Effects, Faults, Strike};

/// What goes wrong with a request.
///
/// Each has a moment of its own, named below; [`before_work`](Self::before_work) and
/// [`after_work`](Self::after_work) choose the other one.
///
/// # Example
///
/// ```
/// use jdss_sim::{Appliance, Fault};
///
/// let appliance = Appliance::builder().pool("Pool-0").start()?;
/// let volumes = "/pools/{pool}/volumes";
/// // Refused, and nothing was done; then done, and an error told all the same.
/// appliance.fault("POST", volumes, 1, Fault::configuration_race())?;
/// appliance.fault("POST", volumes, 1, Fault::configuration_race().after_work())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Fault {
    /// Answered with this error, by itself instead of the work.
    Answer {
        /// HTTP status.
        status: u16,
        /// `class` of the error.
        class: String,
        /// `errno` of the error.
        errno: Option<i64>,
        /// `message` of the error.
        message: String,
    },
    /// Answered with these bytes, not in the API's envelope, by itself instead of the work.
    Body {
        /// HTTP status.
        status: u16,
        /// The whole body; `text/html` if it begins with `<`.
        body: String,
    },
    /// Answered with 200 and `data: null`, as an overloaded appliance does, by itself instead of the work.
    NoData,
    /// Held up for so long, by itself after the work. It ends early when the faults are cleared.
    Delay(#[serde(with = "seconds")] Duration),
    /// The connection is closed without an answer, by itself after the work.
    NoReply,
    /// The connection is reset in the middle of the answer, by itself after the work; before the work,
    /// without a byte of an answer.
    Reset,
    /// No answer comes and the connection stays until the client has gone, by itself after the work.
    /// When the faults are cleared, the answer comes; before the work, the connection is closed then.
    Hang,
    /// A request to read is answered with what was there when the fault was made.
    StaleList,
    /// Half of a list's entries are missing (the last ones, rounded up), while its total is right.
    ShortList,
    /// The total of a paged list is a fifth of what it is, with all entries of the page there; every second time that
    /// this comes true the total is right.
    FlappingTotal,
    /// Another fault at the moment that it does not have by itself.
    At {
        /// When it strikes.
        moment: Moment,
        /// What strikes.
        fault: Box<Fault>,
    },
}

/// When a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Instead of the work: nothing is done. (A delay: the work is done when it is over.)
    BeforeWork,
    /// The work is done, and its outcome is not told.
    AfterWork,
}

/// Which requests of a route a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Trigger {
    /// The next ones, so many.
    Times(usize),
    /// Every n-th, until the faults are cleared.
    Every(usize),
    /// A share by chance, until the faults are cleared. The same requests for the same seed.
    Share {
        /// Any number.
        seed: u64,
        /// How many of a thousand.
        per_mille: u32,
    },
}

impl Fault {
    /// The error of two configuration changes at the same time, which is worth another try. After a
    /// rename it can come though the work was done: see [`after_work`](Self::after_work).
    #[must_use]
    pub fn configuration_race() -> Self {
        let message = "Config file was changed by another process.";
        Self::error(500, "opene.cfgparser.CfgParserError", Some(13), message)
    }

    /// The iSCSI target of the appliance could not do it.
    #[must_use]
    pub fn scst() -> Self {
        let message = "Command scstadmin failed: Operation timed out.";
        Self::error(500, "opene.tools.scstadmin.ScstAdminError", None, message)
    }

    /// The appliance's operating system could not do it.
    #[must_use]
    pub fn os_error() -> Self {
        let message = "[Errno 12] Cannot allocate memory";
        Self::error(500, "exceptions.OSError", Some(12), message)
    }

    /// A volume or snapshot that ZFS does not let go: `what` is `POOL/VOLUME` or `POOL/VOLUME@SNAPSHOT`.
    #[must_use]
    pub fn busy(what: &str) -> Self {
        let message = format!("cannot destroy '{what}': dataset is busy");
        Self::error(500, "zfslib.wrap.zfs.ZfsCmdError", Some(1000), &message)
    }

    /// Expired credentials: 401 in plain words. [`Appliance::set_password`](crate::Appliance::set_password) lets
    /// them expire for good.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::Body {
            status: 401,
            body: "401 unauthorized".to_owned(),
        }
    }

    /// The page of a proxy in front of an appliance that is not there: 502 or 503, say.
    #[must_use]
    pub fn proxy(status: u16) -> Self {
        let body = format!("<html><head><title>{status}</title></head><body></body></html>");
        Self::Body { status, body }
    }

    /// 200 without a body.
    #[must_use]
    pub fn no_body() -> Self {
        Self::Body {
            status: 200,
            body: String::new(),
        }
    }

    /// 200 whose data are a string, where an object or a list belongs.
    #[must_use]
    pub fn other_data() -> Self {
        Self::Body {
            status: 200,
            body: r#"{"data": "ok", "error": null}"#.to_owned(),
        }
    }

    /// The same fault before the work, or instead of it.
    #[must_use]
    pub fn before_work(self) -> Self {
        self.at(Moment::BeforeWork)
    }

    /// The same fault after the work is done.
    #[must_use]
    pub fn after_work(self) -> Self {
        self.at(Moment::AfterWork)
    }

    fn at(self, moment: Moment) -> Self {
        let fault = match self {
            Self::At { fault, .. } => fault,
            other => Box::new(other),
        };
        Self::At { moment, fault }
    }

    fn error(status: u16, class: &str, errno: Option<i64>, message: &str) -> Self {
        Self::Answer {
            status,
            class: class.to_owned(),
            errno,
            message: message.to_owned(),
        }
    }

    /// What strikes, and when.
    fn resolved(&self) -> (Moment, &Self) {
        match self {
            Self::At { moment, fault } => (*moment, fault.resolved().1),
            Self::Answer { .. } | Self::Body { .. } | Self::NoData => (Moment::BeforeWork, self),
            _ => (Moment::AfterWork, self),
        }
    }

    /// Does it change what is read, so that only a request to read can suffer it?
    pub(crate) fn needs_get(&self) -> bool {
        let (_, fault) = self.resolved();
        matches!(
            fault,
            Self::StaleList | Self::ShortList | Self::FlappingTotal
        )
    }
}

/// A duration as `{"seconds": 1.5}`.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Seconds {
        seconds: f64,
    }

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        let seconds = time.as_secs_f64();
        Seconds { seconds }.serialize(to)
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Duration, D::Error> {
        let Seconds { seconds } = Seconds::deserialize(from)?;
        Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
    }
}
