//! What a member's invoices are drawn up from, and the invoices that are made of drafts.

use crate::billing::Billing;
use crate::error::Done;
use chrono::{DateTime, Days, NaiveDate, Utc};
use juden_domain::billed::{BilledGroup, ChargePlace, SiteRecord};
use juden_domain::ending::EndCause;
use juden_domain::ids::{MemberId, SessionId, StationId};
use juden_domain::invoice::{self, Draft, Drawn, Invoice, InvoiceFacts, InvoiceKind};
use juden_domain::member::Member;
use juden_domain::month::{BillingMonth, in_japan};
use juden_domain::programme::Programme;
use juden_domain::session::Session;
use juden_store::Page;
use juden_store::billing::MemberPart;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Members rated between two reads of the store.
pub(crate) const MEMBERS_AT_ONCE: i64 = 250;

/// Sites read at a time.
const SITES_AT_ONCE: i64 = 500;

/// Members with all that their invoices are drawn up from.
pub(crate) struct BillingPage {
    pub members: Vec<Member>,
    sessions: HashMap<MemberId, Vec<Session>>,
    invoices: HashMap<MemberId, Vec<Invoice>>,
    billed: HashMap<MemberId, Vec<BilledGroup>>,
}

impl BillingPage {
    /// A member's sessions.
    pub(crate) fn sessions_of(&self, member: &Member) -> &[Session] {
        self.sessions.get(&member.id).map_or(&[], Vec::as_slice)
    }

    /// What a member's invoices are drawn up from.
    pub fn facts<'a>(&'a self, member: &'a Member, close: &'a Close<'_>) -> InvoiceFacts<'a> {
        InvoiceFacts {
            member,
            sessions: self.sessions_of(member),
            programme: close.programme,
            month: close.month,
            recheck_from: close.recheck_from(&member.id),
            invoices: self.invoices.get(&member.id).map_or(&[], Vec::as_slice),
            billed: self.billed.get(&member.id).map_or(&[], Vec::as_slice),
            at: close.at,
        }
    }
}

/// A month's close: what is the same for every member.
pub(crate) struct Close<'a> {
    pub month: BillingMonth,
    pub at: DateTime<Utc>,
    pub programme: &'a Programme,
    pub rechecks: HashMap<MemberId, BillingMonth>,
    pub recheck_all: Option<BillingMonth>,
    /// Members whose earlier invoices count although nothing of them is rated again.
    pub invoiced: HashSet<MemberId>,
    /// What is registered of places, for charge records.
    pub places: Places,
}

/// What is registered of sites and plugs.
#[derive(Default)]
pub(crate) struct Places {
    sites: HashMap<String, SiteRecord>,
    plugs: HashMap<(StationId, i64), String>,
}

impl Places {
    /// Where a session was, as far as that is registered.
    fn of(&self, session: &Session) -> Option<ChargePlace> {
        let place = ChargePlace {
            site: self.sites.get(&session.site_name).cloned(),
            standard: self.plugs.get(&(session.station_id.clone(), session.connector_id)).cloned(),
        };
        (place != ChargePlace::default()).then_some(place)
    }

    /// Has records tell where their sessions were.
    pub(crate) fn tell(&self, groups: &mut [BilledGroup], sessions: &[Session]) {
        if self.sites.is_empty() && self.plugs.is_empty() {
            return;
        }
        let by_number: HashMap<SessionId, &Session> =
            sessions.iter().map(|session| (session.id, session)).collect();
        for record in groups
            .iter_mut()
            .flat_map(|group| &mut group.sessions)
            .filter(|record| !record.is_credit)
        {
            if let (Some(told), Some(session)) = (&mut record.told, by_number.get(&record.number)) {
                told.place = self.of(session);
            }
        }
    }
}

impl<'a> Close<'a> {
    /// Of a month, as of an instant, with nothing to be rated again.
    pub fn of(month: BillingMonth, at: DateTime<Utc>, programme: &'a Programme) -> Self {
        Self {
            month,
            at,
            programme,
            rechecks: HashMap::new(),
            recheck_all: None,
            invoiced: HashSet::new(),
            places: Places::default(),
        }
    }

    fn recheck_from(&self, member: &MemberId) -> Option<BillingMonth> {
        let own = self.rechecks.get(member).copied();
        [own, self.recheck_all].into_iter().flatten().filter(|from| *from < self.month).min()
    }
}

impl Billing {
    /// What is registered of places.
    pub(crate) async fn places(&self) -> Done<Places> {
        let mut places = Places::default();
        let mut after = None;
        loop {
            let page = self.store.sites(&Page { after, limit: SITES_AT_ONCE }).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.site.clone());
            places.sites.extend(page.into_iter().map(|site| (site.site.clone(), site)));
        }
        let plugs = self.store.plug_standards().await?;
        places.plugs = plugs
            .into_iter()
            .map(|(station, connector, standard)| ((station, connector), standard))
            .collect();
        Ok(places)
    }

    /// The earliest month that is not closed; `None`: nobody was ever admitted.
    pub(crate) async fn earliest_open(&self) -> Done<Option<BillingMonth>> {
        let Some(first) = self.store.first_month().await? else {
            return Ok(None);
        };
        let after_last = self.store.last_closed_month().await?.map(BillingMonth::next);
        Ok(Some(after_last.map_or(first, |after| after.max(first))))
    }

    /// A page of members with their sessions, and their earlier invoices where those matter.
    pub(crate) async fn billing_page(
        &self,
        close: &Close<'_>,
        after: Option<String>,
    ) -> Done<BillingPage> {
        let members = self.store.members(&Page { after, limit: MEMBERS_AT_ONCE }).await?;
        self.with_facts(close, members).await
    }

    /// Members with their sessions, and their earlier invoices where those matter.
    pub(crate) async fn with_facts(
        &self,
        close: &Close<'_>,
        members: Vec<Member>,
    ) -> Done<BillingPage> {
        let mut by_first: BTreeMap<BillingMonth, Vec<&MemberId>> = BTreeMap::new();
        let mut corrected = Vec::new();
        for member in &members {
            let from = close.recheck_from(&member.id);
            by_first
                .entry(invoice::first_month_needed(member, close.month, from, close.programme))
                .or_default()
                .push(&member.id);
            if from.is_some() || close.invoiced.contains(&member.id) {
                corrected.push(&member.id);
            }
        }
        let mut sessions: HashMap<MemberId, Vec<Session>> = HashMap::new();
        for (first, ids) in by_first {
            // Sessions of the month after may overlap the month's last ones.
            for session in self.store.sessions_of_members(&ids, first, close.month.next()).await? {
                if let Some(member) = session.member.clone() {
                    sessions.entry(member).or_default().push(session);
                }
            }
        }
        let (mut invoices, mut billed) =
            (HashMap::<_, Vec<Invoice>>::new(), HashMap::<_, Vec<BilledGroup>>::new());
        if !corrected.is_empty() {
            for invoice in self.store.invoices_of_members(&corrected).await? {
                invoices.entry(invoice.member.clone()).or_default().push(invoice);
            }
            for part in self.store.billed_of_members(&corrected).await? {
                billed.entry(part.member).or_default().extend(part.groups);
            }
        }
        Ok(BillingPage { members, sessions, invoices, billed })
    }

    /// Makes invoices of drafts: to whom, how and until when to pay.
    pub(crate) fn issue(
        &self,
        member: &Member,
        drawn: Drawn,
        month: BillingMonth,
        at: DateTime<Utc>,
        programme: &Programme,
    ) -> MemberPart {
        let ended_by_operator = member
            .end(programme)
            .is_some_and(|end| end.cause == EndCause::Disqualified && end.at <= at);
        let invoice = |draft: Draft| Invoice {
            due_on: if ended_by_operator || draft.kind == InvoiceKind::Final {
                in_japan(at).date_naive()
            } else {
                self.due_on(at)
            },
            id: draft.id,
            kind: draft.kind,
            month,
            member: member.id.clone(),
            issuer: self.rules.issuer.printed(),
            recipient_name: member.contact_at(at).name,
            payment: member.payment_at(at).method,
            issued_at: at,
            lines: draft.lines,
        };
        MemberPart {
            member: member.id.clone(),
            invoices: drawn.drafts.into_iter().map(invoice).collect(),
            billed: drawn.billed,
        }
    }

    fn due_on(&self, issued_at: DateTime<Utc>) -> NaiveDate {
        in_japan(issued_at).date_naive() + Days::new(self.rules.payment_due_days)
    }

    /// The earliest month of a member that waits to be rated again.
    pub(crate) async fn waits_from(&self, id: &MemberId) -> Done<Option<BillingMonth>> {
        let waiting = self.store.rechecks(i64::MAX).await?;
        let touches = |of: &Option<MemberId>| of.as_ref().is_none_or(|of| of == id);
        Ok(waiting.iter().filter(|(of, _)| touches(of)).map(|(_, from)| *from).min())
    }
}
