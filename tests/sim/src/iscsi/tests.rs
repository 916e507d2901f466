//! What takes too long to see at the pace that initiators know.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use super::pdu::{BHS_LEN, Bhs, NO_TAG, answer, request};
use super::{CommandLog, IscsiTarget};
use crate::model::{Model, NewLun, NewTarget, NewVolume, Vip, VipAllowed};

const POOL: &str = "Pool-0";
const TARGET: &str = "iqn.2025-04.proxmox.joviandss.iscsi:vm-100-0";

/// One target with one LUN at 127.0.0.1.
fn model() -> Arc<Model> {
    let dir = tempfile::tempdir().expect("a directory");
    let model = Model::new(dir.path(), Default::default());
    model.add_pool(POOL, 1 << 30).expect("the name is free");
    let vip = Vip {
        name: "vip1".to_owned(),
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        netmask: "255.0.0.0".to_owned(),
    };
    model.add_vip(POOL, vip).expect("the name is free");
    let volume = NewVolume {
        name: "d0".to_owned(),
        size: 1 << 20,
        sparse: true,
        block_size: 16384,
        scsi_id: None,
        properties: Default::default(),
    };
    model.create_volume(POOL, volume).expect("the name is free");
    let target = NewTarget {
        name: TARGET.to_owned(),
        active: true,
        incoming_users_active: false,
        vips: VipAllowed {
            enabled: false,
            assigned_vips: Vec::new(),
        },
        allow_ip: Vec::new(),
        deny_ip: Vec::new(),
        outgoing_user: None,
    };
    model.create_target(POOL, target).expect("the name is free");
    let lun = NewLun {
        volume: "d0".to_owned(),
        number: 0,
        mode: "wt".to_owned(),
        block_size: 512,
        scsi_id: None,
    };
    model.attach(POOL, TARGET, lun).expect("the number is free");
    Arc::new(model)
}

/// Logs in to a target that pings each 50 ms.
fn log_in() -> (Arc<Model>, IscsiTarget, TcpStream) {
    let model = model();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let log = Arc::new(CommandLog::new(|_| {}));
    let pace = Duration::from_millis(50);
    let target = IscsiTarget::start_pinging(Arc::clone(&model), vec![listener], log, pace)
        .expect("threads can be had");
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a socket option");
    let keys = format!("InitiatorName=iqn.2026-01.test:i\0TargetName={TARGET}\0");
    let mut login = Bhs([0; BHS_LEN]);
    login.0[..2].copy_from_slice(&[0x43, 0x87]);
    send(&mut stream, login, keys.as_bytes());
    let answer = receive(&mut stream).expect("it answers");
    assert_eq!((answer.opcode(), answer.0[36]), (answer::LOGIN, 0));
    (model, target, stream)
}

fn send(stream: &mut TcpStream, mut bhs: Bhs, data: &[u8]) {
    bhs.set_data_len(data.len());
    let mut unit = bhs.0.to_vec();
    unit.extend(data);
    unit.resize(unit.len().next_multiple_of(4), 0);
    stream.write_all(&unit).expect("it reads");
}

fn receive(stream: &mut TcpStream) -> io::Result<Bhs> {
    let mut bhs = Bhs([0; BHS_LEN]);
    stream.read_exact(&mut bhs.0)?;
    let mut data = vec![0; bhs.data_len().next_multiple_of(4)];
    stream.read_exact(&mut data)?;
    Ok(bhs)
}

fn assert_ping(bhs: &Bhs) {
    assert_eq!((bhs.opcode(), bhs.itt()), (answer::NOP_IN, NO_TAG));
    assert_ne!(bhs.ttt(), NO_TAG);
}

#[test]
fn an_initiator_that_answers_pings_stays() {
    let (model, _target, mut stream) = log_in();
    let mut tags = Vec::new();
    for _ in 0..5 {
        let ping = receive(&mut stream).unwrap();
        assert_ping(&ping);
        tags.push(ping.ttt());
        let mut pong = Bhs([0; BHS_LEN]);
        pong.0[..2].copy_from_slice(&[0x40 | request::NOP_OUT, 0x80]);
        pong.put(16, NO_TAG);
        pong.put(20, ping.ttt());
        send(&mut stream, pong, &[]);
    }
    tags.dedup();
    assert_eq!(tags.len(), 5);
    assert_eq!(model.sessions().len(), 1);
}

#[test]
fn an_initiator_that_does_not_answer_is_given_up() {
    let (model, _target, mut stream) = log_in();
    assert_ping(&receive(&mut stream).unwrap());
    let end = receive(&mut stream).unwrap_err();
    assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
    assert!(model.sessions().is_empty());
}
