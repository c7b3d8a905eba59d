//! Exports spans to an OpenTelemetry collector in the background. If the collector is slow or
//! unavailable, spans are lost and counted, and nothing else happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use opentelemetry::trace::TracerProvider;
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{RetryPolicy, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, Span, SpanData, SpanExporter,
    SpanProcessor,
};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tracing::{Subscriber, info, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

/// The target of our spans. No other span, and no log line, is exported.
pub const TARGET: &str = "juden::spans";

/// The most spans that wait for the collector. Further ones are counted and dropped.
const WAITING_MAX: usize = 8_192;

/// The most spans of one export.
const BATCH_MAX: usize = 1_024;

/// The time between exports.
const EXPORT_EVERY: Duration = Duration::from_secs(2);

/// The time for the collector to accept an export.
const EXPORT_WITHIN: Duration = Duration::from_secs(2);

/// The time for the last export when the server stops.
const FLUSH_WITHIN: Duration = Duration::from_millis(800);

/// The most bytes that are read of the collector's answer.
const ANSWER_MAX_BYTES: usize = 64 * 1024;

/// The export of spans.
pub struct SpanExport {
    provider: SdkTracerProvider,
}

impl SpanExport {
    /// Begins to export to a collector's address such as `http://collector:4318`. It uses the
    /// current Tokio runtime.
    pub fn start(endpoint: &str, node: Option<&str>) -> anyhow::Result<Self> {
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_timeout(EXPORT_WITHIN)
            .with_retry_policy(RetryPolicy::disabled())
            .with_http_client(Client { runtime: Handle::current() })
            .build()?;
        let waiting = Arc::new(AtomicUsize::new(0));
        let counted =
            Counted { exporter, waiting: waiting.clone(), failing: AtomicBool::new(false) };
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(2 * WAITING_MAX)
            .with_max_export_batch_size(BATCH_MAX)
            .with_scheduled_delay(EXPORT_EVERY)
            .build();
        let processor = BatchSpanProcessor::builder(counted).with_batch_config(batches).build();
        let mut resource = Resource::builder().with_service_name("juden");
        if let Some(node) = node {
            resource =
                resource.with_attribute(KeyValue::new("service.instance.id", node.to_owned()));
        }
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.build())
            .with_span_processor(Gate { processor, waiting })
            .build();
        Ok(Self { provider })
    }

    /// The layer that passes our spans to the export.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("juden"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(|told| told.is_span() && told.target() == TARGET))
    }

    /// Exports the waiting spans and ends the export.
    pub async fn finish(self) {
        let ended =
            tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(FLUSH_WITHIN))
                .await;
        if !matches!(ended, Ok(Ok(()))) {
            warn!("the last spans did not reach the collector");
        }
    }
}

/// Limits the waiting spans, so that lost ones are counted.
#[derive(Debug)]
struct Gate {
    processor: BatchSpanProcessor,
    waiting: Arc<AtomicUsize>,
}

impl SpanProcessor for Gate {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.processor.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) < WAITING_MAX {
            self.processor.on_end(span);
        } else {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            metrics::counter!("juden_spans_lost_total", "why" => "queue_full").increment(1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.processor.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.processor.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.processor.set_resource(resource);
    }
}

/// Counts spans that the collector did not accept. The first failure is logged, and the first
/// success after it.
#[derive(Debug)]
struct Counted {
    exporter: opentelemetry_otlp::SpanExporter,
    waiting: Arc<AtomicUsize>,
    failing: AtomicBool,
}

impl SpanExporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        self.waiting.fetch_sub(count, Ordering::Relaxed);
        let exported = self.exporter.export(batch).await;
        match &exported {
            Ok(()) if self.failing.swap(false, Ordering::Relaxed) => {
                info!("the collector takes spans again");
            }
            Ok(()) => {}
            Err(cause) => {
                metrics::counter!("juden_spans_lost_total", "why" => "not_taken")
                    .increment(u64::try_from(count).unwrap_or(u64::MAX));
                if !self.failing.swap(true, Ordering::Relaxed) {
                    warn!(%cause, "the collector does not take spans; further ones are counted only, until it does again");
                }
            }
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// An HTTP client without TLS on the server's runtime, because exports are prepared on a thread
/// without a runtime. Each export opens its own connection.
#[derive(Debug)]
struct Client {
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // The timer must be created on the runtime, too.
        self.runtime
            .spawn(async move { tokio::time::timeout(EXPORT_WITHIN, send(request)).await })
            .await??
    }
}

async fn send(mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let address = request.uri().authority().ok_or("the collector's address names no host")?.clone();
    let stream = TcpStream::connect((address.host(), address.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    request.headers_mut().insert(hyper::header::HOST, address.as_str().parse()?);
    *request.uri_mut() = request
        .uri()
        .path_and_query()
        .ok_or("the collector's address has no path")?
        .as_str()
        .parse()?;
    let (parts, body) = sender.send_request(request.map(Full::new)).await?.into_parts();
    let body = Limited::new(body, ANSWER_MAX_BYTES).collect().await?.to_bytes();
    Ok(Response::from_parts(parts, body))
}
