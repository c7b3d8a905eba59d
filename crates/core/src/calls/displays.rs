//! What drivers are shown at chargers that can show it: what a session costs, and what is left of the month.

use crate::found;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::oneshot;
use tracing::warn;
use uuid::Uuid;

use crate::calls::Displays;
use crate::cluster::{CallOutcome, OutgoingCall};
use crate::directory::UseFault;
use crate::error::{AppError, Done};
use crate::station_call::StationCall;
use juden_domain::display::{self, Display};
use juden_domain::ids::{IdTag, MemberId, SessionId, SessionRef, StationId};
use juden_domain::member::Member;
use juden_domain::month::BillingMonth;
use juden_domain::session::Session;
use juden_domain::station::ChargerClass;
use juden_domain::units::Yen;
use juden_ocpp::event::{DriverDisplay, TagAnswer};
use juden_ocpp::protocol::Protocol;
use juden_store::StationRecord;

/// An answer waits this long for what the driver is shown, and then goes without.
const DISPLAY_WITHIN: Duration = Duration::from_millis(200);

/// Answers to events that are remembered, and for how long: a station repeats what it saw no answer to within minutes.
const ANSWERS_REMEMBERED: u64 = 10_000;
const ANSWERS_REMEMBERED_FOR: Duration = Duration::from_secs(600);

/// An empty memory of answers.
pub fn remembered() -> Cache<(StationId, String), String> {
    Cache::builder().max_capacity(ANSWERS_REMEMBERED).time_to_live(ANSWERS_REMEMBERED_FOR).build()
}

impl Displays {
    /// What the driver of an accepted card is shown; `None`: nothing.
    pub(crate) async fn display_for_card(
        &self,
        call: &StationCall,
        id_tag: &IdTag,
        tag: &TagAnswer,
    ) -> Option<DriverDisplay> {
        let member = tag.verdict.group.as_ref().filter(|_| tag.verdict.refusal.is_none())?;
        let classes = classes(&call.station);
        let month = BillingMonth::of(self.clock.now());
        let shown = self.in_time(call.protocol, async {
            self.display(self.member_of(id_tag, member).await?, month, None, classes).await
        });
        let shown = shown.await?;
        Some(DriverDisplay {
            member: Some(member.clone()),
            cost: None,
            message: self.message(&shown),
        })
    }

    /// What the driver of a session is shown, with the message or the cost alone; `None`: nothing.
    pub(crate) async fn display_for_session(
        &self,
        call: &StationCall,
        session: Session,
        message: bool,
    ) -> Option<DriverDisplay> {
        // A charger that told its settings and shows no costs is not told them with each reading.
        if !message && call.station.settings().is_some_and(|settings| !settings.shows_cost()) {
            return None;
        }
        let shown = self.in_time(call.protocol, self.display_of(&session)).await??;
        Some(DriverDisplay {
            member: session.member,
            cost: shown.cost,
            message: self.message(&shown).filter(|_| message),
        })
    }

    /// Whether drivers at stations of a version are shown anything.
    pub(crate) const fn shows_drivers(&self, protocol: Protocol) -> bool {
        protocol.displays() && !self.rules.languages.is_empty()
    }

    async fn in_time<T>(
        &self,
        protocol: Protocol,
        display: impl Future<Output = Done<T>>,
    ) -> Option<T> {
        if !self.shows_drivers(protocol) {
            return None;
        }
        match tokio::time::timeout(DISPLAY_WITHIN, display).await {
            Ok(Ok(display)) => Some(display),
            Ok(Err(cause)) => {
                warn!(%cause, "a driver is shown nothing: it could not be worked out");
                None
            }
            Err(_) => {
                metrics::counter!("juden_displays_late_total").increment(1);
                None
            }
        }
    }

    /// What a session's driver is shown; `None`: it has no member, or no charger that is known.
    async fn display_of(&self, session: &Session) -> Done<Option<Display>> {
        let (Some(member), Some(site)) = (&session.member, &session.site) else { return Ok(None) };
        let member = self.member_of(&session.id_tag, member).await?;
        self.display(member, session.month(), Some(session.id), vec![site.charger_class])
            .await
            .map(Some)
    }

    /// A member by one of its cards, from memory where it is remembered.
    async fn member_of(&self, id_tag: &IdTag, member: &MemberId) -> Done<Arc<Member>> {
        let file = self.cards.find(id_tag).await?;
        match file
            .as_ref()
            .and_then(|file| file.member.as_ref())
            .filter(|known| known.id == *member)
        {
            Some(known) => Ok(Arc::new(known.clone())),
            None => Ok(Arc::new(found::member(self.store.as_ref(), member).await?)),
        }
    }

    async fn display(
        &self,
        member: Arc<Member>,
        month: BillingMonth,
        of: Option<SessionId>,
        classes: Vec<ChargerClass>,
    ) -> Done<Display> {
        let now = self.clock.now();
        let asked =
            self.uses.ask(member, month, move |of_month| of_month.now(of, &classes, now)).await;
        let shown = asked.map_err(|fault| match fault {
            UseFault::Store(cause) => cause.into(),
            UseFault::Price(missing) => missing.into(),
            UseFault::Busy => {
                AppError::Busy("the member's sessions change faster than they are read")
            }
        })?;
        Ok(Display { cost: shown.cost, left: display::pools_in_words(&shown.pools) })
    }

    /// The text in the languages that are set, and the first of them.
    fn message(&self, shown: &Display) -> Option<(&'static str, String)> {
        let languages = &self.rules.languages;
        let texts = languages
            .iter()
            .filter_map(|language| shown.left.iter().find(|(known, _)| known == language));
        let texts: Vec<&str> =
            texts.map(|(_, text)| text.as_str()).filter(|text| !text.is_empty()).collect();
        (!texts.is_empty()).then(|| (languages[0].code(), texts.join("\n")))
    }

    /// Tells chargers that show it what their running sessions cost, for as long as it is polled (OCPP 2.0.1 I02).
    pub async fn keep_telling_costs(self: &Arc<Self>) {
        let Some(every) = self.rules.cost_update.filter(|_| !self.rules.languages.is_empty())
        else {
            return;
        };
        loop {
            tokio::time::sleep(every).await;
            if let Err(cause) = self.tell_costs().await {
                warn!(%cause, "running sessions' costs could not be told");
            }
        }
    }

    async fn tell_costs(self: &Arc<Self>) -> Done<()> {
        let mut shows = Vec::new();
        for id in self.cluster.stations() {
            let displays = self.commands.protocol_of(&id).await.is_ok_and(Protocol::displays);
            let record = if displays { self.commands.stations.find(&id).await? } else { None };
            if record.is_some_and(|record| {
                record.settings().is_some_and(|settings| settings.shows_cost())
            }) {
                shows.push(id);
            }
        }
        for (station, _, reference) in
            self.store.open_sessions_of(&shows.iter().collect::<Vec<_>>()).await?
        {
            let place = (station, reference);
            // One that is still being told, or did not answer lately, is left alone.
            if self.costs_told.contains_key(&place) {
                continue;
            }
            let Some((transaction, cost)) = self.cost_so_far(&place.1).await? else { continue };
            self.costs_told.insert(place.clone(), ());
            let app = self.clone();
            // One charger that does not answer holds up no other.
            tokio::spawn(async move {
                if app.tell_cost(&place.0, &transaction, cost).await {
                    app.costs_told.invalidate(&place);
                }
            });
        }
        Ok(())
    }

    /// A running session's transaction and cost, where both are known.
    async fn cost_so_far(&self, reference: &SessionRef) -> Done<Option<(String, Yen)>> {
        let Some(session) = self
            .store
            .session_by_reference(reference)
            .await?
            .filter(|session| session.stop.is_none())
        else {
            return Ok(None);
        };
        let cost = self.display_of(&session).await?.and_then(|shown| shown.cost);
        Ok(session.transaction.zip(cost))
    }

    /// Whether the station answered. What drivers are shown is no command of anybody's: it is not kept.
    async fn tell_cost(&self, station: &StationId, transaction: &str, cost: Yen) -> bool {
        let Ok(protocol) = self.commands.protocol_of(station).await else { return false };
        let Some((action, payload)) = protocol.cost_command(transaction, cost) else {
            return false;
        };
        let (reply, answered) = oneshot::channel();
        let (message_id, action) = (Uuid::new_v4().to_string(), action.to_owned());
        let call = OutgoingCall { message_id, action, payload: payload.to_string(), reply };
        self.cluster.route(station, call).await.is_ok()
            && matches!(answered.await, Ok(CallOutcome::Answered(_)))
    }
}

/// For how long a charger that does not answer is told no costs.
const UNANSWERED_FOR: Duration = Duration::from_secs(3_600);

/// Sessions whose costs are being told, or were not answered: none.
pub fn costs_told() -> Cache<(StationId, SessionRef), ()> {
    Cache::builder().max_capacity(ANSWERS_REMEMBERED).time_to_live(UNANSWERED_FOR).build()
}

/// The classes of a station's connectors, each once.
fn classes(station: &StationRecord) -> Vec<ChargerClass> {
    let has = |class: &ChargerClass| {
        station.connectors.iter().any(|connector| connector.site.charger_class == *class)
    };
    ChargerClass::ALL.into_iter().filter(has).collect()
}
