//! Ways to the left, over intervals that end too early.

/// No interval further left reaches further right.
const NONE: u32 = u32::MAX;

/// For intervals in the order of their starts: where to go on to the left of one that ends too early.
///
/// The far step spans twice as many near ones whenever the last two spanned the same number (a skew-binary list).
#[derive(Debug)]
pub(super) struct Steps(Vec<Step>);

#[derive(Debug, Clone, Copy)]
struct Step {
    /// The next one that ends later.
    near: u32,
    /// One found by several such steps.
    far: u32,
}

impl Steps {
    /// So many intervals can be numbered.
    pub(super) const MOST: usize = NONE as usize - 1;

    /// Of the intervals' ends.
    pub(super) fn of(ends: &[i64]) -> Self {
        let mut steps: Vec<Step> = Vec::with_capacity(ends.len());
        let mut depths: Vec<u32> = Vec::with_capacity(ends.len());
        for (i, end) in ends.iter().enumerate() {
            let mut near = i.checked_sub(1);
            while let Some(left) = near
                && ends[left] <= *end
            {
                near = (steps[left].near != NONE).then_some(steps[left].near as usize);
            }
            let (step, depth) = match near {
                None => (Step { near: NONE, far: NONE }, 0),
                Some(near) => {
                    let depth = |at: u32| depths.get(at as usize).map_or(-1, |d| i64::from(*d));
                    let first = steps[near].far;
                    let second = steps.get(first as usize).map_or(NONE, |step| step.far);
                    let even = first != NONE && i64::from(depths[near]) - depth(first) == depth(first) - depth(second);
                    (Step { near: near as u32, far: if even { second } else { near as u32 } }, depths[near] + 1)
                }
            };
            steps.push(step);
            depths.push(depth);
        }
        Self(steps)
    }

    /// The places before `next` whose intervals end at `start` or later, from right to left.
    #[inline]
    pub(super) fn walk(&self, ends: &[i64], mut next: usize, start: i64, mut found: impl FnMut(usize)) {
        while let Some(i) = next.checked_sub(1).and_then(|i| self.reaching(ends, i, start)) {
            found(i);
            next = i;
        }
    }

    /// The last place at or before `i` whose interval ends at `start` or later.
    #[inline]
    pub(super) fn reaching(&self, ends: &[i64], mut i: usize, start: i64) -> Option<usize> {
        while *ends.get(i)? < start {
            i = self.further_left(ends, i, start)?;
        }
        Some(i)
    }

    /// Where to go on from one that ends before `start`: none between the two reaches it.
    #[inline]
    fn further_left(&self, ends: &[i64], i: usize, start: i64) -> Option<usize> {
        let step = self.0.get(i)?;
        // Ends rise from step to step, so a far one that is too early leaves nothing behind.
        let far_is_early = ends.get(step.far as usize).is_some_and(|end| *end < start);
        Some(if far_is_early { step.far } else { step.near } as usize)
    }

    /// Bytes of memory held.
    pub(super) fn memory(&self) -> usize {
        self.0.capacity() * size_of::<Step>()
    }

    /// Bytes that [`Steps::of`] holds of `len` intervals.
    pub(super) const fn memory_of(len: usize) -> usize {
        len * size_of::<Step>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_that_nest_like_an_onion_are_stepped_over() {
        let n = 1i64 << 16;
        let ends: Vec<i64> = (0..n).map(|i| 10 * n - i).collect();
        let steps = Steps::of(&ends);
        for reach in [1, 2, 1000, n - 1] {
            let start = 10 * n - reach + 1;
            let (mut i, mut taken) = (n as usize - 1, 0);
            while ends[i] < start {
                i = steps.further_left(&ends, i, start).unwrap();
                taken += 1;
            }
            assert!(taken <= 3 * 17, "{taken} steps to what reaches {reach}");
            let mut found = Vec::new();
            steps.walk(&ends, n as usize, start, |i| found.push(i));
            assert_eq!(found, (0..reach as usize).rev().collect::<Vec<_>>());
        }
    }
}
