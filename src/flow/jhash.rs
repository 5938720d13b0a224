//! Bob Jenkins' hash `lookup3`, as `linux/jhash.h` has it: it chooses addresses of NAT ranges and of `jhash` rules.

const JHASH_INITVAL: u32 = 0xdead_beef;

fn mix(a: &mut u32, b: &mut u32, c: &mut u32) {
    for (x, y, z, by) in [
        (0, 2, 1, 4),
        (1, 0, 2, 6),
        (2, 1, 0, 8),
        (0, 2, 1, 16),
        (1, 0, 2, 19),
        (2, 1, 0, 4),
    ] {
        let mut v = [*a, *b, *c];
        // v[x] loses v[y] and is mixed with it; v[y] gains v[z].
        v[x] = v[x].wrapping_sub(v[y]);
        v[x] ^= v[y].rotate_left(by);
        v[y] = v[y].wrapping_add(v[z]);
        (*a, *b, *c) = (v[0], v[1], v[2]);
    }
}

fn finish(a: u32, b: u32, c: u32) -> u32 {
    let mut v = [a, b, c];
    for (x, y, by) in [
        (2, 1, 14),
        (0, 2, 11),
        (1, 0, 25),
        (2, 1, 16),
        (0, 2, 4),
        (1, 0, 14),
        (2, 1, 24),
    ] {
        v[x] ^= v[y];
        v[x] = v[x].wrapping_sub(v[y].rotate_left(by));
    }
    v[2]
}

/// Bob Jenkins' hash of bytes, as `linux/jhash.h` has it.
pub fn jhash(data: &[u8], initial: u32) -> u32 {
    let start = JHASH_INITVAL
        .wrapping_add(data.len() as u32)
        .wrapping_add(initial);
    let (mut a, mut b, mut c) = (start, start, start);
    let word = |bytes: &[u8]| {
        let mut word = [0; 4];
        word[..bytes.len()].copy_from_slice(bytes);
        u32::from_le_bytes(word)
    };
    let mut rest = data;
    while rest.len() > 12 {
        a = a.wrapping_add(word(&rest[..4]));
        b = b.wrapping_add(word(&rest[4..8]));
        c = c.wrapping_add(word(&rest[8..12]));
        mix(&mut a, &mut b, &mut c);
        rest = &rest[12..];
    }
    if rest.is_empty() {
        return c;
    }
    let mut parts = rest.chunks(4).map(word);
    a = a.wrapping_add(parts.next().unwrap_or(0));
    b = b.wrapping_add(parts.next().unwrap_or(0));
    c = c.wrapping_add(parts.next().unwrap_or(0));
    finish(a, b, c)
}

/// The same of 32-bit words.
pub fn jhash2(words: &[u32], initial: u32) -> u32 {
    let start = JHASH_INITVAL
        .wrapping_add((words.len() as u32) << 2)
        .wrapping_add(initial);
    let (mut a, mut b, mut c) = (start, start, start);
    let mut rest = words;
    while rest.len() > 3 {
        a = a.wrapping_add(rest[0]);
        b = b.wrapping_add(rest[1]);
        c = c.wrapping_add(rest[2]);
        mix(&mut a, &mut b, &mut c);
        rest = &rest[3..];
    }
    if rest.is_empty() {
        return c;
    }
    a = a.wrapping_add(rest.first().copied().unwrap_or(0));
    b = b.wrapping_add(rest.get(1).copied().unwrap_or(0));
    c = c.wrapping_add(rest.get(2).copied().unwrap_or(0));
    finish(a, b, c)
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
