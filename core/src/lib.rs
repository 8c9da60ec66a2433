//! The domain logic of the `.molt` agent service: plain Rust without I/O, clock or randomness. What it needs of those
//! comes in as arguments, so that every rule here runs natively, under test and under fuzzing, as it runs in the Worker.

pub mod asset;
pub mod audit;
pub mod challenge;
pub mod config;
pub mod csrf;
pub mod encoding;
pub mod error;
pub mod ids;
pub mod lifecycle;
pub mod memo;
pub mod messages;
pub mod model;
pub mod openclaw;
pub mod ownership;
pub mod pda;
pub mod plugins;
pub mod proof;
pub mod proxy;
pub mod rate;
mod reader;
pub mod redaction;
pub mod renewal;
pub mod route;
pub mod rpc;
pub mod sealing;
pub mod secret;
pub mod secrets;
pub mod session;
pub mod shape;
pub mod siws;
pub mod snapshot;
pub mod tenancy;
pub mod ticket;
pub mod time;
pub mod typed;
pub mod webhook;
