//! Showing sessions, and deciding about held ones.

use super::{App, AppError, Done};
use crate::domain::ids::SessionId;
use crate::domain::rating;
use crate::domain::session::{BillingState, Decision, Session};
use crate::store::{JournalEntry, Page, SessionFilter};

/// Sessions looked through for one page of a list that is filtered by state.
const SCANNED_MAX: i64 = 10_000;

/// Sessions read at a time while looking through them.
const SCANNED_AT_ONCE: i64 = 500;

/// Messages shown of one session.
const MESSAGES_MAX: i64 = 10_000;

/// A note has this many characters at most.
pub const NOTE_MAX: usize = 1_000;

/// A session as it stands.
#[derive(Debug, Clone)]
pub struct SessionView {
    /// The session.
    pub session: Session,
    /// What its money does.
    pub state: BillingState,
    /// Whether its time overlaps another session of its card.
    pub overlaps: bool,
    /// Its units under the plan and tariff of its month; `None` where no price is known.
    pub units: Option<i64>,
    /// Why the tariff rated it so: the version.
    pub tariff_version: Option<String>,
}

impl App {
    async fn overlaps(&self, session: &Session) -> Done<bool> {
        let (Some(card), Some(stop)) = (&session.card, &session.stop) else {
            return Ok(false);
        };
        let others = self.store.sessions_of_card(card, session.start.at, stop.edge.at).await?;
        Ok(others.iter().any(|other| session.overlaps(other)))
    }

    async fn session_view(&self, session: Session) -> Done<SessionView> {
        let overlaps = self.overlaps(&session).await?;
        let price = match (&session.member, session.site) {
            (Some(member), Some(site)) => {
                let member = self.member(member).await?;
                let month = session.month();
                let found = self.tariffs.plan(member.plan_at(month.start()), month).ok();
                found.map(|(tariff, _, plan)| (plan.price(site.charger_class).unit_s, tariff.version.clone()))
            }
            _ => None,
        };
        Ok(SessionView {
            state: session.billing_state(overlaps),
            overlaps,
            units: price.as_ref().map(|(unit_s, _)| session.units(*unit_s)),
            tariff_version: price.map(|(_, version)| version),
            session,
        })
    }

    /// A session with the messages that it came from.
    pub async fn session(&self, id: SessionId) -> Done<(SessionView, Vec<JournalEntry>)> {
        let session = self.store.session(id).await?.ok_or_else(|| AppError::not_found("session", id))?;
        let messages = self.store.messages(id, MESSAGES_MAX).await?;
        Ok((self.session_view(session).await?, messages))
    }

    /// Sessions, a page at a time; with the number to go on after where more may come.
    pub async fn list_sessions(
        &self,
        filter: &SessionFilter,
        state: Option<BillingState>,
        page: &Page,
    ) -> Done<(Vec<SessionView>, Option<SessionId>)> {
        let wanted = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let mut found = Vec::new();
        let mut after = page.after.clone();
        let mut scanned = 0;
        loop {
            let limit = if state.is_some() { SCANNED_AT_ONCE } else { page.limit + 1 };
            let sessions = self.store.sessions(filter, &Page { after: after.clone(), limit }).await?;
            let is_last = i64::try_from(sessions.len()).unwrap_or(i64::MAX) < limit;
            for session in sessions {
                if found.len() == wanted {
                    let last = found.last().map(|view: &SessionView| view.session.id);
                    return Ok((found, last));
                }
                scanned += 1;
                let id = session.id;
                after = Some(id.to_string());
                if state.is_none() || state == Some(session.billing_state(self.overlaps(&session).await?)) {
                    found.push(self.session_view(session).await?);
                }
                if state.is_some() && scanned >= SCANNED_MAX {
                    return Ok((found, Some(id)));
                }
            }
            if is_last {
                return Ok((found, None));
            }
        }
    }

    /// Decides about a held session. A closed month is not decided any more.
    pub async fn decide_session(&self, id: SessionId, decision: Decision, note: &str) -> Done<SessionView> {
        if note.chars().count() > NOTE_MAX {
            return Err(AppError::invalid("note", format!("at most {NOTE_MAX} characters")));
        }
        let session = self.store.session(id).await?.ok_or_else(|| AppError::not_found("session", id))?;
        let overlaps = self.overlaps(&session).await?;
        if !session.is_decidable(decision, overlaps) {
            let state = session.billing_state(overlaps).name();
            return Err(AppError::conflict(
                "not_held",
                format!("the session is {state}: only an ended session of a member's card that is held can be decided"),
            ));
        }
        if self.store.closed_month(session.month()).await?.is_some() {
            return Err(AppError::conflict("month_closed", format!("the month {} is closed and never edited", session.month())));
        }
        self.store.decide(id, decision, note, self.now()).await?;
        let (view, _) = self.session(id).await?;
        Ok(view)
    }

    /// A member's month, rated as it stands.
    pub async fn rated_month(
        &self,
        member: &crate::domain::member::Member,
        month: crate::domain::month::BillingMonth,
    ) -> Done<(rating::RatedMonth, Vec<Session>)> {
        let first = rating::first_month_needed(member, month, &self.tariffs);
        // Sessions of the month after may overlap the month's last ones.
        let sessions = self.store.sessions_of_member(&member.id, first, month.next()).await?;
        let rated = rating::rate(member, &sessions, month, &self.tariffs)?;
        Ok((rated, sessions))
    }
}
