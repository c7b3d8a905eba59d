//! A station's WebSocket, plain or with permessage-deflate, behind one face.

use std::io::ErrorKind;

use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use yawc::{DeflatePool, Frame, OpCode, Options, WebSocket, WebSocketError};

use super::deflate;

/// The buffer that a connection reads into; most of the time it waits for a heartbeat.
const READ_BUFFER_BYTES: usize = 4 * 1024;

/// The buffer that a compressed connection begins with.
const DEFLATED_BUFFER_BYTES: usize = 1024;

/// A shorter message is sent as it is: compressed it would hardly be shorter.
const COMPRESSED_FROM_BYTES: usize = 256;

/// What a ping leaves in memory that is read while the connection ends, about.
const PING_LEAVES_BYTES: usize = 256;

type Io = TokioIo<Upgraded>;

/// A station's WebSocket.
pub enum Socket {
    /// Without an extension.
    Plain(Box<WebSocketStream<Io>>),
    /// With permessage-deflate.
    Deflated(Box<WebSocket<Io>>),
}

impl Socket {
    /// A WebSocket over a stream whose handshake is done. Compressors come from the pool for a message at a time.
    pub async fn new(
        upgraded: Upgraded,
        deflated: Option<&DeflatePool>,
        max_message_bytes: usize,
    ) -> Option<Self> {
        let io = TokioIo::new(upgraded);
        let Some(pool) = deflated else {
            let config = WebSocketConfig::default()
                .read_buffer_size(READ_BUFFER_BYTES)
                .write_buffer_size(0)
                .max_message_size(Some(max_message_bytes))
                .max_frame_size(Some(max_message_bytes));
            return Some(Self::Plain(Box::new(
                WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await,
            )));
        };
        // Its limits are the first length that is too long.
        let limit = max_message_bytes.saturating_add(1);
        let options = Options::default()
            .with_low_latency_compression()
            .server_no_context_takeover()
            .client_no_context_takeover()
            .with_deflate_pool(pool.clone())
            .with_compression_threshold(COMPRESSED_FROM_BYTES)
            .with_read_buffer_capacity(DEFLATED_BUFFER_BYTES)
            .with_write_buffer_capacity(DEFLATED_BUFFER_BYTES)
            .with_limits(limit, limit)
            .with_utf8();
        let socket = WebSocket::from_stream_with_extensions(
            io,
            yawc::Role::Server,
            Some(deflate::AGREED),
            options,
        );
        socket.ok().map(|socket| Self::Deflated(Box::new(socket)))
    }

    /// The next message; `None`: the station left.
    pub async fn next(&mut self) -> Option<Result<Message, Error>> {
        match self {
            Self::Plain(socket) => socket.next().await,
            Self::Deflated(socket) => match socket.next_frame().await {
                Ok(frame) => Some(message(frame)),
                Err(cause) => error(cause, "reading").map(Err),
            },
        }
    }

    /// Sends a message and waits until it is taken.
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        match self {
            Self::Plain(socket) => socket.send(message).await,
            Self::Deflated(socket) => {
                let frame = match message {
                    Message::Text(text) => Frame::text(text.as_bytes().to_vec()),
                    Message::Binary(bytes) => Frame::binary(bytes),
                    Message::Ping(bytes) => Frame::ping(bytes),
                    Message::Pong(bytes) => Frame::pong(bytes),
                    Message::Close(_) | Message::Frame(_) => return Ok(()),
                };
                socket
                    .send(frame)
                    .await
                    .map_err(|cause| error(cause, "writing").unwrap_or(Error::ConnectionClosed))
            }
        }
    }

    /// Sends what is owed: pongs that wait, where the library sends none by itself before more is read.
    pub async fn flush(&mut self) -> Result<(), Error> {
        match self {
            Self::Plain(socket) => socket.flush().await,
            Self::Deflated(socket) => socket
                .flush()
                .await
                .map_err(|cause| error(cause, "writing").unwrap_or(Error::ConnectionClosed)),
        }
    }

    /// Tells the station why the connection is closed.
    pub async fn close(&mut self, closing: CloseFrame) -> Result<(), Error> {
        match self {
            Self::Plain(socket) => WebSocketStream::close(socket, Some(closing)).await,
            Self::Deflated(socket) => {
                let code = yawc::close::CloseCode::from(u16::from(closing.code));
                let frame = Frame::close(code, closing.reason.as_str());
                // After a fault it has a word of its own that waits to be sent, and takes no other.
                if socket.send(frame).await.is_err() {
                    let _ = socket.flush().await;
                }
                Ok(())
            }
        }
    }

    /// Reads and drops up to so many bytes, until the station has left.
    pub async fn drain(&mut self, mut left: usize) {
        match self {
            Self::Plain(socket) => {
                let stream = socket.get_mut();
                let mut buffer = vec![0; READ_BUFFER_BYTES];
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    left = left.saturating_sub(read);
                    if left == 0 {
                        break;
                    }
                }
            }
            Self::Deflated(socket) => {
                while let Ok(frame) = socket.next_frame().await {
                    // Each ping leaves an answer behind that is not sent.
                    left = left.saturating_sub(frame.payload().len().max(PING_LEAVES_BYTES));
                    if left == 0 {
                        break;
                    }
                }
            }
        }
    }
}

fn message(frame: Frame) -> Result<Message, Error> {
    let (opcode, _, payload) = frame.into_parts();
    Ok(match opcode {
        OpCode::Text => Message::Text(
            Utf8Bytes::try_from(payload).map_err(|cause| Error::Utf8(cause.to_string()))?,
        ),
        OpCode::Ping => Message::Ping(payload),
        OpCode::Pong => Message::Pong(payload),
        OpCode::Close => Message::Close(None),
        OpCode::Binary | OpCode::Continuation => Message::Binary(payload),
    })
}

/// A fault in the words of the plain socket; `None`: the connection ended.
fn error(cause: WebSocketError, doing: &str) -> Option<Error> {
    match cause {
        WebSocketError::ConnectionClosed => None,
        WebSocketError::InvalidUTF8 => Some(Error::Utf8(doing.to_owned())),
        WebSocketError::FrameTooLarge => {
            Some(Error::Capacity(CapacityError::MessageTooLong { size: 0, max_size: 0 }))
        }
        // What cannot be decompressed comes as an input that is not valid.
        WebSocketError::IoError(cause)
            if !matches!(cause.kind(), ErrorKind::InvalidInput | ErrorKind::InvalidData) =>
        {
            Some(Error::Io(cause))
        }
        _ => Some(Error::Protocol(ProtocolError::NonZeroReservedBits)),
    }
}
