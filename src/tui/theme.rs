//! Colours by meaning: read from TOML text, checked for completeness, reduced to what the terminal can show.

use ratatui::style::{Color, Modifier, Style};
use std::str::FromStr;
use thiserror::Error;

/// The themes that are part of the program: name and text.
pub const EMBEDDED: &[(&str, &str)] = &[
    ("dark", include_str!("../../themes/dark.toml")),
    ("light", include_str!("../../themes/light.toml")),
    ("16", include_str!("../../themes/16.toml")),
    ("mono", include_str!("../../themes/mono.toml")),
];

macro_rules! meanings {
    ($($meaning:ident $id:literal $what:literal;)*) => {
        /// What a colour says. Every theme gives every one of them a style.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Meaning { $($meaning),* }

        /// Meaning, its name in theme files, and what it is for.
        pub const MEANINGS: &[(Meaning, &str, &str)] = &[$((Meaning::$meaning, $id, $what)),*];
    };
}

#[rustfmt::skip]
meanings! {
    Text            "text"             "everything that has no other meaning";
    Dim             "dim"              "what is there but rarely read";
    Brand           "brand"            "the name of the program";
    Accent          "accent"           "what the eye should find first";
    Title           "title"            "title of a pane";
    TitleFocused    "title-focused"    "title of the pane with the focus";
    Border          "border"           "lines between panes";
    BorderFocused   "border-focused"   "lines of the pane with the focus";
    Header          "header"           "the line at the top";
    HeaderValue     "header-value"     "values in the line at the top";
    Tab             "tab"              "a screen that could be opened";
    TabActive       "tab-active"       "the screen one is on";
    Footer          "footer"           "what a key does";
    FooterKey       "footer-key"       "the key";
    Column          "column"           "column headings";
    Selection       "selection"        "the selected line of the pane with the focus";
    SelectionBack   "selection-back"   "the selected line of any other pane";
    Hit             "hit"              "text that matches a search";
    Good            "good"             "as it should be";
    Warning         "warning"          "worth a look";
    Error           "error"            "wrong";
    Info            "info"             "a notice";
    Progress        "progress"         "how far something has come";
    Popup           "popup"            "inside of a window over the screen";
    PopupBorder     "popup-border"     "its border";
    Scrollbar       "scrollbar"        "where in a long list one is";
    Number          "number"           "counters";
    Rate            "rate"             "packets per second, when there are any";
    Spark           "spark"            "the rate over time";
    Family          "family"           "a protocol family in the tree";
    Table           "table"            "a table in the tree";
    BaseChain       "base-chain"       "a chain at a hook";
    Chain           "chain"            "any other chain";
    Set             "set"              "a set or map";
    Object          "object"           "a counter, quota, limit, flowtable";
    Owner           "owner"            "who manages a table or chain";
    PolicyAccept    "policy-accept"    "policy accept";
    PolicyDrop      "policy-drop"      "policy drop";
    Keyword         "rule-keyword"     "what a rule looks at";
    Operator        "rule-operator"    "operators and brackets in a rule";
    Value           "rule-value"       "numbers and addresses in a rule";
    String          "rule-string"      "quoted text in a rule";
    Statement       "rule-statement"   "what a rule does besides deciding";
    Comment         "rule-comment"     "a comment in a rule";
    Accept          "verdict-accept"   "accept";
    Drop            "verdict-drop"     "drop and reject";
    Jump            "verdict-jump"     "jump, goto, return, continue, queue";
}

#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    pub name: String,
    styles: Vec<Style>,
}

/// How many colours the terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    Rgb,
    Indexed,
}

/// Why a theme cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ThemeError {
    #[error("{file}: not TOML: {why}")]
    Syntax { file: String, why: String },
    #[error("{file}: [styles] '{key}': there is no such meaning")]
    Meaning { file: String, key: String },
    #[error("{file}: [styles] '{key}': '{word}' is neither a colour nor a modifier")]
    Style {
        file: String,
        key: String,
        word: String,
    },
    #[error("{file}: [styles] lacks '{key}' ({what})")]
    Missing {
        file: String,
        key: &'static str,
        what: &'static str,
    },
    #[error("{file}: there is no theme '{name}' to inherit from")]
    Inherit { file: String, name: String },
    #[error("there is no theme '{name}' (known: {known})")]
    Unknown { name: String, known: String },
    #[error("{file}: '{key}': expected inherit, [colors] or [styles]")]
    Section { file: String, key: String },
}

type Partial = Vec<Option<Style>>;

impl Theme {
    /// Read a theme. `files` gives the name and text of a user's own file, if there is one.
    pub fn load(
        name: &str,
        depth: Depth,
        files: &dyn Fn(&str) -> Option<(String, String)>,
    ) -> Result<Theme, ThemeError> {
        let mut styles: Partial = vec![None; MEANINGS.len()];
        let mut file_name = format!("themes/{name}.toml");
        let mut found = false;
        if let Some((_, text)) = EMBEDDED.iter().find(|(known, _)| *known == name) {
            merge(&mut styles, &file_name, text)?;
            found = true;
        }
        if let Some((file, text)) = files(name) {
            merge(&mut styles, &file, &text)?;
            file_name = file;
            found = true;
        }
        if !found {
            let known: Vec<&str> = EMBEDDED.iter().map(|(name, _)| *name).collect();
            return Err(ThemeError::Unknown {
                name: name.into(),
                known: known.join(", "),
            });
        }
        let mut complete = Vec::with_capacity(MEANINGS.len());
        for (style, (_, key, what)) in styles.into_iter().zip(MEANINGS) {
            let style = style.ok_or_else(|| ThemeError::Missing {
                file: file_name.clone(),
                key,
                what,
            })?;
            complete.push(match depth {
                Depth::Rgb => style,
                Depth::Indexed => Style {
                    fg: style.fg.map(indexed),
                    bg: style.bg.map(indexed),
                    ..style
                },
            });
        }
        Ok(Theme {
            name: name.into(),
            styles: complete,
        })
    }

    /// The style without its background: for text on a window or a selected line.
    pub fn ink(&self, meaning: Meaning) -> Style {
        Style {
            bg: None,
            ..self.style(meaning)
        }
    }

    pub fn style(&self, meaning: Meaning) -> Style {
        self.styles
            .get(meaning as usize)
            .copied()
            .unwrap_or_default()
    }
}

/// Line ends before a place in a text.
pub(super) fn line_breaks(text: &str, before: usize) -> usize {
    text.bytes()
        .take(before)
        .filter(|byte| *byte == b'\n')
        .count()
}

fn merge(styles: &mut Partial, file: &str, text: &str) -> Result<(), ThemeError> {
    let document: toml::Table = text.parse().map_err(|why: toml::de::Error| {
        let line = why
            .span()
            .map_or(1, |span| 1 + line_breaks(text, span.start));
        ThemeError::Syntax {
            file: file.into(),
            why: format!("line {line}: {}", why.message()),
        }
    })?;
    if let Some(name) = document.get("inherit") {
        let name = name.as_str().unwrap_or_default();
        let base = EMBEDDED.iter().find(|(known, _)| *known == name);
        let (_, base) = base.ok_or_else(|| ThemeError::Inherit {
            file: file.into(),
            name: name.into(),
        })?;
        merge(styles, &format!("themes/{name}.toml"), base)?;
    }
    if let Some(key) = document
        .keys()
        .find(|key| !["inherit", "colors", "styles"].contains(&key.as_str()))
    {
        return Err(ThemeError::Section {
            file: file.into(),
            key: key.clone(),
        });
    }
    let colors = document.get("colors").and_then(toml::Value::as_table);
    let Some(rows) = document.get("styles").and_then(toml::Value::as_table) else {
        return Ok(());
    };
    for (key, value) in rows {
        let place = MEANINGS.iter().position(|(_, id, _)| id == key);
        let slot = place.and_then(|place| styles.get_mut(place));
        let Some(slot) = slot else {
            return Err(ThemeError::Meaning {
                file: file.into(),
                key: key.clone(),
            });
        };
        let words = value.as_str().unwrap_or("?");
        let style = parse_style(words, colors).map_err(|word| ThemeError::Style {
            file: file.into(),
            key: key.clone(),
            word,
        })?;
        *slot = Some(style);
    }
    Ok(())
}

/// `FOREGROUND on BACKGROUND modifiers...`, each part optional.
fn parse_style(words: &str, colors: Option<&toml::Table>) -> Result<Style, String> {
    let mut style = Style::new();
    let mut background = false;
    for word in words.split_whitespace() {
        let modifier = match word {
            "on" => {
                background = true;
                continue;
            }
            "bold" => Modifier::BOLD,
            "dim" => Modifier::DIM,
            "italic" => Modifier::ITALIC,
            "underline" => Modifier::UNDERLINED,
            "reverse" => Modifier::REVERSED,
            _ => Modifier::empty(),
        };
        if !modifier.is_empty() {
            style = style.add_modifier(modifier);
            continue;
        }
        let named = colors
            .and_then(|colors| colors.get(word))
            .and_then(toml::Value::as_str);
        let color = match named.unwrap_or(word) {
            "default" => Color::Reset,
            name => Color::from_str(name).map_err(|_| word.to_string())?,
        };
        if background {
            style = style.bg(color);
            background = false;
        } else {
            style = style.fg(color);
        }
    }
    Ok(style)
}

/// The nearest of the 256 colours every terminal of the last twenty years has.
fn indexed(color: Color) -> Color {
    let Color::Rgb(r, g, b) = color else {
        return color;
    };
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let nearest = |v: u8| {
        let distance = |&(_, step): &(usize, u8)| step.abs_diff(v);
        STEPS
            .into_iter()
            .enumerate()
            .min_by_key(distance)
            .unwrap_or((0, 0))
    };
    let ((ri, rv), (gi, gv), (bi, bv)) = (nearest(r), nearest(g), nearest(b));
    let distance = |x: u8, y: u8, z: u8| {
        let square = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
        square(x, r) + square(y, g) + square(z, b)
    };
    let mean = (u16::from(r) + u16::from(g) + u16::from(b)) / 3;
    let gray = (mean.saturating_sub(3) / 10).min(23);
    let level = u8::try_from(8 + gray * 10).unwrap_or(u8::MAX);
    let index = if distance(level, level, level) < distance(rv, gv, bv) {
        232 + usize::from(gray)
    } else {
        16 + 36 * ri + 6 * gi + bi
    };
    Color::Indexed(u8::try_from(index).unwrap_or(15))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedded_themes_are_complete() {
        for (name, _) in EMBEDDED {
            for depth in [Depth::Rgb, Depth::Indexed] {
                Theme::load(name, depth, &|_| None).unwrap();
            }
        }
    }

    #[test]
    fn mono_uses_no_colour_and_16_only_the_terminals_own() {
        let mono = Theme::load("mono", Depth::Rgb, &|_| None).unwrap();
        let sixteen = Theme::load("16", Depth::Rgb, &|_| None).unwrap();
        for (meaning, id, _) in MEANINGS {
            let style = mono.style(*meaning);
            assert_eq!((style.fg, style.bg), (None, None), "{id}");
            for color in [sixteen.style(*meaning).fg, sixteen.style(*meaning).bg] {
                let rich = matches!(color, Some(Color::Rgb(..) | Color::Indexed(_)));
                assert!(!rich, "{id}");
            }
        }
    }

    #[test]
    fn mistakes_name_file_and_key() {
        let load = |text: &'static str| {
            let files = move |_: &str| Some(("mine.toml".to_string(), text.to_string()));
            Theme::load("mine", Depth::Rgb, &files)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            load("[styles]\ntext = \"gren\""),
            "mine.toml: [styles] 'text': 'gren' is neither a colour nor a modifier"
        );
        assert_eq!(
            load("inherit = \"dark\"\n[styles]\ntxt = \"green\""),
            "mine.toml: [styles] 'txt': there is no such meaning"
        );
        assert!(
            load("[styles]\ntext = \"green\"").starts_with("mine.toml: [styles] lacks 'dim' (")
        );
        assert_eq!(
            load("inherit = \"drak\""),
            "mine.toml: there is no theme 'drak' to inherit from"
        );
        assert_eq!(
            load("[style]"),
            "mine.toml: 'style': expected inherit, [colors] or [styles]"
        );
    }
}
