//! A terminal's screen as SVG: text for letters, shapes for lines and bars, so that every font gives one picture.

use std::collections::BTreeMap;
use std::fmt::Write;

/// The size of a cell, in pixels.
const WIDE: f32 = 8.4;
const HIGH: f32 = 18.0;
/// From the top of a cell to the line that letters stand on.
const BASE: f32 = 13.4;
const MARGIN: f32 = 12.0;
const TITLE: f32 = 34.0;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rgb(u8, u8, u8);

impl Rgb {
    fn hex(self) -> String {
        let Rgb(r, g, b) = self;
        if [r, g, b].iter().all(|part| part % 17 == 0) {
            return format!("#{:x}{:x}{:x}", r / 17, g / 17, b / 17);
        }
        format!("#{r:02x}{g:02x}{b:02x}")
    }

    fn toward(self, other: Rgb, share: f32) -> Rgb {
        let mix = |a: u8, b: u8| (f32::from(a) * (1.0 - share) + f32::from(b) * share) as u8;
        Rgb(
            mix(self.0, other.0),
            mix(self.1, other.1),
            mix(self.2, other.2),
        )
    }

    fn is_light(self) -> bool {
        u32::from(self.0) * 3 + u32::from(self.1) * 6 + u32::from(self.2) > 1280
    }
}

const INK: Rgb = Rgb(0xd3, 0xda, 0xe3);
const PAPER: Rgb = Rgb(0x0f, 0x14, 0x1a);

fn color(color: vt100::Color, otherwise: Rgb) -> Rgb {
    const BASIC: [u32; 16] = [
        0x000000, 0xcd3131, 0x0dbc79, 0xe5e510, 0x2472c8, 0xbc3fbc, 0x11a8cd, 0xcccccc, 0x666666,
        0xf14c4c, 0x23d18b, 0xf5f543, 0x3b8eea, 0xd670d6, 0x29b8db, 0xffffff,
    ];
    match color {
        vt100::Color::Default => otherwise,
        vt100::Color::Rgb(r, g, b) => Rgb(r, g, b),
        vt100::Color::Idx(index @ 0..16) => {
            let [_, r, g, b] = BASIC[usize::from(index)].to_be_bytes();
            Rgb(r, g, b)
        }
        vt100::Color::Idx(index @ 16..232) => {
            let index = index - 16;
            let part = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
            Rgb(part(index / 36), part(index / 6 % 6), part(index % 6))
        }
        vt100::Color::Idx(index) => {
            let grey = 8 + 10 * (index - 232);
            Rgb(grey, grey, grey)
        }
    }
}

/// How a piece of text looks.
#[derive(Clone, Copy, PartialEq)]
struct Look {
    ink: Rgb,
    bold: bool,
    italic: bool,
    underline: bool,
}

struct Cell<'a> {
    text: &'a str,
    look: Look,
    paper: Rgb,
    columns: u16,
}

fn cell(cell: &vt100::Cell) -> Cell<'_> {
    let mut ink = color(cell.fgcolor(), INK);
    let mut paper = color(cell.bgcolor(), PAPER);
    if cell.inverse() {
        std::mem::swap(&mut ink, &mut paper);
    }
    if cell.dim() {
        ink = ink.toward(paper, 0.4);
    }
    Cell {
        text: if cell.has_contents() {
            cell.contents()
        } else {
            " "
        },
        look: Look {
            ink,
            bold: cell.bold(),
            italic: cell.italic(),
            underline: cell.underline(),
        },
        paper,
        columns: if cell.is_wide() { 2 } else { 1 },
    }
}

/// The arms of a line-drawing character: up, right, down, left; 1 light, 2 heavy.
fn arms(sign: &str) -> Option<[u8; 4]> {
    Some(match sign {
        "│" => [1, 0, 1, 0],
        "┃" => [2, 0, 2, 0],
        "─" => [0, 1, 0, 1],
        "━" => [0, 2, 0, 2],
        "┌" | "╭" => [0, 1, 1, 0],
        "┐" | "╮" => [0, 0, 1, 1],
        "└" | "╰" => [1, 1, 0, 0],
        "┘" | "╯" => [1, 0, 0, 1],
        "├" => [1, 1, 1, 0],
        "┤" => [1, 0, 1, 1],
        "┬" => [0, 1, 1, 1],
        "┴" => [1, 1, 0, 1],
        "┼" => [1, 1, 1, 1],
        "┝" => [1, 2, 1, 0],
        "┠" => [2, 1, 2, 0],
        "┣" => [2, 2, 2, 0],
        "┥" => [1, 0, 1, 2],
        "┫" => [2, 0, 2, 2],
        "┨" => [2, 0, 2, 1],
        "┯" => [0, 2, 1, 2],
        "┭" => [0, 1, 1, 2],
        "┮" => [0, 2, 1, 1],
        "┰" => [0, 1, 2, 1],
        "┱" => [0, 1, 2, 2],
        "┲" => [0, 2, 2, 1],
        "┳" => [0, 2, 2, 2],
        "┷" => [1, 2, 0, 2],
        "┵" => [1, 1, 0, 2],
        "┶" => [1, 2, 0, 1],
        "┸" => [2, 1, 0, 1],
        "┻" => [2, 2, 0, 2],
        _ => return None,
    })
}

/// A block element as a part of its cell: left, top, width, height.
fn block(sign: &str) -> Option<[f32; 4]> {
    let sign = sign.chars().next()?;
    Some(match sign {
        '▁'..='█' => {
            let share = (sign as u32 - '▁' as u32 + 1) as f32 / 8.0;
            [0.0, 1.0 - share, 1.0, share]
        }
        '▉'..='▏' => {
            let share = ('▏' as u32 - sign as u32 + 1) as f32 / 8.0;
            [0.0, 0.0, share, 1.0]
        }
        '▐' => [0.5, 0.0, 0.5, 1.0],
        '▀' => [0.0, 0.0, 1.0, 0.5],
        _ => return None,
    })
}

/// A number without a tail of zeros.
fn number(value: f32) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// Rectangles by colour; each colour becomes one path.
#[derive(Default)]
struct Shapes(BTreeMap<Rgb, String>);

impl Shapes {
    fn add(&mut self, color: Rgb, x: f32, y: f32, width: f32, height: f32) {
        let path = self.0.entry(color).or_default();
        let (x, y, width, height) = (number(x), number(y), number(width), number(height));
        let _ = write!(path, "M{x} {y}h{width}v{height}h-{width}z");
    }

    fn write(&self, out: &mut String) {
        for (color, path) in &self.0 {
            let _ = writeln!(out, r#"<path fill="{}" d="{path}"/>"#, color.hex());
        }
    }
}

fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    // Spaces of a text are one and the same to some readers of SVG.
    text.replace(' ', "\u{a0}")
}

/// Text of one look on one row.
struct Run {
    column: u16,
    columns: u16,
    text: String,
    look: Look,
}

impl Run {
    fn write(&self, y: f32, plain: Rgb, out: &mut String) {
        let text = self.text.trim_end();
        if text.is_empty() {
            return;
        }
        let gone = self.text.len() - text.len();
        let columns = self.columns - gone as u16;
        let x = MARGIN + f32::from(self.column) * WIDE;
        let mut attributes = String::new();
        if self.look.ink != plain {
            let _ = write!(attributes, r#" fill="{}""#, self.look.ink.hex());
        }
        if self.look.bold {
            attributes.push_str(r#" font-weight="bold""#);
        }
        if self.look.italic {
            attributes.push_str(r#" font-style="italic""#);
        }
        if self.look.underline {
            attributes.push_str(r#" text-decoration="underline""#);
        }
        let y = number(y);
        let text_out = escape(text);
        let _ = if text.is_ascii() || columns > 1 {
            let length = number(f32::from(columns) * WIDE);
            writeln!(
                out,
                r#"<text x="{}" y="{y}" textLength="{length}"{attributes}>{text_out}</text>"#,
                number(x)
            )
        } else {
            // A sign that the font may lack: in the middle of its cell, whatever its width.
            let middle = number(x + f32::from(columns) * WIDE / 2.0);
            writeln!(
                out,
                r#"<text x="{middle}" y="{y}" text-anchor="middle"{attributes}>{text_out}</text>"#
            )
        };
    }
}

pub fn draw(screen: &vt100::Screen, title: &str) -> String {
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    let width = f32::from(columns) * WIDE + 2.0 * MARGIN;
    let height = f32::from(rows) * HIGH + TITLE + MARGIN;
    let corner = screen.cell(rows / 2, 0).map(cell);
    let (paper, ink) = corner.map_or((PAPER, INK), |c| {
        let light = c.paper.is_light();
        (c.paper, if light { Rgb(0x24, 0x29, 0x2f) } else { INK })
    });
    let mut papers = Shapes::default();
    let mut shapes = Shapes::default();
    let mut texts = String::new();
    for row in 0..rows {
        let top = TITLE + f32::from(row) * HIGH;
        draw_row(
            screen,
            row,
            top,
            (paper, ink),
            &mut papers,
            &mut shapes,
            &mut texts,
        );
    }
    let (w, h) = (number(width), number(height));
    let mut out = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}" font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace" font-size="14" fill="{}">
<rect x=".5" y=".5" width="{}" height="{}" rx="9" fill="{}" stroke="{}"/>
"#,
        ink.hex(),
        number(width - 1.0),
        number(height - 1.0),
        paper.hex(),
        paper.toward(ink, 0.3).hex(),
    );
    for (place, dot) in ["#ff5f57", "#febc2e", "#28c840"].iter().enumerate() {
        let x = 20.0 + place as f32 * 19.0;
        let _ = writeln!(out, r#"<circle cx="{x}" cy="17" r="5.5" fill="{dot}"/>"#);
    }
    let _ = writeln!(
        out,
        r#"<text x="{}" y="21.5" text-anchor="middle" font-size="13" fill="{}">{title}</text>"#,
        number(width / 2.0),
        ink.toward(paper, 0.4).hex()
    );
    papers.write(&mut out);
    shapes.write(&mut out);
    out.push_str(&texts);
    out.push_str("</svg>\n");
    out
}

fn draw_row(
    screen: &vt100::Screen,
    row: u16,
    top: f32,
    (paper, ink): (Rgb, Rgb),
    papers: &mut Shapes,
    shapes: &mut Shapes,
    texts: &mut String,
) {
    let columns = screen.size().1.get();
    let mut run: Option<Run> = None;
    let mut back: Option<(u16, u16, Rgb)> = None;
    let mut flush_run = |run: &mut Option<Run>| {
        if let Some(run) = run.take() {
            run.write(top + BASE, ink, texts);
        }
    };
    let mut flush_back = |back: &mut Option<(u16, u16, Rgb)>| {
        if let Some((start, end, color)) = back.take().filter(|(.., color)| *color != paper) {
            let x = MARGIN + f32::from(start) * WIDE;
            papers.add(color, x, top, f32::from(end - start) * WIDE, HIGH);
        }
    };
    let mut column = 0;
    while column < columns {
        let Some(found) = screen.cell(row, column) else {
            break;
        };
        let cell = cell(found);
        let next = column + cell.columns;
        match &mut back {
            Some((_, end, color)) if *color == cell.paper => *end = next,
            _ => {
                flush_back(&mut back);
                back = Some((column, next, cell.paper));
            }
        }
        let x = MARGIN + f32::from(column) * WIDE;
        if let Some(arms) = arms(cell.text) {
            flush_run(&mut run);
            line(shapes, cell.look.ink, x, top, arms);
        } else if let Some([left, above, width, height]) = block(cell.text) {
            flush_run(&mut run);
            let (x, y) = (x + left * WIDE, top + above * HIGH);
            shapes.add(cell.look.ink, x, y, width * WIDE, height * HIGH);
        } else if cell.text == " " && !cell.look.underline {
            // Inside a run a single space is text; more of them begin a new one.
            match &mut run {
                Some(run) if !run.text.ends_with(' ') => {
                    run.text.push(' ');
                    run.columns += 1;
                }
                _ => flush_run(&mut run),
            }
        } else {
            let fits = run.as_ref().is_some_and(|run| {
                run.look == cell.look && cell.text.is_ascii() && run.text.is_ascii()
            });
            if !fits {
                flush_run(&mut run);
            }
            let run = run.get_or_insert_with(|| Run {
                column,
                columns: 0,
                text: String::new(),
                look: cell.look,
            });
            run.text.push_str(cell.text);
            run.columns += cell.columns;
        }
        column = next;
    }
    flush_run(&mut run);
    flush_back(&mut back);
}

fn line(shapes: &mut Shapes, ink: Rgb, x: f32, y: f32, arms: [u8; 4]) {
    let (middle, center) = (x + WIDE / 2.0, y + HIGH / 2.0);
    let thick = |weight: u8| if weight == 2 { 2.4 } else { 1.2 };
    let [up, right, down, left] = arms;
    let half = thick(arms.into_iter().max().unwrap_or(1)) / 2.0;
    if up > 0 {
        let t = thick(up);
        shapes.add(ink, middle - t / 2.0, y, t, HIGH / 2.0 + half);
    }
    if down > 0 {
        let t = thick(down);
        shapes.add(ink, middle - t / 2.0, center - half, t, HIGH / 2.0 + half);
    }
    if left > 0 {
        let t = thick(left);
        shapes.add(ink, x, center - t / 2.0, WIDE / 2.0 + half, t);
    }
    if right > 0 {
        let t = thick(right);
        shapes.add(ink, middle - half, center - t / 2.0, WIDE / 2.0 + half, t);
    }
}
