//! A small iSCSI initiator that shares no code with the target. It checks every unit it gets.

mod command;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub(crate) use command::{Data, Residual, sixteen, ten};

/// Nothing takes this long; it turns a hang into a failure.
const LIMIT: Duration = Duration::from_secs(20);

pub(crate) const NAME: &str = "iqn.2026-01.test:initiator";

/// Our data segments are this long at most, unless a test says otherwise.
const RECEIVE_MAX: usize = 262_144;

/// How to log in.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) portal: SocketAddr,
    pub(crate) target: Option<String>,
    pub(crate) initiator: String,
    pub(crate) isid: [u8; 6],
    pub(crate) tsih: u16,
    /// Keys of operational negotiation.
    pub(crate) keys: BTreeMap<String, String>,
}

/// Why there is no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Status class and detail.
    Status(u8, u8),
    /// The connection was closed without an answer.
    Closed,
}

/// A unit from the target.
#[derive(Clone, Debug)]
pub(crate) struct Pdu {
    pub(crate) bhs: [u8; 48],
    pub(crate) data: Vec<u8>,
}

impl Pdu {
    pub(crate) fn opcode(&self) -> u8 {
        self.bhs[0]
    }

    pub(crate) fn word(&self, offset: usize) -> u32 {
        word(&self.bhs, offset)
    }

    pub(crate) fn is_final(&self) -> bool {
        self.bhs[1] & 0x80 != 0
    }
}

/// A logged-in session of one connection.
pub(crate) struct Initiator {
    stream: TcpStream,
    pub(crate) negotiated: BTreeMap<String, String>,
    pub(crate) tsih: u16,
    pub(crate) cmd_sn: u32,
    exp_stat_sn: u32,
    itt: u32,
    initial_r2t: bool,
    immediate_data: bool,
    first_burst: usize,
    max_burst: usize,
    send_max: usize,
    receive_max: usize,
    /// Asynchronous messages that came while something else was waited for.
    pub(crate) events: Vec<Pdu>,
}

impl Login {
    pub(crate) fn new(portal: SocketAddr, target: &str) -> Self {
        let keys = [
            ("HeaderDigest", "None"),
            ("DataDigest", "None"),
            ("InitialR2T", "No"),
            ("ImmediateData", "Yes"),
            ("MaxBurstLength", "16776192"),
            ("FirstBurstLength", "262144"),
            ("MaxOutstandingR2T", "1"),
            ("MaxConnections", "1"),
            ("DefaultTime2Wait", "0"),
            ("DefaultTime2Retain", "0"),
            ("DataPDUInOrder", "Yes"),
            ("DataSequenceInOrder", "Yes"),
            ("ErrorRecoveryLevel", "0"),
        ];
        Self {
            portal,
            target: Some(target.to_owned()),
            initiator: NAME.to_owned(),
            isid: [0x00, 0x02, 0x3d, 0, 0, 1],
            tsih: 0,
            keys: keys
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .chain([(
                    "MaxRecvDataSegmentLength".to_owned(),
                    RECEIVE_MAX.to_string(),
                )])
                .collect(),
        }
    }

    pub(crate) fn discovery(portal: SocketAddr) -> Self {
        let mut login = Self::new(portal, "");
        login.target = None;
        login.keys.clear();
        login
    }

    pub(crate) fn isid(mut self, last: u8) -> Self {
        self.isid[5] = last;
        self
    }

    pub(crate) fn initiator(mut self, name: &str) -> Self {
        name.clone_into(&mut self.initiator);
        self
    }

    pub(crate) fn key(mut self, key: &str, value: &str) -> Self {
        self.keys.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Security stage, operational stage, full feature phase.
    pub(crate) fn log_in(&self) -> Result<Initiator, Refused> {
        let mut initiator = Initiator::connect(self.portal);
        let mut names = vec![("InitiatorName", self.initiator.as_str())];
        match &self.target {
            Some(target) => {
                names.extend([("TargetName", target.as_str()), ("SessionType", "Normal")])
            }
            None => names.push(("SessionType", "Discovery")),
        }
        names.push(("AuthMethod", "CHAP,None"));
        let answer = initiator.login_step(self, 0x80 | 1, &text(&names))?;
        assert_eq!(answer.bhs[1], 0x81, "security stage is left");
        let keys: Vec<(&str, &str)> = self
            .keys
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        let answer = initiator.login_step(self, 0x80 | 1 << 2 | 3, &text(&keys))?;
        assert_eq!(answer.bhs[1], 0x87, "operational stage is left");
        initiator.tsih = u16::from_be_bytes([answer.bhs[14], answer.bhs[15]]);
        assert_ne!(initiator.tsih, 0);
        initiator.agree(self);
        Ok(initiator)
    }
}

impl Initiator {
    pub(crate) fn connect(portal: SocketAddr) -> Self {
        let stream = TcpStream::connect(portal).expect("the portal listens");
        stream.set_nodelay(true).expect("a socket option");
        stream
            .set_read_timeout(Some(LIMIT))
            .expect("a socket option");
        stream
            .set_write_timeout(Some(LIMIT))
            .expect("a socket option");
        Self {
            stream,
            negotiated: BTreeMap::new(),
            tsih: 0,
            cmd_sn: 1,
            exp_stat_sn: 7,
            itt: 0x100,
            initial_r2t: true,
            immediate_data: true,
            first_burst: 65536,
            max_burst: 262_144,
            send_max: 8192,
            receive_max: 8192,
            events: Vec::new(),
        }
    }

    /// One login request and its answer, whose keys are added to what is negotiated.
    pub(crate) fn login_step(
        &mut self,
        login: &Login,
        flags: u8,
        text: &[u8],
    ) -> Result<Pdu, Refused> {
        let bhs = self.login_header(login, flags);
        self.send(bhs, text);
        let answer = self.receive_status().map_err(|error| {
            assert_ne!(error.kind(), io::ErrorKind::WouldBlock, "no answer, no end");
            Refused::Closed
        })?;
        assert_eq!(answer.opcode(), 0x23);
        assert_eq!(answer.word(16), 0x55);
        assert_eq!(answer.bhs[8..14], login.isid);
        assert_eq!(&answer.bhs[2..4], [0, 0], "version");
        if answer.bhs[36] != 0 {
            return Err(Refused::Status(answer.bhs[36], answer.bhs[37]));
        }
        self.negotiated.extend(pairs(&answer.data));
        Ok(answer)
    }

    pub(crate) fn login_header(&self, login: &Login, flags: u8) -> [u8; 48] {
        let mut bhs = [0; 48];
        bhs[0] = 0x43;
        bhs[1] = flags;
        bhs[8..14].copy_from_slice(&login.isid);
        bhs[14..16].copy_from_slice(&login.tsih.to_be_bytes());
        put(&mut bhs, 16, 0x55);
        put(&mut bhs, 24, self.cmd_sn);
        put(&mut bhs, 28, self.exp_stat_sn);
        bhs
    }

    fn agree(&mut self, login: &Login) {
        let value = |key: &str| self.negotiated.get(key).map(String::as_str);
        let number = |key: &str| value(key).and_then(|text| text.parse().ok());
        self.send_max = number("MaxRecvDataSegmentLength").unwrap_or(8192);
        if let Some(length) = number("FirstBurstLength") {
            self.first_burst = length;
        }
        if let Some(length) = number("MaxBurstLength") {
            self.max_burst = length;
        }
        self.initial_r2t = value("InitialR2T") != Some("No");
        self.immediate_data = value("ImmediateData") != Some("No");
        self.receive_max = login
            .keys
            .get("MaxRecvDataSegmentLength")
            .map_or(8192, |length| length.parse().expect("a number"));
    }

    /// Sends a unit as it is, with its data and padding.
    pub(crate) fn send(&mut self, mut bhs: [u8; 48], data: &[u8]) {
        let length = (data.len() as u32).to_be_bytes();
        bhs[5..8].copy_from_slice(&length[1..]);
        let mut unit = bhs.to_vec();
        unit.extend(data);
        unit.resize(unit.len().next_multiple_of(4), 0);
        self.send_bytes(&unit);
    }

    /// Sends bytes. That the target has closed the connection shows when something is received.
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// The next unit, whatever it is.
    pub(crate) fn receive(&mut self) -> io::Result<Pdu> {
        let mut bhs = [0; 48];
        self.stream.read_exact(&mut bhs)?;
        assert_eq!(bhs[4], 0, "no additional header segments");
        let length = (word(&bhs, 4) & 0xff_ffff) as usize;
        assert!(
            length <= self.receive_max.max(8192),
            "{length} bytes at once"
        );
        let mut data = vec![0; length.next_multiple_of(4)];
        self.stream.read_exact(&mut data)?;
        assert!(data[length..].iter().all(|byte| *byte == 0), "padding");
        data.truncate(length);
        let pdu = Pdu { bhs, data };
        let window = pdu.word(32).wrapping_sub(pdu.word(28)).wrapping_add(1);
        assert_eq!(window, 32, "command window");
        Ok(pdu)
    }

    /// The next unit that carries a status; pings are answered, events kept.
    pub(crate) fn receive_status(&mut self) -> io::Result<Pdu> {
        loop {
            let pdu = self.receive()?;
            let ping = pdu.opcode() == 0x20 && pdu.word(16) == u32::MAX;
            if ping {
                self.answer_ping(&pdu);
                continue;
            }
            let counted = match pdu.opcode() {
                0x25 => pdu.bhs[1] & 1 != 0,
                0x31 => false,
                _ => true,
            };
            if counted {
                assert_eq!(pdu.word(24), self.exp_stat_sn, "StatSN of {pdu:?}");
                self.exp_stat_sn = self.exp_stat_sn.wrapping_add(1);
            }
            if pdu.opcode() == 0x32 {
                self.events.push(pdu);
                continue;
            }
            return Ok(pdu);
        }
    }

    /// Waits for an asynchronous message: its LUN and sense data.
    pub(crate) fn event(&mut self) -> (u16, Vec<u8>) {
        while self.events.is_empty() {
            let pdu = self.receive().expect("an event comes");
            assert_eq!(pdu.opcode(), 0x32, "an event, not {pdu:?}");
            assert_eq!(pdu.word(24), self.exp_stat_sn);
            self.exp_stat_sn = self.exp_stat_sn.wrapping_add(1);
            self.events.push(pdu);
        }
        let pdu = self.events.remove(0);
        assert_eq!((pdu.word(16), pdu.bhs[36]), (u32::MAX, 0), "a SCSI event");
        let length = usize::from(u16::from_be_bytes([pdu.data[0], pdu.data[1]]));
        let lun = u16::from_be_bytes([pdu.bhs[8], pdu.bhs[9]]);
        (lun, pdu.data[2..2 + length].to_vec())
    }

    fn answer_ping(&mut self, ping: &Pdu) {
        let mut bhs = [0; 48];
        bhs[..2].copy_from_slice(&[0x40, 0x80]);
        bhs[16..20].fill(0xff);
        bhs[20..24].copy_from_slice(&ping.bhs[20..24]);
        put(&mut bhs, 24, self.cmd_sn);
        put(&mut bhs, 28, self.exp_stat_sn);
        self.send(bhs, &[]);
    }

    pub(crate) fn next_itt(&mut self) -> u32 {
        self.itt += 1;
        self.itt
    }

    /// A request header with its numbers filled in; the command number is used up unless it is immediate.
    pub(crate) fn request(&mut self, opcode: u8, flags: u8) -> [u8; 48] {
        let mut bhs = [0; 48];
        bhs[..2].copy_from_slice(&[opcode, flags]);
        let itt = self.next_itt();
        put(&mut bhs, 16, itt);
        put(&mut bhs, 24, self.cmd_sn);
        put(&mut bhs, 28, self.exp_stat_sn);
        if opcode & 0x40 == 0 {
            self.cmd_sn = self.cmd_sn.wrapping_add(1);
        }
        bhs
    }

    /// A text request and all of its answer.
    pub(crate) fn text(&mut self, pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut bhs = self.request(0x04, 0x80);
        bhs[20..24].fill(0xff);
        self.send(bhs, &text(pairs));
        let mut whole = Vec::new();
        loop {
            let answer = self.receive_status().expect("a text answer comes");
            assert_eq!((answer.opcode(), answer.word(16)), (0x24, word(&bhs, 16)));
            whole.extend(&answer.data);
            if answer.is_final() {
                assert_eq!(answer.word(20), u32::MAX);
                return super::initiator::pairs(&whole);
            }
            let mut more = self.request(0x04, 0x80);
            more[16..20].copy_from_slice(&bhs[16..20]);
            more[20..24].copy_from_slice(&answer.bhs[20..24]);
            self.send(more, &[]);
        }
    }

    /// Task management; the response.
    pub(crate) fn manage(&mut self, function: u8, lun: u16, referenced: u32) -> u8 {
        let mut bhs = self.request(0x42, 0x80 | function);
        bhs[8..10].copy_from_slice(&lun.to_be_bytes());
        put(&mut bhs, 20, referenced);
        self.send(bhs, &[]);
        let answer = self.receive_status().expect("an answer comes");
        assert_eq!((answer.opcode(), answer.word(16)), (0x22, word(&bhs, 16)));
        answer.bhs[2]
    }

    /// Logs out; the response.
    pub(crate) fn log_out(&mut self) -> u8 {
        let bhs = self.request(0x46, 0x80);
        self.send(bhs, &[]);
        let answer = self.receive_status().expect("an answer comes");
        assert_eq!(answer.opcode(), 0x26);
        answer.bhs[2]
    }

    /// Is there anything to be received by now?
    pub(crate) fn has_input(&self) -> bool {
        self.stream.set_nonblocking(true).expect("a socket option");
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).expect("a socket option");
        peeked.is_ok()
    }

    /// Waits until the target has closed the connection.
    pub(crate) fn assert_closed(&mut self) {
        loop {
            match self.receive() {
                Ok(pdu) if pdu.opcode() == 0x32 => {}
                Ok(pdu) => panic!("still open: {pdu:?}"),
                Err(error) => {
                    assert_ne!(error.kind(), io::ErrorKind::WouldBlock, "still open");
                    return;
                }
            }
        }
    }
}

pub(crate) fn text(pairs: &[(&str, &str)]) -> Vec<u8> {
    pairs
        .iter()
        .flat_map(|(key, value)| format!("{key}={value}\0").into_bytes())
        .collect()
}

pub(crate) fn pairs(text: &[u8]) -> Vec<(String, String)> {
    std::str::from_utf8(text)
        .expect("answers are text")
        .split_terminator('\0')
        .map(|pair| pair.split_once('=').expect("pairs"))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

pub(crate) fn word(bytes: &[u8], offset: usize) -> u32 {
    u32::from_be_bytes(bytes[offset..offset + 4].try_into().expect("four bytes"))
}

pub(crate) fn put(bhs: &mut [u8; 48], offset: usize, value: u32) {
    bhs[offset..offset + 4].copy_from_slice(&value.to_be_bytes());
}
