//! All five kinds of dataset, built as their programs write them.

mod build;
mod damage;
mod dataset;
mod flavours;
mod lengths;
mod manifest;
mod scanned;
mod upgrade;
