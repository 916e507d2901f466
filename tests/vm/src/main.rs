//! All scenarios, run one after the other in the one guest. `tests/vm/run` is what calls this program.

mod scenarios;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use jdss_vm::Guest;
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // They share one host.
    arguments.test_threads = Some(1);
    let guest: Arc<OnceLock<Result<Guest, String>>> = Arc::default();
    let trials = scenarios::all().into_iter().map(|scenario| {
        let guest = Arc::clone(&guest);
        Trial::test(scenario.name, move || {
            // Made ready by the first scenario, so that --list works anywhere.
            match guest.get_or_init(|| Guest::boot().map_err(|e| e.to_string())) {
                Ok(guest) => guest
                    .scenario(scenario.name, scenario.run)
                    .map_err(Failed::from),
                Err(error) => Err(Failed::from(format!(
                    "the guest could not be made ready: {error}"
                ))),
            }
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    if !arguments.list && conclusion.num_passed + conclusion.num_failed == 0 {
        // A mistyped filter must not look like success.
        return ExitCode::from(2);
    }
    conclusion.exit_code()
}
