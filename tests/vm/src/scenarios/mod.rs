//! One module a theme; each scenario is a function that begins and ends with a "host as before".

mod attach;
mod harness;
mod lvm;
mod rest;
mod target;

use jdss_vm::{Error, Guest};

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Guest) -> Result<(), Error>,
}

/// The scenarios of the module that calls this: its functions of these names.
macro_rules! scenarios {
    ($($function:ident),+ $(,)?) => {
        /// The scenarios of this theme.
        pub(super) fn all() -> Vec<$crate::scenarios::Scenario> {
            vec![$($crate::scenarios::Scenario {
                name: concat!(module_path!(), "::", stringify!($function)).trim_start_matches("jdss_scenarios::scenarios::"),
                run: $function,
            }),+]
        }
    };
}
use scenarios;

pub(crate) fn all() -> Vec<Scenario> {
    [
        harness::all(),
        lvm::all(),
        target::all(),
        rest::all(),
        attach::all(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
