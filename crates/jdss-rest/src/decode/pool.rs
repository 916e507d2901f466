//! Pools and their addresses.

use serde::{Deserialize, Deserializer};

use super::fields::{number, text};
use crate::model::{PoolInfo, Vip};

impl<'de> Deserialize<'de> for PoolInfo {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            name: String,
            #[serde(default, deserialize_with = "text")]
            id: Option<String>,
            #[serde(deserialize_with = "number")]
            size: u64,
            #[serde(deserialize_with = "number")]
            available: u64,
            #[serde(default, deserialize_with = "text")]
            health: Option<String>,
        }
        let Raw {
            name,
            id,
            size,
            available,
            health,
        } = Raw::deserialize(from)?;
        Ok(Self {
            name,
            id,
            size,
            available,
            health,
        })
    }
}

impl<'de> Deserialize<'de> for Vip {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            name: String,
            #[serde(default, deserialize_with = "text")]
            address: Option<String>,
        }
        let Raw { name, address } = Raw::deserialize(from)?;
        Ok(Self {
            name,
            address: address.unwrap_or_default(),
        })
    }
}
