//! Protocol data units: the basic header segment, its fields, and reading units from a stream.

use std::io::{self, BufRead, BufReader, Read};

/// Length of the basic header segment.
pub(crate) const BHS_LEN: usize = 48;

/// A tag that names nothing.
pub(crate) const NO_TAG: u32 = u32::MAX;

/// What is read ahead at most.
const BUFFER_LEN: usize = 128 << 10;

/// Opcodes of requests.
pub(crate) mod request {
    pub(crate) const NOP_OUT: u8 = 0x00;
    pub(crate) const COMMAND: u8 = 0x01;
    pub(crate) const TASK: u8 = 0x02;
    pub(crate) const LOGIN: u8 = 0x03;
    pub(crate) const TEXT: u8 = 0x04;
    pub(crate) const DATA_OUT: u8 = 0x05;
    pub(crate) const LOGOUT: u8 = 0x06;
    pub(crate) const SNACK: u8 = 0x10;
}

/// Opcodes of answers.
pub(crate) mod answer {
    pub(crate) const NOP_IN: u8 = 0x20;
    pub(crate) const RESPONSE: u8 = 0x21;
    pub(crate) const TASK: u8 = 0x22;
    pub(crate) const LOGIN: u8 = 0x23;
    pub(crate) const TEXT: u8 = 0x24;
    pub(crate) const DATA_IN: u8 = 0x25;
    pub(crate) const LOGOUT: u8 = 0x26;
    pub(crate) const R2T: u8 = 0x31;
    pub(crate) const ASYNC: u8 = 0x32;
    pub(crate) const REJECT: u8 = 0x3f;
}

/// The final bit, in byte 1 of most units.
pub(crate) const FINAL: u8 = 0x80;
/// The continue bit of login and text units.
pub(crate) const CONTINUE: u8 = 0x40;

/// A basic header segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bhs(pub(crate) [u8; BHS_LEN]);

impl Bhs {
    /// An answer with this opcode and byte 1, for this task.
    pub(crate) fn answer(opcode: u8, flags: u8, itt: u32) -> Self {
        let mut bhs = Self([0; BHS_LEN]);
        bhs.0[0] = opcode;
        bhs.0[1] = flags;
        bhs.put(16, itt);
        bhs
    }

    pub(crate) fn opcode(&self) -> u8 {
        self.0[0] & 0x3f
    }

    /// Is it for immediate delivery?
    pub(crate) fn immediate(&self) -> bool {
        self.0[0] & 0x40 != 0
    }

    pub(crate) fn flags(&self) -> u8 {
        self.0[1]
    }

    pub(crate) fn is_final(&self) -> bool {
        self.flags() & FINAL != 0
    }

    /// Length of the additional header segments in bytes.
    fn additional_len(&self) -> usize {
        usize::from(self.0[4]) * 4
    }

    /// Length of the data segment in bytes, without padding.
    pub(crate) fn data_len(&self) -> usize {
        (self.get(4) & 0x00ff_ffff) as usize
    }

    pub(crate) fn set_data_len(&mut self, length: usize) {
        let [_, high, middle, low] = (length as u32).to_be_bytes();
        self.0[5..8].copy_from_slice(&[high, middle, low]);
    }

    pub(crate) fn lun(&self) -> [u8; 8] {
        let mut lun = [0; 8];
        lun.copy_from_slice(&self.0[8..16]);
        lun
    }

    pub(crate) fn set_lun(&mut self, lun: [u8; 8]) {
        self.0[8..16].copy_from_slice(&lun);
    }

    /// Initiator task tag.
    pub(crate) fn itt(&self) -> u32 {
        self.get(16)
    }

    /// Target transfer tag.
    pub(crate) fn ttt(&self) -> u32 {
        self.get(20)
    }

    pub(crate) fn cmd_sn(&self) -> u32 {
        self.get(24)
    }

    pub(crate) fn exp_stat_sn(&self) -> u32 {
        self.get(28)
    }

    /// Four bytes at `offset`.
    pub(crate) fn get(&self, offset: usize) -> u32 {
        self.0[offset..]
            .first_chunk()
            .map_or(0, |bytes| u32::from_be_bytes(*bytes))
    }

    /// Two bytes at `offset`.
    pub(crate) fn get16(&self, offset: usize) -> u16 {
        self.0[offset..]
            .first_chunk()
            .map_or(0, |bytes| u16::from_be_bytes(*bytes))
    }

    pub(crate) fn put(&mut self, offset: usize, value: u32) {
        self.0[offset..offset + 4].copy_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn put16(&mut self, offset: usize, value: u16) {
        self.0[offset..offset + 2].copy_from_slice(&value.to_be_bytes());
    }
}

/// A unit from the initiator. Additional header segments are read and dropped: no command served here needs one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pdu {
    pub(crate) bhs: Bhs,
    pub(crate) data: Vec<u8>,
}

/// What reading brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    Pdu(Pdu),
    /// Nothing came for as long as the stream waits.
    Idle,
    /// The initiator has closed the connection between two units.
    End,
}

/// Reads units from a stream; its read timeout decides what [`Incoming::Idle`] means.
#[derive(Debug)]
pub(crate) struct PduReader<R> {
    inner: BufReader<R>,
    limit: usize,
}

impl<R: Read> PduReader<R> {
    /// Refuses data segments of more than `limit` bytes.
    pub(crate) fn new(stream: R, limit: usize) -> Self {
        Self {
            inner: BufReader::with_capacity(BUFFER_LEN, stream),
            limit,
        }
    }

    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Is a whole unit here already, so that reading it will not wait?
    pub(crate) fn has_unit(&self) -> bool {
        let buffer = self.inner.buffer();
        buffer.first_chunk().is_some_and(|bytes| {
            let bhs = Bhs(*bytes);
            buffer.len() >= BHS_LEN + bhs.additional_len() + bhs.data_len().next_multiple_of(4)
        })
    }

    /// Reads the next unit.
    pub(crate) fn read(&mut self) -> io::Result<Incoming> {
        loop {
            match self.inner.fill_buf() {
                Ok([]) => return Ok(Incoming::End),
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => return Ok(Incoming::Idle),
                Err(error) => return Err(error),
            }
        }
        let mut bhs = Bhs([0; BHS_LEN]);
        self.inner.read_exact(&mut bhs.0)?;
        let mut additional = [0; 255 * 4];
        self.inner
            .read_exact(&mut additional[..bhs.additional_len()])?;
        let length = bhs.data_len();
        if length > self.limit {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "a data segment of {length} bytes, {} are allowed",
                    self.limit
                ),
            ));
        }
        let mut data = vec![0; length.next_multiple_of(4)];
        self.inner.read_exact(&mut data)?;
        data.truncate(length);
        Ok(Incoming::Pdu(Pdu { bhs, data }))
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// The number in a LUN field: peripheral or flat addressing of the first level. `None` for all else.
pub(crate) fn lun_number(field: [u8; 8]) -> Option<u16> {
    let [high, low, rest @ ..] = field;
    if rest != [0; 6] || high & 0x80 != 0 {
        return None;
    }
    Some(u16::from_be_bytes([high & 0x3f, low]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn reading_any_bytes_ends_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
            let mut reader = PduReader::new(&bytes[..], 1024);
            while let Ok(Incoming::Pdu(pdu)) = reader.read() {
                prop_assert_eq!(pdu.bhs.data_len(), pdu.data.len());
                prop_assert!(pdu.data.len() <= 1024);
            }
        }

        #[test]
        fn a_unit_is_read_as_it_was_sent(
            mut header in prop::array::uniform32(any::<u8>()),
            data in prop::collection::vec(any::<u8>(), 0..600),
        ) {
            header[4] = 0;
            let mut bhs = Bhs([0; BHS_LEN]);
            bhs.0[..32].copy_from_slice(&header);
            bhs.set_data_len(data.len());
            let mut bytes = bhs.0.to_vec();
            bytes.extend(&data);
            bytes.resize(bytes.len().next_multiple_of(4), 0xee);
            bytes.extend([0x55; 3]);
            let mut reader = PduReader::new(&bytes[..], 600);
            prop_assert_eq!(reader.read().unwrap(), Incoming::Pdu(Pdu { bhs, data }));
            prop_assert!(reader.read().is_err(), "three bytes are no unit");
        }
    }

    #[test]
    fn a_data_segment_over_the_limit_is_refused_unread() {
        let mut bhs = Bhs([0; BHS_LEN]);
        bhs.set_data_len(513);
        let error = PduReader::new(&bhs.0[..], 512).read().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn lun_fields_of_both_addressing_methods_name_a_unit() {
        assert_eq!(lun_number([0, 7, 0, 0, 0, 0, 0, 0]), Some(7));
        assert_eq!(lun_number([0x41, 0x2c, 0, 0, 0, 0, 0, 0]), Some(300));
        assert_eq!(lun_number([0x3f, 0xff, 0, 0, 0, 0, 0, 0]), Some(16383));
        assert_eq!(lun_number([0, 0, 0, 1, 0, 0, 0, 0]), None);
        assert_eq!(lun_number([0xc1, 1, 0, 0, 0, 0, 0, 0]), None);
    }
}
