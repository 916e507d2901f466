//! Command descriptor blocks: what a command asks for.

/// A command descriptor block, padded with zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cdb(pub(crate) [u8; 16]);

impl Cdb {
    pub(crate) fn opcode(&self) -> u8 {
        self.0[0]
    }

    pub(crate) fn byte(&self, index: usize) -> u8 {
        self.0.get(index).copied().unwrap_or(0)
    }

    pub(crate) fn u16(&self, index: usize) -> u16 {
        u16::from_be_bytes([self.byte(index), self.byte(index + 1)])
    }

    pub(crate) fn u32(&self, index: usize) -> u32 {
        u32::from(self.u16(index)) << 16 | u32::from(self.u16(index + 2))
    }

    pub(crate) fn u64(&self, index: usize) -> u64 {
        u64::from(self.u32(index)) << 32 | u64::from(self.u32(index + 4))
    }

    /// The low five bits of byte 1, which tell the commands of one opcode apart.
    pub(crate) fn service_action(&self) -> u8 {
        self.byte(1) & 0x1f
    }

    /// First block and number of blocks, for commands that name a range of the medium.
    pub(crate) fn range(&self) -> Option<(u64, u64)> {
        Some(match self.opcode() {
            0x08 | 0x0a => {
                let lba = u64::from(self.u32(0) & 0x001f_ffff);
                let blocks = match self.byte(4) {
                    0 => 256,
                    blocks => u64::from(blocks),
                };
                (lba, blocks)
            }
            0x28 | 0x2a | 0x2e | 0x2f | 0x35 | 0x41 => {
                (u64::from(self.u32(2)), u64::from(self.u16(7)))
            }
            0xa8 | 0xaa | 0xae | 0xaf => (u64::from(self.u32(2)), u64::from(self.u32(6))),
            0x88 | 0x8a | 0x8e | 0x8f | 0x91 | 0x93 => (self.u64(2), u64::from(self.u32(10))),
            0x89 => (self.u64(2), u64::from(self.byte(13))),
            _ => return None,
        })
    }

    /// How many bytes the initiator takes at most, for commands that answer with parameter data.
    pub(crate) fn allocation(&self) -> usize {
        let length = match self.opcode() {
            0x03 | 0x1a => u32::from(self.byte(4)),
            0x12 => u32::from(self.u16(3)),
            0x4d | 0x5a | 0x5e => u32::from(self.u16(7)),
            0x9e => self.u32(10),
            0xa0 | 0xa3 => self.u32(6),
            _ => u32::MAX,
        };
        length as usize
    }
}

/// The standard's name of an opcode, for logs.
pub(crate) fn name(opcode: u8) -> &'static str {
    super::opcodes::OPCODES
        .iter()
        .find(|known| known.opcode == opcode)
        .map_or("unknown", |known| known.name)
}

#[cfg(test)]
mod tests {
    use super::Cdb;

    fn cdb(bytes: &[u8]) -> Cdb {
        let mut padded = [0; 16];
        padded[..bytes.len()].copy_from_slice(bytes);
        Cdb(padded)
    }

    #[test]
    fn six_byte_commands_have_21_bits_of_address_and_no_zero_length() {
        assert_eq!(
            cdb(&[0x08, 0xff, 0x12, 0x34, 0, 0]).range(),
            Some((0x1f_1234, 256))
        );
        assert_eq!(cdb(&[0x0a, 0, 0, 1, 2, 0]).range(), Some((1, 2)));
    }

    #[test]
    fn each_length_of_read_names_its_range() {
        let ten = cdb(&[0x28, 0, 1, 2, 3, 4, 0, 5, 6, 0]);
        assert_eq!(ten.range(), Some((0x0102_0304, 0x0506)));
        let twelve = cdb(&[0xa8, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0]);
        assert_eq!(twelve.range(), Some((0x0102_0304, 0x0506_0708)));
        let sixteen = cdb(&[0x88, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 0]);
        assert_eq!(sixteen.range(), Some((0x0102_0304_0506_0708, 0x090a_0b0c)));
    }
}
