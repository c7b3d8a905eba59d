//! Messages of both versions made by their tables, whole and with places spoilt.
#![no_main]

#[path = "limit.rs"]
mod limit;
#[path = "../../tests/common/wire.rs"]
#[allow(dead_code, reason = "each target asks one of the checks")]
mod wire;

use juden_ocpp::protocol::Protocol;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for protocol in Protocol::ALL {
        let _ = limit::in_time(|| wire::by_the_table(bytes, protocol));
    }
});
