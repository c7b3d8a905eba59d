//! The worked examples of the programme's rules, each named by its number, through the public API with
//! a simulated clock and OCPP sessions.

pub mod story;

mod additional;
mod afterwards;
mod allowance;
mod attribution;
mod benefits;
mod corrections;
mod credits;
mod endings;
mod evidence;
mod late;
mod life;
mod plans;
mod terms;
