//! A planned scan cut finer, so that several tasks make rows that still come out in the order of the files.

use std::any::Any;
use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::{Distribution, ExecutionPlan, ExecutionPlanProperties};
use genomicframe_core::scan::{Framing, ScanRequest, Segment};

use super::source::{GenomicSource, PlannedPartition};
use crate::error::Result;

/// Stored bytes of a piece: several are under way at once, each with all that it makes, and a cut costs a block read twice.
const PIECE_BYTES: u64 = 2 << 20;
/// The same of a file that is not compressed, so that the pieces hold about as many rows.
const PLAIN_PIECE_BYTES: u64 = 8 << 20;

/// `plan` with a partition per piece of its files, which one after the other are the rows in the order of the files.
///
/// `None` where rows do not pass one by one from one genomic scan to the top (a join, a sort, an aggregate, a limit), so that
/// the order of partitions would mean nothing or a piece would need to know of the others.
pub(crate) async fn in_pieces(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some((config, source)) = row_wise_scan(plan).and_then(genomic_scan) else { return Ok(None) };
    let mut files: Vec<(&PartitionedFile, &PlannedPartition, u64)> = Vec::new();
    for (file, planned) in planned(config) {
        let bytes = planned.partition.bytes();
        match files.last_mut() {
            Some((_, first, all)) if Arc::ptr_eq(&first.request, &planned.request) => *all += bytes,
            _ => files.push((file, planned, bytes)),
        }
    }
    let mut groups = Vec::new();
    for (file, PlannedPartition { dataset, request, partition, .. }, bytes) in files {
        let plain = |s: &Segment| matches!(s.framing, Framing::Raw { .. });
        let is_plain = partition.segments.iter().all(plain);
        let piece = if is_plain { PLAIN_PIECE_BYTES } else { PIECE_BYTES };
        let partitions = usize::try_from(bytes.div_ceil(piece)).unwrap_or(usize::MAX).max(1);
        // Where the whole file is read in one go, the index was not asked for.
        dataset.load_index(&*source.access().io, request.regions.as_deref()).await?;
        let request = Arc::new(ScanRequest { partitions, ..(**request).clone() });
        let plan = dataset.plan(&request)?;
        // What cannot be cut still has a task that inflates beside it.
        let of = plan.partitions.len();
        let ahead = of == 1;
        for (number, partition) in plan.partitions.into_iter().enumerate() {
            let location = file.object_meta.location.to_string();
            let piece = PartitionedFile::new(location, partition.bytes());
            let piece = piece.with_partition_values(file.partition_values.clone());
            let planned = PlannedPartition {
                dataset: Arc::clone(dataset),
                request: Arc::clone(&request),
                objects: Arc::clone(&plan.objects),
                partition,
                share: (number, of),
                ahead,
            };
            groups.push(FileGroup::new(vec![piece.with_extension(Arc::new(planned))]));
        }
    }
    if groups.is_empty() {
        return Ok(None);
    }
    // A partition that took its neighbour's piece would hand its rows out under the wrong number.
    let config = FileScanConfigBuilder::from(config.clone()).with_file_groups(groups).with_preserve_order(true).build();
    Ok(Some(above(plan, DataSourceExec::from_data_source(config))?))
}

/// `plan` with `scan` in the place of its own.
fn above(plan: &Arc<dyn ExecutionPlan>, scan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    match plan.children().first() {
        None => Ok(scan),
        Some(child) => {
            let child = above(child, scan)?;
            Ok(replace_children_if_necessary(Arc::clone(plan), vec![child])?)
        }
    }
}

/// The scan below operators that work on each batch by itself, partition by partition.
fn row_wise_scan(plan: &Arc<dyn ExecutionPlan>) -> Option<&Arc<dyn ExecutionPlan>> {
    if plan.fetch().is_some() {
        return None;
    }
    match plan.children()[..] {
        [] => Some(plan),
        [child] => {
            let needs = plan.input_distribution_requirements();
            let by_itself = matches!(needs.child_distribution(0), Some(Distribution::UnspecifiedDistribution));
            let same_partitions =
                plan.output_partitioning().partition_count() == child.output_partitioning().partition_count();
            let keeps = by_itself && same_partitions && plan.maintains_input_order() == [true];
            if keeps { row_wise_scan(child) } else { None }
        }
        _ => None,
    }
}

/// A scan of genomic files, and what reads them.
pub(super) fn genomic_scan(plan: &Arc<dyn ExecutionPlan>) -> Option<(&FileScanConfig, &GenomicSource)> {
    let exec = (&**plan as &dyn Any).downcast_ref::<DataSourceExec>()?;
    let config = exec.data_source().downcast_ref::<FileScanConfig>()?;
    let source = (&**config.file_source() as &dyn Any).downcast_ref::<GenomicSource>()?;
    Some((config, source))
}

/// Whether all rows of `plan` come from genomic files.
pub(crate) fn reads_genomic_files(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let children = plan.children();
    if children.is_empty() { genomic_scan(plan).is_some() } else { children.into_iter().all(reads_genomic_files) }
}

/// The contigs of the files that the rows of `plan` come from, where it is one scan's and their headers name them all.
pub(crate) fn contigs_below(plan: &Arc<dyn ExecutionPlan>) -> Option<BTreeSet<String>> {
    match plan.children()[..] {
        [] => {
            let mut all = BTreeSet::new();
            for (_, planned) in planned(genomic_scan(plan)?.0) {
                let contigs = planned.dataset.contigs().filter(|_| planned.dataset.names_every_contig())?;
                all.extend(contigs.iter().map(|c| c.name.clone()));
            }
            (!all.is_empty()).then_some(all)
        }
        [child] => contigs_below(child),
        _ => None,
    }
}

/// What the scan reads, in the order in which it was planned: file by file, dealt out to the groups in turn.
pub(super) fn planned(config: &FileScanConfig) -> impl Iterator<Item = (&PartitionedFile, &PlannedPartition)> {
    let rounds = config.file_groups.iter().map(FileGroup::len).max().unwrap_or(0);
    let dealt = (0..rounds).flat_map(|round| config.file_groups.iter().filter_map(move |g| g.files().get(round)));
    dealt.filter_map(|file| Some((file, &**file.extension::<Arc<PlannedPartition>>()?)))
}
