//! The plan as text.

use datafusion::dataframe::DataFrame;
use datafusion::physical_plan::displayable;

use super::GenomicFrame;
use crate::error::Result;
use crate::runtime;

impl GenomicFrame {
    /// The verbs as a logical plan, as written.
    ///
    /// # Errors
    /// What is wrong with one of the verbs.
    pub fn explain(&self) -> Result<String> {
        Ok(self.dataframe()?.logical_plan().display_indent().to_string())
    }

    /// What will be run: for each scan its files, index, regions, partitions, planned requests and bytes, the columns decoded
    /// and the filters applied while reading.
    ///
    /// # Errors
    /// What is wrong with a verb, or a file's index.
    pub fn explain_optimized(&self) -> Result<String> {
        let query = self.dataframe()?;
        runtime::wait(async move {
            let plan = query.create_physical_plan().await?;
            Ok(displayable(plan.as_ref()).indent(false).to_string())
        })
    }

    /// The frame with its logical plan optimized; the rows stay the same.
    ///
    /// # Errors
    /// What is wrong with one of the verbs.
    pub fn optimize(self) -> Result<Self> {
        let query = self.dataframe()?;
        let state = self.context.session().state();
        let plan = query.into_optimized_plan()?;
        Ok(Self { query: Ok(DataFrame::new(state, plan)), ..self })
    }
}
