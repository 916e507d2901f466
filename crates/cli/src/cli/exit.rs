//! Exit codes. They are part of the interface: numbers are never reused or
//! changed, only added.

use crate::attach::Class;

/// How a run of `jdss` ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Exit {
    /// Done, or it was so already.
    Success = 0,
    /// A defect of this program, or something that should not happen.
    Internal = 1,
    /// Wrong arguments.
    Usage = 2,
    /// The configuration or the password file cannot be used, or does not
    /// know the storage.
    Configuration = 3,
    /// Not root.
    Permission = 4,
    /// The appliance cannot be reached.
    Unreachable = 5,
    /// The appliance refuses user name or password.
    Auth = 6,
    /// The volume or pool does not exist.
    Missing = 7,
    /// The appliance answered with another error.
    Appliance = 8,
    /// None of the data addresses is a VIP of the pool.
    NoVip = 9,
    /// A tool or daemon of this host is missing, not running, or failed.
    Host = 10,
    /// No portal or path of the volume works.
    NoPath = 11,
    /// A device or name is, or is taken for, another volume's.
    Conflict = 12,
    /// The device is in use.
    InUse = 13,
    /// Time was over, or the operation was called off.
    Timeout = 14,
    /// A record or a lock of this host cannot be used.
    State = 15,
}

impl Exit {
    /// All of them, for the documentation and its test.
    pub const ALL: [Self; 16] = [
        Self::Success,
        Self::Internal,
        Self::Usage,
        Self::Configuration,
        Self::Permission,
        Self::Unreachable,
        Self::Auth,
        Self::Missing,
        Self::Appliance,
        Self::NoVip,
        Self::Host,
        Self::NoPath,
        Self::Conflict,
        Self::InUse,
        Self::Timeout,
        Self::State,
    ];

    /// The number that the process ends with.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The name in JSON output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Internal => "internal",
            Self::Usage => "usage",
            Self::Configuration => "configuration",
            Self::Permission => "permission",
            Self::Unreachable => "unreachable",
            Self::Auth => "auth",
            Self::Missing => "missing",
            Self::Appliance => "appliance",
            Self::NoVip => "no-vip",
            Self::Host => "host",
            Self::NoPath => "no-path",
            Self::Conflict => "conflict",
            Self::InUse => "in-use",
            Self::Timeout => "timeout",
            Self::State => "state",
        }
    }
}

impl From<Class> for Exit {
    fn from(class: Class) -> Self {
        match class {
            Class::Configuration => Self::Configuration,
            Class::Unreachable => Self::Unreachable,
            Class::Auth => Self::Auth,
            Class::Missing => Self::Missing,
            Class::Appliance => Self::Appliance,
            Class::NoVip => Self::NoVip,
            Class::Host => Self::Host,
            Class::NoPath => Self::NoPath,
            Class::Conflict => Self::Conflict,
            Class::InUse => Self::InUse,
            Class::Timeout => Self::Timeout,
            Class::State => Self::State,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_lists_every_exit_code() {
        let readme = include_str!("../../../../README.md");
        for exit in Exit::ALL {
            let row = format!("| {} | `{}` |", exit.code(), exit.name());
            assert!(readme.contains(&row), "README lacks {row}");
        }
    }

    #[test]
    fn numbers_are_distinct_and_dense() {
        for (i, exit) in Exit::ALL.iter().enumerate() {
            assert_eq!(usize::from(exit.code()), i);
        }
    }
}
