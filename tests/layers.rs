//! The rules of ARCHITECTURE.md that a program can check, held against the source itself.

use std::fs;
use std::path::{Path, PathBuf};

/// A layer may name those before it. What shares a number is side by side.
const LAYERS: [(&str, u8); 10] = [
    ("model", 0),
    ("kernel", 1),
    ("lang", 2),
    ("flow", 3),
    ("insight", 3),
    ("stage", 3),
    ("session", 4),
    ("lab", 4),
    ("tui", 5),
    ("cli", 6),
];

/// Where `unsafe` may stand: what speaks to the kernel, and what changes namespaces.
const UNSAFE: [&str; 2] = ["kernel", "lab/namespace.rs"];

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut todo = vec![root.clone()];
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(&directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                found.push((
                    path.strip_prefix(&root).expect("below src").to_owned(),
                    text,
                ));
            }
        }
    }
    assert!(found.len() > 100, "{} files", found.len());
    found
}

fn layer(path: &Path) -> Option<(&'static str, u8)> {
    let first = path.components().next()?.as_os_str().to_str()?;
    LAYERS.into_iter().find(|(name, _)| *name == first)
}

/// The modules of the library that a text names: `crate::NAME`, `hookscope::NAME`, and `crate::{NAME, ...}`.
fn named(text: &str) -> impl Iterator<Item = &'static str> {
    let text: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    LAYERS
        .into_iter()
        .map(|(name, _)| name)
        .filter(move |name| {
            ["crate::", "hookscope::"].into_iter().any(|root| {
                text.match_indices(root).any(|(place, _)| {
                    let rest = &text[place + root.len()..];
                    match rest.strip_prefix('{') {
                        Some(list) => list.split('}').next().is_some_and(|list| {
                            list.split(',')
                                .any(|one| one.trim().split("::").next() == Some(name))
                        }),
                        None => rest.strip_prefix(name).is_some_and(|after| {
                            !after.starts_with(|c: char| c.is_alphanumeric() || c == '_')
                        }),
                    }
                })
            })
        })
}

#[test]
fn arrows_point_down() {
    for (path, text) in sources() {
        let Some((own, height)) = layer(&path) else {
            continue;
        };
        for other in named(&text).filter(|other| *other != own) {
            let (_, above) = LAYERS
                .into_iter()
                .find(|(name, _)| *name == other)
                .expect("a layer");
            assert!(
                above < height,
                "{} uses {other}, which is not below {own}",
                path.display()
            );
        }
    }
    assert_eq!(
        named("use crate::{kernel::x, tui};").collect::<Vec<_>>(),
        ["kernel", "tui"]
    );
    assert_eq!(
        named("crate::model::y, crate::langs\n// crate::session").collect::<Vec<_>>(),
        ["model"]
    );
}

#[test]
fn every_file_says_what_it_is_for() {
    for (path, text) in sources() {
        assert!(text.starts_with("//! "), "{}", path.display());
    }
}

#[test]
fn unsafe_stays_where_it_belongs() {
    for (path, text) in sources() {
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            if line.trim_start().starts_with("//")
                || !(line.contains("unsafe {") || line.contains("unsafe fn"))
            {
                continue;
            }
            assert!(
                UNSAFE.iter().any(|place| path.starts_with(place)),
                "{}:{}",
                path.display(),
                number + 1
            );
            let reason = lines[number.saturating_sub(6)..number]
                .iter()
                .any(|above| above.contains("SAFETY:"));
            assert!(reason, "no reason at {}:{}", path.display(), number + 1);
        }
    }
}
