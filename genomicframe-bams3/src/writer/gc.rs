//! What no root refers to: left by replaced datasets and killed writers.

use std::collections::HashSet;
use std::time::SystemTime;

use genomicframe_core::{Error, Result};

use super::destination::Destination;
use super::is_journal;
use crate::index::decode;
use crate::metadata::{Metadata, ROOT};

/// Objects that the root at `of` does not refer to, with their sizes. Readers of a dataset that was replaced may still use
/// them; so may a conversion that is running.
///
/// # Errors
/// When there is no sound dataset there: then everything would be lost with it.
pub async fn unused(of: &Destination) -> Result<Vec<(String, u64)>> {
    let mut used: HashSet<String> = HashSet::from([ROOT.to_owned()]);
    let there = of.list("").await?;
    if !there.iter().any(|(key, _)| key == ROOT || is_journal(key)) {
        return Err(
            Error::not_found("neither a BAMS3 dataset nor a conversion that was interrupted").in_object(of.name())
        );
    }
    if let Some(root) = of.get(ROOT).await? {
        let root = Metadata::parse(&root.bytes).map_err(|e| e.in_object(format!("{}/{ROOT}", of.name())))?;
        used.extend([root.header.path, root.header_json.path]);
        used.extend(root.qname_index.map(|o| o.path));
        for part in root.index {
            let path = part.object.path.clone();
            let missing = || Error::not_found("the dataset has lost an index object").in_object(&path);
            let bytes = of.get(&path).await?.ok_or_else(missing)?.bytes;
            part.object.check(&bytes).map_err(|e| e.in_object(&path))?;
            used.extend(decode(&bytes)?.into_iter().map(|c| c.path));
            used.insert(path);
        }
    }
    Ok(there.into_iter().filter(|(key, _)| is_ours(key) && !used.contains(key)).collect())
}

/// Whether a writer of datasets can have put it there: whatever else lies in the folder is left alone.
fn is_ours(key: &str) -> bool {
    let written = ["data/", "unmapped/", "_index/", "_header", "_lock", ROOT];
    is_journal(key) || written.iter().any(|start| key.starts_with(start))
}

/// Removes `unused` objects.
///
/// # Errors
/// When the store fails.
pub async fn remove(of: &Destination, unused: &[(String, u64)]) -> Result<()> {
    for (key, _) in unused {
        of.delete(key).await?;
    }
    of.tidy(SystemTime::UNIX_EPOCH);
    Ok(())
}
