//! Every format of the engine: those of the core, which are single objects, and BAMS3, whose datasets are folders.

use std::sync::LazyLock;

use genomicframe_bams3::Bams3;
use genomicframe_bams3::metadata::ROOT;
use genomicframe_core::formats;
use genomicframe_core::io::{Location, ObjectIo};
use genomicframe_core::scan::Format;

use crate::error::Result;

/// Every format. Table functions, `STORED AS` and the command line loop over it.
///
/// ```
/// let names: Vec<_> = genomicframe::formats::all().iter().map(|f| f.id().0).collect();
/// assert_eq!(names, ["bam", "sam", "vcf", "gff", "fastq", "bed", "bams3"]);
/// ```
pub fn all() -> &'static [&'static dyn Format] {
    static ALL: LazyLock<Vec<&'static dyn Format>> = LazyLock::new(|| {
        let mut all = formats::ALL.to_vec();
        all.push(&Bams3);
        all
    });
    &ALL
}

/// The format called `id`.
pub fn by_id(id: &str) -> Option<&'static dyn Format> {
    formats::find_id(all(), id)
}

/// The format that a file's or dataset's name ends in, if any.
pub fn by_name(name: &str) -> Option<&'static dyn Format> {
    dataset_by_name(name).or_else(|| formats::by_name(name))
}

/// The format of datasets that are folders or prefixes named like `name`, if any.
pub(crate) fn dataset_by_name(name: &str) -> Option<&'static dyn Format> {
    let (_, extension) = name.rsplit_once('.')?;
    let is_it = |f: &&&dyn Format| f.is_prefix() && f.extensions().iter().any(|e| e.eq_ignore_ascii_case(extension));
    all().iter().find(is_it).copied()
}

/// The format of the dataset that the folder or prefix `at` is, whatever its name: told by the root in it.
///
/// # Errors
/// When the storage fails.
pub(crate) async fn dataset_at(at: &Location, io: &dyn ObjectIo) -> Result<Option<&'static dyn Format>> {
    match io.head(&at.join(ROOT)).await {
        Ok(_) => Ok(Some(&Bams3)),
        Err(e) if e.is_not_found() => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// The format of an object or dataset: a dataset's by its name or its root, an object's by its content, else by its name.
///
/// # Errors
/// When nothing tells, or the object cannot be read.
pub async fn detect(at: &Location, io: &dyn ObjectIo) -> Result<&'static dyn Format> {
    if let Some(format) = dataset_by_name(at.file_name()) {
        return Ok(format);
    }
    if is_folder(at)
        && let Some(format) = dataset_at(at, io).await?
    {
        return Ok(format);
    }
    Ok(formats::detect(at, io).await?)
}

/// Whether it is a local folder, or a URL that ends as prefixes do.
pub(crate) fn is_folder(at: &Location) -> bool {
    match at {
        Location::Local(path) => path.is_dir(),
        Location::Url(url) => url.path().ends_with('/'),
    }
}
