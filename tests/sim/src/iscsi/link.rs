//! A connection as others see it: a way to send on it, to tell it something, and to close it.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

use rustix::event::{PollFd, PollFlags, Timespec};

use super::login::Identity;
use super::pdu::{Bhs, FINAL, NO_TAG, answer};
use super::portal::{Mode, Portal};
use super::watch::Faces;
use crate::scsi::Sense;

/// Commands that an initiator may have under way beyond the oldest one.
const WINDOW: u32 = 32;

/// Answers are gathered up to this length while more requests are waiting to be read.
const GATHER: usize = 64 << 10;

/// Data of this length is handed to the kernel from where it is.
const DIRECT: usize = 8 << 10;

/// The sending half of a connection, and the numbers that its units carry.
#[derive(Debug)]
pub(crate) struct Outlet {
    stream: TcpStream,
    out: Vec<u8>,
    /// Of the next status.
    pub(crate) stat_sn: u32,
    /// Of the next command in order.
    pub(crate) exp_cmd_sn: u32,
}

impl Outlet {
    /// The last command number that may be sent.
    pub(crate) fn max_cmd_sn(&self) -> u32 {
        self.exp_cmd_sn.wrapping_add(WINDOW - 1)
    }

    /// Sends a unit that carries a status, and counts it.
    pub(crate) fn send_status(&mut self, bhs: Bhs, data: &[u8]) -> io::Result<()> {
        self.send(bhs, data)?;
        self.stat_sn = self.stat_sn.wrapping_add(1);
        Ok(())
    }

    /// Sends a unit. It shows the number of the next status without using it up.
    pub(crate) fn send(&mut self, mut bhs: Bhs, data: &[u8]) -> io::Result<()> {
        bhs.put(24, self.stat_sn);
        bhs.put(28, self.exp_cmd_sn);
        bhs.put(32, self.max_cmd_sn());
        bhs.set_data_len(data.len());
        self.out.extend(bhs.0);
        let padding = &[0; 3][..data.len().next_multiple_of(4) - data.len()];
        if data.len() >= DIRECT {
            let parts: [&[u8]; 3] = [&self.out, data, padding];
            write_all(&mut self.stream, &parts)?;
            self.out.clear();
            return Ok(());
        }
        self.out.extend(data);
        self.out.extend(padding);
        if self.out.len() >= GATHER {
            self.flush()?;
        }
        Ok(())
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if !self.out.is_empty() {
            let sent = self.stream.write_all(&self.out);
            self.out.clear();
            sent?;
        }
        Ok(())
    }
}

/// Writes all parts, in as few calls as the kernel allows.
fn write_all(stream: &mut TcpStream, parts: &[&[u8]]) -> io::Result<()> {
    let total: usize = parts.iter().map(|part| part.len()).sum();
    let mut done = 0;
    while done < total {
        let mut skip = done;
        let mut slices = [IoSlice::new(&[]); 3];
        for (slice, part) in slices.iter_mut().zip(parts) {
            let skipped = skip.min(part.len());
            skip -= skipped;
            *slice = IoSlice::new(&part[skipped..]);
        }
        match stream.write_vectored(&slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What other threads want a connection to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// Tell the initiator of a SCSI event at this LUN.
    Event(u16, Sense),
    /// Drop what is under way at this LUN, or at all; tell of a reset with the next command.
    Reset(Option<u16>),
    /// Drop what is under way at this LUN.
    Clear(u16),
}

/// A session that has been opened on a connection.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) identity: Identity,
    pub(crate) tsih: u16,
    /// The name under which the model knows it; none of a discovery session.
    pub(crate) sid: Option<String>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    /// Unique among the connections of this server.
    pub(crate) id: u64,
    pub(crate) portal: Arc<Portal>,
    pub(crate) opened: OnceLock<Opened>,
    /// Is it in full feature phase, so that it may be sent more than answers?
    pub(crate) ready: AtomicBool,
    stream: TcpStream,
    closed: AtomicBool,
    /// The LUNs as the session last heard of them; none before it is open.
    seen: Mutex<Option<Faces>>,
    outlet: Mutex<Outlet>,
    notices: Mutex<VecDeque<Notice>>,
}

impl Link {
    pub(crate) fn new(id: u64, portal: Arc<Portal>, stream: &TcpStream) -> io::Result<Self> {
        Ok(Self {
            id,
            portal,
            opened: OnceLock::new(),
            ready: AtomicBool::new(false),
            stream: stream.try_clone()?,
            closed: AtomicBool::new(false),
            seen: Mutex::new(None),
            outlet: Mutex::new(Outlet {
                stream: stream.try_clone()?,
                out: Vec::new(),
                stat_sn: 0,
                exp_cmd_sn: 0,
            }),
            notices: Mutex::new(VecDeque::new()),
        })
    }

    /// The sending half. Only the connection's own thread may wait for it.
    pub(crate) fn outlet(&self) -> MutexGuard<'_, Outlet> {
        self.outlet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the connection; its thread ends soon.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        // It fails when the initiator was quicker.
        let _ = self.stream.shutdown(Shutdown::Both);
        self.portal.wake();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Has the initiator closed its side, whether or not all that it sent has been read?
    pub(crate) fn is_left(&self) -> bool {
        let mut polled = [PollFd::new(&self.stream, PollFlags::RDHUP)];
        let left = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        match rustix::event::poll(&mut polled, Some(&Timespec::default())) {
            Ok(_) => polled[0].revents().intersects(left),
            Err(_) => false,
        }
    }

    /// The LUNs as the session last heard of them.
    pub(crate) fn seen(&self) -> MutexGuard<'_, Option<Faces>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves a notice. An event is sent at once, unless the connection's own thread is busy sending or still logging
    /// in: it then sends the event itself.
    pub(crate) fn notify(&self, notice: Notice) {
        let mut notices = self.notices();
        if !notices.contains(&notice) {
            notices.push_back(notice);
        }
        drop(notices);
        self.send_waiting();
    }

    /// Sends the events that wait, if they may be sent now and the connection's own thread does not do it.
    pub(crate) fn send_waiting(&self) {
        if !self.ready.load(Ordering::SeqCst) || self.portal.mode() == Mode::Silent {
            return;
        }
        // Again if another one has left an event meanwhile and could not send it, since this one was sending.
        while self.has_event() {
            let mut outlet = match self.outlet.try_lock() {
                Ok(outlet) => outlet,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            if self.send_events(&mut outlet).is_err() {
                return self.close();
            }
        }
    }

    /// Sends the events that others have left, and flushes. To be called by the connection's thread each time it has
    /// given the sending half back.
    pub(crate) fn settle(&self) -> io::Result<()> {
        let mut outlet = self.outlet();
        loop {
            self.send_events(&mut outlet)?;
            drop(outlet);
            if !self.has_event() {
                return Ok(());
            }
            outlet = self.outlet();
        }
    }

    fn has_event(&self) -> bool {
        self.notices()
            .iter()
            .any(|notice| matches!(notice, Notice::Event(..)))
    }

    /// Resets that have been left since the last call.
    pub(crate) fn take_resets(&self) -> Vec<Notice> {
        let mut notices = self.notices();
        if notices.is_empty() {
            return Vec::new();
        }
        let (events, resets): (Vec<_>, Vec<_>) = notices
            .drain(..)
            .partition(|notice| matches!(notice, Notice::Event(..)));
        notices.extend(events);
        resets
    }

    fn send_events(&self, outlet: &mut Outlet) -> io::Result<()> {
        let events: Vec<Notice> = {
            let mut notices = self.notices();
            let (events, resets): (_, VecDeque<_>) = notices
                .drain(..)
                .partition(|notice| matches!(notice, Notice::Event(..)));
            *notices = resets;
            Vec::from(events)
        };
        for event in events {
            if let Notice::Event(lun, sense) = event {
                let (bhs, data) = async_message(lun, sense);
                outlet.send_status(bhs, &data)?;
            }
        }
        outlet.flush()
    }

    fn notices(&self) -> MutexGuard<'_, VecDeque<Notice>> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An asynchronous message with a SCSI event.
fn async_message(lun: u16, sense: Sense) -> (Bhs, Vec<u8>) {
    let mut bhs = Bhs::answer(answer::ASYNC, FINAL, NO_TAG);
    let [high, low] = lun.to_be_bytes();
    bhs.set_lun([high, low, 0, 0, 0, 0, 0, 0]);
    (bhs, sense_segment(sense))
}

/// Sense data as a data segment: its length, then itself.
pub(crate) fn sense_segment(sense: Sense) -> Vec<u8> {
    let sense = sense.to_bytes();
    let mut data = (sense.len() as u16).to_be_bytes().to_vec();
    data.extend(sense);
    data
}
