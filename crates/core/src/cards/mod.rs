//! A card's life: stock, post, activation, suspension, return, deactivation, reissue (articles 3 and 9).

mod activation;
pub mod life;
mod running_sessions;

use std::sync::Arc;

use juden_store::Store;

use crate::changes::Changes;
use crate::changes::Turns;
use crate::clock::Clock;
use crate::directory::ProgrammeDirectory;
use crate::passwords::Passwords;

/// Changes cards.
pub struct Cards {
    /// What is kept.
    pub(crate) store: Arc<dyn Store>,
    /// What time it is.
    pub(crate) clock: Arc<Clock>,
    /// The programme's own history.
    pub(crate) programme: Arc<ProgrammeDirectory>,
    /// How histories change.
    pub(crate) changes: Arc<Changes>,
    /// Hashing of activation codes.
    pub(crate) passwords: Passwords,
    /// Codes are tried one at a time for a member, so that none is tried before the last failure was counted.
    pub(crate) activating: Turns,
    /// The same for a card, by whichever members. It is taken before a member's.
    pub(crate) activating_cards: Turns,
    /// Whether running sessions of a card that is reported lost are stopped.
    pub(crate) stop_lost: bool,
}

impl Cards {
    /// Makes the service of the parts that it uses.
    pub fn new(changes: Arc<Changes>, passwords: Passwords, stop_lost: bool) -> Self {
        let (store, clock, programme) =
            (changes.store.clone(), changes.clock.clone(), changes.programme.clone());
        let (activating, activating_cards) = (Turns::default(), Turns::default());
        Self {
            store,
            clock,
            programme,
            changes,
            passwords,
            activating,
            activating_cards,
            stop_lost,
        }
    }
}

#[cfg(test)]
mod tests;
