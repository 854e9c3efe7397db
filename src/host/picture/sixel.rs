//! Sixel: six rows of pixels a band, colour by colour.

use std::fmt::Write;

use image::imageops::{ColorMap, FilterType, dither, index_colors};
use image::{DynamicImage, Rgb};

/// Six steps of each of red, green and blue; with dithering, maps keep their shades.
struct Cube;

const STEPS: usize = 6;

impl Cube {
    fn step(value: u8) -> usize {
        (usize::from(value) * (STEPS - 1) + 127) / 255
    }

    fn value(step: usize) -> u8 {
        (step * 255 / (STEPS - 1)) as u8
    }
}

impl ColorMap for Cube {
    type Color = Rgb<u8>;

    fn index_of(&self, colour: &Self::Color) -> usize {
        colour.0.iter().fold(0, |index, value| index * STEPS + Self::step(*value))
    }

    fn map_color(&self, colour: &mut Self::Color) {
        for value in &mut colour.0 {
            *value = Self::value(Self::step(*value));
        }
    }
}

/// A picture, scaled to a size in pixels, as the terminal takes it.
pub fn encode(picture: &DynamicImage, width: u32, height: u32) -> String {
    let (width, height) = (width.max(1), height.max(1));
    let mut picture = picture.resize_exact(width, height, FilterType::Triangle).to_rgb8();
    dither(&mut picture, &Cube);
    let indices = index_colors(&picture, &Cube);
    let mut out = format!("\x1bPq\"1;1;{width};{height}");
    for index in 0..STEPS.pow(3) {
        let part = |place: u32| index / STEPS.pow(place) % STEPS * 100 / (STEPS - 1);
        write!(out, "#{index};2;{};{};{}", part(2), part(1), part(0)).ok();
    }
    let rows: Vec<&[u8]> = indices.chunks(width as usize).collect();
    for band in rows.chunks(6) {
        let mut used = [false; STEPS.pow(3)];
        band.iter().flat_map(|row| row.iter()).for_each(|i| used[usize::from(*i)] = true);
        for (index, _) in used.iter().enumerate().filter(|(_, used)| **used) {
            write!(out, "#{index}").ok();
            let six = |x: usize| {
                let bits = band.iter().enumerate();
                let bits = bits.map(|(y, row)| u8::from(usize::from(row[x]) == index) << y);
                char::from(63 + bits.sum::<u8>())
            };
            runs(&mut out, (0..width as usize).map(six));
            out.push('$');
        }
        out.push('-');
    }
    out + "\x1b\\"
}

/// Repeated characters as "!12A".
fn runs(out: &mut String, mut line: impl Iterator<Item = char>) {
    let mut current = line.next();
    while let Some(c) = current {
        let mut count = 1;
        current = loop {
            match line.next() {
                Some(next) if next == c => count += 1,
                other => break other,
            }
        };
        if count > 3 {
            write!(out, "!{count}{c}").ok();
        } else {
            out.extend(std::iter::repeat_n(c, count));
        }
    }
}
