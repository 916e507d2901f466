//! Answers that make no sense.

use std::fmt;

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolReason {
    /// There is no payload; an appliance under load answers so.
    Empty,
    /// It is not JSON.
    NotJson,
    /// The payload is not of the expected sort; an appliance under load answers so.
    Shape {
        /// What was expected.
        expected: &'static str,
    },
    /// A field is absent or of the wrong sort.
    Field {
        /// What the decoder said.
        detail: String,
    },
    /// A status that the API does not use, such as a redirection.
    Status,
}

impl ProtocolReason {
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, Self::Empty | Self::NotJson | Self::Shape { .. })
    }
}

impl fmt::Display for ProtocolReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::NotJson => f.write_str("it is not JSON"),
            Self::Shape { expected } => write!(f, "{expected} was expected"),
            Self::Field { detail } => f.write_str(detail),
            Self::Status => f.write_str(
                "the status is not one that the API uses; is this the REST port of the appliance?",
            ),
        }
    }
}
