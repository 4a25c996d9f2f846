//! What the driver hands to a decoder: inflated bytes, and where each stretch of them lies.

use bytes::Bytes;

use crate::error::Offset;

/// Bytes of one object that follow one another.
#[derive(Debug, Clone, Default)]
pub struct Piece {
    /// As inflated.
    pub bytes: Bytes,
    /// Where each stretch (of BGZF: each block) begins in `bytes`, and where its first byte lies in the object.
    pub starts: Vec<(usize, Offset)>,
    /// Where the byte after the last one lies.
    pub next: Option<Offset>,
}

impl Piece {
    /// One stretch.
    pub fn new(at: Offset, bytes: Bytes) -> Self {
        let next = match at {
            Offset::Byte(_) => Some(at.plus(bytes.len() as u64)),
            // Where the next block begins is not known here.
            Offset::Virtual(_) => None,
        };
        Self { bytes, starts: vec![(0, at)], next }
    }

    /// Where byte `index` of `bytes` lies.
    pub fn offset(&self, index: usize) -> Option<Offset> {
        let stretch = self.starts.partition_point(|(start, _)| *start <= index).checked_sub(1)?;
        self.starts.get(stretch).map(|(start, at)| at.plus((index - start) as u64))
    }

    /// The first byte that lies at or after `stop`.
    pub(super) fn index_of(&self, stop: Offset) -> Option<usize> {
        let ends = self.starts.iter().skip(1).map(|(start, _)| *start).chain([self.bytes.len()]);
        self.starts.iter().zip(ends).find_map(|((start, at), end)| {
            if is_at_or_after(*at, stop) {
                return Some(*start);
            }
            let ahead = match (*at, stop) {
                (Offset::Byte(at), Offset::Byte(stop)) => usize::try_from(stop - at).ok()?,
                (Offset::Virtual(at), Offset::Virtual(stop)) if at.compressed() == stop.compressed() => {
                    usize::from(stop.within() - at.within())
                }
                _ => return None,
            };
            (start + ahead < end).then_some(start + ahead)
        })
    }
}

/// Whether `at` lies at or after `stop`.
pub(super) fn is_at_or_after(at: Offset, stop: Offset) -> bool {
    match (at, stop) {
        (Offset::Byte(at), Offset::Byte(stop)) => at >= stop,
        (Offset::Virtual(at), Offset::Virtual(stop)) => at >= stop,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bgzf::VirtualOffset;

    #[test]
    fn places_in_blocks() {
        let at = |block, within| Offset::Virtual(VirtualOffset::new(block, within));
        let bytes = Bytes::from_static(b"abcdef");
        let piece = Piece { bytes, starts: vec![(0, at(100, 0)), (4, at(150, 0))], next: Some(at(190, 0)) };
        assert_eq!(piece.offset(3), Some(at(100, 3)));
        assert_eq!(piece.offset(5), Some(at(150, 1)));
        for (stop, index) in [
            (at(50, 3), Some(0)),
            (at(100, 0), Some(0)),
            (at(100, 3), Some(3)),
            // The end of a block is the beginning of the next.
            (at(100, 4), Some(4)),
            (at(120, 0), Some(4)),
            (at(150, 1), Some(5)),
            (at(150, 2), None),
            (at(190, 0), None),
        ] {
            assert_eq!(piece.index_of(stop), index, "{stop}");
        }
        let plain = Piece::new(Offset::Byte(10), Bytes::from_static(b"abc"));
        assert_eq!([9, 10, 12, 13].map(|n| plain.index_of(Offset::Byte(n))), [Some(0), Some(0), Some(2), None]);
        assert_eq!(plain.next, Some(Offset::Byte(13)));
    }
}
