//! Clusters: which contexts of an order-1 coder share their frequencies. Any choice decodes alike.

/// Most clusters of a stream.
pub const MOST: usize = 64;

/// Bits that a frequency, and that a cluster, take in a stream's head, roughly.
const ENTRY: f32 = 10.0;
const HEAD: f32 = 16.0;

struct Cluster {
    counts: [u32; 256],
    contexts: Vec<usize>,
    cost: f32,
}

impl Cluster {
    fn new(counts: [u32; 256], contexts: Vec<usize>) -> Self {
        let cost = cost(counts.iter().copied());
        Self { counts, contexts, cost }
    }

    /// Bits that one cluster costs more than two.
    fn loss(&self, other: &Self) -> f32 {
        cost(self.counts.iter().zip(&other.counts).map(|(a, b)| a + b)) - self.cost - other.cost
    }

    fn take(&mut self, other: &mut Self) {
        for (a, b) in self.counts.iter_mut().zip(&other.counts) {
            *a += b;
        }
        self.contexts.append(&mut other.contexts);
        self.cost = cost(self.counts.iter().copied());
    }
}

/// Bits of the symbols counted, and of their frequencies.
fn cost(counts: impl Iterator<Item = u32>) -> f32 {
    let (mut total, mut bits) = (0.0, HEAD);
    for n in counts.filter(|n| *n > 0) {
        let n = n as f32;
        total += n;
        bits += ENTRY - n * n.log2();
    }
    if total > 0.0 { bits + total * total.log2() } else { bits }
}

/// The cluster of each context, and the counts of each cluster, at most `most`. `counts` has 256 for each context, of which
/// those below `count` matter.
pub(super) fn clusters(counts: &[u32], count: usize, most: usize) -> ([u8; 256], Vec<[u32; 256]>) {
    let mut all: Vec<Cluster> = Vec::new();
    for (context, row) in counts.chunks_exact(256).enumerate().take(count) {
        let mut own = [0; 256];
        own.copy_from_slice(row);
        if own.iter().any(|n| *n > 0) {
            all.push(Cluster::new(own, vec![context]));
        }
    }
    all.sort_by_key(|c| std::cmp::Reverse(c.counts.iter().map(|n| u64::from(*n)).sum::<u64>()));
    if all.len() > MOST {
        // The rare ones together, so that time stays bounded.
        let rare = all.split_off(MOST);
        for (mut other, last) in rare.into_iter().zip(std::iter::repeat(MOST - 1)) {
            all[last].take(&mut other);
        }
    }

    let mut losses: Vec<Vec<f32>> = (0..all.len()).map(|i| all[..i].iter().map(|c| all[i].loss(c)).collect()).collect();
    while all.len() > 1 {
        let pairs = losses.iter().enumerate().flat_map(|(i, row)| row.iter().enumerate().map(move |(j, l)| (*l, i, j)));
        let Some((loss, i, j)) = pairs.min_by(|a, b| a.0.total_cmp(&b.0)) else { break };
        if all.len() <= most.clamp(1, MOST) && loss > 0.0 {
            break;
        }
        let mut other = all.remove(i);
        losses.remove(i);
        for row in losses.iter_mut().skip(i) {
            row.remove(i);
        }
        all[j].take(&mut other);
        for k in 0..all.len() {
            if k != j {
                losses[k.max(j)][k.min(j)] = all[k].loss(&all[j]);
            }
        }
    }

    let mut cluster_of = [0; 256];
    for (i, cluster) in all.iter().enumerate() {
        for context in &cluster.contexts {
            cluster_of[*context] = i as u8;
        }
    }
    (cluster_of, all.into_iter().map(|c| c.counts).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_alike_share_a_cluster() {
        let mut counts = vec![0; 256 * 256];
        for (context, symbol) in [(0, 0), (1, 0), (2, 1), (5, 1)] {
            counts[context * 256 + symbol] = 1000;
            counts[context * 256 + 1 - symbol] = 10;
        }
        let (of, counts) = clusters(&counts, 6, 64);
        assert_eq!(counts.len(), 2);
        assert!(of[0] == of[1] && of[2] == of[5] && of[0] != of[2]);
    }

    #[test]
    fn there_are_no_more_than_allowed() {
        let counts: Vec<u32> = (0..256 * 256u32).map(|i| i.wrapping_mul(2654435761) >> 22).collect();
        assert_eq!(clusters(&counts, 256, 3).1.len(), 3);
        assert!(clusters(&counts, 256, 1000).1.len() <= MOST);
    }
}
