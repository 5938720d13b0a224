//! How the structures of xtables extensions lie in memory, described once for reading and writing.
//!
//! A structure written in [`layouts!`] has the fields of its C declaration, in order. Where each field lies
//! follows from C's rules for natural alignment on 64-bit machines. Numbers are host values; [`Net16`] and
//! [`Net32`] mark those that are in network byte order in memory. Uses nothing but the rest of `model`.

use std::fmt;

/// Carries bytes between a structure and memory: a reader fills the bytes, a writer takes them.
pub trait Walker {
    /// The bytes of one scalar, naturally aligned to `align` bytes.
    fn scalar(&mut self, bytes: &mut [u8], align: usize);
    /// Skip padding up to a multiple of `align` bytes.
    fn align(&mut self, align: usize);
}

/// A scalar, an array or a structure in a layout.
pub trait Field: Sized {
    /// Alignment in bytes.
    const ALIGN: usize;
    /// All bits zero.
    fn zero() -> Self;
    /// Hand every scalar to the walker, in order.
    fn walk(&mut self, walker: &mut dyn Walker);
}

macro_rules! scalars {
    ($($ty:ty),*) => {$(
        impl Field for $ty {
            const ALIGN: usize = size_of::<$ty>();
            fn zero() -> Self {
                0
            }
            fn walk(&mut self, walker: &mut dyn Walker) {
                let mut bytes = self.to_ne_bytes();
                walker.scalar(&mut bytes, Self::ALIGN);
                *self = Self::from_ne_bytes(bytes);
            }
        }
    )*};
}
scalars!(u8, i8, u16, u32, i32, u64);

/// A host value that is in network byte order in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Net16(pub u16);

/// A host value that is in network byte order in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Net32(pub u32);

impl Field for Net16 {
    const ALIGN: usize = 2;
    fn zero() -> Self {
        Net16(0)
    }
    fn walk(&mut self, walker: &mut dyn Walker) {
        let mut bytes = self.0.to_be_bytes();
        walker.scalar(&mut bytes, 2);
        self.0 = u16::from_be_bytes(bytes);
    }
}

impl Field for Net32 {
    const ALIGN: usize = 4;
    fn zero() -> Self {
        Net32(0)
    }
    fn walk(&mut self, walker: &mut dyn Walker) {
        let mut bytes = self.0.to_be_bytes();
        walker.scalar(&mut bytes, 4);
        self.0 = u32::from_be_bytes(bytes);
    }
}

/// `struct in_addr`: an IPv4 address or mask, in network order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Addr4(pub [u8; 4]);

/// `union nf_inet_addr`, `struct in6_addr`: an address or mask, in network order; IPv4 in the first four bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Addr16(pub [u8; 16]);

impl Addr16 {
    /// The IPv4 half of the union.
    pub fn v4(self) -> Addr4 {
        let [a, b, c, d, ..] = self.0;
        Addr4([a, b, c, d])
    }

    /// A union that holds an IPv4 address.
    pub fn from_v4(addr: [u8; 4]) -> Addr16 {
        let [a, b, c, d] = addr;
        Addr16([a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    }
}

impl Field for Addr4 {
    const ALIGN: usize = 4;
    fn zero() -> Self {
        Addr4([0; 4])
    }
    fn walk(&mut self, walker: &mut dyn Walker) {
        walker.scalar(&mut self.0, 4);
    }
}

impl Field for Addr16 {
    const ALIGN: usize = 4;
    fn zero() -> Self {
        Addr16([0; 16])
    }
    fn walk(&mut self, walker: &mut dyn Walker) {
        walker.scalar(&mut self.0, 4);
    }
}

/// `char name[N]`: bytes up to the first NUL, or all of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Text<const N: usize>(pub [u8; N]);

impl<const N: usize> Text<N> {
    /// The bytes before the first NUL.
    pub fn bytes(&self) -> &[u8] {
        let end = self.0.iter().position(|&byte| byte == 0).unwrap_or(N);
        self.0.get(..end).unwrap_or(&self.0)
    }

    /// Decoded for printing; nothing is lost.
    pub fn text(&self) -> String {
        super::super::text::from_bytes(self.bytes())
    }

    pub fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// NUL padded. `None` when the bytes do not fit.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut all = [0; N];
        all.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Text(all))
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text())
    }
}

impl<const N: usize> Field for Text<N> {
    const ALIGN: usize = 1;
    fn zero() -> Self {
        Text([0; N])
    }
    fn walk(&mut self, walker: &mut dyn Walker) {
        walker.scalar(&mut self.0, 1);
    }
}

impl<T: Field, const N: usize> Field for [T; N] {
    const ALIGN: usize = T::ALIGN;
    fn zero() -> Self {
        std::array::from_fn(|_| T::zero())
    }
    fn walk(&mut self, walker: &mut dyn Walker) {
        for item in self {
            item.walk(walker);
        }
    }
}

impl<T: Field> Field for Box<T> {
    const ALIGN: usize = T::ALIGN;
    fn zero() -> Self {
        Box::new(T::zero())
    }
    fn walk(&mut self, walker: &mut dyn Walker) {
        (**self).walk(walker);
    }
}

/// The largest of the fields' alignments.
pub const fn widest(aligns: &[usize]) -> usize {
    let mut widest = 1;
    let mut rest = aligns;
    while let [first, others @ ..] = rest {
        if *first > widest {
            widest = *first;
        }
        rest = others;
    }
    widest
}

/// Structures with the layout of their C declarations.
macro_rules! layouts {
    ($($(#[$meta:meta])* struct $name:ident { $($(#[$about:meta])* $field:ident: $ty:ty),* $(,)? })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name {
            $($(#[$about])* pub $field: $ty,)*
        }

        impl $crate::model::xtables::layout::Field for $name {
            const ALIGN: usize = $crate::model::xtables::layout::widest(
                &[$(<$ty as $crate::model::xtables::layout::Field>::ALIGN),*]
            );
            fn zero() -> Self {
                $name { $($field: <$ty as $crate::model::xtables::layout::Field>::zero(),)* }
            }
            fn walk(&mut self, walker: &mut dyn $crate::model::xtables::layout::Walker) {
                walker.align(<Self as $crate::model::xtables::layout::Field>::ALIGN);
                $(self.$field.walk(walker);)*
                walker.align(<Self as $crate::model::xtables::layout::Field>::ALIGN);
            }
        }

        impl Default for $name {
            fn default() -> Self {
                <Self as $crate::model::xtables::layout::Field>::zero()
            }
        }
    )*};
}
pub(crate) use layouts;
