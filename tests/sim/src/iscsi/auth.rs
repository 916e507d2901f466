//! The security stage of login: which method the two sides use.

use super::keys::{Pair, push};
use super::login::Status;
use crate::model::TargetView;

/// Where the security stage of one login stands. The only method is "None".
#[derive(Debug)]
pub(crate) struct Auth {
    /// The target lets nobody in without CHAP.
    required: bool,
}

impl Auth {
    /// For a discovery session: nobody has to authenticate.
    pub(crate) fn discovery() -> Self {
        Self { required: false }
    }

    /// As the target demands.
    pub(crate) fn target(target: &TargetView) -> Self {
        Self {
            required: target.incoming_users_active && !target.incoming_users.is_empty(),
        }
    }

    /// May the initiator go on to the next stage?
    pub(crate) fn satisfied(&self) -> bool {
        !self.required
    }

    /// Answers the pairs of one text of the security stage.
    pub(crate) fn answer(&mut self, pairs: &[Pair], text: &mut Vec<u8>) -> Result<(), Status> {
        for (key, value) in pairs {
            match key.as_str() {
                "AuthMethod" => {
                    let none = value.split(',').any(|method| method == "None");
                    if self.required || !none {
                        return Err(Status::AUTHENTICATION_FAILED);
                    }
                    push(text, key, "None");
                }
                "InitiatorName" | "InitiatorAlias" | "SessionType" | "TargetName" => {}
                _ => push(text, key, "NotUnderstood"),
            }
        }
        Ok(())
    }
}
