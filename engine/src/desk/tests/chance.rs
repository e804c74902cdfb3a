/// Numbers that look random; the constants are those of Knuth's MMIX generator.
pub(in crate::desk) struct Chance(pub(in crate::desk) u64);

impl Chance {
    pub(in crate::desk) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % limit.max(1) as u64).expect("it is below a usize")
    }

    pub(in crate::desk) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }
}
