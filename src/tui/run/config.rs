//! What the person wants: theme and keymap by name, from the program or from files of their own.

use super::Error;
use crate::tui::app::Settings;
use crate::tui::keymap::Keymap;
use crate::tui::theme::{Depth, Theme};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// `--color`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Clone, Debug, Default)]
pub struct Options {
    /// None: what suits the terminal.
    pub theme: Option<String>,
    /// None: `default`.
    pub keymap: Option<String>,
    /// None: `$XDG_CONFIG_HOME/hookscope`, or `~/.config/hookscope`.
    pub config_dir: Option<PathBuf>,
    pub read_only: bool,
    pub color: Color,
}

/// Read and check everything before the terminal is touched.
pub fn settings(options: &Options) -> Result<Settings, Error> {
    let dir = options.config_dir.clone().or_else(default_dir);
    let file = |folder: &str, name: &str| -> Option<(String, String)> {
        let path = plain_name(name).then(|| dir.as_ref().map(|dir| file_of(dir, folder, name)));
        let path = path.flatten()?;
        let text = fs::read_to_string(&path).ok()?;
        Some((path.display().to_string(), text))
    };
    let keymap_name = options.keymap.clone().unwrap_or_else(|| "default".into());
    let keymap = Keymap::load(&keymap_name, &|name| file("keymaps", name))?;
    let theme_name = match options.color {
        Color::Never => "mono".into(),
        // What is asked for by name counts more than the environment.
        Color::Auto if options.theme.is_none() && is_set("NO_COLOR") => "mono".into(),
        _ => options.theme.clone().unwrap_or_else(fitting_theme),
    };
    let theme = Theme::load(&theme_name, depth(), &|name| file("themes", name))?;
    Ok(Settings {
        theme,
        keymap,
        keymap_name,
        read_only: options.read_only,
        remote: is_set("SSH_CONNECTION"),
    })
}

fn file_of(dir: &Path, folder: &str, name: &str) -> PathBuf {
    dir.join(folder).join(format!("{name}.toml"))
}

/// A name, not a path out of the directory.
fn plain_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && !name.starts_with('.')
}

fn is_set(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| !value.is_empty())
}

fn default_dir() -> Option<PathBuf> {
    let base = match env::var_os("XDG_CONFIG_HOME").filter(|value| !value.is_empty()) {
        Some(base) => PathBuf::from(base),
        None => PathBuf::from(env::var_os("HOME")?).join(".config"),
    };
    Some(base.join("hookscope"))
}

/// The theme for a terminal that says little about itself.
fn fitting_theme() -> String {
    let terminal = env::var("TERM").unwrap_or_default();
    let rich = terminal.contains("256") || terminal.contains("direct") || is_set("COLORTERM");
    if terminal == "dumb" {
        return "mono".into();
    }
    if !rich && !terminal.contains("kitty") && !terminal.contains("alacritty") {
        return "16".into();
    }
    // `COLORFGBG` is "foreground;background"; 7 and 9 to 15 are light backgrounds.
    let colors = env::var("COLORFGBG").unwrap_or_default();
    let background = colors
        .rsplit(';')
        .next()
        .and_then(|last| last.parse::<u8>().ok());
    match background {
        Some(7 | 9..=15) => "light".into(),
        _ => "dark".into(),
    }
}

fn depth() -> Depth {
    let value = env::var("COLORTERM").unwrap_or_default();
    let terminal = env::var("TERM").unwrap_or_default();
    if value == "truecolor" || value == "24bit" || terminal.contains("direct") {
        Depth::Rgb
    } else {
        Depth::Indexed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(folder: &str, name: &str, text: &str, color: Color) -> Result<Settings, String> {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(folder)).unwrap();
        fs::write(file_of(dir.path(), folder, name), text).unwrap();
        let options = Options {
            theme: Some(if folder == "themes" { name } else { "dark" }.into()),
            keymap: Some(if folder == "keymaps" { name } else { "default" }.into()),
            config_dir: Some(dir.path().into()),
            read_only: false,
            color,
        };
        settings(&options).map_err(|error| error.to_string())
    }

    #[test]
    fn files_of_a_person_count_and_their_mistakes_are_named() {
        let theme = check("themes", "mine", "inherit = \"light\"\n", Color::Always).unwrap();
        assert_eq!(theme.theme.name, "mine");
        let error = check("themes", "dark", "[styles]\ntext = \"gren\"", Color::Always);
        let error = error.unwrap_err();
        assert!(
            error.ends_with(
                "themes/dark.toml: [styles] 'text': 'gren' is neither a colour nor a modifier"
            ),
            "{error}"
        );
        let error = check("keymaps", "vim", "[list]\nx = \"fly\"", Color::Always).unwrap_err();
        assert!(
            error.ends_with("keymaps/vim.toml: [list] 'x': there is no action 'fly'"),
            "{error}"
        );
        let mono = check("themes", "dark", "", Color::Never).unwrap();
        assert_eq!(mono.theme.name, "mono");
    }

    #[test]
    fn names_do_not_lead_out_of_the_directory() {
        for name in ["../etc/passwd", "/etc/passwd", ".", ""] {
            assert!(!plain_name(name), "{name}");
        }
    }
}
