//! A planned scan narrowed again when it starts, to the regions that a join's other side turned out to have.
//!
//! A join reads one side, publishes what the other side's rows must overlap, and only then asks for those. The first partition
//! of a file that is asked plans the file anew within these regions, and each partition reads its share of that plan.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::physical_expr::expressions::{DynamicFilterPhysicalExpr, DynamicFilterTracking};
use datafusion::physical_plan::PhysicalExpr;
use genomicframe_core::Result;
use genomicframe_core::genome::RegionSet;
use genomicframe_core::io::{ObjectMeta, Requests};
use genomicframe_core::scan::{Condition, Partition, ScanRequest, narrow};
use tokio::sync::OnceCell;

use super::Access;
use super::source::PlannedPartition;
use super::spans_in::SpansIn;

/// Filters that become known while the query runs, and what files' plans become by them.
#[derive(Debug, Default)]
pub(super) struct Narrowing {
    filters: Vec<Arc<dyn PhysicalExpr>>,
    plans: Mutex<Plans>,
}

/// Each is made once, by the first partition that asks; `None` where nothing confines the file.
type Plans = HashMap<Key, Arc<OnceCell<Option<Arc<Narrowed>>>>>;

/// Which file's plan (by the request that its partitions share), and how often the filters had changed.
type Key = (usize, u64);

/// A file's plan within regions.
#[derive(Debug)]
struct Narrowed {
    request: Arc<ScanRequest>,
    objects: Arc<[ObjectMeta]>,
    partitions: Vec<Partition>,
    regions: usize,
    requests: u64,
    bytes: u64,
}

/// What one partition reads.
pub(super) struct Share {
    pub(super) request: Arc<ScanRequest>,
    pub(super) objects: Arc<[ObjectMeta]>,
    pub(super) partition: Partition,
}

impl Narrowing {
    /// Of those of `filters` that are yet to become known; `None` when there are none.
    pub(super) fn by(filters: &[Arc<dyn PhysicalExpr>]) -> Option<Self> {
        let changing = |f: &&Arc<dyn PhysicalExpr>| DynamicFilterTracking::classify(f).contains_dynamic_filter();
        let filters: Vec<_> = filters.iter().filter(changing).cloned().collect();
        (!filters.is_empty()).then(|| Self { filters, plans: Mutex::default() })
    }

    /// With the filters of an earlier one too.
    pub(super) fn and(mut self, earlier: Option<&Arc<Self>>) -> Self {
        self.filters.extend(earlier.iter().flat_map(|e| e.filters.iter().cloned()));
        self
    }

    pub(super) fn filters(&self) -> impl Iterator<Item = &Arc<dyn PhysicalExpr>> {
        self.filters.iter()
    }

    /// The planned partition's share of its file's plan, as far as regions are known by now.
    pub(super) async fn share(&self, planned: &PlannedPartition, access: &Access) -> Result<Share> {
        let generation = self.filters.iter().map(|f| f.snapshot_generation()).fold(0, u64::wrapping_add);
        let key = (Arc::as_ptr(&planned.request) as usize, generation);
        let cell = Arc::clone(self.lock().entry(key).or_default());
        let narrowed = cell.get_or_try_init(|| self.plan(planned, access)).await?;
        Ok(match narrowed {
            Some(narrowed) => {
                let (number, of) = planned.share;
                let place = |k: usize| narrowed.partitions.len() * k / of.max(1);
                let own = &narrowed.partitions[place(number)..place(number + 1)];
                let segments = own.iter().flat_map(|p| p.segments.iter().cloned()).collect();
                Share {
                    request: Arc::clone(&narrowed.request),
                    objects: Arc::clone(&narrowed.objects),
                    partition: Partition { segments },
                }
            }
            None => Share::whole(planned),
        })
    }

    /// Plans the file within the regions that its records must overlap to be of use; `None` where nothing confines them.
    async fn plan(&self, planned: &PlannedPartition, access: &Access) -> Result<Option<Arc<Narrowed>>> {
        let dataset = &planned.dataset;
        let Some(span) = dataset.span_columns() else { return Ok(None) };
        // Only what will not change any more: all partitions of a file must see the same.
        let known = self
            .filters
            .iter()
            .filter(|f| matches!(DynamicFilterTracking::classify(f), DynamicFilterTracking::AllComplete));
        let confining = known.filter_map(|f| {
            let current = f.downcast_ref::<DynamicFilterPhysicalExpr>()?.current().ok()?;
            current.downcast_ref::<SpansIn>()?.confines(span)
        });
        let mut conditions: Vec<Condition> = confining.map(Condition::Overlaps).collect();
        if conditions.is_empty() {
            return Ok(None);
        }
        if let Some(warning) = unknown_contigs(planned, &conditions) {
            access.warnings.tell(&warning, 1);
        }
        conditions.extend(planned.request.regions.iter().map(|r| Condition::Overlaps(Arc::clone(r))));
        let contigs = dataset.contigs().filter(|_| dataset.names_every_contig());
        let Some(regions) = narrow(&conditions, span, contigs).map(Arc::new) else { return Ok(None) };
        dataset.load_index(&*access.io, Some(&regions)).await?;
        let mut request = ScanRequest { regions: Some(Arc::clone(&regions)), ..(*planned.request).clone() };
        request.partitions = planned.share.1.max(1);
        let plan = dataset.plan(&request)?;
        let suited = plan.objects.first().map_or(Requests::LOCAL, |o| access.io.requests(&o.location));
        let (bytes, requests) = plan.reads(suited);
        let (objects, partitions) = (plan.objects, plan.partitions);
        let request = Arc::new(request);
        Ok(Some(Arc::new(Narrowed { request, objects, partitions, regions: regions.len(), requests, bytes })))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Plans> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What to tell when the file has none of the contigs that its records must lie on.
fn unknown_contigs(planned: &PlannedPartition, conditions: &[Condition]) -> Option<String> {
    let dataset = &planned.dataset;
    let own = dataset.contigs().filter(|own| dataset.names_every_contig() && !own.is_empty())?;
    let sets = conditions.iter().filter_map(|c| if let Condition::Overlaps(set) = c { Some(&**set) } else { None });
    let asked: Vec<&str> = sets.flat_map(RegionSet::iter).map(|(contig, _)| contig).collect();
    let first = asked.first().filter(|_| asked.iter().all(|name| own.get(name).is_none()))?;
    let file = planned.objects.first().map_or_else(String::new, |o| format!("{}: ", o.location));
    let names = own.iter().next().map(|c| format!(", but for example {}", c.name)).unwrap_or_default();
    Some(format!("{file}joins nothing: it has none of the other side's contigs ({first}){names}"))
}

impl Share {
    /// All that was planned.
    pub(super) fn whole(planned: &PlannedPartition) -> Self {
        Self {
            request: Arc::clone(&planned.request),
            objects: Arc::clone(&planned.objects),
            partition: planned.partition.clone(),
        }
    }
}

/// What `EXPLAIN` tells: the filters, and after a run what they made of the plans.
impl fmt::Display for Narrowing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "narrowed_by=[")?;
        for (i, filter) in self.filters.iter().enumerate() {
            write!(f, "{}{filter}", if i > 0 { ", " } else { "" })?;
        }
        write!(f, "]")?;
        let plans = self.lock();
        let known: Vec<_> = plans.values().filter_map(|cell| cell.get()?.clone()).collect();
        if !known.is_empty() {
            let sum = |of: fn(&Narrowed) -> u64| known.iter().map(|n| of(n)).sum::<u64>();
            write!(f, " narrowed_to: regions={}", sum(|n| n.regions as u64))?;
            write!(f, " requests={} bytes={}", sum(|n| n.requests), sum(|n| n.bytes))?;
        }
        Ok(())
    }
}
