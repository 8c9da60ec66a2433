//! A cursor over bytes from outside: every read is checked, and nothing is reserved for a length that is only claimed.

pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*array)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A length as transactions have it: seven bits a byte, the lowest first, in no more bytes than it needs.
    pub(crate) fn compact_u16(&mut self) -> Option<u16> {
        let low = self.u8()?;
        let mut value = u16::from(low & 0x7f);
        if low < 0x80 {
            return Some(value);
        }
        let middle = self.u8()?;
        value |= u16::from(middle & 0x7f) << 7;
        if middle < 0x80 {
            return (middle != 0).then_some(value);
        }
        // Beyond 16 bits it does not fit.
        let high = u16::from(self.u8()?).checked_mul(1 << 14)?;
        if high == 0 {
            return None;
        }
        value.checked_add(high)
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(bytes)
    }

    /// A byte that is 0 or 1.
    pub(crate) fn bool(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// A presence byte and, when it is 1, a value.
    pub(crate) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        if self.bool()? {
            read(self).map(Some)
        } else {
            Some(None)
        }
    }

    /// A length of four bytes and as much UTF-8.
    pub(crate) fn string(&mut self) -> Option<String> {
        let length = usize::try_from(self.u32()?).ok()?;
        core::str::from_utf8(self.bytes(length)?)
            .ok()
            .map(str::to_owned)
    }

    /// A count of four bytes and as many values. A count is refused that cannot fit if each takes `least` bytes.
    pub(crate) fn list<T>(
        &mut self,
        least: usize,
        mut read: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let count = usize::try_from(self.u32()?).ok()?;
        if count.checked_mul(least)? > self.rest.len() {
            return None;
        }
        (0..count).map(|_| read(self)).collect()
    }
}
