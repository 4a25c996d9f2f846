//! Statistics of a row group's rows; of chunks and datasets by merging (specification §4.3).

use serde::{Deserialize, Serialize};

/// The mapping qualities of which it is known how many rows reach them.
pub const MAPQ_STEPS: [u8; 5] = [1, 10, 20, 30, 60];

/// What is known of some rows. A minimum above its maximum says that no row has a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupStats {
    /// How many there are.
    pub rows: u64,
    /// Contig of the first row, -1 for none. Rows are in contig order, those without one last.
    pub contig_first: i32,
    /// Contig of the last row.
    pub contig_last: i32,
    /// 0-based start of the first row, -1 for none.
    pub start_first: i64,
    /// 0-based start of the last row.
    pub start_last: i64,
    /// Least 0-based start of placed rows.
    pub start_min: i64,
    /// Greatest.
    pub start_max: i64,
    /// Least 0-based end, exclusive, of placed rows.
    pub end_min: i64,
    /// Greatest.
    pub end_max: i64,
    /// Rows without a contig or without a start.
    pub unplaced: u64,
    /// Least mapping quality.
    pub mapq_min: u8,
    /// Greatest.
    pub mapq_max: u8,
    /// Rows whose mapping quality is at least 1, 10, 20, 30 and 60.
    pub mapq_reaching: [u64; 5],
    /// Least template length.
    pub tlen_min: i32,
    /// Greatest.
    pub tlen_max: i32,
    /// Fewest bases.
    pub length_min: u32,
    /// Most.
    pub length_max: u32,
    /// Flags that some row has.
    pub flag_or: u16,
    /// Flags that all rows have.
    pub flag_and: u16,
    /// The read groups that rows name; `None` when there are too many to list.
    pub read_groups: Option<Vec<String>>,
}

impl GroupStats {
    /// Of `rows` rows that are still to be added.
    pub fn new(rows: u32) -> Self {
        Self {
            rows: rows.into(),
            contig_first: -1,
            contig_last: -1,
            start_first: -1,
            start_last: -1,
            start_min: i64::MAX,
            start_max: i64::MIN,
            end_min: i64::MAX,
            end_max: i64::MIN,
            unplaced: 0,
            mapq_min: u8::MAX,
            mapq_max: 0,
            mapq_reaching: [0; 5],
            tlen_min: i32::MAX,
            tlen_max: i32::MIN,
            length_min: u32::MAX,
            length_max: 0,
            flag_or: 0,
            flag_and: u16::MAX,
            read_groups: Some(Vec::new()),
        }
    }

    /// Counts a row in, apart from `rows`.
    #[allow(clippy::too_many_arguments, reason = "a row's fields, in the columns' order")]
    pub fn add(&mut self, contig: i32, start: i64, span: i64, flag: u16, mapq: u8, tlen: i32, length: u32) {
        if contig < 0 || start < 0 {
            self.unplaced += 1;
        } else {
            let end = start.saturating_add(span);
            self.start_min = self.start_min.min(start);
            self.start_max = self.start_max.max(start);
            self.end_min = self.end_min.min(end);
            self.end_max = self.end_max.max(end);
        }
        self.mapq_min = self.mapq_min.min(mapq);
        self.mapq_max = self.mapq_max.max(mapq);
        for (reaching, step) in self.mapq_reaching.iter_mut().zip(MAPQ_STEPS) {
            *reaching += u64::from(mapq >= step);
        }
        self.tlen_min = self.tlen_min.min(tlen);
        self.tlen_max = self.tlen_max.max(tlen);
        self.length_min = self.length_min.min(length);
        self.length_max = self.length_max.max(length);
        self.flag_or |= flag;
        self.flag_and &= flag;
    }

    /// Adds rows that follow. Numbers that an index claims may be of any size.
    pub fn merge(&mut self, other: &Self) {
        self.rows = self.rows.saturating_add(other.rows);
        self.contig_last = other.contig_last;
        self.start_last = other.start_last;
        self.start_min = self.start_min.min(other.start_min);
        self.start_max = self.start_max.max(other.start_max);
        self.end_min = self.end_min.min(other.end_min);
        self.end_max = self.end_max.max(other.end_max);
        self.unplaced = self.unplaced.saturating_add(other.unplaced);
        self.mapq_min = self.mapq_min.min(other.mapq_min);
        self.mapq_max = self.mapq_max.max(other.mapq_max);
        for (a, b) in self.mapq_reaching.iter_mut().zip(other.mapq_reaching) {
            *a = a.saturating_add(b);
        }
        self.tlen_min = self.tlen_min.min(other.tlen_min);
        self.tlen_max = self.tlen_max.max(other.tlen_max);
        self.length_min = self.length_min.min(other.length_min);
        self.length_max = self.length_max.max(other.length_max);
        self.flag_or |= other.flag_or;
        self.flag_and &= other.flag_and;
        self.read_groups = match (self.read_groups.take(), &other.read_groups) {
            (Some(mut a), Some(b)) => {
                for group in b {
                    if let Err(at) = a.binary_search(group) {
                        a.insert(at, group.clone());
                    }
                }
                Some(a)
            }
            _ => None,
        };
    }
}
