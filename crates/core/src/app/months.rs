//! Closing months and cutting final invoices, each at its time (rules B1 to B3, R13.3).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, Datelike, Days, NaiveDate, Utc};
use tracing::{info, warn};

use super::{App, AppError, Done};
use crate::export::LAYOUT;
use crate::export::csv::CsvHash;
use juden_domain::billed::{BilledGroup, Place, SiteRecord};
use juden_domain::ending::EndCause;
use juden_domain::ids::{MemberId, SessionId, StationId};
use juden_domain::invoice::{self, Draft, Drawn, Facts, Invoice, InvoiceKind};
use juden_domain::member::Member;
use juden_domain::month::{BillingMonth, in_japan, japan_midnight};
use juden_domain::programme::Programme;
use juden_domain::session::Session;
use juden_store::Page;
use juden_store::billing::{ClosedMonth, MemberPart, Run};

/// Members rated between two reads of the store.
pub(super) const MEMBERS_AT_ONCE: i64 = 250;

/// Sites read at a time.
const SITES_AT_ONCE: i64 = 500;

/// How often it is looked whether something is due.
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// When it is looked again after a fault: a big month's close is not to be begun over and over.
const LOOK_AFTER_FAULT: Duration = Duration::from_secs(120);

/// The turn of whoever closes months or cuts final invoices, among all nodes.
const CLOSING: &str = "closing";

/// The last day of a month that every month has.
pub const CLOSE_DAY_MAX: u32 = 28;

/// Members with all that their invoices are drawn up from.
pub(super) struct BillingPage {
    pub members: Vec<Member>,
    sessions: HashMap<MemberId, Vec<Session>>,
    invoices: HashMap<MemberId, Vec<Invoice>>,
    billed: HashMap<MemberId, Vec<BilledGroup>>,
}

impl BillingPage {
    /// A member's sessions.
    fn sessions_of(&self, member: &Member) -> &[Session] {
        self.sessions.get(&member.id).map_or(&[], Vec::as_slice)
    }

    /// What a member's invoices are drawn up from.
    pub fn facts<'a>(&'a self, member: &'a Member, close: &'a Close<'_>) -> Facts<'a> {
        Facts {
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
pub(super) struct Close<'a> {
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
pub(super) struct Places {
    sites: HashMap<String, SiteRecord>,
    plugs: HashMap<(StationId, i64), String>,
}

impl Places {
    /// Where a session was, as far as that is registered.
    fn of(&self, session: &Session) -> Option<Place> {
        let place = Place {
            site: self.sites.get(&session.site_name).cloned(),
            standard: self.plugs.get(&(session.station_id.clone(), session.connector_id)).cloned(),
        };
        (place != Place::default()).then_some(place)
    }

    /// Has records tell where their sessions were.
    fn tell(&self, groups: &mut [BilledGroup], sessions: &[Session]) {
        if self.sites.is_empty() && self.plugs.is_empty() {
            return;
        }
        let by_number: HashMap<SessionId, &Session> = sessions.iter().map(|session| (session.id, session)).collect();
        for record in groups.iter_mut().flat_map(|group| &mut group.sessions).filter(|record| !record.is_credit) {
            if let (Some(told), Some(session)) = (&mut record.told, by_number.get(&record.number)) {
                told.place = self.of(session);
            }
        }
    }
}

impl<'a> Close<'a> {
    /// Of a month, as of an instant, with nothing to be rated again.
    pub fn of(month: BillingMonth, at: DateTime<Utc>, programme: &'a Programme) -> Self {
        Self { month, at, programme, rechecks: HashMap::new(), recheck_all: None, invoiced: HashSet::new(), places: Places::default() }
    }

    fn recheck_from(&self, member: &MemberId) -> Option<BillingMonth> {
        let own = self.rechecks.get(member).copied();
        [own, self.recheck_all].into_iter().flatten().filter(|from| *from < self.month).min()
    }
}

impl App {
    /// Closes a month that is over: rates every member, issues the invoices, freezes all of it. A closed
    /// month answers as it was closed.
    pub async fn close_month(&self, month: BillingMonth) -> Done<ClosedMonth> {
        let _alone = self.closing.lock().await;
        let _turn = self.store.turns(&[CLOSING]).await?;
        let now = self.now();
        self.issue_finals(now).await?;
        self.close_at(month, now).await
    }

    /// Cuts the final invoices that are due, in the order in which they fell due.
    async fn issue_finals(&self, now: DateTime<Utc>) -> Done<()> {
        while let Some((member, due)) = self.store.next_ending().await?.filter(|(_, due)| *due <= now) {
            self.issue_final(&member, due).await?;
        }
        Ok(())
    }

    async fn close_at(&self, month: BillingMonth, at: DateTime<Utc>) -> Done<ClosedMonth> {
        if let Some(closed) = self.store.closed_month(month).await? {
            return Ok(closed);
        }
        if !self.settings.issuer.may_issue() {
            return Err(AppError::conflict(
                "issuer_missing",
                "who issues the invoices is not set: set issuer-name and issuer-registration-number, or issuer-name none",
            ));
        }
        if at < month.end() {
            return Err(AppError::conflict("month_not_over", format!("the month {month} ends at {}", month.end().to_rfc3339())));
        }
        if let Some(open) = self.earliest_open().await?.filter(|open| *open < month) {
            return Err(AppError::conflict("earlier_month_open", format!("close {open} first: months are closed in order")));
        }
        let run = self.store.begin_run(month, at).await?;
        // What changed before the run began is in it.
        self.programme.refresh().await?;
        let sessions = self.draw_all(&run, month, at).await?;
        let closed = self.sum_up(&run, month, at, sessions).await?;
        self.store.complete_run(&run, &closed).await?;
        info!(%month, members = closed.members, sessions, total_yen = %closed.total, "a month was closed");
        self.store.closed_month(month).await?.ok_or(AppError::Busy("the month is being closed by another node"))
    }

    /// What is registered of places.
    async fn places(&self) -> Done<Places> {
        let mut places = Places::default();
        let mut after = None;
        loop {
            let page = self.store.sites(&Page { after, limit: SITES_AT_ONCE }).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.site.clone());
            places.sites.extend(page.into_iter().map(|site| (site.site.clone(), site)));
        }
        let plugs = self.store.plug_standards().await?;
        places.plugs = plugs.into_iter().map(|(station, connector, standard)| ((station, connector), standard)).collect();
        Ok(places)
    }

    /// The earliest month that is not closed; `None`: nobody was ever admitted.
    pub(super) async fn earliest_open(&self) -> Done<Option<BillingMonth>> {
        let Some(first) = self.store.first_month().await? else {
            return Ok(None);
        };
        let after_last = self.store.last_closed_month().await?.map(BillingMonth::next);
        Ok(Some(after_last.map_or(first, |after| after.max(first))))
    }

    /// Draws up and writes every member's invoices; how many sessions of the month they bill.
    async fn draw_all(&self, run: &Run, month: BillingMonth, at: DateTime<Utc>) -> Done<i64> {
        let programme = self.programme();
        let mut close = Close::of(month, at, &programme);
        close.places = self.places().await?;
        close.invoiced = self.store.members_with_final().await?.into_iter().collect();
        close.invoiced.extend(self.store.members_with_credit().await?);
        for (member, from) in self.store.rechecks(run.recheck_until).await? {
            match member {
                Some(member) => {
                    close.rechecks.insert(member, from);
                }
                None => close.recheck_all = Some(from),
            }
        }
        let mut sessions = 0;
        let mut page = self.billing_page(&close, None).await?;
        while let Some(last) = page.members.last() {
            let after = Some(last.id.to_string());
            let mut parts = Vec::new();
            for member in &page.members {
                let mut drawn = invoice::draw_up(&page.facts(member, &close))?;
                close.places.tell(&mut drawn.billed, page.sessions_of(member));
                sessions += drawn.sessions;
                parts.push(self.issue(member, drawn, month, at, &programme));
            }
            parts.retain(|part| !part.invoices.is_empty() || !part.billed.is_empty());
            // One page is written while the next is read.
            let (saved, next) = tokio::join!(self.store.save_parts(run, month, &parts), self.billing_page(&close, after));
            saved?;
            page = next?;
        }
        Ok(sessions)
    }

    /// A page of members with their sessions, and their earlier invoices where those matter.
    pub(super) async fn billing_page(&self, close: &Close<'_>, after: Option<String>) -> Done<BillingPage> {
        let members = self.store.members(&Page { after, limit: MEMBERS_AT_ONCE }).await?;
        self.with_facts(close, members).await
    }

    /// Members with their sessions, and their earlier invoices where those matter.
    pub(super) async fn with_facts(&self, close: &Close<'_>, members: Vec<Member>) -> Done<BillingPage> {
        let mut by_first: BTreeMap<BillingMonth, Vec<&MemberId>> = BTreeMap::new();
        let mut corrected = Vec::new();
        for member in &members {
            let from = close.recheck_from(&member.id);
            by_first.entry(invoice::first_month_needed(member, close.month, from, close.programme)).or_default().push(&member.id);
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
        let (mut invoices, mut billed) = (HashMap::<_, Vec<Invoice>>::new(), HashMap::<_, Vec<BilledGroup>>::new());
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
    pub(super) fn issue(&self, member: &Member, drawn: Drawn, month: BillingMonth, at: DateTime<Utc>, programme: &Programme) -> MemberPart {
        let ended_by_operator = member.end(programme).is_some_and(|end| end.cause == EndCause::Disqualified && end.at <= at);
        let invoice = |draft: Draft| Invoice {
            due_on: if ended_by_operator || draft.kind == InvoiceKind::Final { in_japan(at).date_naive() } else { self.due_on(at) },
            id: draft.id,
            kind: draft.kind,
            month,
            member: member.id.clone(),
            issuer: self.settings.issuer.printed(),
            recipient_name: member.contact_at(at).name,
            payment: member.payment_at(at).method,
            issued_at: at,
            lines: draft.lines,
        };
        MemberPart { member: member.id.clone(), invoices: drawn.drafts.into_iter().map(invoice).collect(), billed: drawn.billed }
    }

    fn due_on(&self, issued_at: DateTime<Utc>) -> NaiveDate {
        in_japan(issued_at).date_naive() + Days::new(self.settings.payment_due_days)
    }

    /// Counts and hashes what a run is about to issue.
    async fn sum_up(&self, run: &Run, month: BillingMonth, at: DateTime<Utc>, sessions: i64) -> Done<ClosedMonth> {
        let failed = |_| AppError::Busy("the export could not be written");
        let mut hash = CsvHash::begin().map_err(failed)?;
        let mut closed =
            ClosedMonth { month, closed_at: at, members: 0, sessions, total: Default::default(), sha256: String::new(), layout: LAYOUT };
        let mut last: Option<MemberId> = None;
        let mut pages = self.invoice_pages(month, Some(*run));
        while let Some(invoices) = pages.next().await? {
            for invoice in invoices.into_iter().filter(|invoice| invoice.kind.is_billed()) {
                closed.members += i64::from(last.as_ref() != Some(&invoice.member));
                closed.total = closed.total + invoice.total();
                hash.add(&invoice).map_err(failed)?;
                last = Some(invoice.member);
            }
        }
        closed.sha256 = hash.finish();
        Ok(closed)
    }

    /// Cuts the final invoice of a membership that the operator ended.
    async fn issue_final(&self, id: &MemberId, at: DateTime<Utc>) -> Done<()> {
        let Some(month) = self.earliest_open().await? else { return Ok(()) };
        let member = self.member(id).await?;
        let programme = self.programme();
        let waits_from = self.waits_from(id).await?;
        // Sessions of every open month count, so the page is read up to the last of them.
        let mut read = Close::of(BillingMonth::of(at).max(month), at, &programme);
        read.recheck_all = Some(waits_from.unwrap_or(month).min(month));
        read.invoiced.insert(id.clone());
        let page = self.with_facts(&read, vec![member.clone()]).await?;
        let close = Close { recheck_all: waits_from, ..Close::of(month, at, &programme) };
        let mut drawn = invoice::draw_up_final(&page.facts(&member, &close))?;
        self.places().await?.tell(&mut drawn.billed, page.sessions_of(&member));
        let part = self.issue(&member, drawn, month, at, &programme);
        self.store.issue_final(month, &part).await?;
        info!(member_id = %id, invoices = part.invoices.len(), "a membership that was ended had its final invoice");
        Ok(())
    }

    /// The earliest month of a member that waits to be rated again.
    pub(super) async fn waits_from(&self, id: &MemberId) -> Done<Option<BillingMonth>> {
        let waiting = self.store.rechecks(i64::MAX).await?;
        let touches = |of: &Option<MemberId>| of.as_ref().is_none_or(|of| of == id);
        Ok(waiting.iter().filter(|(of, _)| touches(of)).map(|(_, from)| *from).min())
    }

    /// The instant at which a month is closed by itself (rule B1).
    pub fn closes_at(&self, month: BillingMonth) -> Option<DateTime<Utc>> {
        let (day, time) = self.settings.month_close?;
        let close_day = month.next().first_day().with_day(day)?;
        Some(japan_midnight(close_day) + (time - chrono::NaiveTime::MIN))
    }

    /// Does everything that is due, in the order in which it fell due, each as of that instant.
    pub async fn run_due(&self) -> Done<()> {
        self.look_at_due_cards().await?;
        self.end_overdue().await?;
        self.ask_for_missing_steps().await;
        let _alone = self.closing.lock().await;
        let _turn = self.store.turns(&[CLOSING]).await?;
        loop {
            let now = self.now();
            let open = self.earliest_open().await?;
            let close = open.and_then(|month| Some((self.closes_at(month)?, month))).filter(|(due, _)| *due <= now);
            let ending = self.store.next_ending().await?.filter(|(_, due)| *due <= now);
            match (close, ending) {
                (Some((close_due, month)), Some((_, ending_due))) if close_due <= ending_due => {
                    self.close_at(month, close_due).await.map(|_| ())?
                }
                (_, Some((member, due))) => self.issue_final(&member, due).await?,
                (Some((due, month)), None) => self.close_at(month, due).await.map(|_| ())?,
                (None, None) => return Ok(()),
            }
        }
    }

    /// Removes journal and readings from before a month. All months before it must be closed: what is billed
    /// still rests on them. How many rows.
    pub async fn forget_before(&self, month: BillingMonth) -> Done<u64> {
        let open = self.earliest_open().await?;
        if let Some(open) = open.filter(|open| *open < month) {
            return Err(AppError::conflict("month_not_closed", format!("{open} is not closed: what it rests on is kept")));
        }
        Ok(self.store.forget_before(month).await?)
    }

    /// Looks now and then whether something is due, for as long as it is polled.
    pub async fn keep_looking(&self) {
        loop {
            let done = match self.programme.refresh().await {
                Ok(()) => match self.store.make_room(self.now()).await {
                    Ok(()) => self.run_due().await,
                    Err(cause) => Err(cause.into()),
                },
                Err(cause) => Err(cause.into()),
            };
            let wait = match done {
                Ok(()) => {
                    self.health.months_were_looked_at(None);
                    LOOK_EVERY
                }
                Err(cause) => {
                    self.health.months_were_looked_at(Some(cause.to_string()));
                    warn!(%cause, "what is due could not be done; it will be tried again");
                    LOOK_AFTER_FAULT
                }
            };
            tokio::time::sleep(wait).await;
        }
    }
}
