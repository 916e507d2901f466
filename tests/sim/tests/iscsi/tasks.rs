//! Task management, pings, logout, and units that are not understood.

use crate::initiator::{Data, put, ten, word};
use crate::{SECOND, TARGET, appliance, login, pair, portal};

const COMPLETE: u8 = 0;

#[test]
fn an_aborted_write_is_gone_and_its_data_ignored() {
    let (appliance, mut initiator) = pair();
    let data = vec![0x44; 256 << 10];
    let itt = initiator.start(0, &ten(0x2a, 0, 512), Data::Out(&data));
    let r2t = initiator.receive_status().unwrap();
    assert_eq!(initiator.manage(1, 0, itt), COMPLETE);
    initiator.obey(&r2t, &data);
    initiator.command(0, &[0; 6], Data::None).good();
    assert_eq!(
        initiator.manage(1, 0, itt),
        1,
        "there is no such task any more"
    );
    assert_eq!(initiator.read(0, 0, 1).good().data, [0; 512]);
    let aborted = appliance
        .commands()
        .into_iter()
        .find(|command| command.opcode == 0x2a);
    assert_eq!(aborted.map(|command| command.status), Some(0x40));
}

#[test]
fn a_task_set_is_aborted_as_a_whole() {
    let (_appliance, mut initiator) = pair();
    let data = vec![0x44; 256 << 10];
    let tasks: Vec<u32> = (0..3)
        .map(|_| initiator.start(0, &ten(0x2a, 0, 512), Data::Out(&data)))
        .collect();
    for itt in &tasks {
        assert_eq!(initiator.receive_status().unwrap().word(16), *itt);
    }
    assert_eq!(initiator.manage(2, 0, u32::MAX), COMPLETE);
    for itt in tasks {
        assert_eq!(initiator.manage(1, 0, itt), 1);
    }
}

#[test]
fn a_reset_is_told_to_the_other_sessions() {
    let (appliance, mut one) = pair();
    let mut two = login(&appliance).isid(2).log_in().unwrap();
    two.ready(0);
    for (function, what) in [(5, "logical unit"), (6, "target")] {
        assert_eq!(one.manage(function, 0, u32::MAX), COMPLETE, "{what}");
        one.command(0, &[0; 6], Data::None).good();
        let first = two.command(0, &[0; 6], Data::None);
        assert_eq!(first.triple(), Some((6, 0x29, 0)), "{what}");
        two.command(0, &[0; 6], Data::None).good();
    }
}

#[test]
fn a_reset_drops_what_others_have_under_way() {
    let (appliance, mut one) = pair();
    let mut two = login(&appliance).isid(2).log_in().unwrap();
    two.ready(0);
    let data = vec![0x44; 256 << 10];
    two.start(0, &ten(0x2a, 0, 512), Data::Out(&data));
    let r2t = two.receive_status().unwrap();
    assert_eq!(one.manage(5, 0, u32::MAX), COMPLETE);
    two.obey(&r2t, &data);
    two.ready(0);
    assert_eq!(two.read(0, 0, 1).good().data, [0; 512]);
}

#[test]
fn a_cold_reset_ends_all_sessions() {
    let (appliance, mut one) = pair();
    let mut two = login(&appliance).isid(2).log_in().unwrap();
    two.ready(0);
    assert_eq!(one.manage(7, 0, u32::MAX), COMPLETE);
    one.assert_closed();
    two.assert_closed();
}

#[test]
fn functions_that_make_no_sense_are_answered() {
    let (_appliance, mut initiator) = pair();
    assert_eq!(initiator.manage(5, 9, u32::MAX), 2, "no such unit");
    assert_eq!(initiator.manage(8, 0, 1), 4, "reassignment");
    assert_eq!(initiator.manage(99, 0, 1), 5, "no such function");
}

#[test]
fn a_ping_comes_back_with_its_data() {
    let (_appliance, mut initiator) = pair();
    let bhs = initiator.request(0x40, 0x80);
    initiator.send(bhs, b"are you there?");
    let answer = initiator.receive_status().unwrap();
    assert_eq!((answer.opcode(), answer.word(16)), (0x20, word(&bhs, 16)));
    assert_eq!(answer.data, b"are you there?");
    assert_eq!(answer.word(20), u32::MAX);
}

#[test]
fn a_logout_of_another_connection_changes_nothing() {
    let (_appliance, mut initiator) = pair();
    for (reason, response) in [(1, 1), (2, 2)] {
        let mut bhs = initiator.request(0x46, 0x80 | reason);
        bhs[20..22].copy_from_slice(&[0, 9]);
        initiator.send(bhs, &[]);
        let answer = initiator.receive_status().unwrap();
        assert_eq!((answer.opcode(), answer.bhs[2]), (0x26, response));
    }
    initiator.ready(0);
    assert_eq!(initiator.log_out(), 0);
    initiator.assert_closed();
}

#[test]
fn commands_outside_the_window_are_passed_over_and_early_ones_wait() {
    let (_appliance, mut initiator) = pair();
    let expected = initiator.cmd_sn;
    for outside in [expected.wrapping_sub(1), expected + 32] {
        initiator.cmd_sn = outside;
        initiator.start(0, &[0; 6], Data::None);
    }
    initiator.cmd_sn = expected + 1;
    let early = initiator.start(0, &[0; 6], Data::None);
    initiator.cmd_sn = expected;
    let next = initiator.start(0, &[0; 6], Data::None);
    for itt in [next, early] {
        let answer = initiator.receive_status().unwrap();
        assert_eq!((answer.opcode(), answer.word(16)), (0x21, itt));
    }
    initiator.cmd_sn = expected + 2;
    // Nor is one that came too early carried out when its number's turn comes.
    for _ in 0..40 {
        initiator.command(0, &[0; 6], Data::None).good();
    }
}

#[test]
fn what_is_not_understood_is_rejected_with_its_header() {
    let (_appliance, mut initiator) = pair();
    for (opcode, reason) in [(0x1c, 0x05), (0x10, 0x03)] {
        let bhs = initiator.request(opcode | 0x40, 0x80);
        initiator.send(bhs, &[]);
        let reject = initiator.receive_status().unwrap();
        assert_eq!((reject.opcode(), reject.bhs[2]), (0x3f, reason));
        assert_eq!(reject.word(16), u32::MAX);
        assert_eq!(reject.data, bhs);
    }
    initiator.ready(0);
}

#[test]
fn data_out_of_order_ends_the_session() {
    let appliance = appliance();
    let data = vec![0x55; 256 << 10];
    type Spoil = fn(&mut [u8; 48]);
    let spoils: [(&str, Spoil); 4] = [
        ("number", |bhs| put(bhs, 36, 27)),
        ("offset", |bhs| put(bhs, 40, 4096)),
        ("tag", |bhs| put(bhs, 20, 0x7777)),
        ("end", |bhs| bhs[1] = 0x80),
    ];
    for (what, spoil) in spoils {
        let mut initiator = crate::session(&appliance);
        initiator.start(0, &ten(0x2a, 0, 512), Data::Out(&data));
        let r2t = initiator.receive_status().unwrap();
        let mut bhs = [0; 48];
        bhs[0] = 0x05;
        put(&mut bhs, 16, r2t.word(16));
        put(&mut bhs, 20, r2t.word(20));
        put(&mut bhs, 40, r2t.word(40));
        spoil(&mut bhs);
        initiator.send(bhs, &[0x55; 512]);
        let reject = initiator.receive_status().unwrap();
        assert_eq!((reject.opcode(), reject.bhs[2]), (0x3f, 4), "{what}");
        initiator.assert_closed();
    }
    let mut after = crate::session(&appliance);
    assert_eq!(after.read(0, 128, 1).good().data, [0; 512]);
}

#[test]
fn more_unasked_data_than_agreed_ends_the_session() {
    let (appliance, _) = pair();
    for (key, value) in [("ImmediateData", "No"), ("FirstBurstLength", "512")] {
        let mut initiator = login(&appliance).key(key, value).log_in().unwrap();
        initiator.ready(0);
        let mut bhs = initiator.request(0x01, 0xa0);
        put(&mut bhs, 20, 1024);
        bhs[32..42].copy_from_slice(&ten(0x2a, 0, 2));
        initiator.send(bhs, &[1; 1024]);
        let reject = initiator.receive_status().unwrap();
        assert_eq!((reject.opcode(), reject.bhs[2]), (0x3f, 4), "{key}");
        initiator.assert_closed();
    }
}

#[test]
fn the_log_names_portal_volume_and_outcome_of_each_command() {
    let (appliance, mut first) = pair();
    let mut second = crate::initiator::Login::new(portal(&appliance, SECOND), TARGET)
        .isid(2)
        .log_in()
        .unwrap();
    second.ready(0);
    appliance.clear_log();
    first.write(0, 16, &[1; 1024]).good();
    second.write(0, 32, &[2; 512]).good();
    assert_eq!(second.read(0, u32::MAX, 1).status, 2);
    second.command(3, &[0; 6], Data::None);

    let log = appliance.commands();
    let shown: Vec<_> = log
        .iter()
        .map(|c| {
            (
                c.name,
                &*c.volume,
                c.portal.to_string(),
                c.lba,
                c.blocks,
                c.sense,
            )
        })
        .collect();
    let [one, two] = ["127.0.0.1", "127.0.0.2"].map(str::to_owned);
    assert_eq!(
        shown,
        [
            ("WRITE(10)", "Pool-0/d0", one, Some(16), Some(2), None),
            (
                "WRITE(10)",
                "Pool-0/d0",
                two.clone(),
                Some(32),
                Some(1),
                None
            ),
            (
                "READ(10)",
                "Pool-0/d0",
                two.clone(),
                Some(u64::from(u32::MAX)),
                Some(1),
                Some((5, 0x21, 0))
            ),
            ("TEST UNIT READY", "", two, None, None, Some((5, 0x25, 0))),
        ]
    );
    assert!(log[0].changes_data() && !log[2].changes_data());

    let counts = appliance.command_counts();
    let count = |portal, opcode| {
        let key = jdss_sim::CommandKey {
            volume: "Pool-0/d0".to_owned(),
            portal,
            opcode,
        };
        counts
            .get(&key)
            .map(|count| (count.commands, count.failed, count.blocks))
    };
    assert_eq!(count(crate::FIRST, 0x2a), Some((1, 0, 2)));
    assert_eq!(count(SECOND, 0x2a), Some((1, 0, 1)));
    assert_eq!(count(SECOND, 0x28), Some((1, 1, 0)));
    assert_eq!(count(crate::FIRST, 0x28), None);
}
