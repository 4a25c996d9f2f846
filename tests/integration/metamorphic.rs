//! The same rows whatever the index, the partitions, the batch size, the projection and the storage.

use genomicframe::ReadOptions;
use genomicframe_core::scan::IndexChoice;

use crate::support::{context, data, read, rows, sorted};

struct Case {
    file: &'static str,
    /// Regions that are asked for, each on its own; the empty one is the whole file.
    regions: &'static [&'static str],
    /// Projections; the empty one is all columns.
    columns: &'static [&'static [&'static str]],
}

const CASES: &[Case] = &[
    Case {
        file: "sample.bam",
        regions: &["", "chr1", "chr1:9,000-11,000", "chr2:1-100", "chrX:39,000-40,000", "chrUn_empty", "*", "nowhere"],
        columns: &[&[], &["qname", "pos"], &["tags"], &["tag_nm", "end", "cigar"]],
    },
    Case {
        file: "sample.unindexed.bam",
        regions: &["", "chr1", "chr1:9,000-11,000"],
        columns: &[&[], &["rname", "seq"]],
    },
    Case { file: "header_only.bam", regions: &["", "chr1"], columns: &[&[]] },
    Case { file: "long_cigar.bam", regions: &["", "chr1:1-100000000"], columns: &[&[], &["cigar", "end"]] },
];

#[tokio::test]
async fn rows_are_the_same_however_they_are_read() {
    for case in CASES {
        let path = data(case.file);
        for region in case.regions {
            for columns in case.columns {
                let options = |index| {
                    let options = ReadOptions::new().index(index);
                    if region.is_empty() { options } else { options.region(*region) }
                };
                let plain = read(&context(1, 8192), &path, options(IndexChoice::Ignore), columns).await;
                for (threads, batch) in [(1, 1), (1, 8192), (2, 7), (7, 1), (7, 8192)] {
                    for index in [IndexChoice::Auto, IndexChoice::Ignore] {
                        let ctx = context(threads, batch);
                        let found = read(&ctx, &path, options(index.clone()), columns).await;
                        let what = format!(
                            "{} {region} {columns:?} {threads} partitions, batch {batch}, {index:?}",
                            case.file
                        );
                        assert_eq!(found.len(), plain.len(), "{what}");
                        assert_eq!(found, plain, "{what}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn some_columns_are_those_of_all_columns() {
    for case in CASES {
        let ctx = context(2, 100);
        let all = ctx.read(data(case.file), ReadOptions::new()).await.unwrap();
        let names: Vec<String> = all.schema().fields().iter().map(|f| f.name().clone()).collect();
        let batches = all.clone().collect().await.unwrap();
        for name in &names {
            let one = all.clone().select_columns(&[name.as_str()]).unwrap().collect().await.unwrap();
            let index = all.schema().index_of_column_by_name(None, name).unwrap();
            let expected: Vec<_> = batches.iter().map(|b| b.project(&[index]).unwrap()).collect();
            assert_eq!(sorted(&one), sorted(&expected), "{} {name}", case.file);
        }
    }
}

#[tokio::test]
async fn one_partition_keeps_the_files_order() {
    for case in CASES {
        let path = data(case.file);
        let one = |batch| {
            let path = path.clone();
            async move { rows(&context(1, batch).read(path, ReadOptions::new()).await.unwrap().collect().await.unwrap()) }
        };
        assert_eq!(one(1).await, one(8192).await, "{}", case.file);
    }
}

#[tokio::test]
async fn a_limit_returns_that_many_rows() {
    for case in CASES {
        let path = data(case.file);
        let all = read(&context(1, 8192), &path, ReadOptions::new(), &[]).await.len();
        for limit in [0, 1, 10, 1_000_000] {
            for threads in [1, 7] {
                let query = context(threads, 8).read(path.as_str(), ReadOptions::new()).await.unwrap();
                let found: usize =
                    query.limit(0, Some(limit)).unwrap().collect().await.unwrap().iter().map(|b| b.num_rows()).sum();
                assert_eq!(found, all.min(limit), "{} LIMIT {limit}", case.file);
            }
        }
    }
}
