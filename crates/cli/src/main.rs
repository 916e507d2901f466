//! The command `jdss`; see [`jdss::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    jdss::cli::main()
}
