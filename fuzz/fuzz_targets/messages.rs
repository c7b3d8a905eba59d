//! Any bytes as the payload of a message: the first byte names version and message.
#![no_main]

#[path = "limit.rs"]
mod limit;
#[path = "../../tests/common/wire.rs"]
#[allow(dead_code, reason = "each target asks one of the checks")]
mod wire;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| limit::in_time(|| wire::any_payload(bytes)));
