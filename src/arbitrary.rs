//! L0, tests only: arbitrary JSON from a seed, with the words the code under test looks for in it. Random
//! text alone would never reach a rule; and ten thousand cases must not take longer than a second or two.

use serde_json::{Map, Value};

/// A source of arbitrary values. The same seed gives the same values.
pub(crate) struct Arbitrary {
    state: u64,
    /// Names of fields.
    keys: &'static [&'static str],
    /// Texts in fields.
    texts: &'static [&'static str],
}

impl Arbitrary {
    pub(crate) fn new(seed: u64, keys: &'static [&'static str], texts: &'static [&'static str]) -> Self {
        Self { state: seed, keys, texts }
    }

    /// Returns the next number (splitmix64).
    pub(crate) fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.number() % u64::try_from(limit).unwrap()).unwrap()
    }

    /// Returns true so many times of a hundred.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Returns one of a list.
    pub(crate) fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// Returns a value without fields.
    pub(crate) fn scalar(&mut self) -> Value {
        match self.below(12) {
            0 => Value::Null,
            1 => Value::from(self.chance(50)),
            2 => Value::from(i64::MIN),
            3 => Value::from(i64::MAX),
            4 => Value::from(u64::MAX),
            5 => Value::from(f64::from_bits(self.number())),
            6 | 7 => Value::from(i64::try_from(self.below(8)).unwrap() - 2),
            8 => {
                let length = self.below(5);
                (0..length).map(|_| self.letter()).collect::<String>().into()
            }
            _ => self.pick(self.texts).into(),
        }
    }

    /// Returns a list, a mapping or a scalar, at most `depth` deep.
    pub(crate) fn value(&mut self, depth: usize) -> Value {
        match self.below(3) {
            0 if depth > 0 => {
                let length = self.below(4);
                (0..length).map(|_| self.value(depth - 1)).collect()
            }
            1 if depth > 0 => Value::Object(self.fields(depth - 1)),
            _ => self.scalar(),
        }
    }

    /// Returns up to six fields with values at most `depth` deep.
    pub(crate) fn fields(&mut self, depth: usize) -> Map<String, Value> {
        let length = self.below(7);
        (0..length).map(|_| (self.pick(self.keys).to_owned(), self.value(depth))).collect()
    }

    /// Returns a mapping, mostly; otherwise anything.
    pub(crate) fn mostly_fields(&mut self, depth: usize) -> Value {
        if self.chance(90) { Value::Object(self.fields(depth)) } else { self.value(depth) }
    }

    fn letter(&mut self) -> char {
        let number = u32::try_from(self.number() % 0x11_0000).unwrap();
        char::from_u32(number).unwrap_or('\u{1b}')
    }
}
