//! Values of up to 64 bytes, the size of the register file of nf_tables, as numbers.

use ruint::Uint;

/// Wide enough for all data registers together (`NFT_REG32_COUNT` * 4 bytes).
pub type Num = Uint<512, 8>;

/// In which order the bytes of a value stand in a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Not known; treated as big endian.
    Invalid,
    Host,
    Big,
}

/// Read bytes as a number. Bytes beyond 64 are ignored; nothing the kernel sends is longer.
pub fn import(bytes: &[u8], order: Order) -> Num {
    let bytes = bytes.get(..64).unwrap_or(bytes);
    if order == Order::Host && cfg!(target_endian = "little") {
        Num::try_from_le_slice(bytes).unwrap_or_default()
    } else {
        Num::try_from_be_slice(bytes).unwrap_or_default()
    }
}

/// The lowest `len` bytes of a number.
pub fn export(value: Num, order: Order, len: usize) -> Vec<u8> {
    let mut bytes = value.to_le_bytes_vec();
    bytes.resize(len, 0);
    if !(order == Order::Host && cfg!(target_endian = "little")) {
        bytes.reverse();
    }
    bytes
}

pub fn swap(value: Num, len: usize) -> Num {
    import(&export(value, Order::Big, len), Order::Host)
}

/// A number with the lowest `bits` bits set.
pub fn bitmask(bits: u32) -> Num {
    if bits == 0 {
        return Num::ZERO;
    }
    if bits >= 512 {
        return Num::MAX;
    }
    (Num::ONE << bits as usize) - Num::ONE
}

/// The place of the first set bit at or above `start`.
pub fn scan1(value: Num, start: u32) -> Option<u32> {
    let shifted = shr(value, start);
    (!shifted.is_zero()).then(|| start + shifted.trailing_zeros() as u32)
}

/// The place of the first clear bit at or above `start`; there always is one above the value.
pub fn scan0(value: Num, start: u32) -> u32 {
    start + shr(value, start).trailing_ones() as u32
}

pub fn shl(value: Num, bits: u32) -> Num {
    if bits >= 512 {
        Num::ZERO
    } else {
        value << bits as usize
    }
}

pub fn shr(value: Num, bits: u32) -> Num {
    if bits >= 512 {
        Num::ZERO
    } else {
        value >> bits as usize
    }
}

/// The lowest 64 bits.
pub fn low64(value: Num) -> u64 {
    value.as_limbs().first().copied().unwrap_or(0)
}

pub fn low32(value: Num) -> u32 {
    (low64(value) & 0xffff_ffff) as u32
}

pub fn low8(value: Num) -> u8 {
    (low64(value) & 0xff) as u8
}

/// Bytes that hold `bits` bits.
pub fn bytes_of(bits: u32) -> usize {
    bits.div_ceil(8) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders() {
        assert_eq!(import(&[1, 2], Order::Big), Num::from(0x0102));
        assert_eq!(export(Num::from(0x0102), Order::Big, 3), [0, 1, 2]);
        assert_eq!(export(Num::from(0x0102), Order::Host, 3), [2, 1, 0]);
        assert_eq!(swap(Num::from(0x0102), 2), Num::from(0x0201));
    }

    #[test]
    fn scans() {
        assert_eq!(scan1(Num::from(0b1010), 0), Some(1));
        assert_eq!(scan1(Num::from(0b1010), 2), Some(3));
        assert_eq!(scan1(Num::ZERO, 0), None);
        assert_eq!(scan0(Num::from(0b0111), 0), 3);
        assert_eq!(bitmask(12), Num::from(0xfff));
    }
}
