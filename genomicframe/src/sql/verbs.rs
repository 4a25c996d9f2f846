//! Table functions that do what a frame's verb does: `depth('x.bam', by => 500)`.
//!
//! Their inputs are files as constants (`'a.bed'`, `['a.bed', 'b.bed']`, globs) or `read_*` calls with options; then come
//! named arguments.

use futures::future::BoxFuture;

use super::options::Values;
use crate::context::GenomicContext;
use crate::error::{Error, Result};
use crate::frame::GenomicFrame;
use crate::operators::DepthOptions;
use crate::scan::ReadOptions;

/// A verb that SQL can call.
pub(super) struct Verb {
    /// As SQL calls it.
    pub(super) name: &'static str,
    /// Frames that it takes.
    pub(super) inputs: usize,
    /// Applies it.
    pub(super) make: Make,
}

/// A verb on frames with its named arguments, lower-cased.
pub(super) type Make = for<'a> fn(&'a GenomicContext, Vec<GenomicFrame>, Named) -> BoxFuture<'a, Result<GenomicFrame>>;

/// Named arguments in the order written.
pub(super) type Named = Vec<(String, Values)>;

const ALL: &[&[Verb]] = &[&[Verb { name: "depth", inputs: 1, make: depth }], super::intervals::VERBS];

fn depth(context: &GenomicContext, mut frames: Vec<GenomicFrame>, named: Named) -> BoxFuture<'_, Result<GenomicFrame>> {
    Box::pin(async move {
        let options = named.into_iter().try_fold(DepthOptions::new(), |o, (name, values)| o.set(&name, values))?;
        let reads = frames.pop().ok_or_else(|| Error::invalid("depth takes one input"))?;
        Ok(GenomicFrame::new(context, context.depth(reads.dataframe()?, options).await?))
    })
}

/// One input of a call.
#[derive(Clone, PartialEq)]
pub(super) struct Input {
    pub(super) paths: Vec<String>,
    pub(super) options: ReadOptions,
}

/// The verb that SQL calls by this name.
pub(super) fn by_name(name: &str) -> Option<&'static Verb> {
    ALL.iter().copied().flatten().find(|verb| verb.name == name)
}

impl PartialEq for Verb {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Verb {
    /// The verb on what the inputs name.
    pub(super) async fn call(
        &self,
        context: &GenomicContext,
        inputs: Vec<Input>,
        named: Named,
    ) -> Result<GenomicFrame> {
        if inputs.len() != self.inputs {
            let many = if self.inputs == 1 { "one input" } else { "two inputs" };
            return Err(Error::invalid(format!(
                "{} takes {many}, then name => value; {} are given",
                self.name,
                inputs.len()
            )));
        }
        let mut frames = Vec::with_capacity(inputs.len());
        for Input { paths, options } in inputs {
            frames.push(GenomicFrame::new(context, context.read(paths, options).await?));
        }
        (self.make)(context, frames, named).await
    }
}
