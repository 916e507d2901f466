use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a helper could not do what a scenario asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The program could not be started.
    #[error("cannot start `{command}`: {source}")]
    Start {
        /// The quoted command line.
        command: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The program ran longer than it may; it was killed.
    #[error("`{command}` ran longer than {limit:?} and was killed; it had printed:\n{output}")]
    TooLong {
        /// The quoted command line.
        command: String,
        /// The time that it had.
        limit: Duration,
        /// What it had printed so far.
        output: String,
    },
    /// The program ended with another exit code than 0.
    #[error("`{command}` failed with {code:?}:\n{output}")]
    Failed {
        /// The quoted command line.
        command: String,
        /// Its exit code; none when a signal ended it.
        code: Option<i32>,
        /// What it printed to both streams.
        output: String,
    },
    /// Something awaited did not come.
    #[error("waited {limit:?} in vain for {what}; last seen: {last}")]
    InVain {
        /// What should have come.
        what: String,
        /// How long it was waited for.
        limit: Duration,
        /// What was there instead.
        last: String,
    },
    /// A file or directory could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A tool printed what the helper does not understand.
    #[error("cannot understand {what}: `{text}`")]
    Text {
        /// Whose output it is.
        what: &'static str,
        /// The line in question.
        text: String,
    },
}

impl Error {
    /// An I/O error of this file or directory; for `map_err`.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
