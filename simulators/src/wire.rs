//! One connection to a central system: calls out, commands in.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use uuid::Uuid;

use crate::memory::{Fault, SharedMemory};
use crate::version::Version;

/// Why a call brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallFailure {
    /// The connection could not be made, or ended.
    #[error("not connected: {0}")]
    Disconnected(String),
    /// No answer came in time.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The central system answered with an error.
    #[error("refused: {code}: {description}")]
    Refused {
        /// The error code.
        code: String,
        /// The error's text.
        description: String,
    },
}

/// A command from the central system, with the answer that was given.
#[derive(Debug, Clone, PartialEq)]
pub struct Commanded {
    /// Its action.
    pub action: String,
    /// Its payload.
    pub payload: Value,
    /// What was answered.
    pub answer: Value,
}

/// A connection.
pub struct Connection {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// How long an answer may take.
    pub answer_timeout: Duration,
    /// The commands that came.
    pub commanded: Vec<Commanded>,
    /// What the station remembers of cards; without one it obeys and forgets.
    pub memory: Option<SharedMemory>,
}

/// What a station answers to a command: it does what it is told.
fn answer_to(action: &str) -> Option<Value> {
    Some(match action {
        "GetConfiguration" => {
            json!({"configurationKey": [{"key": "HeartbeatInterval", "readonly": false, "value": "300"}], "unknownKey": []})
        }
        "UnlockConnector" => json!({"status": "Unlocked"}),
        "DataTransfer" => json!({"status": "UnknownVendorId"}),
        "GetBaseReport" | "GetReport" => json!({"status": "NotSupported"}),
        "RequestStartTransaction"
        | "RequestStopTransaction"
        | "ChangeAvailability"
        | "ChangeConfiguration"
        | "ClearCache"
        | "RemoteStartTransaction"
        | "RemoteStopTransaction"
        | "Reset"
        | "TriggerMessage" => {
            json!({"status": "Accepted"})
        }
        _ => return None,
    })
}

impl Connection {
    /// Connects a station.
    pub async fn open(
        url: &str,
        station_id: &str,
        version: Version,
        password: Option<&str>,
    ) -> Result<Self, CallFailure> {
        let failed = |cause: &dyn std::fmt::Display| CallFailure::Disconnected(cause.to_string());
        let address = format!("{}/{station_id}", url.trim_end_matches('/'));
        let mut request = address.into_client_request().map_err(|cause| failed(&cause))?;
        let headers = request.headers_mut();
        headers.insert("Sec-WebSocket-Protocol", HeaderValue::from_static(version.subprotocol()));
        if let Some(password) = password {
            let basic = format!("Basic {}", STANDARD.encode(format!("{station_id}:{password}")));
            headers.insert(
                "Authorization",
                HeaderValue::from_str(&basic).map_err(|cause| failed(&cause))?,
            );
        }
        let (socket, _) = connect_async(request).await.map_err(|cause| failed(&cause))?;
        Ok(Self {
            socket,
            answer_timeout: Duration::from_secs(30),
            commanded: Vec::new(),
            memory: None,
        })
    }

    /// Calls under a new message id and waits for the answer; commands that come meanwhile are answered.
    pub async fn call(&mut self, action: &str, payload: &Value) -> Result<Value, CallFailure> {
        self.call_as(&Uuid::new_v4().to_string(), action, payload).await
    }

    /// Calls under a given message id.
    pub async fn call_as(
        &mut self,
        id: &str,
        action: &str,
        payload: &Value,
    ) -> Result<Value, CallFailure> {
        let text = json!([2, id, action, payload]).to_string();
        self.send(text).await?;
        let limit = self.answer_timeout;
        let answer =
            timeout(limit, self.answer(id)).await.map_err(|_| CallFailure::TimedOut(limit))??;
        if let Some(memory) = &self.memory {
            memory.lock().heard(payload, &answer);
        }
        Ok(answer)
    }

    async fn send(&mut self, text: String) -> Result<(), CallFailure> {
        self.socket
            .send(Message::text(text))
            .await
            .map_err(|cause| CallFailure::Disconnected(cause.to_string()))
    }

    async fn answer(&mut self, id: &str) -> Result<Value, CallFailure> {
        loop {
            let frame = self.next_frame().await?;
            let text = |index: usize| {
                frame.get(index).and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            match (frame.get(0).and_then(Value::as_i64), text(1) == id) {
                (Some(2), _) => self.commanded(&frame).await?,
                (Some(3), true) => return Ok(frame.get(2).cloned().unwrap_or_default()),
                (Some(4), true) => {
                    return Err(CallFailure::Refused { code: text(2), description: text(3) });
                }
                _ => {}
            }
        }
    }

    /// Serves commands for a while.
    pub async fn serve_for(&mut self, time: Duration) -> Result<(), CallFailure> {
        let served = timeout(time, async {
            loop {
                let frame = self.next_frame().await?;
                if frame.get(0).and_then(Value::as_i64) == Some(2) {
                    self.commanded(&frame).await?;
                }
            }
        });
        served.await.unwrap_or(Ok(()))
    }

    async fn next_frame(&mut self) -> Result<Value, CallFailure> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    return serde_json::from_str(&text).map_err(|cause| {
                        CallFailure::Disconnected(format!("a frame that is no JSON: {cause}"))
                    });
                }
                Some(Ok(_)) => {}
                Some(Err(cause)) => return Err(CallFailure::Disconnected(cause.to_string())),
                None => return Err(CallFailure::Disconnected("closed".into())),
            }
        }
    }

    async fn commanded(&mut self, frame: &Value) -> Result<(), CallFailure> {
        let id = frame.get(1).cloned().unwrap_or_default();
        let action = frame.get(2).and_then(Value::as_str).unwrap_or_default().to_owned();
        let payload = frame.get(3).cloned().unwrap_or_default();
        let fault = self.memory.as_ref().and_then(|memory| memory.lock().fault(&action));
        let obeyed = || {
            let remembered =
                self.memory.as_ref().and_then(|memory| memory.lock().command(&action, &payload));
            remembered.or_else(|| answer_to(&action))
        };
        let refused = |code: &str| {
            (Value::Null, Some(json!([4, id, code, "this station does not do it", {}])))
        };
        let answered = |answer: Value| (answer.clone(), Some(json!([3, id, answer])));
        let hangs_up = fault == Some(Fault::HangUp);
        let (answer, reply) = match fault {
            Some(Fault::Answer(answer)) => answered(answer),
            Some(Fault::Error(code)) => refused(code),
            Some(Fault::Deaf) => (obeyed().unwrap_or_default(), None),
            Some(Fault::Silent | Fault::HangUp) => (Value::Null, None),
            None => obeyed().map_or_else(|| refused("NotImplemented"), answered),
        };
        self.commanded.push(Commanded { action, payload, answer });
        match reply {
            Some(reply) => self.send(reply.to_string()).await,
            None if hangs_up => Err(CallFailure::Disconnected("hung up".into())),
            None => Ok(()),
        }
    }

    /// Leaves politely.
    pub async fn close(mut self) {
        let _ = timeout(Duration::from_secs(1), self.socket.close(None)).await;
    }
}
