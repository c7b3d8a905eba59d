//! Any bytes as a frame, in both versions.
#![no_main]

#[path = "limit.rs"]
mod limit;
#[path = "../../tests/common/wire.rs"]
#[allow(dead_code, reason = "each target asks one of the checks")]
mod wire;

use juden_ocpp::protocol::Protocol;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    for protocol in Protocol::ALL {
        let _ = limit::in_time(|| wire::answered(&text, protocol));
    }
});
