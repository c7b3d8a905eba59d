//! The task that asks a station, some time after it was heard, what Juden wants to know.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::AbortHandle;

use juden_core::app::App;
use juden_domain::ids::StationId;

/// How long a station has to tell its connectors' states before it is asked.
const STATUS_WAIT: Duration = Duration::from_secs(60);

/// The task; it ends when this is dropped.
pub struct Onboarding {
    task: AbortHandle,
    marks: Arc<Marks>,
}

/// What the task and its connection tell each other.
#[derive(Default)]
struct Marks {
    /// Whether the station is asked something now.
    asks: AtomicBool,
    /// Whether it booted meanwhile.
    again: AtomicBool,
}

impl Onboarding {
    /// Begins the wait; `None`: nothing is asked.
    pub fn begin(app: &Arc<App>, station: &StationId, delay: Option<Duration>) -> Self {
        let marks = Arc::new(Marks::default());
        let task = tokio::spawn(run(app.clone(), station.clone(), delay, marks.clone()));
        Self { task: task.abort_handle(), marks }
    }

    /// The station booted. Whether the wait is to begin anew at once; where the station is being asked, it does by itself
    /// after that.
    pub fn begins_anew(&self) -> bool {
        // First the mark: a task that ends its asking now sees it, or is idle already.
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
