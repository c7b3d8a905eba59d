//! Telemetry: log lines for people or machines, metrics for Prometheus, and spans for a collector.

pub mod spans;

use std::io::IsTerminal;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry};

use spans::SpanExport;

/// The buckets of histograms in seconds, from an answer out of memory to a station's timeout.
const SECONDS: [f64; 13] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// Whether a log line may be printed. Below INFO, libraries log the bytes that they send and
/// receive, which include passwords and id tags.
fn is_fit_to_print(line: &Metadata<'_>) -> bool {
    line.target().starts_with("juden") || *line.level() <= Level::INFO
}

/// Starts logging to standard error, and the export of spans if one is given. A filter that cannot
/// be read is replaced by `info`. A line has the fields of the spans around it.
pub fn start_logging(json: bool, level: &str, spans: Option<&SpanExport>) {
    let filter = EnvFilter::try_new(level)
        .unwrap_or_else(|_| EnvFilter::new("info"))
        .and(filter_fn(is_fit_to_print));
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    let lines = if json { lines.json().boxed() } else { lines.boxed() };
    // A second start in one process, as tests do, keeps the first.
    let _ =
        registry().with(lines.with_filter(filter)).with(spans.map(SpanExport::layer)).try_init();
}

/// How often measurements are added to their histograms.
const UPKEEP_EVERY: Duration = Duration::from_secs(1);

/// Adds measurements to their histograms, as long as it is polled. Otherwise they would pile up
/// until somebody reads the metrics.
pub async fn keep_up(metrics: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP_EVERY).await;
        metrics.run_upkeep();
    }
}

/// Starts collecting metrics and returns the handle that prints them. After a second start in one
/// process, the new handle prints no metrics.
pub fn start_metrics() -> PrometheusHandle {
    let builder = PrometheusBuilder::new();
    // Buckets are used because they can be summed over nodes. Setting them fails only if the list
    // is empty.
    let builder = builder
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .unwrap_or_default();
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    let _ = metrics::set_global_recorder(recorder);
    handle
}
