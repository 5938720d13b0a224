//! Which key does what: read from TOML text, checked, and resolved without side effects.
//!
//! A keymap file has one table per [`Layer`]; each row maps keys to one action, or to several of which the
//! first that makes sense at the moment runs. `false` takes an inherited key away.

use super::action::{Action, Layer};
use super::key::{self, Key, Sequence};
use super::theme::line_breaks;
use std::collections::HashMap;
use thiserror::Error;

/// The keymaps that are part of the program: name and text.
pub const EMBEDDED: &[(&str, &str)] = &[
    ("default", include_str!("../../keymaps/default.toml")),
    ("vim", include_str!("../../keymaps/vim.toml")),
];

#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    pub keys: Sequence,
    /// The first that is enabled runs.
    pub actions: Vec<Action>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Keymap {
    layers: HashMap<Layer, Vec<Binding>>,
}

/// Why a keymap cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum KeymapError {
    #[error("{file}: not TOML: {why}")]
    Syntax { file: String, why: String },
    #[error("{file}: there is no layer '{layer}' (layers: {known})")]
    Layer {
        file: String,
        layer: String,
        known: String,
    },
    #[error("{file}: [{layer}] '{key}': not a key")]
    Key {
        file: String,
        layer: &'static str,
        key: String,
    },
    #[error("{file}: [{layer}] '{key}': there is no action '{action}'")]
    Action {
        file: String,
        layer: &'static str,
        key: String,
        action: String,
    },
    #[error("{file}: [{layer}] '{key}': expected an action, a list of actions or false")]
    Value {
        file: String,
        layer: &'static str,
        key: String,
    },
    #[error("{file}: [{layer}] '{key}': bound twice in this layer")]
    Duplicate {
        file: String,
        layer: &'static str,
        key: String,
    },
    #[error(
        "{file}: [{layer}] '{key}': can never be reached, because '{shorter}' already does something"
    )]
    Unreachable {
        file: String,
        layer: &'static str,
        key: String,
        shorter: String,
    },
    #[error("{file}: there is no keymap '{name}' to inherit from")]
    Inherit { file: String, name: String },
    #[error("there is no keymap '{name}' (known: {known})")]
    Unknown { name: String, known: String },
    #[error("{file}: '{action}' has no key in [{layer}]: there would be no way out")]
    NoWayOut {
        file: String,
        action: &'static str,
        layer: &'static str,
    },
}

/// What a key sequence means at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolved {
    Run(Action),
    /// The beginning of a longer sequence.
    Pending,
    Nothing,
}

impl Keymap {
    /// Read a keymap. `files` gives the text of a user's own file of a name, if there is one.
    pub fn load(
        name: &str,
        files: &dyn Fn(&str) -> Option<(String, String)>,
    ) -> Result<Keymap, KeymapError> {
        let embedded = |name: &str| {
            EMBEDDED
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, text)| *text)
        };
        let base = match embedded(name) {
            Some(text) => Some(Keymap::default().with(&format!("keymaps/{name}.toml"), text)?),
            None => None,
        };
        let map = match (files(name), base) {
            (Some((file, text)), base) => base.unwrap_or_default().with(&file, &text)?,
            (None, Some(base)) => base,
            (None, None) => {
                let known: Vec<&str> = EMBEDDED.iter().map(|(name, _)| *name).collect();
                return Err(KeymapError::Unknown {
                    name: name.into(),
                    known: known.join(", "),
                });
            }
        };
        map.check_way_out(name)?;
        Ok(map)
    }

    fn check_way_out(&self, file: &str) -> Result<(), KeymapError> {
        let ways = [
            (Layer::Always, Action::Quit),
            (Layer::Finder, Action::Cancel),
            (Layer::Prompt, Action::Cancel),
            (Layer::Dialog, Action::Cancel),
            (Layer::Editor, Action::Cancel),
            (Layer::Ask, Action::Cancel),
        ];
        for (layer, action) in ways {
            if self.keys(&[layer], action).is_none() {
                return Err(KeymapError::NoWayOut {
                    file: file.into(),
                    action: action.id(),
                    layer: layer.id(),
                });
            }
        }
        Ok(())
    }

    /// This keymap with the rows of `text` put over it.
    pub fn with(self, file: &str, text: &str) -> Result<Keymap, KeymapError> {
        let document: toml::Table = text.parse().map_err(|why: toml::de::Error| {
            let line = why
                .span()
                .map_or(1, |span| 1 + line_breaks(text, span.start));
            KeymapError::Syntax {
                file: file.into(),
                why: format!("line {line}: {}", why.message()),
            }
        })?;
        let mut map = self;
        for (layer_id, rows) in &document {
            if layer_id == "inherit" {
                let name = rows.as_str().unwrap_or_default();
                let text = EMBEDDED.iter().find(|(known, _)| *known == name);
                let (_, text) = text.ok_or_else(|| KeymapError::Inherit {
                    file: file.into(),
                    name: name.into(),
                })?;
                map = Keymap::default().with(&format!("keymaps/{name}.toml"), text)?;
                break;
            }
        }
        for (layer_id, rows) in &document {
            if layer_id == "inherit" {
                continue;
            }
            let known = || Layer::ALL.map(Layer::id).join(", ");
            let (Some(layer), Some(rows)) = (Layer::from_id(layer_id), rows.as_table()) else {
                return Err(KeymapError::Layer {
                    file: file.into(),
                    layer: layer_id.clone(),
                    known: known(),
                });
            };
            map.merge_layer(file, layer, rows)?;
        }
        Ok(map)
    }

    fn merge_layer(
        &mut self,
        file: &str,
        layer: Layer,
        rows: &toml::Table,
    ) -> Result<(), KeymapError> {
        let id = layer.id();
        let bindings = self.layers.entry(layer).or_default();
        let mut seen: Vec<Sequence> = Vec::new();
        for (text, value) in rows {
            let keys = Key::parse_sequence(text).ok_or_else(|| KeymapError::Key {
                file: file.into(),
                layer: id,
                key: text.clone(),
            })?;
            if seen.contains(&keys) {
                return Err(KeymapError::Duplicate {
                    file: file.into(),
                    layer: id,
                    key: text.clone(),
                });
            }
            seen.push(keys.clone());
            bindings.retain(|binding| binding.keys != keys);
            let names: Vec<&str> = match value {
                toml::Value::Boolean(false) => continue,
                toml::Value::String(name) => vec![name],
                toml::Value::Array(names) if names.iter().all(toml::Value::is_str) => {
                    names.iter().filter_map(toml::Value::as_str).collect()
                }
                _ => {
                    return Err(KeymapError::Value {
                        file: file.into(),
                        layer: id,
                        key: text.clone(),
                    });
                }
            };
            let mut actions = Vec::new();
            for name in names {
                actions.push(Action::from_id(name).ok_or_else(|| KeymapError::Action {
                    file: file.into(),
                    layer: id,
                    key: text.clone(),
                    action: name.into(),
                })?);
            }
            bindings.push(Binding { keys, actions });
        }
        for long in bindings.iter() {
            let shorter = bindings.iter().find(|short| {
                short.keys.len() < long.keys.len() && long.keys.starts_with(&short.keys)
            });
            if let Some(shorter) = shorter {
                return Err(KeymapError::Unreachable {
                    file: file.into(),
                    layer: id,
                    key: key::show(&long.keys),
                    shorter: key::show(&shorter.keys),
                });
            }
        }
        Ok(())
    }

    /// What `pressed` means; layers are asked in order, and an action that `enabled` refuses is passed over.
    pub fn resolve(
        &self,
        layers: &[Layer],
        pressed: &[Key],
        enabled: &dyn Fn(Action) -> bool,
    ) -> Resolved {
        for layer in layers {
            let bindings = self.layers.get(layer).map(Vec::as_slice).unwrap_or(&[]);
            for binding in bindings {
                if binding.keys == pressed {
                    if let Some(action) = binding.actions.iter().find(|action| enabled(**action)) {
                        return Resolved::Run(*action);
                    }
                } else if binding.keys.starts_with(pressed) {
                    return Resolved::Pending;
                }
            }
        }
        Resolved::Nothing
    }

    /// The keys of one layer, in the order of the file.
    pub fn bindings(&self, layer: Layer) -> &[Binding] {
        self.layers.get(&layer).map(Vec::as_slice).unwrap_or(&[])
    }

    /// The first keys that run `action` in these layers.
    pub fn keys(&self, layers: &[Layer], action: Action) -> Option<&[Key]> {
        layers
            .iter()
            .flat_map(|layer| self.bindings(*layer))
            .find(|binding| binding.actions.contains(&action))
            .map(|binding| binding.keys.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &str) -> Option<(String, String)> {
        None
    }

    #[test]
    fn embedded_keymaps_load() {
        for (name, _) in EMBEDDED {
            Keymap::load(name, &none).unwrap();
        }
        assert!(matches!(
            Keymap::load("emacs", &none),
            Err(KeymapError::Unknown { .. })
        ));
    }

    #[test]
    fn mistakes_name_file_and_key() {
        for (text, expected) in [
            (
                "[global]\nq = \"quitt\"",
                "f: [global] 'q': there is no action 'quitt'",
            ),
            (
                "[global]\n\"shift-tab\" = \"help\"\nbacktab = \"quit\"",
                "f: [global] 'backtab': bound twice in this layer",
            ),
            (
                "[global]\ng = \"first\"\n\"g g\" = \"last\"",
                "f: [global] 'gg': can never be reached, because 'g' already does something",
            ),
            (
                "[global]\n\"hyper-x\" = \"quit\"",
                "f: [global] 'hyper-x': not a key",
            ),
            (
                "[global]\nx = 1",
                "f: [global] 'x': expected an action, a list of actions or false",
            ),
            (
                "inherit = \"none\"",
                "f: there is no keymap 'none' to inherit from",
            ),
        ] {
            let error = Keymap::default().with("f", text).unwrap_err().to_string();
            // TOML tables do not keep an order, so either spelling may be the second.
            let other = expected.replace("'backtab'", "'shift-tab'");
            assert!(error == expected || error == other, "{error}");
        }
        let error = Keymap::default().with("f", "[global\n").unwrap_err();
        assert!(error.to_string().starts_with("f: not TOML: line 1"));
        let error = Keymap::default().with("f", "[nowhere]\n").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("f: there is no layer 'nowhere'")
        );
    }

    #[test]
    fn the_first_enabled_action_runs_and_prefixes_wait() {
        let map = Keymap::default()
            .with(
                "f",
                "[list]\nenter = [\"follow\", \"open\"]\n\"g g\" = \"first\"",
            )
            .unwrap();
        let enter = Key::parse_sequence("enter").unwrap();
        let layers = [Layer::List];
        assert_eq!(
            map.resolve(&layers, &enter, &|_| true),
            Resolved::Run(Action::Follow)
        );
        assert_eq!(
            map.resolve(&layers, &enter, &|a| a != Action::Follow),
            Resolved::Run(Action::OpenItem)
        );
        let g = Key::parse_sequence("g").unwrap();
        assert_eq!(map.resolve(&layers, &g, &|_| true), Resolved::Pending);
        assert_eq!(map.resolve(&[], &g, &|_| true), Resolved::Nothing);
    }

    #[test]
    fn a_users_file_changes_single_keys() {
        let files = |name: &str| {
            (name == "default").then(|| {
                (
                    "mine.toml".to_string(),
                    "[global]\nq = false\nQ = \"quit\"\n".to_string(),
                )
            })
        };
        let map = Keymap::load("default", &files).unwrap();
        let keys = |text: &str| Key::parse_sequence(text).unwrap();
        let run = |text: &str| map.resolve(&[Layer::Global, Layer::Always], &keys(text), &|_| true);
        assert_eq!(run("q"), Resolved::Nothing);
        assert_eq!(run("Q"), Resolved::Run(Action::Quit));
        assert_eq!(run("?"), Resolved::Run(Action::Help));
    }
}
