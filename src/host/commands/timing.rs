//! `%time`, `%timeit`, `:timing`.

use std::time::{Duration, Instant};

use super::{Call, Said, Session};
use crate::base::{Error, interrupt};
use crate::script::{Failure, Output};

/// Runs of `%timeit`, as IPython has it.
const RUNS: usize = 7;
/// How long one run of `%timeit` takes at least, where the number of loops is free.
const LONG_ENOUGH: Duration = Duration::from_millis(200);
const MOST_LOOPS: u64 = 100_000_000;

pub fn toggle(session: &mut Session, _call: &Call<'_>) -> Result<Said, Failure> {
    session.timing = !session.timing;
    Ok(Said::text(if session.timing { "timing is on" } else { "timing is off" }))
}

/// `%time EXPR` and `%%time`: the cell's value, after a line on the time.
pub fn time(session: &mut Session, call: &Call<'_>) -> Result<Said, Failure> {
    let code = code_of(call)?;
    let (wall, cpu) = (Instant::now(), cpu_time());
    let said = session.code(&code);
    let (wall, cpu) = (wall.elapsed(), cpu_time().saturating_sub(cpu));
    let line = format!("wall time {}, CPU time {}\n", human(wall), human(cpu));
    session.console.output(Output::Stdout(line));
    Ok(said)
}

/// `%timeit [-n LOOPS] [-r RUNS] EXPR`.
pub fn timeit(session: &mut Session, call: &Call<'_>) -> Result<Said, Failure> {
    let (loops, runs, rest) = options(call.rest)?;
    let code = code_of(&Call { rest, ..*call })?;
    let name = session.cell_name();
    let mut sample = |loops: u64| -> Result<f64, Failure> {
        interrupt::check("timing (%timeit)")?;
        let took = session.interpreter.repeat(&code, &name, loops);
        // A call of `exit` ends a run only.
        session.take_ended();
        Ok(took?.as_secs_f64() / loops as f64)
    };
    let mut samples = Vec::new();
    let loops = match loops {
        Some(loops) => loops,
        None => {
            let mut loops = 1;
            loop {
                let each = sample(loops)?;
                if each * loops as f64 >= LONG_ENOUGH.as_secs_f64() || loops >= MOST_LOOPS {
                    samples.push(each);
                    break loops;
                }
                loops *= 10;
            }
        }
    };
    while samples.len() < runs {
        samples.push(sample(loops)?);
    }
    let mean = samples.iter().sum::<f64>() / runs as f64;
    let spread = (samples.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / runs as f64).sqrt();
    let (mean, spread) = (Duration::from_secs_f64(mean), Duration::from_secs_f64(spread));
    let plural =
        |n: u64, what: &str| if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") };
    Ok(Said::text(format!(
        "{} ± {} per loop (mean ± std. dev. of {}, {} each)",
        human(mean),
        human(spread),
        plural(runs as u64, "run"),
        plural(loops, "loop")
    )))
}

/// What is timed: the rest of the line and the lines behind it.
fn code_of(call: &Call<'_>) -> Result<String, Failure> {
    let code = format!("{}{}\n{}", "\n".repeat(call.above), call.rest, call.body);
    if code.trim().is_empty() {
        let e = Error::new(format!("timing (%{})", call.name)).expected("code to run");
        return Err(e.found("nothing").advice(format!("As in  %{} f(x)", call.name)).into());
    }
    Ok(code)
}

/// Takes `-n LOOPS` and `-r RUNS` (also `-n5`) off the front.
fn options(text: &str) -> Result<(Option<u64>, usize, &str), Failure> {
    let (mut loops, mut runs, mut rest) = (None, RUNS, text.trim_start());
    while let Some((flag, behind)) =
        ["-n", "-r"].iter().find_map(|f| Some((*f, rest.strip_prefix(f)?.trim_start())))
    {
        let end = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
        let number: u64 = behind[..end].parse().ok().filter(|n| *n > 0).ok_or_else(|| {
            Error::new("timing (%timeit)")
                .expected(format!("a number from 1 behind {flag}"))
                .found(format!("'{}'", behind.split_whitespace().next().unwrap_or_default()))
                .advice("As in  %timeit -n 100 -r 5 f(x)")
        })?;
        match flag {
            "-n" => loops = Some(number),
            _ => runs = number as usize,
        }
        rest = behind[end..].trim_start();
    }
    Ok((loops, runs, rest))
}

/// What all threads of the process have computed so far.
fn cpu_time() -> Duration {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes to the struct that it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut t) };
    Duration::new(t.tv_sec.max(0) as u64, t.tv_nsec.clamp(0, 999_999_999) as u32)
}

/// "1.23 ms", "4.5 s", "2 min 3 s".
pub fn human(t: Duration) -> String {
    // What would be rounded to a whole one of the next unit is said in that.
    match t.as_secs_f64() {
        s if s < 0.9995e-6 => format!("{:.0} ns", s * 1e9),
        s if s < 0.9995e-3 => format!("{} µs", digits(s * 1e6)),
        s if s < 0.9995 => format!("{} ms", digits(s * 1e3)),
        s if s < 59.95 => format!("{} s", digits(s)),
        s => {
            let whole = s.round() as u64;
            format!("{} min {} s", whole / 60, whole % 60)
        }
    }
}

/// Three digits that say something.
fn digits(x: f64) -> String {
    let decimals = if x < 10.0 { 2 } else { usize::from(x < 100.0) };
    format!("{x:.decimals$}")
}
