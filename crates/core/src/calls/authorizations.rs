//! Cards are judged from memory.

use crate::calls::Authorizations;
use crate::calls::dispatch::busy;
use crate::calls::quotas::Kept;
use crate::ledger::Acceptance;
use juden_domain::authorization::{Place, cache_for, judge_now};
use juden_domain::ids::IdTag;
use juden_ocpp::event::TagAnswer;
use juden_ocpp::frame::CallError;
use juden_store::StationRecord;
use juden_store::ledger::{Occasion, StationNote, StationNoteRow};

impl Authorizations {
    /// The refusal of a card by the newest that is kept of it; `None`: it is not refused.
    pub(crate) async fn refused_now(&self, id_tag: &IdTag) -> Result<Option<TagAnswer>, CallError> {
        let file = self.cards.find(id_tag).await.map_err(|_| busy())?;
        let now = self.clock.now();
        let verdict =
            judge_now(file.as_deref(), now, Place::Open, false, &self.programme.current());
        Ok(verdict.refusal.is_some().then_some(TagAnswer { verdict, cache_until: Some(now) }))
    }

    /// Judges a card now, from memory. An open session of the card elsewhere is checked only where a transaction
    /// starts, because a card must be able to stop its own session.
    pub(crate) async fn authorize(
        &self,
        station: &StationRecord,
        id_tag: &IdTag,
    ) -> Result<TagAnswer, CallError> {
        let programme = self.programme.current();
        let place = station.place(&programme, self.clock.now());
        let judged = async || -> Result<_, CallError> {
            let (file, now) =
                (self.cards.find(id_tag).await.map_err(|_| busy())?, self.clock.now());
            Ok((judge_now(file.as_deref(), now, place, false, &programme), file, now))
        };
        let (mut verdict, file, mut now) = judged().await?;
        // The card may have changed while it was kept that the station may remember it, and who changed it may not
        // have found the station then.
        if let (None, Some(file)) = (verdict.refusal, &file)
            && self.commands.expose(station, &file.card.number, now).await.map_err(|_| busy())?
        {
            (verdict, _, now) = judged().await?;
        }
        if self.quotas.take(&station.id, Kept::ShownCards, 1, now) {
            let note = StationNote::Shown(self.hasher.shown(
                id_tag,
                file.as_deref(),
                verdict.refusal,
                Occasion::Authorize,
            ));
            self.ledger.note_soon(StationNoteRow { station_id: station.id.clone(), at: now, note });
        }
        let result = verdict.refusal.map_or("accepted", juden_domain::refusal::Reason::code);
        metrics::counter!("juden_authorizations_total", "result" => result).increment(1);
        let believed_for = cache_for(verdict.refusal, place, self.cache_for);
        Ok(TagAnswer { verdict, cache_until: Some(now + believed_for) })
    }

    /// Judges an accepted card once more, after its message was kept: no card is accepted once its suspension was
    /// confirmed, however long the store took. The answer to be given instead, where the card is refused by now.
    pub(crate) async fn judged_again(
        &self,
        acceptance: Acceptance,
    ) -> Result<Option<String>, CallError> {
        let Acceptance { reply, id_tag, place } = acceptance;
        let (file, now) = (self.cards.find(&id_tag).await.map_err(|_| busy())?, self.clock.now());
        let verdict = judge_now(file.as_deref(), now, place, false, &self.programme.current());
        let refusal = verdict.refusal;
        let cache_until = Some(now + cache_for(refusal, place, self.cache_for));
        Ok(refusal.map(|_| reply.payload(&TagAnswer { verdict, cache_until })))
    }
}
