//! The onboarding task: some time after a station's first message, it asks for settings and
//! statuses.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::AbortHandle;

use juden_core::app::App;
use juden_domain::ids::StationId;

/// The time in which a station may report its connectors' statuses before it is asked for them.
const STATUS_WAIT: Duration = Duration::from_secs(60);

/// The onboarding task, which ends when this is dropped.
pub struct Onboarding {
    task: AbortHandle,
    marks: Arc<Marks>,
}

/// Marks that the task and its connection share.
#[derive(Default)]
struct Marks {
    /// Whether the task is asking the station now.
    asks: AtomicBool,
    /// Whether the station booted meanwhile.
    again: AtomicBool,
}

impl Onboarding {
    /// Begins the wait of `delay`; `None`: nothing is asked.
    pub fn begin(app: &Arc<App>, station: &StationId, delay: Option<Duration>) -> Self {
        let marks = Arc::new(Marks::default());
        let task = tokio::spawn(run(app.clone(), station.clone(), delay, marks.clone()));
        Self { task: task.abort_handle(), marks }
    }

    /// Notes that the station booted. `true`: the caller is to start a new task. `false`: this task
    /// is asking the station now, and repeats by itself afterwards.
    pub fn begins_anew(&self) -> bool {
        // The mark is set first, so that a task which ends its asking now sees it.
        self.marks.again.store(true, Ordering::SeqCst);
        !self.marks.asks.load(Ordering::SeqCst)
    }
}

async fn run(app: Arc<App>, station: StationId, delay: Option<Duration>, marks: Arc<Marks>) {
    let Some(delay) = delay else {
        return app.deliveries.tell_soon(&station);
    };
    let asks = |on: bool| marks.asks.store(on, Ordering::SeqCst);
    loop {
        tokio::time::sleep(delay).await;
        marks.again.store(false, Ordering::SeqCst);
        asks(true);
        app.deliveries.onboard(&station).await;
        asks(false);
        if marks.again.load(Ordering::SeqCst) {
            continue;
        }
        tokio::time::sleep(STATUS_WAIT).await;
        asks(true);
        app.deliveries.ask_silent_for_states(&station).await;
        asks(false);
        if !marks.again.load(Ordering::SeqCst) {
            return;
        }
    }
}

impl Drop for Onboarding {
    fn drop(&mut self) {
        self.task.abort();
    }
}
