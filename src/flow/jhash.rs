//! Bob Jenkins' hash `lookup3`, as `linux/jhash.h` has it: it chooses addresses of NAT ranges and of `jhash` rules.

const JHASH_INITVAL: u32 = 0xdead_beef;

/// The three words that the hash keeps.
struct Words {
    a: u32,
    b: u32,
    c: u32,
}

impl Words {
    fn start(bytes: u32, initial: u32) -> Words {
        let start = JHASH_INITVAL.wrapping_add(bytes).wrapping_add(initial);
        Words {
            a: start,
            b: start,
            c: start,
        }
    }

    fn add(&mut self, [a, b, c]: [u32; 3]) {
        self.a = self.a.wrapping_add(a);
        self.b = self.b.wrapping_add(b);
        self.c = self.c.wrapping_add(c);
    }

    /// `__jhash_mix`
    fn mix(&mut self) {
        let Words { a, b, c } = self;
        // `x` loses `y` and is mixed with it; `y` gains `z`.
        let step = |x: &mut u32, y: &mut u32, z: u32, by: u32| {
            *x = x.wrapping_sub(*y) ^ y.rotate_left(by);
            *y = y.wrapping_add(z);
        };
        step(a, c, *b, 4);
        step(b, a, *c, 6);
        step(c, b, *a, 8);
        step(a, c, *b, 16);
        step(b, a, *c, 19);
        step(c, b, *a, 4);
    }

    /// `__jhash_final`
    fn finish(self) -> u32 {
        let Words {
            mut a,
            mut b,
            mut c,
        } = self;
        let step = |x: &mut u32, y: u32, by: u32| *x = (*x ^ y).wrapping_sub(y.rotate_left(by));
        step(&mut c, b, 14);
        step(&mut a, c, 11);
        step(&mut b, a, 25);
        step(&mut c, b, 16);
        step(&mut a, c, 4);
        step(&mut b, a, 14);
        step(&mut c, b, 24);
        c
    }

    /// The last words, of which up to three are left.
    fn end(mut self, mut rest: impl Iterator<Item = u32>) -> u32 {
        let mut next = || rest.next().unwrap_or(0);
        self.add([next(), next(), next()]);
        self.finish()
    }
}

/// The hash of bytes.
pub fn jhash(data: &[u8], initial: u32) -> u32 {
    let mut words = Words::start(data.len() as u32, initial);
    // Bytes that are missing count as zeros.
    let word = |bytes: &[u8]| {
        let last = bytes.iter().rev();
        last.fold(0, |word, byte| word << 8 | u32::from(*byte))
    };
    let mut rest = data;
    while let Some(([a, b, c, d, e, f, g, h, i, j, k, l], more @ [_, ..])) =
        rest.split_first_chunk::<12>()
    {
        words.add([
            u32::from_le_bytes([*a, *b, *c, *d]),
            u32::from_le_bytes([*e, *f, *g, *h]),
            u32::from_le_bytes([*i, *j, *k, *l]),
        ]);
        words.mix();
        rest = more;
    }
    if rest.is_empty() {
        return words.c;
    }
    words.end(rest.chunks(4).map(word))
}

/// The same of 32-bit words.
pub fn jhash2(data: &[u32], initial: u32) -> u32 {
    let mut words = Words::start((data.len() as u32) << 2, initial);
    let mut rest = data;
    while let Some((first, more @ [_, ..])) = rest.split_first_chunk::<3>() {
        words.add(*first);
        words.mix();
        rest = more;
    }
    if rest.is_empty() {
        return words.c;
    }
    words.end(rest.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_lookup3() {
        // Vectors of the original: hashlittle of nothing, and of this sentence.
        assert_eq!(jhash(b"", 0), 0xdead_beef);
        assert_eq!(jhash(b"Four score and seven years ago", 0), 0x1777_0551);
        assert_eq!(jhash(b"Four score and seven years ago", 1), 0xcd62_8161);
        let words: Vec<u32> = b"Four score and seven years a"
            .chunks(4)
            .map(|c| u32::from_le_bytes(c.try_into().unwrap()))
            .collect();
        assert_eq!(jhash2(&words, 7), jhash(b"Four score and seven years a", 7));
    }
}
