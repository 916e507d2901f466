//! An address at which the target listens, and the ways in which it can be cut.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How a portal treats initiators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mode {
    /// As it should.
    Open,
    /// Connections are refused.
    Closed,
    /// Connections are accepted and kept, and nothing is answered.
    Silent,
}

/// One address.
#[derive(Debug)]
pub(crate) struct Portal {
    pub(crate) address: SocketAddr,
    mode: AtomicU8,
    silences: AtomicU64,
    /// The listening socket, to end the accepting thread.
    listener: Mutex<Option<TcpListener>>,
    changed: Condvar,
}

impl Portal {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            mode: AtomicU8::new(Mode::Closed as u8),
            silences: AtomicU64::new(0),
            listener: Mutex::new(None),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn mode(&self) -> Mode {
        match self.mode.load(Ordering::SeqCst) {
            0 => Mode::Open,
            1 => Mode::Closed,
            _ => Mode::Silent,
        }
    }

    pub(crate) fn set_mode(&self, mode: Mode) {
        let _order = self.listener();
        if mode == Mode::Silent {
            self.silences.fetch_add(1, Ordering::SeqCst);
        }
        self.mode.store(mode as u8, Ordering::SeqCst);
        self.changed.notify_all();
    }

    /// The listening socket while there is one.
    pub(crate) fn listener(&self) -> MutexGuard<'_, Option<TcpListener>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often it has been made silent.
    pub(crate) fn silences(&self) -> u64 {
        self.silences.load(Ordering::SeqCst)
    }

    /// Returns at once unless the portal is silent; then when it no longer is, or `give_up` says so after
    /// [`wake`](Self::wake).
    pub(crate) fn wait_while_silent(&self, give_up: impl Fn() -> bool) {
        if self.mode() != Mode::Silent {
            return;
        }
        let mut order = self.listener();
        while self.mode() == Mode::Silent && !give_up() {
            order = self
                .changed
                .wait(order)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets those who wait look again.
    pub(crate) fn wake(&self) {
        let _order = self.listener();
        self.changed.notify_all();
    }
}
