//! Rules of the iptables language as rules of the legacy tables.

use super::rule::{Part, Rule, Table, Target};
use crate::kernel::legacy::blob::hook_names;
use crate::kernel::xtables;
use crate::model::expression::Xtables;
use crate::model::xtables::Extension;
use crate::model::xtables::layout::{Field, Text};
use crate::model::xtables::rule::{
    LegacyChain, LegacyPolicy, LegacyRule, LegacyTable, LegacyTarget,
};
use crate::model::xtables::target::Nflog;

/// Why a rule cannot stand in a legacy table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotLegacy {
    #[error("the prefix of NFLOG has at most 63 bytes in legacy tables")]
    LongPrefix,
    #[error("legacy tables have no {0}")]
    Unknown(String),
}

fn extension(extension: &Extension) -> Xtables {
    let (name, revision) = extension.name();
    Xtables {
        name: name.into(),
        revision,
        info: xtables::encode(extension),
    }
}

fn part(part: &Part) -> Result<Xtables, NotLegacy> {
    match part {
        Part::Known(one) => Ok(extension(one)),
        Part::Unknown(raw) => Ok(raw.clone()),
        Part::Among(_) => Err(NotLegacy::Unknown("among".to_owned())),
        Part::Log(log) => {
            let prefix = Text::new(&crate::model::text::to_bytes(&log.prefix))
                .ok_or(NotLegacy::LongPrefix)?;
            Ok(extension(&Extension::Nflog(Nflog {
                len: log.snaplen.unwrap_or(0),
                group: log.group,
                threshold: log.threshold,
                flags: log.snaplen.is_some().into(),
                prefix,
                ..Nflog::zero()
            })))
        }
    }
}

pub fn rule(rule: &Rule) -> Result<LegacyRule, NotLegacy> {
    Ok(LegacyRule {
        header: rule.header.clone(),
        matches: rule.parts.iter().map(part).collect::<Result<_, _>>()?,
        watchers: Vec::new(),
        target: match &rule.target {
            Target::Nothing => LegacyTarget::Nothing,
            Target::Verdict(verdict) => LegacyTarget::Verdict(*verdict),
            Target::Jump(chain) => LegacyTarget::Jump(chain.clone()),
            Target::Goto(chain) => LegacyTarget::Goto(chain.clone()),
            Target::Extension(one) => LegacyTarget::Extension(part(one)?),
        },
        counters: rule.counters,
    })
}

pub fn table(table: &Table) -> Result<LegacyTable, NotLegacy> {
    // The legacy tables of arp have a hook more than those of iptables-nft.
    let hooks = (0u32..).zip(hook_names(table.family));
    let hook = |name: &str| {
        let mut hooks = hooks.clone();
        hooks
            .find(|(_, known)| **known == name)
            .map_or(0, |(hook, _)| hook)
    };
    let mut chains = Vec::new();
    for chain in &table.chains {
        chains.push(LegacyChain {
            name: chain.name.clone(),
            policy: chain.policy.map(|(verdict, counters)| LegacyPolicy {
                hook: hook(&chain.name),
                verdict,
                counters,
            }),
            rules: chain.rules.iter().map(rule).collect::<Result<_, _>>()?,
        });
    }
    Ok(LegacyTable {
        family: table.family,
        name: table.name.clone(),
        chains,
    })
}
