//! Sense data: why a command was refused.

/// Length of fixed-format sense data.
pub(crate) const SENSE_LEN: usize = 18;

/// Sense of one refusal, in fixed format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sense {
    pub(crate) key: u8,
    pub(crate) asc: u8,
    pub(crate) ascq: u8,
    /// Bytes 15 to 17: which field of the CDB is wrong.
    pointer: [u8; 3],
}

impl Sense {
    pub(crate) const NONE: Self = Self::new(0x00, 0x00, 0x00);
    pub(crate) const READ_ERROR: Self = Self::new(0x03, 0x11, 0x00);
    pub(crate) const WRITE_ERROR: Self = Self::new(0x03, 0x03, 0x00);
    pub(crate) const INTERNAL: Self = Self::new(0x04, 0x44, 0x00);
    pub(crate) const PARAMETER_LIST_LENGTH: Self = Self::new(0x05, 0x1a, 0x00);
    pub(crate) const INVALID_OPCODE: Self = Self::new(0x05, 0x20, 0x00);
    pub(crate) const OUT_OF_RANGE: Self = Self::new(0x05, 0x21, 0x00);
    pub(crate) const INVALID_FIELD: Self = Self::new(0x05, 0x24, 0x00);
    pub(crate) const ABSENT_UNIT: Self = Self::new(0x05, 0x25, 0x00);
    pub(crate) const INVALID_PARAMETER: Self = Self::new(0x05, 0x26, 0x00);
    pub(crate) const INVALID_RELEASE: Self = Self::new(0x05, 0x26, 0x04);
    pub(crate) const NO_SAVED_PAGES: Self = Self::new(0x05, 0x39, 0x00);
    pub(crate) const POWER_ON: Self = Self::new(0x06, 0x29, 0x00);
    pub(crate) const CAPACITY_CHANGED: Self = Self::new(0x06, 0x2a, 0x09);
    pub(crate) const INQUIRY_CHANGED: Self = Self::new(0x06, 0x3f, 0x03);
    pub(crate) const LUNS_CHANGED: Self = Self::new(0x06, 0x3f, 0x0e);
    /// SCST says no more than "data protect".
    pub(crate) const READ_ONLY: Self = Self::new(0x07, 0x00, 0x00);
    pub(crate) const MISCOMPARE: Self = Self::new(0x0e, 0x1d, 0x00);

    const fn new(key: u8, asc: u8, ascq: u8) -> Self {
        Self {
            key,
            asc,
            ascq,
            pointer: [0; 3],
        }
    }

    /// Invalid field in the CDB, at this byte.
    pub(crate) const fn invalid_byte(byte: u8) -> Self {
        let mut sense = Self::INVALID_FIELD;
        sense.pointer = [0xc0, 0, byte];
        sense
    }

    /// Invalid field in the CDB, at this byte and bit.
    pub(crate) const fn invalid_bit(byte: u8, bit: u8) -> Self {
        let mut sense = Self::INVALID_FIELD;
        sense.pointer = [0xc8 | (bit & 7), 0, byte];
        sense
    }

    /// Current errors, fixed format.
    pub(crate) fn to_bytes(self) -> [u8; SENSE_LEN] {
        let mut bytes = [0; SENSE_LEN];
        bytes[0] = 0x70;
        bytes[2] = self.key;
        bytes[7] = (SENSE_LEN - 8) as u8;
        bytes[12] = self.asc;
        bytes[13] = self.ascq;
        bytes[15..].copy_from_slice(&self.pointer);
        bytes
    }

    /// The three numbers that name it.
    pub(crate) fn triple(self) -> (u8, u8, u8) {
        (self.key, self.asc, self.ascq)
    }
}

/// How a command that was not carried out ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// CHECK CONDITION.
    Check(Sense),
    /// RESERVATION CONFLICT, without sense.
    Conflict,
}

impl Refusal {
    /// The SCSI status byte.
    pub(crate) fn status(self) -> u8 {
        match self {
            Self::Check(_) => 0x02,
            Self::Conflict => 0x18,
        }
    }
}

impl From<Sense> for Refusal {
    fn from(sense: Sense) -> Self {
        Self::Check(sense)
    }
}

#[cfg(test)]
mod tests {
    use super::Sense;

    #[test]
    fn sense_is_what_scst_sends() {
        let unknown_page = [
            0x70, 0, 5, 0, 0, 0, 0, 0x0a, 0, 0, 0, 0, 0x24, 0, 0, 0xc0, 0, 2,
        ];
        assert_eq!(Sense::invalid_byte(2).to_bytes(), unknown_page);
        let beyond = [
            0x70, 0, 5, 0, 0, 0, 0, 0x0a, 0, 0, 0, 0, 0x21, 0, 0, 0, 0, 0,
        ];
        assert_eq!(Sense::OUT_OF_RANGE.to_bytes(), beyond);
    }
}
