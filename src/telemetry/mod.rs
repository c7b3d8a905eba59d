//! Telling: log lines for people or machines, metrics for Prometheus, and spans for a collector.

pub mod spans;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry};

use spans::SpanExport;

/// The buckets of what is measured in seconds: from an answer out of memory to a station that gives up.
const SECONDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// Starts logging to standard error, and handing spans over where they are exported. A filter that cannot be
/// read is replaced by `info`. A line carries the fields of the spans that it is told in.
pub fn start_logging(json: bool, level: &str, spans: Option<&SpanExport>) {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false);
    let lines = if json { lines.json().boxed() } else { lines.boxed() };
    // A second start in one process, as tests do, keeps the first.
    let _ = registry().with(lines.with_filter(filter)).with(spans.map(SpanExport::layer)).try_init();
}

/// Starts collecting metrics; the handle prints them. A second start in one process prints its own,
/// empty ones.
pub fn start_metrics() -> PrometheusHandle {
    let builder = PrometheusBuilder::new();
    // Buckets, because they can be added up over nodes. Refused only where there is none.
    let builder = builder.set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS).unwrap_or_default();
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    let _ = metrics::set_global_recorder(recorder);
    handle
}
