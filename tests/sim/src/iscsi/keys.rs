//! Text keys: `key=value` pairs, and what is agreed on in operational negotiation.

/// Longest text, over all units of a sequence, that is taken from an initiator.
pub(crate) const TEXT_MAX: usize = 64 << 10;

/// Data segments that this target takes, in full feature phase.
pub(crate) const RECEIVE_MAX: u32 = 1 << 20;
/// Data segments of login and discovery are of the protocol's default.
pub(crate) const RECEIVE_DEFAULT: u32 = 8192;

const BURST_MAX: u32 = 1 << 20;
const FIRST_BURST_MAX: u32 = 64 << 10;

/// One pair.
pub(crate) type Pair = (String, String);

/// A text that is not a list of `key=value` pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadText;

/// Takes a text apart. Each pair ends with a NUL, the last one may lack it.
pub(crate) fn parse(text: &[u8]) -> Result<Vec<Pair>, BadText> {
    let text = std::str::from_utf8(text).map_err(|_| BadText)?;
    text.split('\0')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').ok_or(BadText)?;
            if key.is_empty() || key.len() > 63 {
                return Err(BadText);
            }
            Ok((key.to_owned(), value.to_owned()))
        })
        .collect()
}

/// Adds a pair to a text.
pub(crate) fn push(text: &mut Vec<u8>, key: &str, value: &str) {
    text.extend(key.bytes());
    text.push(b'=');
    text.extend(value.bytes());
    text.push(0);
}

/// What the two sides have agreed on; at first the protocol's defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parameters {
    pub(crate) discovery: bool,
    pub(crate) initial_r2t: bool,
    pub(crate) immediate_data: bool,
    pub(crate) max_burst: u32,
    pub(crate) first_burst: u32,
    /// Data segments that the initiator takes.
    pub(crate) send_max: u32,
    /// Have we said what we take?
    declared: bool,
    seen: Vec<String>,
}

/// Why a negotiation cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed;

impl Parameters {
    pub(crate) fn new(discovery: bool) -> Self {
        Self {
            discovery,
            initial_r2t: true,
            immediate_data: true,
            max_burst: 256 << 10,
            first_burst: FIRST_BURST_MAX,
            send_max: RECEIVE_DEFAULT,
            declared: false,
            seen: Vec::new(),
        }
    }

    /// Answers the pairs of one text in login. Pairs that name the parties are passed over.
    pub(crate) fn login(&mut self, pairs: &[Pair], text: &mut Vec<u8>) -> Result<(), Failed> {
        // Whether FirstBurstLength means anything depends on two other keys.
        let (last, first): (Vec<_>, Vec<_>) =
            pairs.iter().partition(|(key, _)| key == "FirstBurstLength");
        for (key, value) in first.into_iter().chain(last) {
            if self.seen.contains(key) {
                return Err(Failed); // nothing is negotiated twice
            }
            self.seen.push(key.clone());
            if let Some(answer) = self.answer(key, value)? {
                push(text, key, &answer);
            }
        }
        self.first_burst = self.first_burst.min(self.max_burst);
        if !self.declared {
            self.declared = true;
            push(
                text,
                "MaxRecvDataSegmentLength",
                &self.receive_max().to_string(),
            );
        }
        Ok(())
    }

    /// Data segments that we take.
    pub(crate) fn receive_max(&self) -> u32 {
        RECEIVE_MAX
    }

    /// The answer to a pair in full feature phase, where next to nothing may be changed.
    pub(crate) fn later(&mut self, key: &str, value: &str) -> Option<String> {
        match key {
            "MaxRecvDataSegmentLength" => match number(value, 512, 0xff_ffff) {
                Some(length) => {
                    self.send_max = length;
                    None
                }
                None => Some("Reject".to_owned()),
            },
            "InitiatorAlias" | "InitiatorName" => None,
            key if is_known(key) => Some("Reject".to_owned()),
            _ => Some("NotUnderstood".to_owned()),
        }
    }

    fn answer(&mut self, key: &str, value: &str) -> Result<Option<String>, Failed> {
        let irrelevant = self.discovery && is_for_normal_sessions(key);
        if irrelevant {
            return Ok(Some("Irrelevant".to_owned()));
        }
        let answer = match key {
            "InitiatorName" | "InitiatorAlias" | "SessionType" | "TargetName" | "AuthMethod" => {
                return Ok(None);
            }
            "HeaderDigest" | "DataDigest" => {
                if !value.split(',').any(|digest| digest == "None") {
                    return Err(Failed); // it insists on what we do not have
                }
                Some("None".to_owned())
            }
            "MaxRecvDataSegmentLength" => match number(value, 512, 0xff_ffff) {
                Some(length) => {
                    self.send_max = length;
                    return Ok(None);
                }
                None => return Err(Failed),
            },
            "InitialR2T" => truth(value).map(|asked| {
                self.initial_r2t = asked;
                yes_no(asked)
            }),
            "ImmediateData" => truth(value).map(|asked| {
                self.immediate_data = asked;
                yes_no(asked)
            }),
            "MaxBurstLength" => number(value, 512, 0xff_ffff).map(|asked| {
                self.max_burst = asked.min(BURST_MAX);
                self.max_burst.to_string()
            }),
            "FirstBurstLength" if self.initial_r2t && !self.immediate_data => {
                Some("Irrelevant".to_owned())
            }
            "FirstBurstLength" => number(value, 512, 0xff_ffff).map(|asked| {
                self.first_burst = asked.min(FIRST_BURST_MAX).min(self.max_burst);
                self.first_burst.to_string()
            }),
            "MaxConnections" => number(value, 1, 65535).map(|_| "1".to_owned()),
            "MaxOutstandingR2T" => number(value, 1, 65535).map(|_| "1".to_owned()),
            // The larger of the two; ours is 0.
            "DefaultTime2Wait" => number(value, 0, 3600).map(|asked| asked.to_string()),
            "DefaultTime2Retain" => number(value, 0, 3600).map(|_| "0".to_owned()),
            "ErrorRecoveryLevel" => number(value, 0, 2).map(|_| "0".to_owned()),
            "DataPDUInOrder" | "DataSequenceInOrder" => truth(value).map(|_| yes_no(true)),
            "IFMarker" | "OFMarker" | "RDMAExtensions" => truth(value).map(|_| yes_no(false)),
            "IFMarkInt" | "OFMarkInt" => Some("Irrelevant".to_owned()),
            // Only a target may say these.
            "TargetAlias" | "TargetAddress" | "TargetPortalGroupTag" => None,
            _ => Some("NotUnderstood".to_owned()),
        };
        Ok(Some(answer.unwrap_or_else(|| "Reject".to_owned())))
    }
}

fn is_for_normal_sessions(key: &str) -> bool {
    matches!(
        key,
        "MaxConnections"
            | "InitialR2T"
            | "ImmediateData"
            | "MaxBurstLength"
            | "FirstBurstLength"
            | "MaxOutstandingR2T"
            | "DataPDUInOrder"
            | "DataSequenceInOrder"
    )
}

/// Keys that are negotiated in login alone.
fn is_known(key: &str) -> bool {
    is_for_normal_sessions(key)
        || matches!(
            key,
            "AuthMethod"
                | "HeaderDigest"
                | "DataDigest"
                | "DefaultTime2Wait"
                | "DefaultTime2Retain"
                | "ErrorRecoveryLevel"
                | "SessionType"
                | "TargetName"
                | "TargetAlias"
                | "TargetAddress"
                | "TargetPortalGroupTag"
                | "IFMarker"
                | "OFMarker"
                | "IFMarkInt"
                | "OFMarkInt"
                | "RDMAExtensions"
        )
}

fn truth(value: &str) -> Option<bool> {
    match value {
        "Yes" => Some(true),
        "No" => Some(false),
        _ => None,
    }
}

fn yes_no(value: bool) -> String {
    if value { "Yes" } else { "No" }.to_owned()
}

/// Decimal or hexadecimal with `0x`, within limits.
fn number(value: &str, least: u32, most: u32) -> Option<u32> {
    let hexadecimal = value
        .strip_prefix("0x")
        .or_else(|| value.strip_prefix("0X"));
    let number = match hexadecimal {
        Some(digits) => u32::from_str_radix(digits, 16).ok()?,
        None => value.parse().ok()?,
    };
    (least..=most).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn negotiate(parameters: &mut Parameters, text: &str) -> Result<String, Failed> {
        let pairs = parse(text.as_bytes()).expect("a text of pairs");
        let mut answer = Vec::new();
        parameters.login(&pairs, &mut answer)?;
        Ok(String::from_utf8(answer).expect("answers are text"))
    }

    #[test]
    fn open_iscsi_gets_what_scst_agrees_to() {
        let mut parameters = Parameters::new(false);
        let offer = "HeaderDigest=None\0DataDigest=None\0DefaultTime2Wait=0\0DefaultTime2Retain=0\0\
            IFMarker=No\0OFMarker=No\0ErrorRecoveryLevel=0\0InitialR2T=No\0ImmediateData=Yes\0\
            MaxBurstLength=16776192\0FirstBurstLength=262144\0MaxOutstandingR2T=1\0MaxConnections=1\0\
            DataPDUInOrder=Yes\0DataSequenceInOrder=Yes\0MaxRecvDataSegmentLength=262144\0";
        let answer = negotiate(&mut parameters, offer).unwrap();
        let mut pairs: Vec<&str> = answer.split_terminator('\0').collect();
        pairs.sort_unstable();
        assert_eq!(
            pairs,
            [
                "DataDigest=None",
                "DataPDUInOrder=Yes",
                "DataSequenceInOrder=Yes",
                "DefaultTime2Retain=0",
                "DefaultTime2Wait=0",
                "ErrorRecoveryLevel=0",
                "FirstBurstLength=65536",
                "HeaderDigest=None",
                "IFMarker=No",
                "ImmediateData=Yes",
                "InitialR2T=No",
                "MaxBurstLength=1048576",
                "MaxConnections=1",
                "MaxOutstandingR2T=1",
                "MaxRecvDataSegmentLength=1048576",
                "OFMarker=No",
            ]
        );
        assert_eq!(parameters.send_max, 262_144);
        assert!(!parameters.initial_r2t && parameters.immediate_data);
    }

    #[test]
    fn unknown_keys_are_not_understood_and_wrong_values_rejected() {
        let mut parameters = Parameters::new(false);
        let answer = negotiate(
            &mut parameters,
            "X-org.example=1\0MaxBurstLength=17\0InitialR2T=Maybe\0",
        )
        .unwrap();
        assert!(answer.contains("X-org.example=NotUnderstood\0"));
        assert!(answer.contains("MaxBurstLength=Reject\0"));
        assert!(answer.contains("InitialR2T=Reject\0"));
        assert!(parameters.initial_r2t, "a rejected key changes nothing");
    }

    #[test]
    fn first_burst_is_irrelevant_without_unsolicited_data() {
        let mut parameters = Parameters::new(false);
        let answer = negotiate(
            &mut parameters,
            "FirstBurstLength=4096\0InitialR2T=Yes\0ImmediateData=No\0",
        )
        .unwrap();
        assert!(answer.contains("FirstBurstLength=Irrelevant\0"));
    }

    #[test]
    fn first_burst_never_exceeds_the_burst() {
        let mut parameters = Parameters::new(false);
        let offer = "FirstBurstLength=65536\0MaxBurstLength=8192\0InitialR2T=No\0";
        let answer = negotiate(&mut parameters, offer).unwrap();
        assert!(answer.contains("FirstBurstLength=8192\0"));
    }

    #[test]
    fn keys_of_normal_sessions_are_irrelevant_in_discovery() {
        let mut parameters = Parameters::new(true);
        let answer = negotiate(&mut parameters, "InitialR2T=No\0ErrorRecoveryLevel=2\0").unwrap();
        assert!(answer.contains("InitialR2T=Irrelevant\0"));
        assert!(answer.contains("ErrorRecoveryLevel=0\0"));
    }

    #[test]
    fn insisting_on_digests_or_asking_twice_ends_the_login() {
        let mut parameters = Parameters::new(false);
        assert_eq!(
            negotiate(&mut parameters, "HeaderDigest=CRC32C\0"),
            Err(Failed)
        );
        let mut parameters = Parameters::new(false);
        negotiate(&mut parameters, "HeaderDigest=CRC32C,None\0").unwrap();
        assert_eq!(
            negotiate(&mut parameters, "HeaderDigest=None\0"),
            Err(Failed)
        );
    }

    proptest! {
        #[test]
        fn any_text_is_answered_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            if let Ok(pairs) = parse(&bytes) {
                let _ = Parameters::new(false).login(&pairs, &mut Vec::new());
            }
        }

        #[test]
        fn agreed_lengths_are_within_limits(burst in 0_u32..20_000_000, first in 0_u32..20_000_000) {
            let mut parameters = Parameters::new(false);
            let offer = format!("InitialR2T=No\0FirstBurstLength={first}\0MaxBurstLength={burst}\0");
            negotiate(&mut parameters, &offer).unwrap();
            prop_assert!(parameters.first_burst <= parameters.max_burst);
            prop_assert!(parameters.max_burst <= BURST_MAX && parameters.first_burst >= 512);
        }
    }
}
