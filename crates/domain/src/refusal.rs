//! The reasons for which rules refuse: each has one code and the article on which it rests.

/// The reason of a refusal. The API and the logs show the reason's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The id tag is no card of the programme.
    UnknownCard,
    /// The card is in stock or mailed, or the membership that it is for is not active.
    NotActivated,
    /// A newer card took this card's place.
    Replaced,
    /// The additional card was deactivated.
    Deactivated,
    /// The card is suspended because it was reported lost.
    SuspendedLost,
    /// The card is suspended by the operator.
    SuspendedOperator,
    /// The membership has ended.
    MembershipEnded,
    /// The whole service has ended.
    ServiceEnded,
    /// The service is suspended at this site.
    ServiceSuspended,
    /// The charger is not on the programme's list.
    OffNetwork,
    /// The charger is closed or in maintenance.
    ChargerUnavailable,
    /// The card has another running session.
    Concurrent,
    /// The membership has a live primary card already.
    PrimaryExists,
    /// The membership has a live additional card already.
    AdditionalLimit,
    /// The card is dead because it was deactivated.
    DeadCard,
    /// The card is dead because a newer one replaced it.
    DeadReplaced,
    /// The card is not an additional one.
    NotAdditional,
    /// The authentication code is not this card's.
    BadCode,
    /// The tariff accepts no new term contracts.
    TermClosed,
    /// The member may not withdraw yet.
    TooEarly,
    /// The plan change has taken effect and cannot be cancelled.
    AlreadyEffective,
    /// The membership has ended: it can be read, but not changed.
    ReadOnly,
    /// The new terms were published too short a time before they take effect.
    NoticeTooShort,
    /// The recipient may not have member data for this purpose.
    PurposeRefused,
    /// The operator has set the end of the membership.
    GroundKnown,
    /// The application was decided already.
    NotApplied,
    /// The card belongs to a member already, so it cannot be mailed.
    NotInStock,
    /// The card is not dead.
    CardNotDead,
    /// No plan change waits.
    NothingPending,
}

impl Reason {
    /// Every reason, for tables and tests.
    pub const ALL: [Self; 29] = [
        Self::UnknownCard,
        Self::NotActivated,
        Self::Replaced,
        Self::Deactivated,
        Self::SuspendedLost,
        Self::SuspendedOperator,
        Self::MembershipEnded,
        Self::ServiceEnded,
        Self::ServiceSuspended,
        Self::OffNetwork,
        Self::ChargerUnavailable,
        Self::Concurrent,
        Self::PrimaryExists,
        Self::AdditionalLimit,
        Self::DeadCard,
        Self::DeadReplaced,
        Self::NotAdditional,
        Self::BadCode,
        Self::TermClosed,
        Self::TooEarly,
        Self::AlreadyEffective,
        Self::ReadOnly,
        Self::NoticeTooShort,
        Self::PurposeRefused,
        Self::GroundKnown,
        Self::NotApplied,
        Self::NotInStock,
        Self::CardNotDead,
        Self::NothingPending,
    ];

    /// The code, the article of the member terms (or `policy`), and the sentence for people.
    const fn facts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::UnknownCard => ("unknown_card", "4.2", "the id tag is no card of the programme"),
            Self::NotActivated => (
                "not_activated",
                "3.1",
                "the card, or the membership that it is for, is not active",
            ),
            Self::Replaced => ("replaced", "3.8", "the card was replaced by a newer one"),
            Self::Deactivated => {
                ("deactivated", "9.5", "the additional card was deactivated for good")
            }
            Self::SuspendedLost => ("suspended_lost", "3.6", "the card is suspended as lost"),
            Self::SuspendedOperator => {
                ("suspended_operator", "14.2", "the card is suspended by the operator")
            }
            Self::MembershipEnded => ("membership_ended", "13.7", "the membership has ended"),
            Self::ServiceEnded => ("service_ended", "18", "the service has ended"),
            Self::ServiceSuspended => {
                ("service_suspended", "16", "the service is suspended for a time")
            }
            Self::OffNetwork => {
                ("off_network", "4.1", "the charger is not on the programme's list")
            }
            Self::ChargerUnavailable => {
                ("charger_unavailable", "4.3(3)", "the charger is closed or in maintenance")
            }
            Self::Concurrent => ("concurrent", "policy", "the card has another running session"),
            Self::PrimaryExists => {
                ("primary_exists", "3.1", "the member has a live primary card already")
            }
            Self::AdditionalLimit => {
                ("additional_limit", "9.1", "the member has a live additional card already")
            }
            Self::DeadCard => {
                ("dead_card", "9.5", "the card is dead for good and cannot come back")
            }
            Self::DeadReplaced => {
                ("dead_card", "3.8", "the card was replaced by a newer one and cannot come back")
            }
            Self::NotAdditional => {
                ("not_additional", "9.5", "only an additional card can be deactivated")
            }
            Self::BadCode => ("bad_code", "3.1", "the authentication code is not this card's"),
            Self::TermClosed => {
                ("term_closed", "8.1", "the tariff in force takes no new term contracts")
            }
            Self::TooEarly => (
                "too_early",
                "13.5",
                "withdrawal is possible from the month after the month of the service's start",
            ),
            Self::AlreadyEffective => (
                "already_effective",
                "7",
                "the plan change has taken effect: ask for another one for next month",
            ),
            Self::ReadOnly => (
                "read_only",
                "13.7",
                "the membership is over: it can be read for a time, not changed",
            ),
            Self::NoticeTooShort => (
                "notice_too_short",
                "19.1",
                "new terms must be published at least a month before they take effect",
            ),
            Self::PurposeRefused => (
                "purpose_refused",
                "17.3",
                "this recipient may not have member data for this purpose",
            ),
            Self::GroundKnown => (
                "ground_known",
                "13.1",
                "the operator has set the end of this membership: it stands, and its cards stay blocked",
            ),
            Self::NotApplied => (
                "not_applied",
                "2.1",
                "the membership is decided already: there is no application to decide",
            ),
            Self::NotInStock => ("not_in_stock", "3.1", "only a card in stock can be mailed"),
            Self::CardNotDead => {
                ("card_not_dead", "3.9", "only a dead card is given back or destroyed")
            }
            Self::NothingPending => {
                ("nothing_pending", "7", "no plan change was asked for this month")
            }
        }
    }

    /// The code that the API, the session record and the logs show.
    pub const fn code(self) -> &'static str {
        self.facts().0
    }

    /// The article of the member terms on which the refusal rests.
    pub const fn article(self) -> &'static str {
        self.facts().1
    }

    /// Whether the refusal may end without any event of the card or its member.
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::ServiceSuspended | Self::ChargerUnavailable)
    }

    /// One sentence for people.
    pub const fn sentence(self) -> &'static str {
        self.facts().2
    }

    /// The reason with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }
}

#[cfg(test)]
#[path = "refusal_tests.rs"]
mod tests;
