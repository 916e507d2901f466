//! One connection from its first byte to its end.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Shared;
use super::keys::{Parameters, RECEIVE_DEFAULT};
use super::link::Link;
use super::login::{Identity, Login, Status, Step, refusal};
use super::pdu::{Bhs, Incoming, Pdu, PduReader};
use super::portal::Mode;
use super::session::Session;

/// An initiator that takes nothing for this long is given up.
const WRITE_LIMIT: Duration = Duration::from_secs(60);

/// Serves a connection to its end. Blocks for as long as it lives.
pub(crate) fn serve(
    shared: &Shared,
    link: &Arc<Link>,
    stream: TcpStream,
    initiator: SocketAddr,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(shared.ping_interval))?;
    stream.set_write_timeout(Some(WRITE_LIMIT))?;
    let mut reader = PduReader::new(stream, RECEIVE_DEFAULT as usize);
    let Some((identity, parameters)) = log_in(shared, link, &mut reader, initiator)? else {
        return Ok(());
    };
    reader.set_limit(parameters.receive_max() as usize);
    link.ready.store(true, Ordering::SeqCst);
    let mut silences = link.portal.silences();
    let mut session = Session::new(shared, link, identity, parameters);
    loop {
        if !reader.has_unit() {
            link.settle()?;
        }
        let pdu = match reader.read()? {
            Incoming::Pdu(pdu) => pdu,
            Incoming::End => return Ok(()),
            Incoming::Idle => {
                if wait_while_silent(link, &mut silences) || !session.ping()? {
                    return Ok(());
                }
                continue;
            }
        };
        if wait_while_silent(link, &mut silences) {
            return Ok(());
        }
        if !session.handle(pdu)? {
            return link.settle();
        }
    }
}

/// Waits while the portal answers nothing. True: it was closed meanwhile, or this connection was, or the initiator has
/// given up. `silences` is what this connection knows of.
fn wait_while_silent(link: &Link, silences: &mut u64) -> bool {
    link.portal.wait_while_silent(|| link.is_closed());
    let now = link.portal.silences();
    let silent = std::mem::replace(silences, now) != now;
    // What an initiator that has given up had sent would never have arrived: it has long been sent by another way,
    // and what came after it must not be undone.
    let given_up = silent && link.is_left();
    given_up || link.is_closed() || link.portal.mode() == Mode::Closed
}

/// Carries the login through; `None` if it ended with a refusal, or the initiator went away.
fn log_in(
    shared: &Shared,
    link: &Arc<Link>,
    reader: &mut PduReader<TcpStream>,
    initiator: SocketAddr,
) -> io::Result<Option<(Identity, Parameters)>> {
    let mut login = Login::new(&shared.model, link.portal.address.ip());
    let mut first = true;
    let mut silences = link.portal.silences();
    loop {
        let pdu = match reader.read()? {
            Incoming::Pdu(pdu) => pdu,
            Incoming::End | Incoming::Idle => return Ok(None),
        };
        if wait_while_silent(link, &mut silences) {
            return Ok(None);
        }
        let step = login.step(&pdu);
        let mut outlet = link.outlet();
        if std::mem::take(&mut first) {
            outlet.stat_sn = pdu.bhs.exp_stat_sn();
            outlet.exp_cmd_sn = pdu.bhs.cmd_sn();
        }
        match step {
            Step::Drop => return Ok(None),
            Step::Reply(bhs, text) => {
                outlet.send_status(bhs, &text)?;
                outlet.flush()?;
            }
            Step::Refused(bhs) => {
                outlet.send_status(bhs, &[])?;
                outlet.flush()?;
                return Ok(None);
            }
            Step::Finished(mut bhs, text) => {
                drop(outlet);
                let opened = open(shared, link, login, initiator, &pdu);
                let mut outlet = link.outlet();
                return match opened {
                    Ok((identity, parameters, tsih)) => {
                        bhs.put16(14, tsih);
                        outlet.send_status(bhs, &text)?;
                        outlet.flush()?;
                        Ok(Some((identity, parameters)))
                    }
                    Err(refused) => {
                        outlet.send_status(refused, &[])?;
                        outlet.flush()?;
                        Ok(None)
                    }
                };
            }
        }
    }
}

/// Opens the session, or says with which answer it is refused.
fn open(
    shared: &Shared,
    link: &Arc<Link>,
    login: Login<'_>,
    initiator: SocketAddr,
    pdu: &Pdu,
) -> Result<(Identity, Parameters, u16), Bhs> {
    let refused = |status| refusal(&pdu.bhs, status);
    let (identity, parameters) = login
        .into_parts()
        .ok_or_else(|| refused(Status::MISSING_PARAMETER))?;
    let tsih = shared
        .registry
        .open_session(link, identity.clone(), initiator.ip(), &shared.model)
        .map_err(refused)?;
    Ok((identity, parameters, tsih))
}
