//! A sum of 32-bit floats that no order of rows changes.

/// Powers of two that a 32-bit float can have.
const EXPONENTS: usize = 256;
/// Bits of a float below its exponent.
const MANTISSA_BITS: u32 = 23;

/// Sums mantissas apart for each exponent, in whole numbers, so that nothing is rounded until the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExactSum(Box<[i128; EXPONENTS]>);

impl Default for ExactSum {
    fn default() -> Self {
        Self(Box::new([0; EXPONENTS]))
    }
}

impl ExactSum {
    /// Adds a finite number.
    pub(super) fn add(&mut self, x: f32) {
        let bits = x.to_bits();
        let exponent = (bits >> MANTISSA_BITS) as usize & (EXPONENTS - 1);
        let fraction = i128::from(bits & ((1 << MANTISSA_BITS) - 1));
        let mantissa = if exponent == 0 { fraction } else { fraction | 1 << MANTISSA_BITS };
        self.0[exponent] += if x.is_sign_negative() { -mantissa } else { mantissa };
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (a, b) in self.0.iter_mut().zip(&*other.0) {
            *a += b;
        }
    }

    /// The sum.
    pub(super) fn total(&self) -> f64 {
        // The unit of exponent e is 2^(e - 150); numbers below the least exponent have that one's.
        let unit = |exponent: usize| 2f64.powi(exponent.max(1) as i32 - 150);
        self.0.iter().enumerate().map(|(exponent, sum)| *sum as f64 * unit(exponent)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_numbers_does_not_matter() {
        let numbers: Vec<f32> = (0..1000).map(|i| ((i % 60) as f32 * 0.37).exp2() - i as f32 * 0.1).collect();
        let sum = |numbers: &mut dyn Iterator<Item = &f32>| {
            let mut sum = ExactSum::default();
            numbers.for_each(|x| sum.add(*x));
            sum
        };
        let forwards = sum(&mut numbers.iter());
        assert_eq!(forwards, sum(&mut numbers.iter().rev()));
        let mut halves = sum(&mut numbers[500..].iter());
        halves.merge(&sum(&mut numbers[..500].iter()));
        assert_eq!(halves, forwards);
        let plain: f64 = numbers.iter().map(|x| f64::from(*x)).sum();
        assert!((forwards.total() - plain).abs() < 1e-6 * plain.abs(), "{} {plain}", forwards.total());
        assert_eq!(sum(&mut [0.5, -3.0, f32::MIN_POSITIVE / 2.0, 0.0].iter()).total(), -2.5 + 2f64.powi(-127));
    }
}
