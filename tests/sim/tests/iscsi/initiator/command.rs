//! SCSI commands over a session: unsolicited data, R2T, data and status.

use super::{Initiator, Pdu, put, word};

/// Data of a command.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Data<'a> {
    None,
    /// So many bytes are expected.
    In(u32),
    /// These are to be written.
    Out(&'a [u8]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Residual {
    None,
    Under(u32),
    Over(u32),
}

/// How a command ended.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) status: u8,
    /// As it came, without its length.
    pub(crate) sense: Vec<u8>,
    pub(crate) data: Vec<u8>,
    pub(crate) residual: Residual,
    /// How many R2T units there were.
    pub(crate) r2ts: usize,
    /// How many data units came.
    pub(crate) segments: usize,
}

impl Outcome {
    /// Sense key, code, qualifier; `None` with GOOD.
    pub(crate) fn triple(&self) -> Option<(u8, u8, u8)> {
        match self.status {
            0 => {
                assert!(self.sense.is_empty());
                None
            }
            _ => Some((self.sense[2], self.sense[12], self.sense[13])),
        }
    }

    pub(crate) fn good(self) -> Self {
        assert_eq!((self.status, &self.sense), (0, &Vec::new()));
        self
    }
}
impl Initiator {
    /// Sends a command and its unsolicited data; the task tag.
    pub(crate) fn start(&mut self, lun: u16, cdb: &[u8], data: Data<'_>) -> u32 {
        let (flags, length, out): (u8, u32, &[u8]) = match data {
            Data::None => (0x80, 0, &[]),
            Data::In(length) => (0xc0, length, &[]),
            Data::Out(out) => (0xa0, out.len() as u32, out),
        };
        let mut bhs = self.request(0x01, flags);
        bhs[8..10].copy_from_slice(&lun.to_be_bytes());
        put(&mut bhs, 20, length);
        bhs[32..32 + cdb.len()].copy_from_slice(cdb);
        let first = out.len().min(self.first_burst);
        let immediate = match self.immediate_data {
            true => first.min(self.send_max),
            false => 0,
        };
        let unsolicited = !self.initial_r2t && immediate < first;
        if unsolicited {
            bhs[1] &= !0x80;
        }
        self.send(bhs, &out[..immediate]);
        let itt = word(&bhs, 16);
        if unsolicited {
            self.send_sequence(itt, u32::MAX, &out[..first], immediate);
        }
        itt
    }

    /// Sends data units for `data[start..]`, the last one final.
    fn send_sequence(&mut self, itt: u32, tag: u32, data: &[u8], start: usize) {
        let parts: Vec<&[u8]> = data[start..].chunks(self.send_max).collect();
        let mut offset = start;
        for (index, part) in parts.iter().enumerate() {
            let mut bhs = [0; 48];
            bhs[0] = 0x05;
            bhs[1] = if index + 1 == parts.len() { 0x80 } else { 0 };
            put(&mut bhs, 16, itt);
            put(&mut bhs, 20, tag);
            put(&mut bhs, 28, self.exp_stat_sn);
            put(&mut bhs, 36, index as u32);
            put(&mut bhs, 40, offset as u32);
            self.send(bhs, part);
            offset += part.len();
        }
    }

    /// Sends what an R2T asks for.
    pub(crate) fn obey(&mut self, r2t: &Pdu, out: &[u8]) {
        assert_eq!(r2t.opcode(), 0x31);
        let (offset, length) = (r2t.word(40) as usize, r2t.word(44) as usize);
        assert!(
            length > 0 && length <= self.max_burst,
            "{length} in one burst"
        );
        assert_ne!(r2t.word(20), u32::MAX);
        self.send_sequence(r2t.word(16), r2t.word(20), &out[..offset + length], offset);
    }

    /// Carries a command through to its end. No other command may be under way.
    pub(crate) fn command(&mut self, lun: u16, cdb: &[u8], data: Data<'_>) -> Outcome {
        let itt = self.start(lun, cdb, data);
        self.finish(itt, data)
    }

    /// Waits for the end of a command, sending what is asked for.
    pub(crate) fn finish(&mut self, itt: u32, data: Data<'_>) -> Outcome {
        let mut got = Vec::new();
        let (mut r2ts, mut segments, mut in_burst) = (0, 0, 0);
        loop {
            let pdu = self.receive_status().expect("a response comes");
            assert_eq!(pdu.word(16), itt, "of this task: {pdu:?}");
            match (pdu.opcode(), data) {
                (0x31, Data::Out(out)) => {
                    assert_eq!(pdu.word(36), r2ts, "R2TSN");
                    r2ts += 1;
                    self.obey(&pdu, out);
                    continue;
                }
                (0x25, Data::In(expected)) => {
                    assert_eq!(pdu.word(36), segments, "DataSN");
                    assert_eq!(pdu.word(40) as usize, got.len(), "offset");
                    segments += 1;
                    in_burst += pdu.data.len();
                    assert!(in_burst <= self.max_burst, "burst too long");
                    if pdu.is_final() {
                        in_burst = 0;
                    }
                    got.extend(&pdu.data);
                    assert!(got.len() <= expected as usize);
                    if pdu.bhs[1] & 1 == 0 {
                        continue;
                    }
                    assert!(pdu.is_final(), "the unit with the status is final");
                }
                (0x21, _) => assert_eq!(pdu.bhs[2], 0, "completed at the target"),
                _ => panic!("unexpected {pdu:?}"),
            }
            let count = pdu.word(44);
            let residual = match pdu.bhs[1] & 0x06 {
                0 => Residual::None,
                2 => Residual::Under(count),
                4 => Residual::Over(count),
                _ => panic!("both residuals in {pdu:?}"),
            };
            let sense = match (pdu.opcode(), pdu.data.len()) {
                (0x21, 2..) => {
                    let length = usize::from(u16::from_be_bytes([pdu.data[0], pdu.data[1]]));
                    pdu.data[2..2 + length].to_vec()
                }
                _ => Vec::new(),
            };
            return Outcome {
                status: pdu.bhs[3],
                sense,
                data: got,
                residual,
                r2ts: r2ts as usize,
                segments: segments as usize,
            };
        }
    }

    /// TEST UNIT READY until it is GOOD; for tests that are not about the first answers.
    pub(crate) fn ready(&mut self, lun: u16) {
        for _ in 0..3 {
            if self.command(lun, &[0; 6], Data::None).status == 0 {
                return;
            }
        }
        panic!("LUN {lun} does not become ready");
    }

    pub(crate) fn read(&mut self, lun: u16, lba: u32, blocks: u16) -> Outcome {
        let cdb = ten(0x28, lba, blocks);
        self.command(lun, &cdb, Data::In(u32::from(blocks) * 512))
    }

    pub(crate) fn write(&mut self, lun: u16, lba: u32, data: &[u8]) -> Outcome {
        let cdb = ten(0x2a, lba, (data.len() / 512) as u16);
        self.command(lun, &cdb, Data::Out(data))
    }

    /// INQUIRY; `None` asks for the standard data.
    pub(crate) fn inquiry(&mut self, lun: u16, page: Option<u8>) -> Outcome {
        let (vital, page) = page.map_or((0, 0), |page| (1, page));
        self.command(lun, &[0x12, vital, page, 0, 0xff, 0], Data::In(0xff))
    }
}

/// A command block of ten bytes.
pub(crate) fn ten(opcode: u8, lba: u32, blocks: u16) -> [u8; 10] {
    let [a, b, c, d] = lba.to_be_bytes();
    let [high, low] = blocks.to_be_bytes();
    [opcode, 0, a, b, c, d, 0, high, low, 0]
}

/// A command block of sixteen bytes.
pub(crate) fn sixteen(opcode: u8, lba: u64, blocks: u32) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[0] = opcode;
    cdb[2..10].copy_from_slice(&lba.to_be_bytes());
    cdb[10..14].copy_from_slice(&blocks.to_be_bytes());
    cdb
}
