//! Telling: log lines for people or machines, and metrics for Prometheus.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

/// The buckets of what is measured in seconds: from an answer out of memory to a station that gives up.
const SECONDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// Starts logging to standard error. A filter that cannot be read is replaced by `info`.
pub fn start_logging(json: bool, level: &str) {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second start in one process, as tests do, keeps the first.
    let _ = if json { lines.json().try_init() } else { lines.try_init() };
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
