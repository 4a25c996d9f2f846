//! The index of blocks that `bgzip -i` writes beside a file: where each begins, stored and inflated.

use crate::error::{Error, Result};

/// Where the blocks after the first begin in the stored file, in order.
///
/// # Errors
/// When `bytes` are no such index, or it is cut short or out of order.
pub(crate) fn blocks(bytes: &[u8]) -> Result<Vec<u64>> {
    let not_one = || Error::corrupt("not a GZI index: it does not hold as many blocks as it says");
    let (count, entries) = bytes.split_first_chunk::<8>().ok_or_else(not_one)?;
    let (entries, rest) = entries.as_chunks::<8>();
    if !rest.is_empty() || u64::from_le_bytes(*count).checked_mul(2) != Some(entries.len() as u64) {
        return Err(not_one());
    }
    let starts: Vec<u64> = entries.iter().step_by(2).map(|stored| u64::from_le_bytes(*stored)).collect();
    match starts.array_windows().position(|[a, b]| a >= b) {
        Some(at) => Err(Error::corrupt(format!("block {} of the GZI index begins before the one before it", at + 2))),
        None => Ok(starts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_says_is_checked() {
        let index = |numbers: &[u64]| blocks(&numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<_>>());
        assert_eq!(index(&[0]).unwrap(), [0u64; 0]);
        assert_eq!(index(&[2, 100, 65_280, 230, 130_560]).unwrap(), [100, 230]);
        for broken in [&[][..], &[1], &[2, 100, 1], &[u64::MAX, 1, 1], &[1 << 63], &[2, 100, 1, 100, 2]] {
            assert!(index(broken).is_err_and(|e| e.is_corrupt()), "{broken:?}");
        }
        assert!(blocks(&[1, 0, 0, 0, 0, 0, 0, 0, 9]).is_err());
    }
}
