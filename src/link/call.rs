//! Handles one call of a station: reads it, passes it to the use cases, and writes the answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;
use tracing::field::display;
use tracing::{Span, debug, warn};

use super::budget::HeldBytes;
use super::refused::Content;
use juden_core::app::App;
use juden_core::cluster::Fence;
use juden_core::directory::Answering;
use juden_core::station_call::StationCall;
use juden_domain::ids::{SessionId, StationId};
use juden_domain::instant::Heard;
use juden_ocpp::event::StationEvent;
use juden_ocpp::frame::{self, CallError, ErrorCode, MessageId, Payload};
use juden_ocpp::protocol::Protocol;

/// The longest text in bytes that is read at once on a thread that serves other stations. For a
/// longer one, the task yields first, or a separate thread decodes it.
pub const LONG_TEXT: usize = 32 * 1024;

/// The future that handles a call.
pub type Handling = Pin<Box<dyn Future<Output = Handled> + Send>>;

/// The answer to a call. The node counts it as being sent until this is dropped.
pub struct Handled {
    pub text: String,
    pub content: Content,
    pub is_refused: bool,
    /// Whether it answers a BootNotification.
    pub is_boot: bool,
    /// Dropped with the rest once the answer is written, which tells the use case that its next
    /// steps may begin.
    _written: oneshot::Sender<()>,
    _under_way: Answering,
}

/// A call that waits to be handled.
pub struct QueuedCall {
    pub id: MessageId,
    pub action: String,
    pub payload: String,
    pub broken: bool,
    pub received_at: DateTime<Utc>,
    /// The bytes that the node counts until the call is answered.
    pub held: HeldBytes,
}

/// A call's content, and whether it was refused so often that it only gets an empty answer.
pub struct LoopGuard {
    pub content: Content,
    pub plainly: bool,
}

/// Handles one call and returns its answer's frame.
pub async fn handle(
    app: Arc<App>,
    station: StationId,
    protocol: Protocol,
    fence: Fence,
    mut call: QueuedCall,
    heard: Heard,
    judged: LoopGuard,
) -> Handled {
    let under_way = app.calls.answering();
    let began = Instant::now();
    // A station may send any action, so only known ones appear by name in metrics and logs.
    let known = protocol.served(&call.action);
    let known_as = known.unwrap_or("other");
    let (mut starts, mut is_boot, mut is_refused) = (false, false, false);
    let (written, is_written) = oneshot::channel();
    let answered = async {
        if judged.plainly {
            metrics::counter!("juden_frames_ignored_total", "why" => "a call that is refused again and again").increment(1);
            app.stations.deviations.note(&station, "a call that is refused again and again");
            is_refused = true;
            return Ok("{}".to_owned());
        }
        let event = decoded(protocol, &mut call).await?;
        note_session(event.session_number());
        starts = event.is_start();
        is_boot = matches!(event, StationEvent::Boot(_));
        let record = app.stations.find(&station).await.ok().flatten();
        let record = record.ok_or_else(|| {
            CallError::new(
                ErrorCode::InternalError,
                "the station's record cannot be read: try again",
            )
        })?;
        let station_call = StationCall {
            station: record,
            fence,
            heard,
            message_id: call.id.text().into_owned(),
            protocol,
            action: call.action.clone(),
            payload: std::mem::take(&mut call.payload),
        };
        app.calls.handle(station_call, event, is_written).await
    };
    let answered = answered.await;
    metrics::histogram!("juden_call_seconds", "action" => known_as)
        .record(began.elapsed().as_secs_f64());
    Span::current().record("action", known_as);
    let text = match answered {
        Ok(payload) => {
            Span::current().record("outcome", "answered");
            if starts {
                note_session(protocol.session_started(&payload));
            }
            frame::result_text(&call.id, &payload)
        }
        Err(error) => {
            Span::current().record("outcome", error.code.wire(protocol));
            // An unknown action may be any text, even a card's id tag, and is not logged.
            let why = if known.is_some() {
                error.description.as_str()
            } else {
                "no action that is served"
            };
            app.stations.deviations.note(&station, error.code.wire(protocol));
            if let Some(other) = protocol.other_version_of(&call.action) {
                warn!(station_id = %station, action = call.action, speaks = other.subprotocol(), "a station sends messages of another version than it connected for: set it to that");
            }
            debug!(station_id = %station, action = known_as, code = ?error.code, why, "a call was refused");
            is_refused = error.is_of_content();
            metrics::counter!("juden_call_errors_total", "code" => error.code.wire(protocol))
                .increment(1);
            frame::error_text(&call.id, &error, protocol)
        }
    };
    Handled {
        text,
        content: judged.content,
        is_refused,
        is_boot,
        _written: written,
        _under_way: under_way,
    }
}

/// Decodes a call. A long one is decoded on a separate thread, a few at a time.
async fn decoded(protocol: Protocol, call: &mut QueuedCall) -> Result<StationEvent, CallError> {
    let read = move |action: &str, payload: &str, broken: bool| {
        protocol
            .decode(action, if broken { Payload::Broken(payload) } else { Payload::Json(payload) })
    };
    if call.payload.len() <= LONG_TEXT {
        return read(&call.action, &call.payload, call.broken);
    }
    let place = LONG_TEXTS.acquire().await;
    let (action, payload, broken) =
        (call.action.clone(), std::mem::take(&mut call.payload), call.broken);
    let reading = tokio::task::spawn_blocking(move || {
        // The permit belongs to the work, so that a station which disconnects does not release it
        // early.
        let _place = place;
        let decoded = read(&action, &payload, broken);
        (decoded, payload)
    });
    match reading.await {
        Ok((decoded, payload)) => {
            call.payload = payload;
            decoded
        }
        Err(_) => Err(CallError::new(
            ErrorCode::InternalError,
            "the message could not be read: try again",
        )),
    }
}

/// The permits for decoding long texts: two at a time.
static LONG_TEXTS: Semaphore = Semaphore::const_new(2);

/// Records the session in the span of the call that is being handled.
fn note_session(number: Option<i64>) {
    if let Some(number) = number.filter(|number| (1..=SessionId::MAX).contains(number)) {
        Span::current().record("session_id", display(SessionId(number)));
    }
}
