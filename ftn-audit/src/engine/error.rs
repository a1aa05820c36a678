//! What goes wrong between this process and a broker.

/// Why a session with a broker could not be had, or ended. No text holds a password or the data of a record.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The address is none, or needs what was not built in.
    #[error("{0}")]
    Address(String),
    /// The name cannot be a queue's.
    #[error(
        "`{0}` cannot be the name of a queue: use 1 to 200 letters, digits, `.`, `-` and `_`, not beginning with `amq.`"
    )]
    QueueName(String),
    /// Nobody answers there.
    #[error("the broker at {address} does not answer: {why}")]
    Unreachable {
        /// Where, without a password.
        address: String,
        /// What was tried in vain.
        why: String,
    },
    /// The broker does not let this user in, or do what is needed.
    #[error("the broker at {address} refuses this user: {why}")]
    Refused {
        /// Where, without a password.
        address: String,
        /// The broker's words.
        why: String,
    },
    /// The queue is there, and was declared by others in another way.
    #[error(
        "the queue `{queue}` has other arguments than ftn-audit declares: empty and delete it, or name another queue ({why})"
    )]
    OtherArguments {
        /// Its name.
        queue: String,
        /// The broker's words.
        why: String,
    },
    /// The session was there, and is over: connection lost, queue deleted, no answer in time.
    #[error("the session with the broker is over: {0}")]
    Lost(String),
}

impl EngineError {
    /// Whether it lasts until an operator mends it.
    pub fn needs_operator(&self) -> bool {
        !matches!(self, Self::Unreachable { .. } | Self::Lost(_))
    }
}
