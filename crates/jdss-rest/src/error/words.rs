//! Lists of names inside a sentence.

use std::fmt;

/// `a, b, c`, or a word for nothing.
pub(super) struct List<'a, T>(pub(super) &'a [T]);

impl<T: fmt::Display> fmt::Display for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (i, item) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{item}")?;
        }
        Ok(())
    }
}

/// `snapshots a, b and clones c`.
pub(super) struct Dependents<'a>(pub(super) &'a [String], pub(super) &'a [String]);

impl fmt::Display for Dependents<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (snapshots, []) => write!(f, "snapshots {}", List(snapshots)),
            ([], clones) => write!(f, "clones {}", List(clones)),
            (snapshots, clones) => {
                write!(
                    f,
                    "snapshots {} and clones {}",
                    List(snapshots),
                    List(clones)
                )
            }
        }
    }
}
