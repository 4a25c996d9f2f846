//! `round_trip`: what goes in comes out; `faults`: writers that are killed, and writers that meet.

mod faults;
mod round_trip;
