//! A path, a list, a glob or a folder becomes objects, each with its format.

use std::path::Path;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use genomicframe_core::io::{Location, ObjectIo};
use genomicframe_core::scan::{BadRecordsTable, Dataset, Format, IndexChoice, Limits, OnError, OpenOptions};

use super::Access;
use crate::error::{Error, Result};
use crate::formats;

/// How files are read. [`Default`] detects the format and uses the index beside the data.
///
/// ```
/// use genomicframe::ReadOptions;
///
/// let options = ReadOptions::new().format("bam").tags(["NM", "RG"]).region("chr20:10M-20M");
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReadOptions {
    pub(crate) format: Option<String>,
    pub(crate) regions: Vec<String>,
    pub(crate) open: OpenOptions,
    /// `None`: as the context says.
    on_error: Option<OnError>,
    /// Whether the rows are those malformed records instead.
    pub(crate) bad_records: bool,
    /// Columns to take from `key=value` folders. `None`: all that every path has.
    pub(crate) partitions: Option<Vec<String>>,
}

impl ReadOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Read as this format (`bam`, `sam`, `bams3`, `vcf`, `gff`, `fastq`, `bed`), whatever content and name say.
    pub fn format(mut self, format: impl Into<String>) -> Self {
        self.format = Some(format.into());
        self
    }

    /// Only records that overlap this region (samtools' syntax, 1-based, inclusive); several calls give a union.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.regions.push(region.into());
        self
    }

    /// Columns `tag_*` for these SAM tags, though the first records lack them.
    pub fn tags(self, keys: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.keys("tag", keys)
    }

    /// Columns `info_*` for these keys, though the header does not declare them.
    pub fn info(self, keys: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.keys("info", keys)
    }

    /// Columns `attr_*` for these GFF attributes, though the first records lack them.
    pub fn attributes(self, keys: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.keys("attr", keys)
    }

    fn keys(mut self, kind: &str, keys: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.open.columns.extend(keys.into_iter().map(|k| format!("{kind}_{}", k.as_ref())));
        self
    }

    /// Only these samples of a VCF, in this order.
    pub fn samples(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.open.samples = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Which index is used.
    pub fn index(mut self, index: IndexChoice) -> Self {
        self.open.index = index;
        self
    }

    /// Read a BGZF file that lacks its end-of-file block, with a warning instead of an error.
    pub fn allow_missing_eof(mut self, allow: bool) -> Self {
        self.open.allow_missing_eof = allow;
        self
    }

    /// What becomes of a record with a malformed field: the query fails (the default, unless
    /// [the context has another](crate::GenomicContextBuilder::on_error)), or the record is left out, or the field is null; these are counted and told ([`GenomicContext::take_bad_records`](crate::GenomicContext::take_bad_records)).
    ///
    /// ```
    /// use genomicframe::{OnError, ReadOptions};
    ///
    /// let options = ReadOptions::new().on_error(OnError::Skip);
    /// ```
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = Some(on_error);
        self
    }

    /// The malformed values of all columns, a row each, instead of the records: the columns are those of
    /// [`BadRecordsTable`](genomicframe_core::scan::BadRecordsTable). In SQL: `bad_records('x.vcf')`.
    ///
    /// ```no_run
    /// use genomicframe::{GenomicFrame, ReadOptions};
    ///
    /// let bad = GenomicFrame::scan_with("cohort.vcf.gz", ReadOptions::new().bad_records())?.collect_arrow()?;
    /// # Ok::<(), genomicframe::Error>(())
    /// ```
    pub fn bad_records(mut self) -> Self {
        self.bad_records = true;
        self.on_error(OnError::Null)
    }

    /// Bounds on what a file may claim: of its header, its records, its contigs.
    ///
    /// ```
    /// use genomicframe::ReadOptions;
    /// use genomicframe::core::scan::Limits;
    ///
    /// let longer = Limits { record_bytes: 1 << 30, ..Limits::default() };
    /// let options = ReadOptions::new().limits(longer);
    /// ```
    pub fn limits(mut self, limits: Limits) -> Self {
        self.open.limits = limits;
        self
    }
}

/// An opened file and what its path says.
#[derive(Debug, Clone)]
pub(super) struct OpenFile {
    pub(super) location: Location,
    pub(super) dataset: Arc<dyn Dataset>,
    /// `key=value` folders of the path, in order.
    pub(super) partitions: Vec<(String, String)>,
}

/// What paths name.
pub(super) struct OpenFiles {
    pub(super) files: Vec<OpenFile>,
    /// Whether a list, glob or folder was given, so that rows say which file they are from.
    pub(super) many: bool,
}

/// Files opened at the same time.
const OPENS: usize = 32;

/// Whether a table's name in SQL is a path of files that this crate reads.
pub(crate) fn looks_like_files(name: &str) -> bool {
    let name = Location::shown(name);
    let last = name.trim_end_matches('/').rsplit('/').next().unwrap_or(&name);
    let other = [".parquet", ".csv", ".json", ".ndjson", ".arrow", ".arrows"];
    !other.iter().any(|ending| last.ends_with(ending))
}

/// Finds and opens what `paths` name.
///
/// # Errors
/// When nothing is found, the formats differ, or a file cannot be opened.
pub(super) async fn open(paths: &[String], access: &Access, options: &ReadOptions) -> Result<OpenFiles> {
    let io = &*access.io;
    let wanted = match &options.format {
        Some(id) => Some(formats::by_id(id).ok_or_else(|| Error::invalid(format!("no format is called {id}")))?),
        None => None,
    };
    let mut found: Vec<Location> = Vec::new();
    let mut many = paths.len() > 1;
    for path in paths {
        let (locations, several) = expand(path, io, wanted).await?;
        many |= several;
        found.extend(locations);
    }
    let mut opening = options.open.clone();
    opening.on_error = options.on_error.unwrap_or(access.on_error);
    if !access.options.use_index && opening.index == IndexChoice::Auto {
        opening.index = IndexChoice::Ignore;
    }
    let opening = &opening;
    let opened = futures::stream::iter(found).map(|location| async move {
        let mut dataset = access.known.open(&location, io, wanted, opening).await?;
        if options.bad_records {
            dataset = Arc::new(BadRecordsTable::new(&location, dataset));
        }
        let partitions = partitions_of(&location);
        Ok::<_, Error>(OpenFile { location, dataset, partitions })
    });
    let files: Vec<OpenFile> = opened.buffered(OPENS).try_collect().await?;
    match files.split_first() {
        None => Err(Error::invalid("no file is named")),
        Some((first, rest)) => {
            if let Some(other) = rest.iter().find(|f| f.dataset.format() != first.dataset.format()) {
                let (a, b) = (first.dataset.format(), other.dataset.format());
                return Err(Error::invalid(format!(
                    "files of one table must have one format, but {} is {a} and {} is {b}",
                    first.location, other.location
                )));
            }
            Ok(OpenFiles { files, many })
        }
    }
}

/// The objects and datasets that one path names, and whether it can name several.
async fn expand(path: &str, io: &dyn ObjectIo, wanted: Option<&'static dyn Format>) -> Result<(Vec<Location>, bool)> {
    let may_be = |found: Option<&'static dyn Format>| match (wanted, found) {
        (Some(wanted), Some(format)) => wanted.id() == format.id(),
        (None, found) => found.is_some(),
        (Some(_), None) => false,
    };
    let location = Location::parse(path)?;
    io.permits(&location)?;
    // What a URL has behind its path is no part of a name.
    let shown = Location::shown(path);
    let is_dataset = may_be(formats::dataset_by_name(location.trimmed().file_name()));
    // A dataset is one thing, however its name ends.
    let (location, is_folder) = match is_dataset {
        true => (location.trimmed(), false),
        false => (location, shown.ends_with('/')),
    };
    // The names of an HTTP server may hold brackets.
    let signs: &[char] = if location.is_http() { &['*'] } else { &['*', '?', '['] };
    let is_glob = shown.contains(signs) && !matches!(&location, Location::Local(p) if p.exists());
    if is_glob && !is_folder {
        let path = if is_dataset { path.trim_end_matches('/') } else { path };
        return Ok((glob(path, io).await?, true));
    }
    if is_dataset {
        return Ok((vec![location], false));
    }
    if formats::is_folder(&location) || is_folder {
        if wanted.is_none_or(|f| f.is_prefix()) && formats::dataset_at(&location, io).await?.is_some() {
            return Ok((vec![location.trimmed()], false));
        }
        let files = listed(&location, io).await?;
        let files: Vec<_> = files.into_iter().filter(|l| may_be(formats::by_name(l.file_name()))).collect();
        if !files.is_empty() {
            return Ok((files, true));
        }
        if wanted.is_none_or(|f| !f.is_prefix()) {
            let e = genomicframe_core::Error::not_found("no file of a known format lies below it");
            return Err(e.in_object(location).into());
        }
    }
    Ok((vec![location], false))
}

/// The objects and datasets that match a glob.
async fn glob(path: &str, io: &dyn ObjectIo) -> Result<Vec<Location>> {
    let literal = path.find(['*', '?', '[']).unwrap_or(path.len());
    let base = &path[..path[..literal].rfind('/').map_or(0, |slash| slash + 1)];
    // A URL's path, not its whole text: what is listed is compared by path too.
    let text = path.split_once("://").map_or(path, |(_, rest)| rest.find('/').map_or(rest, |slash| &rest[slash..]));
    let pattern = glob::Pattern::new(text.strip_prefix("./").unwrap_or(text))
        .map_err(|e| Error::invalid(format!("malformed glob {}: {e}", Location::shown(path))))?;
    let below = Location::parse(if base.is_empty() { "." } else { base })?;
    let options =
        glob::MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };
    let matches = |l: &Location| {
        let path = l.path();
        pattern.matches_with(path.strip_prefix("./").unwrap_or(&path), options)
    };
    // Named as the glob names them: without the folder that it does not name.
    let named = |l: Location| match l {
        Location::Local(path) if base.is_empty() => {
            Location::Local(path.strip_prefix(".").map(Path::to_owned).unwrap_or(path))
        }
        other => other,
    };
    let found = listed(&below, io).await?.into_iter();
    let files: Vec<_> = found.filter(|l| matches(l) && !is_index(l.file_name())).map(named).collect();
    if files.is_empty() {
        return Err(genomicframe_core::Error::not_found("no file matches the glob")
            .in_object(Location::shown(path))
            .into());
    }
    Ok(files)
}

/// What lies below a folder or prefix: objects, and datasets instead of what lies in them.
async fn listed(below: &Location, io: &dyn ObjectIo) -> Result<Vec<Location>> {
    let mut found: Vec<Location> = io.list(below).await?.into_iter().map(|m| whole(m.location, below)).collect();
    found.sort();
    found.dedup();
    Ok(found)
}

/// The outermost dataset below `base` that the object at `at` is part of, or the object itself.
fn whole(at: Location, base: &Location) -> Location {
    let is_dataset = |name: &str| formats::dataset_by_name(name).is_some();
    match (&at, base) {
        (Location::Local(path), Location::Local(base)) => {
            let Ok(rest) = path.strip_prefix(base) else { return at };
            let named = |p: &Path| p.file_name().and_then(|n| n.to_str()).is_some_and(is_dataset);
            let depth = rest.ancestors().skip(1).filter(|p| named(p)).last();
            depth.map_or_else(|| at.clone(), |folder| Location::Local(base.join(folder)))
        }
        (Location::Url(url), Location::Url(base)) => {
            let (path, from) = (url.path(), base.path().trim_end_matches('/').len());
            let ends = path.char_indices().filter(|(i, c)| *c == '/' && *i > from).map(|(i, _)| i);
            let is_whole = |end: &usize| is_dataset(path[..*end].rsplit('/').next().unwrap_or_default());
            let Some(end) = ends.into_iter().find(is_whole) else { return at };
            let mut url = url.clone();
            url.set_path(&path[..end]);
            Location::Url(url)
        }
        _ => at,
    }
}

/// `x.bam.bai` matches `x.*` but is no data.
fn is_index(name: &str) -> bool {
    [".bai", ".csi", ".tbi", ".gzi", ".crai", ".fai"].iter().any(|ending| name.ends_with(ending))
}

fn partitions_of(location: &Location) -> Vec<(String, String)> {
    let path = location.path();
    let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders);
    let pairs = folders.split('/').filter_map(|part| part.split_once('='));
    pairs.filter(|(key, _)| !key.is_empty()).map(|(key, value)| (key.to_ascii_lowercase(), value.to_owned())).collect()
}
