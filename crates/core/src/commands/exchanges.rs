//! What was said between Juden and a station beside its transactions, for the operator.

use crate::commands::Commands;
use crate::commands::effects::CommandEffect;
use crate::error::{AppError, Done};
use juden_domain::ids::StationId;
use juden_ocpp::command_intent;
use juden_store::Page;
use juden_store::exchanges::{KeptReport, KeptVariable, ReportFilter, SentCommand};

/// Reports that one command's answer shows at most.
const REPORTS_OF_COMMAND: i64 = 500;

impl Commands {
    async fn known(&self, id: &StationId) -> Done<()> {
        self.stations.find(id).await?.map(|_| ()).ok_or_else(|| AppError::not_found("station", id))
    }

    /// A station's messages that are kept as they came, the newest first.
    pub async fn reports(
        &self,
        id: &StationId,
        filter: &ReportFilter,
        page: &Page,
    ) -> Done<Vec<KeptReport>> {
        self.known(id).await?;
        Ok(self.store.reports(id, filter, page).await?)
    }

    /// The variables of a station's device model.
    pub async fn variables(&self, id: &StationId, page: &Page) -> Done<Vec<KeptVariable>> {
        self.known(id).await?;
        Ok(self.store.variables(id, page).await?)
    }

    /// The commands that a station was sent, the newest first.
    pub async fn commands(
        &self,
        id: &StationId,
        page: &Page,
    ) -> Done<Vec<(SentCommand, Option<CommandEffect>)>> {
        let station =
            self.store.station(id).await?.ok_or_else(|| AppError::not_found("station", id))?;
        let mut commands = Vec::new();
        for command in self.store.commands(id, page).await? {
            let effect = self.effect_of(&station, &command).await?;
            commands.push((command, effect));
        }
        Ok(commands)
    }

    /// One of them, with the messages of the station that belong to its request, in the order of their parts.
    pub async fn command(
        &self,
        id: &StationId,
        number: i64,
    ) -> Done<(SentCommand, Option<CommandEffect>, Vec<KeptReport>)> {
        let behind = Page { after: Some(number.saturating_add(1).to_string()), limit: 1 };
        let found =
            self.commands(id, &behind).await?.pop().filter(|(command, _)| command.number == number);
        let (command, effect) = found.ok_or_else(|| AppError::not_found("command", number))?;
        let payload: serde_json::Value =
            serde_json::from_str(&command.command.payload).unwrap_or_default();
        let Some(request_id) = command_intent::request_number(&payload) else {
            return Ok((command, effect, Vec::new()));
        };
        let filter = ReportFilter { action: None, request_id: Some(request_id) };
        let mut reports = self
            .store
            .reports(id, &filter, &Page { after: None, limit: REPORTS_OF_COMMAND })
            .await?;
        reports.retain(|report| report.at >= command.command.sent_at);
        reports.sort_by_key(|report| (report.row.seq_no, report.number));
        Ok((command, effect, reports))
    }
}
