//! Datasets whose writer stops at any of its requests, writers that race, and readers meanwhile: on disk and in a store.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use genomicframe::GenomicContext;
use genomicframe::bams3::writer::{Cutting, gc};
use genomicframe::convert::ConvertOptions;

use super::{seeds, tree};
use crate::remote::proxy::{Fault, Proxy, Request};
use crate::remote::servers::{self, options, s3_options};
use crate::support::{Random, context, data, query};

/// A few chunks.
fn few() -> ConvertOptions {
    let cutting = Cutting { group_rows: 512, chunk_rows: Some(1536), ..Cutting::default() };
    ConvertOptions::new().cutting(cutting).threads(2)
}

const NEW: (&str, u64) = ("sample.bam", 4905);
const OLD: &str = "long_cigar.bam";

fn is_write(request: &Request) -> bool {
    matches!(request.method.as_str(), "PUT" | "POST" | "DELETE")
}

/// What is read at a place.
#[derive(Debug, PartialEq)]
enum There {
    Nothing,
    Rows(Vec<String>),
}

/// What readers find, which is sound: validation says the same.
async fn read(ctx: &GenomicContext, at: &str, what: &str) -> There {
    match ctx.sql(&format!("SELECT qname, flag, pos, cigar FROM '{at}'")).await {
        Err(e) => {
            assert!(e.is_not_found(), "{what}: {e}");
            assert!(ctx.validate_bams3(at, None).await.is_err_and(|e| e.is_not_found()), "{what}");
            There::Nothing
        }
        Ok(frame) => {
            let report = ctx.validate_bams3(at, None).await.unwrap();
            assert!(report.is_sound(), "{what}: {report}");
            There::Rows(crate::support::sorted(&frame.collect().await.unwrap_or_else(|e| panic!("{what}: {e}"))))
        }
    }
}

async fn rows_of(bam: &str) -> There {
    let sql = format!("SELECT qname, flag, pos, cigar FROM '{}'", data(bam));
    There::Rows(query(&context(2, 8192), &sql).await)
}

/// A writer whose every request fails from the `n`th write on, which itself is done or not. Its readers find nothing or the old
/// dataset or all of the new one, and a second run makes what an undisturbed one makes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_stops_at_any_request_leaves_the_old_or_the_new() {
    let begun = Instant::now();
    let own = tempfile::tempdir().unwrap();
    std::fs::create_dir(own.path().join("lab")).unwrap();
    let server = servers::s3(own.path()).await;
    let plain = servers::context(&s3_options(&server));
    let (old, new) = (rows_of(OLD).await, rows_of(NEW.0).await);
    let folder = own.path().join("lab/x.bams3");
    let at = "s3://lab/x.bams3";
    let prepare = async |is_over: bool| {
        let _ = std::fs::remove_dir_all(&folder);
        if is_over {
            plain.convert(&data(OLD), at, &few()).await.unwrap();
        }
    };
    let tidy = async || {
        let place = plain.bams3_destination(at, false).unwrap();
        gc::remove(&place, &gc::unused(&place).await.unwrap()).await.unwrap();
        tree(&folder)
    };
    let (mut stops, mut found_new) = (0, 0);
    for is_over in [false, true] {
        prepare(is_over).await;
        plain.convert(&data(NEW.0), at, &few().overwrite(is_over)).await.unwrap();
        let undisturbed = tidy().await;
        // Each write is done or not, by turns; in the soak both.
        for turn in 0..if seeds(1) > 1 { 2 } else { 1 } {
            for n in 1.. {
                let last = [Fault::Lost, Fault::Reset][(n as usize + turn) % 2];
                let what = format!("over another: {is_over}, {last:?} at write {n}");
                prepare(is_over).await;
                let proxy = Proxy::before(&server).await;
                let writes = Arc::new(AtomicU64::new(0));
                let count = Arc::clone(&writes);
                proxy.fault(move |request, _| {
                    let before = count.fetch_add(u64::from(is_write(request)), Ordering::SeqCst);
                    let is_this = is_write(request) && before + 1 == n;
                    if is_this { Some(last) } else { (before >= n).then_some(Fault::Reset) }
                });
                let mut dying = s3_options(&proxy.url);
                dying.extend(options(&[("max_retries", "0"), ("read_timeout", "2s"), ("retry_timeout", "1s")]));
                let dying = GenomicContext::builder().threads(2).storage_options(dying).build().unwrap();
                let made = dying.convert(&data(NEW.0), at, &few().overwrite(is_over)).await;
                if writes.load(Ordering::SeqCst) < n {
                    made.unwrap();
                    break;
                }
                stops += 1;
                let found = read(&plain, at, &what).await;
                let before = if is_over { &old } else { &There::Nothing };
                assert!(found == new || found == *before, "{what}: neither old nor new");
                assert!(found == new || made.is_err(), "{what}: told to be made, and is not");
                found_new += u64::from(found == new);
                if found == new && !folder.join("_resume/input.json").exists() {
                    assert_eq!(tidy().await, undisturbed, "{what}");
                    continue;
                }
                plain.convert(&data(NEW.0), at, &few().overwrite(is_over).resume(true)).await.unwrap();
                assert!(tidy().await == undisturbed, "{what}: other bytes than undisturbed");
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    eprintln!(
        "writers that stop: {stops} schedules, {found_new} found the new, 0 torn, 0 missing rows, {seconds:.0} s"
    );
    assert!(stops > 30 && found_new > 4 && found_new * 2 < stops, "{stops} {found_new}");
}

/// Where writers meet.
struct Place {
    ctx: GenomicContext,
    at: String,
    _root: tempfile::TempDir,
    _proxy: Option<Proxy>,
}

async fn places() -> [Place; 2] {
    let (root, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::create_dir(root.path().join("lab")).unwrap();
    let proxy = Proxy::before(&servers::s3(root.path()).await).await;
    proxy.one_by_one();
    let ctx = servers::context(&s3_options(&proxy.url));
    let here = folder.path().join("x").display().to_string();
    [
        Place { ctx, at: "s3://lab/x".into(), _root: root, _proxy: Some(proxy) },
        Place { ctx: context(2, 8192), at: here, _root: folder, _proxy: None },
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_writers_that_race_one_wins_and_is_whole() {
    let begun = Instant::now();
    let (a, b) = (rows_of(OLD).await, rows_of(NEW.0).await);
    let places = places().await;
    let (mut races, mut both, mut lost) = (0, 0, 0);
    for seed in 0..seeds(6) {
        for (i, place) in places.iter().enumerate() {
            let mut random = Random(seed * 2 + i as u64);
            let (is_over, resumes) = (random.below(3) > 0, random.below(2) == 0);
            let (ctx, at) = (&place.ctx, format!("{}-{seed}.bams3", place.at));
            if is_over {
                ctx.convert(&data("header_only.bam"), &at, &few()).await.unwrap();
            }
            let wait = random.below(60_000);
            let write = async |bam: &str, wait: u64| {
                tokio::time::sleep(Duration::from_micros(wait)).await;
                ctx.convert(&data(bam), &at, &few().overwrite(is_over).resume(resumes)).await
            };
            let (one, two) = tokio::join!(write(OLD, 0), write(NEW.0, wait));
            let what = format!("{at}, over another: {is_over}, resuming: {resumes}");
            let found = read(ctx, &at, &what).await;
            let is_right = (one.is_ok() && found == a) || (two.is_ok() && found == b);
            assert!(
                is_right,
                "{what}: {:?} {:?}, and neither's rows are there",
                one.as_ref().err(),
                two.as_ref().err()
            );
            // Without --overwrite only one may win; with it the second may have begun when the first was done.
            assert!(is_over || one.is_ok() != two.is_ok(), "{what}");
            for e in [one.as_ref().err(), two.as_ref().err()].into_iter().flatten() {
                assert!(e.to_string().contains(&at), "{what}: {e}");
                lost += 1;
            }
            both += u64::from(one.is_ok() && two.is_ok());
            races += 1;
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    eprintln!("races: {races} schedules, {lost} lost and told, {both} one after the other, 0 torn, {seconds:.0} s");
    assert!(lost > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_of_a_dataset_made_anew_find_one_or_the_other() {
    let begun = Instant::now();
    let sql = |at: &str| format!("SELECT qname, flag, pos, cigar FROM '{at}'");
    let (a, b) = (rows_of(OLD).await, rows_of(NEW.0).await);
    let (mut of_a, mut of_b, mut gone) = (0, 0, 0);
    for place in places().await {
        let (ctx, at) = (place.ctx.clone(), format!("{}.bams3", place.at));
        ctx.convert(&data(OLD), &at, &few()).await.unwrap();
        let turns = seeds(4);
        let (writer, to) = (ctx.clone(), at.clone());
        let writing = tokio::spawn(async move {
            for turn in 0..turns {
                let from = data(if turn % 2 == 0 { NEW.0 } else { OLD });
                writer.convert(&from, &to, &few().overwrite(true)).await.unwrap();
                if turn % 4 == 3 {
                    // Earlier than anybody should: readers of what is removed must be told.
                    let place = writer.bams3_destination(&to, false).unwrap();
                    gc::remove(&place, &gc::unused(&place).await.unwrap()).await.unwrap();
                }
            }
        });
        while !writing.is_finished() {
            let rows: genomicframe::Result<Vec<_>> = async { Ok(ctx.sql(&sql(&at)).await?.collect().await?) }.await;
            match rows {
                Ok(rows) => {
                    let found = There::Rows(crate::support::sorted(&rows));
                    assert!(found == a || found == b, "{at}: neither");
                    if found == a { of_a += 1 } else { of_b += 1 }
                }
                Err(e) => {
                    assert!(e.to_string().contains(&at), "{e}");
                    gone += 1;
                }
            }
        }
        writing.await.unwrap();
    }
    let seconds = begun.elapsed().as_secs_f64();
    eprintln!(
        "readers meanwhile: {} schedules, {of_a} old, {of_b} new, {gone} told that it is gone, 0 mixed, {seconds:.0} s",
        of_a + of_b + gone
    );
    assert!(of_a > 0 && of_b > 0);
}

/// Of a store as of a disk: what is missing or another's is named, and what does not need it is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunk_that_is_missing_or_another_s_is_named() {
    let own = tempfile::tempdir().unwrap();
    std::fs::create_dir(own.path().join("lab")).unwrap();
    let ctx = servers::context(&s3_options(&servers::s3(own.path()).await));
    ctx.convert(&data("sample.bam"), "s3://lab/x.bams3", &crate::bams3::small()).await.unwrap();
    let folder = own.path().join("lab/x.bams3");
    let chunks: Vec<String> = tree(&folder).into_keys().filter(|key| key.starts_with("data/chr1/")).collect();
    let (first, second) = (&folder.join(&chunks[0]), &folder.join(&chunks[1]));
    let count = async |at: &str, filter: &str| {
        ctx.sql(&format!("SELECT sum(length(qname)) FROM '{at}' WHERE {filter}"))
            .await?
            .collect()
            .await
            .map_err(Into::into)
    };
    let chr2 =
        query(&ctx, &format!("SELECT sum(length(qname)) FROM '{}' WHERE rname = 'chr2'", data("sample.bam"))).await;
    let expect = async |missing: &Path, says: &str| {
        let key = missing.strip_prefix(&folder).unwrap().to_str().unwrap();
        for at in ["s3://lab/x.bams3", folder.to_str().unwrap()] {
            for filter in ["true", "rname = 'chr1'"] {
                let e: genomicframe::Error = count(at, filter).await.unwrap_err();
                // The key says contig and positions.
                assert!(e.to_string().contains(&format!("{at}/{key}")) && e.to_string().contains(says), "{e}");
            }
            assert_eq!(crate::support::sorted(&count(at, "rname = 'chr2'").await.unwrap()), chr2);
        }
    };
    let (bytes, others) = (std::fs::read(first).unwrap(), std::fs::read(second).unwrap());
    std::fs::remove_file(first).unwrap();
    expect(first, "no such").await;
    std::fs::write(first, &bytes[..bytes.len() - 1]).unwrap();
    expect(first, "").await;
    std::fs::write(first, &others).unwrap();
    expect(first, "").await;
    std::fs::write(first, &bytes).unwrap();
    assert!(ctx.validate_bams3("s3://lab/x.bams3", Some(&data("sample.bam"))).await.unwrap().is_sound());
}
