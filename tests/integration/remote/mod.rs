//! Files in object stores and on HTTP servers: the rows are the local ones, through faults too, and secrets stay secret.
//!
//! | file | what it holds |
//! |---|---|
//! | `servers` | servers on loopback, and what lies on them |
//! | `proxy` | a proxy that notes requests and spoils answers |
//! | `rows` | the same rows from each server as from the disk |
//! | `access` | credentials, profiles, signed links, users, and what is told when they are wrong |
//! | `bytes` | what a region costs beside what it needs, and the memory of a scan |
//! | `cached` | what is not fetched again, and when it is |
//! | `faults` | schedules of faults: right rows or an error |
//! | `figures` | what a distance costs, measured on demand |
//! | `secrets` | a canary in each place where a secret may be |
//! | `writes` | what is written to stores |

mod access;
mod bytes;
mod cached;
mod faults;
mod figures;
pub mod proxy;
pub mod rows;
mod secrets;
pub mod servers;
mod writes;
