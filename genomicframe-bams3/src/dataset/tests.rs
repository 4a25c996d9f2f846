//! `answers`: rows are those of a BAM file of the same records; `pruning`: what is read for them; `index`: its parts.

mod answers;
mod early;
mod index;
mod pruning;
