//! Chains and flowtables: hooks, priorities, policies and devices.

use super::super::super::ast::*;
use super::super::super::chain::{hook_name, priorities, priority_fits};
use super::super::super::syntax::*;
use super::super::eval::Result;
use super::super::userdata;
use super::super::world::World;
use super::*;
use crate::model::command::{Make, What as Do};
use crate::model::ruleset::chain_flags;
use crate::model::{BaseChain, Chain, Family, Flowtable, Name, Policy, RuleList};

impl World<'_> {
    pub(super) fn chain_command(
        &mut self,
        verb: Verb,
        span: Span,
        table: &TableId,
        id: &Id,
        body: &ChainBody,
        new_name: Option<&At<Name>>,
    ) -> Result<()> {
        self.need_table(table)?;
        let (family, name) = (table.family, &table.name.value);
        match verb {
            Verb::Add | Verb::Create => {
                let chain = name_of(id)?;
                self.add_chain(table, chain, body, make(verb))?;
                for rule in &body.rules {
                    self.append_rule(family, name, &chain.value, rule)?;
                }
            }
            Verb::Delete | Verb::Destroy => {
                if let Id::Name(chain) = id {
                    self.drop_chain(family, name, &chain.value);
                }
                let devices = body.devices.as_ref().map(device_names).transpose()?;
                let what = match (devices, id) {
                    (Some(devices), Id::Name(id)) if !devices.is_empty() => {
                        Do::TakeChainDevices(id.value.clone(), devices)
                    }
                    _ => Do::TakeChain(take(verb), key(id)),
                };
                self.push(family, name, what, span);
            }
            Verb::Flush => {
                let chain = name_of(id)?;
                self.need_chain(family, name, &chain.value, chain.span)?;
                self.flush_chain(family, name, Some(&chain.value));
                let what = Do::FlushRules(Some(chain.value.clone()));
                self.push(family, name, what, span);
            }
            Verb::Rename => {
                let chain = name_of(id)?;
                let to = new_name.ok_or_else(|| no_such_command(span))?;
                self.need_chain(family, name, &chain.value, chain.span)?;
                let handle = self.chain_handle(family, name, &chain.value);
                let what = Do::RenameChain {
                    handle,
                    from: chain.value.clone(),
                    to: to.value.clone(),
                };
                self.push(family, name, what, span);
                self.drop_chain(family, name, &chain.value);
                self.make_chain(family, name, &to.value);
            }
            _ => return Err(no_such_command(span)),
        }
        Ok(())
    }

    pub(super) fn add_chain(
        &mut self,
        table: &TableId,
        id: &At<Name>,
        body: &ChainBody,
        make: Make,
    ) -> Result<()> {
        let (family, name) = (table.family, &table.name.value);
        let base = base_chain(family, body)?;
        let mut notes = Vec::new();
        if let Some(comment) = &body.comment {
            userdata::comment(&mut notes, comment)?;
        }
        let mut bits = body.flags & chain_flags::HW_OFFLOAD;
        if base.as_ref().is_some_and(|base| !base.kind.is_empty()) {
            bits |= chain_flags::BASE;
        }
        let chain = Chain {
            name: id.value.clone(),
            handle: 0,
            base,
            flags: bits,
            use_count: 0,
            userdata: notes,
            rules: RuleList::default(),
            raw: Vec::new(),
        };
        self.make_chain(family, name, &id.value);
        self.push(family, name, Do::MakeChain(make, Box::new(chain)), id.span);
        Ok(())
    }
}

fn base_chain(family: Family, body: &ChainBody) -> Result<Option<BaseChain>> {
    let policy = body.policy.as_ref().map(|policy| match policy.value {
        PolicyWord::Accept => Policy::Accept,
        PolicyWord::Drop => Policy::Drop,
    });
    let Some(hook) = &body.hook else {
        // A policy alone changes that of a base chain that is there.
        return Ok(policy.map(|policy| BaseChain {
            kind: "".into(),
            hook: 0,
            priority: 0,
            policy: Some(policy),
            devices: Vec::new(),
            device_list: false,
            counters: None,
        }));
    };
    let number = hook_number(family, &hook.hook.value).ok_or_else(|| {
        let known: Vec<&str> = (0..6)
            .map(|number| hook_name(family, number))
            .filter(|name| *name != "unknown")
            .collect();
        Diagnostic::new(
            hook.hook.span,
            format!(
                "the {} family has no hook `{}`",
                family.name(),
                hook.hook.value
            ),
        )
        .help(format!("hooks: {}", known.join(", ")))
    })?;
    let priority = priority(family, number, &hook.priority)?;
    let devices = hook.devices.as_ref().or(body.devices.as_ref());
    let on_device = family == Family::Netdev || (family == Family::Inet && number == 5);
    let names = devices.map(device_names).transpose()?.unwrap_or_default();
    if on_device && devices.is_none() {
        return Err(
            Diagnostic::new(hook.span, "the chain does not say which device it is for")
                .help("`hook ingress device \"eth0\" priority 0`"),
        );
    }
    if !on_device && let Some(devices) = devices {
        return Err(Diagnostic::new(
            devices.span,
            "chains of this hook are not bound to devices",
        ));
    }
    Ok(Some(BaseChain {
        kind: hook.kind.value.clone(),
        hook: number,
        priority,
        policy,
        device_list: names.len() > 1,
        devices: names,
        counters: None,
    }))
}

/// The number of a hook's word in a family.
fn hook_number(family: Family, word: &str) -> Option<u32> {
    let ingress_only = |number: u32| number == 5 && family != Family::Inet;
    (0..6).find(|number| hook_name(family, *number) == word && !ingress_only(*number))
}

fn priority(family: Family, hook: u32, priority: &Priority) -> Result<i32> {
    let Some(name) = &priority.name else {
        return Ok(priority.offset);
    };
    let table = priorities(family);
    let found = table
        .iter()
        .find(|(value, word)| *word == &**name && priority_fits(family, hook, *value));
    match found {
        Some((value, _)) => Ok(value.saturating_add(priority.offset)),
        None => {
            let words: Vec<&str> = table
                .iter()
                .filter(|(value, _)| priority_fits(family, hook, *value))
                .map(|(_, word)| *word)
                .collect();
            Err(Diagnostic::new(
                priority.span,
                format!("`{name}` is no priority of this hook"),
            )
            .help(format!("names here: {}; or a number", words.join(", "))))
        }
    }
}

pub(super) fn device_names(expr: &Expr) -> Result<Vec<Name>> {
    // IFNAMSIZ, with the NUL
    const LONGEST: usize = 15;
    match &expr.kind {
        Kind::Symbol(name) | Kind::Text(name) => {
            if name.len() > LONGEST || name.is_empty() {
                return Err(Diagnostic::new(
                    expr.span,
                    format!("`{name}` is no interface name (1 to {LONGEST} bytes)"),
                ));
            }
            Ok(vec![name.as_str().into()])
        }
        Kind::SetLiteral(list) | Kind::List(list) => {
            let mut names = Vec::new();
            for part in list {
                names.extend(device_names(part)?);
            }
            Ok(names)
        }
        Kind::SetElem(element) => device_names(&element.key),
        _ => Err(Diagnostic::new(expr.span, "expected an interface name")),
    }
}

pub(super) fn flowtable(id: &At<Name>, body: &FlowtableBody) -> Result<Flowtable> {
    let (mut hook, mut number) = (0, 0);
    if let Some((word, written)) = &body.hook {
        hook = hook_number(Family::Netdev, &word.value).ok_or_else(|| {
            Diagnostic::new(
                word.span,
                format!("flowtables have no hook `{}`", word.value),
            )
            .help("hooks: ingress")
        })?;
        number = priority(Family::Netdev, hook, written)?;
    }
    Ok(Flowtable {
        name: id.value.clone(),
        handle: 0,
        hook,
        priority: number,
        devices: body
            .devices
            .as_ref()
            .map(device_names)
            .transpose()?
            .unwrap_or_default(),
        flags: body.flags,
        use_count: 0,
        raw: Vec::new(),
    })
}
