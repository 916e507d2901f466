//! The network between this host and the appliance, which lives in a network namespace of its own.
//!
//! One veth pair a portal, so that each can be cut by itself, and one for the appliance's control address:
//!
//! | link on the host | host | appliance (namespace `appliance`) |
//! |---|---|---|
//! | `control` | 10.0.0.2, fd00::2 | [`CONTROL`], `fd00::1` |
//! | `portal1` | 10.0.1.2, fd00:1::2 | 10.0.1.1, fd00:1::1 |
//! | `portal2` | 10.0.2.2, fd00:2::2 | 10.0.2.1, fd00:2::1 |

use crate::{Command, Error};

/// The name of the appliance's network namespace.
pub const NAMESPACE: &str = "appliance";
/// The appliance's control address.
pub const CONTROL: &str = "10.0.0.1";
/// The appliance's data addresses, one a [`Portal`].
pub const ADDRESSES: [&str; 2] = ["10.0.1.1", "10.0.2.1"];
/// The same for IPv6.
pub const ADDRESSES_V6: [&str; 2] = ["fd00:1::1", "fd00:2::1"];
/// The iSCSI port.
pub const PORT: u16 = 3260;

/// One of the two ways to the appliance's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Portal {
    /// 10.0.1.1.
    First,
    /// 10.0.2.1.
    Second,
}

/// How a way is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The host's end of the cable is unplugged: the route is gone, a connect fails at once.
    LinkDown,
    /// Packets vanish in both directions: a black hole, found out by timeouts alone.
    Drop,
}

impl Portal {
    /// Both.
    pub const ALL: [Self; 2] = [Self::First, Self::Second];

    /// The appliance's address, IPv4.
    #[must_use]
    pub fn address(self) -> &'static str {
        ADDRESSES[self as usize]
    }

    /// `address:port`, as iscsiadm wants it.
    #[must_use]
    pub fn with_port(self) -> String {
        format!("{}:{PORT}", self.address())
    }

    fn link(self) -> &'static str {
        ["portal1", "portal2"][self as usize]
    }

    /// Cuts this way until [`restore`](Self::restore).
    ///
    /// # Errors
    ///
    /// Those of [`Command::ok`].
    pub fn cut(self, cut: Cut) -> Result<(), Error> {
        match cut {
            Cut::LinkDown => Command::words("ip link set down dev")
                .arg(self.link())
                .ok()
                .map(drop),
            Cut::Drop => {
                let link = self.link();
                let rules = format!(
                    "add table inet cut\n\
                     add chain inet cut in {{ type filter hook input priority 0; }}\n\
                     add chain inet cut out {{ type filter hook output priority 0; }}\n\
                     add rule inet cut in iifname {link} drop\n\
                     add rule inet cut out oifname {link} drop\n"
                );
                Command::words("nft -f -").stdin(rules).ok().map(drop)
            }
        }
    }

    /// Undoes every [`cut`](Self::cut) of this way; does nothing when there is none.
    ///
    /// # Errors
    ///
    /// Those of [`Command::ok`].
    pub fn restore(self) -> Result<(), Error> {
        let link = self.link();
        Command::words("ip link set up dev").arg(link).ok()?;
        // The rules of the other way are made anew if there are any.
        let rules = Command::words("nft list tables").ok()?;
        if rules.contains("table inet cut") {
            let other = if self == Self::First {
                Self::Second
            } else {
                Self::First
            };
            let other_too = Command::words("nft list table inet cut")
                .ok()?
                .contains(other.link());
            Command::words("nft delete table inet cut").ok()?;
            if other_too {
                other.cut(Cut::Drop)?;
            }
        }
        Ok(())
    }
}

/// Makes the namespace and the links; once for each boot.
///
/// # Errors
///
/// Those of [`Command::ok`].
pub(crate) fn up() -> Result<(), Error> {
    let mut host = String::from("link set lo up\n");
    let mut appliance = host.clone();
    for (i, link) in ["control", "portal1", "portal2"].iter().enumerate() {
        let v6 = if i == 0 {
            "fd00:".to_owned()
        } else {
            format!("fd00:{i}:")
        };
        host += &format!("link add {link} type veth peer name appliance{i} netns {NAMESPACE}\n");
        for (batch, end, link) in [
            (&mut host, 2, (*link).to_owned()),
            (&mut appliance, 1, format!("appliance{i}")),
        ] {
            *batch += &format!("addr add 10.0.{i}.{end}/24 dev {link}\n");
            *batch += &format!("addr add {v6}:{end}/64 dev {link} nodad\n");
            *batch += &format!("link set {link} up\n");
        }
    }
    Command::words("ip netns add").arg(NAMESPACE).ok()?;
    Command::words("ip -batch -").stdin(host).ok()?;
    Command::words("ip -netns")
        .args([NAMESPACE, "-batch", "-"])
        .stdin(appliance)
        .ok()
        .map(drop)
}

/// `command` as it must be run to run in the appliance's namespace.
#[must_use]
pub fn on_appliance(program: &str) -> Command {
    Command::words("ip netns exec").args([NAMESPACE, program])
}
