//! One station's connection: a task that reads messages, handles and answers calls one after the
//! other, and sends our own calls. Each direction has one call in progress.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::time::{
    Duration, Instant, Interval, MissedTickBehavior, interval, sleep_until, timeout,
};
use tokio_tungstenite::tungstenite::error::{CapacityError, Error};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tracing::field::Empty;
use tracing::{Instrument, debug, info, info_span, warn};

use super::Link;
use super::budget::{ControlFrames, Load, MayRead, may_read};
use super::call::{Handled, Handling, LONG_TEXT, LoopGuard, QueuedCall, handle};
use super::handshake::Entering;
use super::onboarding::Onboarding;
use super::outgoing::Outgoing;
use super::refused::{Content, Refused};
use super::socket::Socket;
use crate::telemetry::spans::TARGET;
use juden_core::cluster::{Fence, LocalConnection, OutgoingCall};
use juden_core::ledger::ConnectionOpened;
use juden_domain::ids::StationId;
use juden_domain::instant::Heard;
use juden_domain::station::Quirk;
use juden_ocpp::frame::{self, CallError, ErrorCode, Frame, MessageId, Payload};
use juden_ocpp::protocol::Protocol;

/// The longest wait for the call in progress when the connection is to end.
const LAST_CALL: Duration = Duration::from_secs(8);

/// The time and the bytes for which the peer is still read after a close.
const DRAIN_FOR: Duration = Duration::from_secs(1);
const DRAIN_BYTES: usize = 16 * 1024 * 1024;

/// The reason why a connection ends.
enum End {
    /// The station closed the connection, or the stream broke.
    Gone,
    /// The server closes the connection, with this code and reason.
    Close(CloseCode, &'static str),
}

/// The event that woke the connection's task.
enum Wake {
    /// The station sent a message, or left.
    Read(Option<Result<Message, Error>>),
    /// The call in progress has its answer.
    Answer(Handled),
    /// A command is to be sent.
    Command(OutgoingCall),
    /// The command in progress was not answered in time.
    CommandTimeout,
    /// It is time for a ping.
    Ping,
    /// The station was silent for too long.
    Idle,
    /// The pause in reading is over.
    ReadOn,
    /// A newer connection of the station came, or the server stops.
    Replaced,
}

struct Connection {
    link: Arc<Link>,
    station: StationId,
    protocol: Protocol,
    connected_since: DateTime<Utc>,
    /// The time between pings; `None`: none are sent.
    ping_interval: Option<Duration>,
    seat: LocalConnection,
    fence: Fence,
    waiting: VecDeque<QueuedCall>,
    handling: Option<(MessageId, Handling)>,
    outgoing: Outgoing,
    refused: Refused,
    last_heard: Instant,
    controls: ControlFrames,
    onboarding: Option<Onboarding>,
    noise: u64,
}

/// Runs a connection to its end.
pub async fn run(link: Arc<Link>, entering: Entering) {
    let Ok((admitted, deflated, upgraded)) = entering.stream().await else {
        return;
    };
    let pool = deflated.then_some(&link.deflate);
    let Some(mut socket) = Socket::new(upgraded, pool, link.settings.max_message_bytes).await
    else {
        return;
    };
    let now = link.app.now();
    let station = admitted.station.id.clone();
    // A silent connection, such as a probe, must not replace a working one.
    let first = match first_word(&link, &mut socket, &station).await {
        FirstWord::NotNeeded => None,
        FirstWord::Spoke(message) => Some(message),
        FirstWord::Gone => return,
    };
    let fence = Fence::default();
    let seat = link.seats.seat(&station, admitted.protocol.subprotocol(), fence.clone(), now);
    info!(station_id = %station, protocol = admitted.protocol.subprotocol(), "a station connected");
    metrics::gauge!("juden_connections").increment(1);
    let may_ping = !admitted.station.quirks.contains(&Quirk::NoPings);
    let mut connection = Connection {
        ping_interval: link.settings.ping_interval.filter(|_| may_ping),
        link,
        station,
        protocol: admitted.protocol,
        connected_since: now,
        seat,
        fence,
        waiting: VecDeque::new(),
        handling: None,
        outgoing: Outgoing::default(),
        refused: Refused::default(),
        last_heard: Instant::now(),
        controls: ControlFrames::new(Instant::now()),
        onboarding: None,
        noise: 0,
    };
    connection.open().await;
    let begun = match first {
        None => Ok(()),
        Some(message) => connection.heard(&mut socket, message).await,
    };
    connection.handle_next();
    let end = match begun {
        Ok(()) => connection.serve(&mut socket).await,
        Err(end) => end,
    };
    connection.end(socket, end).await;
    metrics::gauge!("juden_connections").decrement(1);
}

/// How often a silent newer connection checks whether the station's older one still exists.
const OLDER_LOOKED_AT_EVERY: Duration = Duration::from_millis(100);

/// The result of the wait of a newer connection while an older one of its station exists.
enum FirstWord {
    /// There is no older connection, or it ended meanwhile.
    NotNeeded,
    /// The newer connection sent a message, and replaces the older one.
    Spoke(Message),
    /// The newer connection ended, or was silent for too long, or the server stops.
    Gone,
}

/// Waits for a newer connection's first message, if this node has an older one of the station.
async fn first_word(link: &Link, socket: &mut Socket, station: &StationId) -> FirstWord {
    if !link.seats.is_held(station) {
        return FirstWord::NotNeeded;
    }
    let until = Instant::now() + link.settings.idle_timeout;
    let mut look = interval(OLDER_LOOKED_AT_EVERY);
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                    link.app.stations.deviations.note(station, "a newer connection took the place of one that stood");
                    return FirstWord::Spoke(message);
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return FirstWord::Gone,
                Some(Ok(_)) => if socket.flush().await.is_err() { return FirstWord::Gone },
            },
            _ = look.tick() => {
                if link.is_stopping() || Instant::now() > until {
                    return FirstWord::Gone;
                }
                if !link.seats.is_held(station) {
                    return FirstWord::NotNeeded;
                }
            }
        }
    }
}

impl Connection {
    /// Registers the connection among all nodes. If the store cannot be reached, the station is
    /// served all the same, and its messages are stored after the connection's opening.
    async fn open(&mut self) {
        let app = &self.link.app;
        let (station_id, fence) = (self.station.clone(), self.fence.clone());
        let opening = ConnectionOpened {
            station_id,
            protocol: self.protocol.subprotocol(),
            since: self.connected_since,
            fence,
        };
        app.calls.connection_opened(opening).await;
    }

    async fn serve(&mut self, socket: &mut Socket) -> End {
        let mut ping = interval(self.ping_interval.unwrap_or(Duration::from_secs(86_400)));
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ping.reset();
        loop {
            let wake = self.wake(socket, &mut ping).await;
            let went = match wake {
                Wake::Read(None) => Err(End::Gone),
                Wake::Read(Some(Ok(message))) => self.heard(socket, message).await,
                Wake::Read(Some(Err(cause))) => Err(self.broken(cause)),
                Wake::Answer(answer) => {
                    self.handling = None;
                    self.refused.answered(answer.content, answer.is_refused);
                    self.onboard_once(answer.is_boot);
                    self.send(socket, Message::text(answer.text.as_str())).await
                }
                Wake::Command(call) => {
                    debug!(station_id = %self.station, action = call.action, "a command is sent");
                    let text =
                        self.outgoing.begin(&self.station, call, self.link.settings.call_timeout);
                    self.send(socket, Message::text(text)).await
                }
                Wake::CommandTimeout if self.outgoing.timed_out() => {
                    Err(End::Close(CloseCode::Policy, "no command is answered"))
                }
                Wake::CommandTimeout => Ok(()),
                Wake::Ping => self.send(socket, Message::Ping(Bytes::new())).await,
                Wake::ReadOn => Ok(()),
                Wake::Idle => Err(End::Close(CloseCode::Policy, "no sign of life")),
                Wake::Replaced => {
                    Err(End::Close(CloseCode::Away, "a newer connection, or the server stops"))
                }
            };
            if let Err(end) = went {
                return end;
            }
            self.handle_next();
        }
    }

    /// Waits for the next event.
    async fn wake(&mut self, socket: &mut Socket, ping: &mut Interval) -> Wake {
        let settings = &self.link.settings;
        let now = Instant::now();
        let deadline = self.outgoing.deadline().unwrap_or(now);
        let may_read = may_read(self.load(), self.link.bytes.held(), &self.controls, now);
        let read_from = if let MayRead::From(instant) = may_read { instant } else { now };
        // While we do not read, the station's silence does not count.
        let silent_since =
            if may_read == MayRead::Now { self.last_heard } else { self.last_heard.max(read_from) };
        tokio::select! {
            message = socket.next(), if may_read == MayRead::Now => Wake::Read(message),
            () = sleep_until(read_from), if matches!(may_read, MayRead::From(_)) => Wake::ReadOn,
            answer = handled(&mut self.handling) => Wake::Answer(answer),
            Some(call) = self.seat.calls.recv(), if self.outgoing.is_free() => Wake::Command(call),
            () = sleep_until(deadline), if !self.outgoing.is_free() => Wake::CommandTimeout,
            _ = ping.tick(), if self.ping_interval.is_some() => Wake::Ping,
            () = sleep_until(silent_since + settings.idle_timeout) => Wake::Idle,
            _ = self.seat.replaced.wait_for(|replaced| *replaced) => Wake::Replaced,
        }
    }

    /// The load of this connection.
    fn load(&self) -> Load {
        let bytes = self.waiting.iter().map(|waiting| waiting.held.bytes).sum();
        Load { calls: self.waiting.len(), bytes, is_handling: self.handling.is_some() }
    }

    /// Processes a WebSocket message from the station.
    async fn heard(&mut self, socket: &mut Socket, message: Message) -> Result<(), End> {
        self.last_heard = Instant::now();
        let received_at = self.link.app.now();
        self.seat.heard(received_at);
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => {
                self.note_noise("a binary message");
                return Ok(());
            }
            Message::Close(_) => return Ok(()),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {
                self.controls.count(self.last_heard);
                // Pongs are sent before more is read, so that none pile up.
                return self.send_owed(socket).await;
            }
        };
        if text.len() > LONG_TEXT {
            tokio::task::yield_now().await;
        }
        let frame = frame::parse(text.as_str());
        if frame.is_broken()
            && let Some(mended) = frame::mended(text.as_str())
        {
            self.link.app.stations.deviations.note(&self.station, "broken JSON that could be read");
            return self.took(socket, frame::parse(&mended), received_at).await;
        }
        self.took(socket, frame, received_at).await
    }

    /// Processes a frame.
    async fn took(
        &mut self,
        socket: &mut Socket,
        frame: Frame<'_>,
        received_at: DateTime<Utc>,
    ) -> Result<(), End> {
        match frame {
            Frame::Ignored(why) => self.note_noise(why),
            Frame::Unreadable(why) => {
                self.note_noise(why);
                let error = CallError::new(ErrorCode::RpcFrameworkError, why);
                return self.refuse(socket, &MessageId::unreadable(), &error).await;
            }
            Frame::UnknownType(id) => {
                self.note_noise("a frame of an unknown message type");
                let error = CallError::new(
                    ErrorCode::MessageTypeNotSupported,
                    "the message type must be 2, 3 or 4",
                );
                return self.refuse(socket, &id, &error).await;
            }
            Frame::Reply(id, reply) => {
                if !self.outgoing.answered(&id, reply) {
                    self.note_noise("an answer that nobody asked for");
                }
            }
            Frame::Refused(id, error) => {
                return self
                    .send(socket, Message::text(frame::error_text(&id, &error, self.protocol)))
                    .await;
            }
            Frame::Call(call) => {
                let in_flight = self
                    .waiting
                    .iter()
                    .map(|waiting| &waiting.id)
                    .chain(self.handling.iter().map(|(id, _)| id))
                    .any(|id| *id == call.id);
                // A transaction message is recognized by its content, not by its message id.
                if in_flight && !self.protocol.is_transaction(&call.action) {
                    let error = CallError::new(
                        ErrorCode::GenericError,
                        "a call with this message id is still being handled",
                    );
                    return self
                        .send(
                            socket,
                            Message::text(frame::error_text(&call.id, &error, self.protocol)),
                        )
                        .await;
                }
                let held = self.link.bytes.hold(call.payload.text().len() + call.action.len());
                self.waiting.push_back(QueuedCall {
                    id: call.id,
                    action: call.action,
                    broken: matches!(call.payload, Payload::Broken(_)),
                    payload: call.payload.text().to_owned(),
                    received_at,
                    held,
                });
            }
        }
        Ok(())
    }

    /// Answers a message that is not a CALL by a CALLERROR, if the version allows it.
    async fn refuse(
        &mut self,
        socket: &mut Socket,
        id: &MessageId,
        error: &CallError,
    ) -> Result<(), End> {
        if !self.protocol.refuses_what_is_no_call() {
            return Ok(());
        }
        self.send(socket, Message::text(frame::error_text(id, error, self.protocol))).await
    }

    /// Begins to handle the next waiting call, if none is in progress.
    fn handle_next(&mut self) {
        if self.handling.is_some() {
            return;
        }
        if let Some(call) = self.waiting.pop_front() {
            let heard = Heard {
                received_at: call.received_at,
                connected_since: self.connected_since,
                clock: None,
            };
            let id = call.id.clone();
            let span = info_span!(
                target: TARGET, parent: None, "ocpp.call", station_id = %self.station, action = Empty, session_id = Empty, outcome = Empty
            );
            let (app, station) = (self.link.app.clone(), self.station.clone());
            let content = Content::of(&call.action, &call.payload);
            let plainly =
                self.refused.is_looping(content) && self.protocol.has_empty_answer(&call.action);
            let handling = handle(
                app,
                station,
                self.protocol,
                self.fence.clone(),
                call,
                heard,
                LoopGuard { content, plainly },
            );
            self.handling = Some((id, Box::pin(handling.instrument(span))));
        }
    }

    async fn send(&mut self, socket: &mut Socket, message: Message) -> Result<(), End> {
        self.in_time(socket.send(message)).await
    }

    /// Sends what the socket has queued by itself: pongs.
    async fn send_owed(&mut self, socket: &mut Socket) -> Result<(), End> {
        self.in_time(socket.flush()).await
    }

    async fn in_time(
        &mut self,
        sending: impl Future<Output = Result<(), Error>>,
    ) -> Result<(), End> {
        match timeout(self.link.settings.write_timeout, sending).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => {
                warn!(station_id = %self.station, "a station does not take what is sent to it; its connection is closed");
                Err(End::Gone)
            }
        }
    }

    /// Counts a message that is not an OCPP frame. Only the connection's first one is logged.
    fn note_noise(&mut self, what: &'static str) {
        metrics::counter!("juden_frames_ignored_total", "why" => what).increment(1);
        self.link.app.stations.deviations.note(&self.station, what);
        if self.noise == 0 {
            warn!(station_id = %self.station, what, "a station sent what is no OCPP frame; further ones are counted only");
        }
        self.noise += 1;
    }

    fn broken(&self, cause: Error) -> End {
        debug!(station_id = %self.station, %cause, "a connection broke");
        match cause {
            Error::Capacity(CapacityError::MessageTooLong { .. }) => {
                warn!(station_id = %self.station, limit = self.link.settings.max_message_bytes, "a station sent a message over the limit");
                End::Close(CloseCode::Size, "the message is over the limit")
            }
            Error::Utf8(_) => End::Close(CloseCode::Invalid, "a text must be UTF-8"),
            Error::Protocol(_) => End::Close(CloseCode::Protocol, "not the WebSocket protocol"),
            _ => End::Gone,
        }
    }

    /// Begins onboarding after the first answer. A BootNotification restarts the wait, because
    /// some stations disconnect if they are asked anything before they have booted.
    fn onboard_once(&mut self, has_booted: bool) {
        self.onboarding.take_if(|onboarding| has_booted && onboarding.begins_anew());
        if self.onboarding.is_none() {
            self.onboarding = Some(Onboarding::begin(
                &self.link.app,
                &self.station,
                self.link.settings.onboarding_delay,
            ));
        }
    }

    /// Ends the connection. Only the call in progress is still answered.
    async fn end(mut self, mut socket: Socket, end: End) {
        self.outgoing.disconnected();
        self.onboarding = None;
        if let End::Close(code, why) = end {
            if self.handling.is_some()
                && let Ok(answer) = timeout(LAST_CALL, handled(&mut self.handling)).await
            {
                let _ = self.send(&mut socket, Message::text(answer.text.as_str())).await;
            }
            let closing = CloseFrame { code, reason: why.into() };
            if let Ok(Ok(())) = timeout(DRAIN_FOR, socket.close(closing)).await {
                // The rest is read, so that the peer sees the close before a TCP reset.
                let _ = timeout(DRAIN_FOR, socket.drain(DRAIN_BYTES)).await;
            }
            info!(station_id = %self.station, why, "a station's connection was closed");
        } else {
            info!(station_id = %self.station, "a station left");
        }
        self.link.app.calls.connection_closed(&self.station, &self.fence).await;
    }
}

/// The answer of the call in progress; pending for ever if there is none.
async fn handled(handling: &mut Option<(MessageId, Handling)>) -> Handled {
    match handling {
        Some((_, handling)) => handling.await,
        None => std::future::pending().await,
    }
}
