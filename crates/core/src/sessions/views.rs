//! Showing sessions.

use crate::found;
use std::collections::HashMap;

use crate::error::{AppError, Done};
use crate::sessions::Sessions;
use juden_domain::ids::{MemberId, SessionId, SessionRef};
use juden_domain::invoice::Invoice;
use juden_domain::member::Member;
use juden_domain::session::{BillingState, Session, Standing};
use juden_domain::tariff::Price;
use juden_store::{JournalEntry, Page, SessionFilter};

/// Sessions looked through for one page of a list that is filtered by state.
const SCANNED_MAX: i64 = 10_000;

/// Sessions read at a time while looking through them.
const SCANNED_AT_ONCE: i64 = 500;

/// Messages shown of one session.
const MESSAGES_MAX: i64 = 10_000;

/// A session as it stands.
#[derive(Debug, Clone)]
pub struct SessionView {
    /// The session.
    pub session: Session,
    /// What the histories say of it by now.
    pub standing: Standing,
    /// What its money does.
    pub state: BillingState,
    /// Its units under the plan and tariff of its month; `None` where no price is known.
    pub units: Option<i64>,
    /// Why the tariff rated it so: the version.
    pub tariff_version: Option<String>,
}

/// How a session is paid for.
#[derive(Debug, Clone)]
pub struct SessionRating {
    /// The plan of its month.
    pub plan: String,
    /// The price of a unit beyond the free ones.
    pub price: Price,
    /// Its units out of the pool.
    pub free_units: i64,
    /// Its units that cost.
    pub charged_units: i64,
    /// The invoices whose lines name it.
    pub invoice_ids: Vec<String>,
}

/// A session with what it came from and what it costs.
pub struct SessionFile {
    /// The session.
    pub view: SessionView,
    /// How it is paid for; `None`: it is nobody's, or its charger or price is not known.
    pub rating: Option<SessionRating>,
    /// The messages that it came from.
    pub messages: Vec<JournalEntry>,
}

impl Sessions {
    /// The name that a station gave a session's transaction, where it did.
    pub async fn transaction_name(&self, id: SessionId) -> Option<String> {
        self.store.session(id).await.ok().flatten().and_then(|session| session.transaction)
    }

    /// A session by its name, or by the number that its station knows it by.
    pub async fn find_session(&self, name: &str) -> Done<Session> {
        if let Ok(reference) = SessionRef::parse(name)
            && let Some(session) = self.store.session_by_reference(&reference).await?
        {
            return Ok(session);
        }
        let by_number = match SessionId::parse(name) {
            Ok(id) => self.store.session(id).await?,
            Err(_) => None,
        };
        by_number.ok_or_else(|| AppError::not_found("session", name))
    }

    async fn overlaps(&self, session: &Session) -> Done<bool> {
        let (Some(card), Some(stop)) = (&session.card, &session.stop) else {
            return Ok(false);
        };
        let others =
            self.store.ended_sessions_of_card(card, session.start.at, stop.edge.at).await?;
        Ok(others.iter().any(|other| session.overlaps(other)))
    }

    async fn session_view(&self, session: Session) -> Done<SessionView> {
        self.session_view_with(session, &mut HashMap::new()).await
    }

    /// The same; members are read once for all sessions of a list.
    async fn session_view_with(
        &self,
        session: Session,
        members: &mut HashMap<MemberId, Member>,
    ) -> Done<SessionView> {
        if let Some(member) = &session.member
            && !members.contains_key(member)
        {
            members.insert(member.clone(), found::member(self.store.as_ref(), member).await?);
        }
        let member = session.member.as_ref().and_then(|member| members.get(member));
        let programme = self.programme.current();
        let standing = session.standing(member, self.overlaps(&session).await?, &programme);
        let month = session.month();
        let price = member.zip(session.site).and_then(|(member, site)| {
            let found = programme.tariffs.plan(member.plans(&programme).plan_in(month), month).ok();
            found.map(|(tariff, _, plan)| {
                (plan.price(site.charger_class).unit_s, tariff.version.clone())
            })
        });
        Ok(SessionView {
            state: session.billing_state(standing),
            units: price
                .as_ref()
                .map(|(unit_s, _)| if standing.free { 0 } else { session.units(*unit_s) }),
            tariff_version: price.map(|(_, version)| version),
            standing,
            session,
        })
    }

    /// A session with the messages that it came from, and how it is paid for.
    pub async fn session(&self, name: &str) -> Done<SessionFile> {
        let session = self.find_session(name).await?;
        let messages = self.store.messages(session.id, MESSAGES_MAX).await?;
        let rating = self.session_rating(&session).await?;
        Ok(SessionFile { view: self.session_view(session).await?, rating, messages })
    }

    async fn session_rating(&self, session: &Session) -> Done<Option<SessionRating>> {
        let (Some(member), Some(site)) = (&session.member, session.site) else {
            return Ok(None);
        };
        let member = found::member(self.store.as_ref(), member).await?;
        let month = session.month();
        let Ok((rated, _)) = self.billing.rated_month(&member, month).await else {
            return Ok(None);
        };
        let pool = rated.pools.iter().find(|pool| pool.charger_class == site.charger_class);
        let split =
            rated.sessions.iter().find(|rated| rated.id == session.id).map(|rated| rated.split);
        let invoices = self.store.invoices_of_members(&[&member.id]).await?;
        let names = |invoice: &&Invoice| {
            invoice.lines.iter().any(|line| line.sessions.contains(&session.reference))
        };
        Ok(pool.zip(split).map(|(pool, split)| SessionRating {
            plan: member.plan_name_in(month, &self.programme.current()),
            price: pool.price.clone(),
            free_units: split.free,
            charged_units: split.charged,
            invoice_ids: invoices.iter().filter(names).map(|invoice| invoice.id.clone()).collect(),
        }))
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
        let filter = &SessionFilter {
            running: filter.running || state == Some(BillingState::Open),
            ..filter.clone()
        };
        let mut members = HashMap::new();
        loop {
            let limit = if state.is_some() { SCANNED_AT_ONCE } else { page.limit + 1 };
            let sessions =
                self.store.sessions(filter, &Page { after: after.clone(), limit }).await?;
            let is_last = i64::try_from(sessions.len()).unwrap_or(i64::MAX) < limit;
            for session in sessions {
                if found.len() == wanted {
                    let last = found.last().map(|view: &SessionView| view.session.id);
                    return Ok((found, last));
                }
                scanned += 1;
                let id = session.id;
                after = Some(id.to_string());
                if state.is_none_or(|state| session.may_be(state)) {
                    let view = self.session_view_with(session, &mut members).await?;
                    if state.is_none_or(|state| state == view.state) {
                        found.push(view);
                    }
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

    /// A session as it stands, by its name.
    pub(crate) async fn view_of(&self, name: &str) -> Done<SessionView> {
        self.session_view(self.find_session(name).await?).await
    }
}
