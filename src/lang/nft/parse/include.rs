//! `include "FILE"`: finding files, with wildcards as `glob(3)` has them. Reading is left to the caller ([`Files`]).

use super::Parsed;
use super::cursor::Parser;
use super::lexer::Kind;
use crate::lang::nft::syntax::{Diagnostic, Source, Span};
use crate::model::text;
use std::io;
use std::path::{Path, PathBuf};

/// As in nft 1.0.6: the first text is at depth 1.
const MOST_DEPTH: u32 = 16;
/// In all; a directory that includes itself would multiply at every level.
const MOST_FILES: usize = 10_000;

/// An entry of a directory.
#[derive(Clone, Debug)]
pub struct Entry {
    pub name: String,
    pub directory: bool,
}

/// Where included files come from.
pub trait Files {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// The entries of a directory, in any order.
    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>>;
}

/// No file may be included.
pub struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::Error::other("files cannot be included here"))
    }

    fn list(&self, _: &Path) -> io::Result<Vec<Entry>> {
        Err(io::Error::other("files cannot be included here"))
    }
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// The files of a pattern, in alphabetical order; directories are left out.
fn expand(files: &dyn Files, pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![if pattern.starts_with('/') {
        PathBuf::from("/")
    } else {
        PathBuf::new()
    }];
    let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
    for (index, part) in parts.iter().enumerate() {
        let last = index + 1 == parts.len();
        if !is_pattern(part) {
            for path in &mut found {
                path.push(part);
            }
            continue;
        }
        let mut next = Vec::new();
        for directory in &found {
            let place = if directory.as_os_str().is_empty() {
                Path::new(".")
            } else {
                directory
            };
            let Ok(mut entries) = files.list(place) else {
                continue;
            };
            entries.sort_by(|a, b| a.name.cmp(&b.name));
            let fits = entries
                .iter()
                .filter(|entry| entry.directory != last && matches(part, &entry.name));
            next.extend(fits.map(|entry| directory.join(&entry.name)));
            if next.len() > MOST_FILES {
                break;
            }
        }
        found = next;
    }
    found
}

/// Whether a file name fits a pattern of `*`, `?` and `[...]`. A leading dot has to be written out.
pub fn matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    // Where the last star stands, and how much of the name it has taken.
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = name.get(n).copied() {
        let step = match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            Some('?') => Some(p + 1),
            Some('[') => class(&pattern, p, c),
            Some(own) => (*own == c).then_some(p + 1),
            None => None,
        };
        match (step, star) {
            (Some(next), _) => {
                p = next;
                n += 1;
            }
            (None, Some((at, taken))) => {
                star = Some((at, taken + 1));
                p = at + 1;
                n = taken + 1;
            }
            (None, None) => return false,
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

/// The place behind `[...]` at `at`, if the class holds the character. Without `]` the bracket is a character.
fn class(pattern: &[char], at: usize, c: char) -> Option<usize> {
    let negated = matches!(pattern.get(at + 1), Some('!' | '^'));
    let first = at + 1 + usize::from(negated);
    let end = (first + 1..pattern.len()).find(|place| pattern.get(*place) == Some(&']'));
    let Some(end) = end else {
        return (c == '[').then_some(at + 1);
    };
    let mut held = false;
    let mut rest = pattern.get(first..end).unwrap_or_default();
    while let Some((from, behind)) = rest.split_first() {
        if let ['-', to, behind @ ..] = behind {
            held |= (*from..=*to).contains(&c);
            rest = behind;
        } else {
            held |= *from == c;
            rest = behind;
        }
    }
    (held != negated).then_some(end + 1)
}

impl Parser<'_> {
    /// `include "..."` with its end; the files are read next.
    pub(super) fn include(&mut self) -> Parsed<()> {
        let start = self.bump().span;
        let token = self.expect(Kind::Quoted)?;
        let pattern = self.bare(token).to_owned();
        let span = self.since(start);
        self.separator()?;
        if self.depth() >= MOST_DEPTH {
            return self.error(
                span,
                format!("files include each other more than {MOST_DEPTH} levels deep"),
            );
        }
        let anchored = ["/", "./", "../"]
            .iter()
            .any(|prefix| pattern.starts_with(prefix));
        let candidates: Vec<String> = if anchored {
            vec![pattern.clone()]
        } else {
            let paths = self.options.include_paths.iter();
            paths
                .map(|path| format!("{}/{pattern}", path.display()))
                .collect()
        };
        let mut texts = Vec::new();
        for candidate in &candidates {
            if is_pattern(candidate) {
                for path in expand(self.options.files, candidate) {
                    match self.options.files.read(&path) {
                        Ok(bytes) => texts.push((path, bytes)),
                        Err(error) => return self.cannot_read(span, &path, &error),
                    }
                }
                continue;
            }
            let path = PathBuf::from(candidate);
            match self.options.files.read(&path) {
                Ok(bytes) => texts.push((path, bytes)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                // As nft does: a directory is found, and has nothing to read.
                Err(error) if error.kind() == io::ErrorKind::IsADirectory => {}
                Err(error) => return self.cannot_read(span, &path, &error),
            }
            return self.read_next(texts, span);
        }
        if is_pattern(&pattern) {
            return self.read_next(texts, span);
        }
        let mut diagnostic = Diagnostic::new(span, format!("there is no file '{pattern}'"));
        if !anchored {
            diagnostic = diagnostic.help(match candidates.as_slice() {
                [] => "there is no include path; write an absolute path".to_owned(),
                tried => format!("looked for {}", tried.join(", ")),
            });
        }
        self.fail(diagnostic)
    }

    fn cannot_read<T>(&mut self, span: Span, path: &Path, error: &io::Error) -> Parsed<T> {
        let message = format!("cannot read '{}': {error}", path.display());
        self.error(span, message)
    }

    fn read_next(&mut self, texts: Vec<(PathBuf, Vec<u8>)>, span: Span) -> Parsed<()> {
        if self.file_count() + texts.len() > MOST_FILES {
            return self.error(span, format!("more than {MOST_FILES} files are included"));
        }
        if let Some((path, _)) = texts
            .iter()
            .find(|(_, bytes)| u32::try_from(bytes.len()).is_err())
        {
            return self.error(span, format!("'{}' is larger than 4 GiB", path.display()));
        }
        // The last one that is pushed is read first.
        let depth = self.depth();
        for (path, bytes) in texts.into_iter().rev() {
            let source = Source {
                name: path.display().to_string(),
                text: text::from_bytes(&bytes),
                included: Some(span),
            };
            self.push_source_at(source, depth + 1);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn wildcards() {
        for (pattern, name, expected) in [
            ("*.nft", "a.nft", true),
            ("*.nft", ".nft", false),
            ("*.nft", "a.nft.bak", false),
            ("?0-*", "10-filter", true),
            ("[0-9]*", "5a", true),
            ("[!0-9]*", "5a", false),
            ("[ab]c", "bc", true),
            ("a*b*c", "axxbxxbc", true),
            ("a[", "a[", true),
            ("*", "", true),
            (".*", ".x", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
