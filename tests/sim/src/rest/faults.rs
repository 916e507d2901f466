//! Faults on demand.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::answer::Refusal;

/// What goes wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The request is not carried out but answered with this error.
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
    /// The request is carried out and answered after this time.
    Delay(Duration),
    /// The request is carried out, and the connection closed without an answer.
    NoReply,
    /// The request is not carried out but answered with 200 and no data, as an overloaded appliance does.
    NoData,
}

impl Fault {
    /// The error of two configuration changes at the same time, which is worth another try.
    #[must_use]
    pub fn configuration_race() -> Self {
        Self::Answer {
            status: 500,
            class: "opene.cfgparser.CfgParserError".to_owned(),
            errno: Some(13),
            message: "Config file was changed by another process.".to_owned(),
        }
    }
}

/// The faults that wait for their request.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Mutex<Vec<Rule>>,
}

#[derive(Debug)]
struct Rule {
    method: String,
    route: String,
    left: usize,
    fault: Fault,
}

/// What the faults make of one request.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) delay: Duration,
    pub(crate) refusal: Option<Refusal>,
    pub(crate) no_data: bool,
    pub(crate) no_reply: bool,
}

impl Faults {
    pub(crate) fn add(&self, method: &str, route: &str, times: usize, fault: Fault) {
        let rule = Rule {
            method: method.to_owned(),
            route: route.to_owned(),
            left: times,
            fault,
        };
        self.rules
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(rule);
    }

    pub(crate) fn clear(&self) {
        self.rules
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Uses up one turn of every delay, and of the first other fault, that waits for this route.
    pub(crate) fn take(&self, method: &str, route: &str) -> Effects {
        let mut effects = Effects::default();
        let mut decided = false;
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        for rule in rules
            .iter_mut()
            .filter(|rule| rule.method == method && rule.route == route)
        {
            match &rule.fault {
                Fault::Delay(time) => effects.delay += *time,
                _ if decided => continue,
                Fault::Answer {
                    status,
                    class,
                    errno,
                    message,
                } => {
                    effects.refusal = Some(Refusal::Fault {
                        status: *status,
                        class: class.clone(),
                        errno: *errno,
                        message: message.clone(),
                    });
                }
                Fault::NoReply => effects.no_reply = true,
                Fault::NoData => effects.no_data = true,
            }
            decided |= !matches!(rule.fault, Fault::Delay(_));
            rule.left -= 1;
        }
        rules.retain(|rule| rule.left > 0);
        effects
    }
}
