//! Members: admission, contact, plan, account, benefits, the end of a membership.

pub mod accounts;
pub mod admission;
pub mod benefits;
pub mod details;
mod endings;
pub mod entries;
mod plans;
pub mod provision;

use std::sync::Arc;

use juden_domain::email::EmailRule;
use juden_domain::units::Yen;
use juden_store::Store;

use crate::billing::Closing;
use crate::changes::Changes;
use crate::clock::Clock;
use crate::directory::ProgrammeDirectory;

/// What is asked of members.
#[derive(Debug, Clone, Copy)]
pub struct MemberRules {
    /// Which addresses of members are taken.
    pub email_rule: EmailRule,
    /// Entries above this sum count once a second person confirmed them.
    pub confirm_over: Yen,
}

/// Admits members and changes what is known of them.
pub struct Members {
    /// What is kept.
    pub(crate) store: Arc<dyn Store>,
    /// What time it is.
    pub(crate) clock: Arc<Clock>,
    /// The programme's own history.
    pub(crate) programme: Arc<ProgrammeDirectory>,
    /// How histories change.
    pub(crate) changes: Arc<Changes>,
    /// Cuts final invoices.
    pub(crate) closing: Arc<Closing>,
    /// What is asked of members.
    pub(crate) rules: MemberRules,
}

impl Members {
    /// Makes the service of the parts that it uses.
    pub fn new(changes: Arc<Changes>, closing: Arc<Closing>, rules: MemberRules) -> Self {
        let (store, clock, programme) =
            (changes.store.clone(), changes.clock.clone(), changes.programme.clone());
        Self { store, clock, programme, changes, closing, rules }
    }
}

#[cfg(test)]
mod tests;
