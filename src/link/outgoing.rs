//! Our calls to a station: one at a time, with a deadline (OCPP-J 1.6 section 4.1.1).

use tokio::sync::oneshot;
use tokio::time::{Duration, Instant};

use tracing::field::Empty;
use tracing::{Span, info_span};

use crate::telemetry::spans::TARGET;
use juden_core::cluster::{CallOutcome, OutgoingCall};
use juden_domain::ids::StationId;
use juden_ocpp::frame::{self, MessageId, Reply};

/// Calls without an answer in a row after which a connection counts as dead.
pub const UNANSWERED_MAX: u32 = 3;

/// The call in progress, if any.
#[derive(Debug, Default)]
pub struct Outgoing {
    pending: Option<Pending>,
    unanswered: u32,
}

#[derive(Debug)]
struct Pending {
    id: String,
    deadline: Instant,
    reply: oneshot::Sender<CallOutcome>,
    /// The span from the call's sending to its outcome.
    span: Span,
}

impl Pending {
    fn ends(self, told: &'static str, outcome: CallOutcome) {
        self.span.record("outcome", told);
        let _ = self.reply.send(outcome);
    }
}

impl Outgoing {
    /// Whether another call may be sent.
    pub const fn is_free(&self) -> bool {
        self.pending.is_none()
    }

    /// Begins a call and returns the frame to send.
    pub fn begin(&mut self, station: &StationId, call: OutgoingCall, timeout: Duration) -> String {
        let text = frame::call_text(&call.message_id, &call.action, &call.payload);
        let span = info_span!(target: TARGET, parent: None, "ocpp.command", station_id = %station, action = call.action, outcome = Empty);
        self.pending = Some(Pending {
            id: call.message_id,
            deadline: Instant::now() + timeout,
            reply: call.reply,
            span,
        });
        text
    }

    /// The deadline of the call in progress.
    pub fn deadline(&self) -> Option<Instant> {
        self.pending.as_ref().map(|pending| pending.deadline)
    }

    /// Processes an answer. `false`: it belongs to no call in progress.
    pub fn answered(&mut self, id: &MessageId, reply: Reply) -> bool {
        match self.pending.take_if(|pending| pending.id == id.text()) {
            Some(pending) => {
                self.unanswered = 0;
                let told = if matches!(reply, Reply::Result(_)) { "answered" } else { "error" };
                pending.ends(told, CallOutcome::Answered(reply));
                true
            }
            None => false,
        }
    }

    /// Notes that the deadline passed. `true`: the connection counts as dead.
    pub fn timed_out(&mut self) -> bool {
        if let Some(pending) = self.pending.take() {
            pending.ends("timed_out", CallOutcome::TimedOut);
            self.unanswered += 1;
        }
        self.unanswered >= UNANSWERED_MAX
    }

    /// Ends the call in progress, because the connection ends.
    pub fn disconnected(&mut self) {
        if let Some(pending) = self.pending.take() {
            pending.ends("disconnected", CallOutcome::Disconnected);
        }
    }
}
