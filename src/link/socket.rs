//! A station's WebSocket, plain or with permessage-deflate, behind one interface.

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

/// The read buffer of a plain connection. It is small, because most connections are idle.
const READ_BUFFER_BYTES: usize = 4 * 1024;

/// The first size of a compressed connection's buffers.
const DEFLATED_BUFFER_BYTES: usize = 1024;

/// The smallest message that is compressed. Shorter ones would hardly shrink.
const COMPRESSED_FROM_BYTES: usize = 256;

/// About how many bytes the answer to a ping takes in memory while the connection is drained.
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
    /// A WebSocket over an upgraded stream. Compressors come from the pool, each for one message.
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
        // yawc's limits are exclusive: the first length that is too long.
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

    /// Sends a message and waits until it is written.
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

    /// Sends queued pongs, which the library otherwise sends only when more is read.
    pub async fn flush(&mut self) -> Result<(), Error> {
        match self {
            Self::Plain(socket) => socket.flush().await,
            Self::Deflated(socket) => socket
                .flush()
                .await
                .map_err(|cause| error(cause, "writing").unwrap_or(Error::ConnectionClosed)),
        }
    }

    /// Sends a close frame with its reason.
    pub async fn close(&mut self, closing: CloseFrame) -> Result<(), Error> {
        match self {
            Self::Plain(socket) => WebSocketStream::close(socket, Some(closing)).await,
            Self::Deflated(socket) => {
                let code = yawc::close::CloseCode::from(u16::from(closing.code));
                let frame = Frame::close(code, closing.reason.as_str());
                // After a fault, yawc has its own close frame queued and accepts no other.
                if socket.send(frame).await.is_err() {
                    let _ = socket.flush().await;
                }
                Ok(())
            }
        }
    }

    /// Reads and discards up to `left` bytes, until the station has left.
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
                    // The answer to each ping stays in memory, because it is not sent.
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

/// A fault as an error of the plain socket; `None`: the connection ended.
fn error(cause: WebSocketError, doing: &str) -> Option<Error> {
    match cause {
        WebSocketError::ConnectionClosed => None,
        WebSocketError::InvalidUTF8 => Some(Error::Utf8(doing.to_owned())),
        WebSocketError::FrameTooLarge => {
            Some(Error::Capacity(CapacityError::MessageTooLong { size: 0, max_size: 0 }))
        }
        // Data that cannot be decompressed arrives as invalid input.
        WebSocketError::IoError(cause)
            if !matches!(cause.kind(), ErrorKind::InvalidInput | ErrorKind::InvalidData) =>
        {
            Some(Error::Io(cause))
        }
        _ => Some(Error::Protocol(ProtocolError::NonZeroReservedBits)),
    }
}
