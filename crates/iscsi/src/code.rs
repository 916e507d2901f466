//! Exit codes of `iscsiadm`, all of them.

use jdss_sys::Output;
use std::fmt;

/// How `iscsiadm` ended (`include/iscsi_err.h` of open-iscsi).
///
/// Displayed, it tells number, meaning, and what to do where something can be
/// done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// 0: done.
    Success,
    /// 1: failed without a reason.
    Generic,
    /// 2: no such session.
    SessionNotFound,
    /// 3: out of memory.
    NoMemory,
    /// 4: no connection to the portal.
    Connect,
    /// 5: login failed without a reason.
    Login,
    /// 6: the node database cannot be used, or its lock could not be had in 30 s.
    Database,
    /// 7: a parameter that this open-iscsi does not know.
    Invalid,
    /// 8: the portal does not answer.
    ConnectTimedOut,
    /// 9: error inside iscsid or the kernel.
    Internal,
    /// 10: logout failed.
    Logout,
    /// 11: the target does not answer in time.
    PduTimedOut,
    /// 12: the transport's kernel module is missing.
    TransportNotFound,
    /// 13: not allowed for this user.
    Access,
    /// 14: the transport cannot do that.
    TransportCaps,
    /// 15: there is a session already.
    SessionExists,
    /// 16: iscsid does not understand the request.
    InvalidRequest,
    /// 17: iSNS is not available.
    IsnsUnavailable,
    /// 18: the talk with iscsid broke off.
    DaemonTalk,
    /// 19: the target refused the login.
    Refused,
    /// 20: iscsid is not running.
    DaemonDown,
    /// 21: no record, session or portal of that kind.
    NotFound,
    /// 22: a sysfs entry vanished.
    SysfsLookup,
    /// 23: a SCSI host vanished.
    HostNotFound,
    /// 24: the target refused the CHAP name or secret, or wants one.
    Denied,
    /// 25: an iSNS query failed.
    IsnsQuery,
    /// 26: an iSNS registration failed.
    IsnsRegistration,
    /// 27: not supported.
    NotSupported,
    /// 28: the device is in use.
    Busy,
    /// 29: not now.
    Again,
    /// 30: unknown kind of discovery.
    UnknownDiscovery,
    /// 31: a child of it was terminated.
    ChildTerminated,
    /// 32: the session is not connected.
    NotConnected,
    /// 33: iscsid did not answer in time.
    RequestTimedOut,
    /// Any other number.
    Other(i32),
    /// A signal ended it; the number of the signal, if known.
    Signal(Option<i32>),
}

use Code::*;

/// Number, value, meaning and cure.
const TABLE: [(i32, Code, &str); 34] = [
    (0, Success, "success"),
    (1, Generic, "unknown error"),
    (2, SessionNotFound, "no such session"),
    (3, NoMemory, "out of memory"),
    (4, Connect, "no connection to the portal; check the network"),
    (5, Login, "login failed; see the log of iscsid"),
    (
        6,
        Database,
        "the node database cannot be used; see whether another iscsiadm hangs, and whether a \
         killed one left /run/lock/iscsi/lock.write behind",
    ),
    (7, Invalid, "invalid parameter"),
    (
        8,
        ConnectTimedOut,
        "connection timed out; check the network and that the portal is up",
    ),
    (9, Internal, "error inside iscsid or the kernel"),
    (10, Logout, "logout failed"),
    (
        11,
        PduTimedOut,
        "the target does not answer; see whether it is enabled",
    ),
    (
        12,
        TransportNotFound,
        "transport not found; load the kernel module iscsi_tcp",
    ),
    (13, Access, "not permitted; run as root"),
    (14, TransportCaps, "the transport cannot do that"),
    (15, SessionExists, "session exists"),
    (
        16,
        InvalidRequest,
        "iscsid does not understand the request; restart it, its version may differ from iscsiadm's",
    ),
    (17, IsnsUnavailable, "iSNS is not available"),
    (
        18,
        DaemonTalk,
        "the talk with iscsid broke off; see whether it runs",
    ),
    (
        19,
        Refused,
        "the target refused the login; see whether it exists, whether it allows this initiator and \
         this portal, and whether it has a LUN",
    ),
    (
        20,
        DaemonDown,
        "iscsid is not running; start it with `systemctl start iscsid`",
    ),
    (21, NotFound, "nothing found"),
    (22, SysfsLookup, "session vanished"),
    (23, HostNotFound, "host vanished"),
    (
        24,
        Denied,
        "authorization failed; check CHAP name and secret on both sides",
    ),
    (25, IsnsQuery, "iSNS query failed"),
    (26, IsnsRegistration, "iSNS registration failed"),
    (27, NotSupported, "not supported"),
    (28, Busy, "device in use"),
    (29, Again, "not now; try again"),
    (30, UnknownDiscovery, "unknown kind of discovery"),
    (31, ChildTerminated, "a child was terminated; try again"),
    (32, NotConnected, "the session is not connected"),
    (
        33,
        RequestTimedOut,
        "iscsid did not answer in time; try again",
    ),
];

impl Code {
    /// The code of this number.
    pub fn from_number(number: i32) -> Self {
        let found = TABLE.iter().find(|(known, ..)| *known == number);
        found.map_or(Other(number), |(_, code, _)| *code)
    }

    /// Its number; `None` when a signal ended the program.
    pub fn number(self) -> Option<i32> {
        match self {
            Other(number) => Some(number),
            known => Some(TABLE.iter().find(|(_, code, _)| *code == known)?.0),
        }
    }

    /// Whether the same call may succeed a little later without anything
    /// having been set right.
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Connect
                | Login
                | ConnectTimedOut
                | Internal
                | Logout
                | PduTimedOut
                | DaemonTalk
                | SysfsLookup
                | HostNotFound
                | Busy
                | Again
                | ChildTerminated
                | NotConnected
                | RequestTimedOut
        )
    }

    /// Whether iscsid could not be reached.
    pub(crate) fn is_daemon_down(self) -> bool {
        matches!(self, DaemonDown | DaemonTalk)
    }

    /// Whether there was nothing to do.
    pub(crate) fn is_absent(self) -> bool {
        matches!(self, NotFound | SessionNotFound)
    }
}

impl From<&Output> for Code {
    fn from(output: &Output) -> Self {
        output.code.map_or(Signal(output.signal), Self::from_number)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Other(number) => write!(f, "exit code {number}"),
            Signal(Some(signal)) => write!(f, "signal {signal}"),
            Signal(None) => f.write_str("an unknown exit status"),
            known => {
                let found = TABLE.iter().find(|(_, code, _)| code == known);
                let (number, _, meaning) = found.unwrap_or(&TABLE[1]);
                write!(f, "exit code {number} ({meaning})")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_its_code_and_back() {
        for number in -1..=256 {
            assert_eq!(Code::from_number(number).number(), Some(number));
        }
        for number in 0..=33 {
            let code = Code::from_number(number);
            assert!(!matches!(code, Other(_)), "{number}");
            assert!(
                code.to_string()
                    .starts_with(&format!("exit code {number} ("))
            );
        }
        assert_eq!(Code::from_number(34), Other(34));
        assert_eq!(Code::from_number(255).to_string(), "exit code 255");
    }

    #[test]
    fn the_codes_that_callers_tell_apart_have_their_numbers() {
        let expected = [
            (2, SessionNotFound),
            (6, Database),
            (8, ConnectTimedOut),
            (15, SessionExists),
            (18, DaemonTalk),
            (19, Refused),
            (20, DaemonDown),
            (21, NotFound),
            (24, Denied),
        ];
        for (number, code) in expected {
            assert_eq!(Code::from_number(number), code);
        }
    }

    #[test]
    fn a_signal_has_no_number() {
        let killed = Output {
            signal: Some(9),
            ..Output::default()
        };
        assert_eq!(Code::from(&killed), Signal(Some(9)));
        assert_eq!(Code::from(&killed).number(), None);
        assert_eq!(Code::from(&killed).to_string(), "signal 9");
    }

    #[test]
    fn a_wrong_secret_is_not_worth_a_second_try() {
        assert!(!Denied.is_transient());
        assert!(!Refused.is_transient());
        assert!(ConnectTimedOut.is_transient());
    }
}
