//! Virtual charging stations: they speak OCPP 1.6 or 2.0.1 over real WebSockets and know nothing of the
//! backend's code. A station keeps its transaction messages in a queue, in order, and sends each
//! again until it is confirmed, as real ones do.
//!
//! In reading order: [`version`] (the words of each version), [`wire`] (one connection), [`memory`] (what a station remembers of cards), [`station`] (a
//! station with its queue), [`plan`] (what a fleet does, out of a seed), [`fleet`] (doing it).

pub mod fleet;
pub mod memory;
pub mod plan;
pub mod station;
pub mod version;
pub mod wire;
