//! `CREATE EXTERNAL TABLE t STORED AS BAM [PARTITIONED BY (…)] LOCATION '…' [OPTIONS (…)]`.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider, TableProviderFactory};
use datafusion::common::Result;
use datafusion::logical_expr::CreateExternalTable;

use super::options;
use crate::options::GenomicOptions;
use crate::scan::{Access, GenomicTable, ReadOptions};

/// Makes tables of all our formats.
#[derive(Debug)]
pub(crate) struct GenomicTableFactory {
    pub(crate) access: Access,
}

#[async_trait]
impl TableProviderFactory for GenomicTableFactory {
    async fn create(&self, session: &dyn Session, command: &CreateExternalTable) -> Result<Arc<dyn TableProvider>> {
        let mut read = ReadOptions::new().format(command.file_type.to_ascii_lowercase());
        if !command.table_partition_cols.is_empty() {
            read.partitions = Some(command.table_partition_cols.clone());
        }
        let mut given: Vec<_> = command.options.iter().collect();
        given.sort();
        for (name, value) in given {
            let name = name.strip_prefix("format.").unwrap_or(name);
            // Regions hold commas of their own; everything else that is a list is separated by them.
            let values = match name {
                "region" | "regions" | "index" => vec![value.clone()],
                _ => value.split(',').map(|v| v.trim().to_owned()).collect(),
            };
            read = options::set(read, name, values)?;
        }
        let options = GenomicOptions::of(session.config_options());
        let access = Access { options, ..self.access.clone() };
        let table = GenomicTable::open(access, &command.locations, &read).await?;
        Ok(Arc::new(table))
    }
}
