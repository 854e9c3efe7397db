//! Functions that speak to whoever looks on, in a terminal or a notebook alike: `print`, `eprint`,
//! `display`, `clear_output`, `input`; and `sleep`, which can be interrupted.

use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rhai::plugin::*;
use rhai::{Dynamic, Engine, EvalAltResult, FLOAT, ImmutableString};

use super::convert::Outcome;
use super::interpreter::State;
use super::output::Output;
use super::shown;
use crate::base::{Error, interrupt};

/// Sends what the engine prints to the session's console, and lets the functions below find it.
pub(super) fn install(engine: &mut Engine, state: &Rc<State>) {
    let out = state.console.clone();
    engine.on_print(move |text| out.output(Output::Stdout(format!("{text}\n"))));
    let out = state.console.clone();
    engine.on_debug(move |text, _, at| {
        let at = if at.is_none() { String::new() } else { format!("[{at}] ") };
        out.output(Output::Stdout(format!("{at}{text}\n")));
    });
    engine.set_default_tag(Dynamic::from(state.clone()));
}

/// What was shown by `display_id`, to be replaced.
#[derive(Clone)]
pub(super) struct Display {
    id: ImmutableString,
}

impl fmt::Display for Display {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Display {}: update(x) replaces what it shows", self.id)
    }
}

/// What Rhai wants of a function called `print`: the text, which it hands to the console.
type Printed = String;

fn say(context: &NativeCallContext<'_>, output: Output) {
    if let Some(state) = context.tag().and_then(|t| t.read_lock::<Rc<State>>()) {
        state.console.output(output);
    }
}

fn ask(context: &NativeCallContext<'_>, prompt: &str, secret: bool) -> Outcome<String> {
    let state = context.tag().and_then(|t| t.read_lock::<Rc<State>>()).map(|s| s.clone());
    let state = state.ok_or_else(|| Error::new("asking for input").found("no console"))?;
    Ok(state.console.input(prompt, secret)?)
}

/// A value as `print` writes it.
fn text(context: &NativeCallContext<'_>, value: &mut Dynamic) -> String {
    match context.call_native_fn_raw("to_string", true, &mut [value]) {
        Ok(said) if said.is_string() => said.to_string(),
        _ => context.engine().map_type_name(value.type_name()).to_owned(),
    }
}

fn row(context: &NativeCallContext<'_>, mut values: Vec<Dynamic>) -> String {
    values.iter_mut().map(|v| text(context, v)).collect::<Vec<_>>().join(" ")
}

fn show(context: &NativeCallContext<'_>, value: Dynamic, id: Option<&str>, update: bool) {
    let bundle = shown::show(context.engine(), value);
    say(context, Output::Display { bundle, id: id.map(str::to_owned), update });
}

fn end(context: &NativeCallContext<'_>, code: &Dynamic) -> Outcome<()> {
    let small = code.as_int().ok().and_then(|c| u8::try_from(c).ok());
    let code = small.ok_or_else(|| {
        Error::new("ending the script")
            .expected("an exit code from 0 to 255")
            .found(code.to_string())
            .advice("To end with a message, throw it: throw \"no spot is left\"")
    })?;
    if let Some(state) = context.tag().and_then(|t| t.read_lock::<Rc<State>>()) {
        state.ended.set(Some(code));
    }
    Err(EvalAltResult::Exit(Dynamic::UNIT, context.call_position()).into())
}

fn wait(seconds: FLOAT) -> crate::base::Result<()> {
    let doing = "sleeping";
    let refuse = |_| Error::new(doing).expected("seconds, 0 or more").found(seconds.to_string());
    let end = Duration::try_from_secs_f64(seconds).map_err(refuse)?;
    let start = Instant::now();
    while let Some(left) = end.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) {
        std::thread::sleep(left.min(Duration::from_millis(20)));
        interrupt::check(doing)?;
    }
    Ok(())
}

#[export_module(manifest)]
pub(super) mod functions {
    /// Prints a value and ends the line; several values (up to four) are parted by spaces.
    ///
    /// ```rhai
    /// print("domains:", [1, 2])
    /// ```
    #[rhai_fn(name = "print")]
    pub fn print(context: NativeCallContext<'_>, value: Dynamic) -> Printed {
        row(&context, vec![value])
    }

    /// Prints two values and ends the line.
    ///
    /// ```rhai
    /// print("spots:", ds.n_obs)
    /// ```
    #[rhai_fn(name = "print")]
    pub fn print_two(context: NativeCallContext<'_>, a: Dynamic, b: Dynamic) -> Printed {
        row(&context, vec![a, b])
    }

    /// Prints three values and ends the line.
    ///
    /// ```rhai
    /// print(ds.n_obs, "spots", true)
    /// ```
    #[rhai_fn(name = "print")]
    pub fn print_three(
        context: NativeCallContext<'_>,
        a: Dynamic,
        b: Dynamic,
        c: Dynamic,
    ) -> Printed {
        row(&context, vec![a, b, c])
    }

    /// Prints four values and ends the line.
    ///
    /// ```rhai
    /// print(ds.n_obs, "spots,", ds.n_vars, "genes")
    /// ```
    #[rhai_fn(name = "print")]
    pub fn print_four(
        context: NativeCallContext<'_>,
        a: Dynamic,
        b: Dynamic,
        c: Dynamic,
        d: Dynamic,
    ) -> Printed {
        row(&context, vec![a, b, c, d])
    }

    /// Prints a value to the error output, where messages go that are no results.
    ///
    /// ```rhai
    /// eprint("no labels: the scores are left out")
    /// ```
    pub fn eprint(context: NativeCallContext<'_>, value: Dynamic) {
        let text = row(&context, vec![value]);
        say(&context, Output::Stderr(format!("{text}\n")));
    }

    /// Shows a value as a cell's last value is shown: a figure as a picture, a table as a table.
    ///
    /// ```rhai
    /// for n in [2, 3] { display(cluster::kmeans(ds.obsm["spatial"], n)) }
    /// ```
    pub fn display(context: NativeCallContext<'_>, value: Dynamic) {
        show(&context, value, None, false);
    }

    /// Shows a value and returns a handle, whose `update` replaces what is shown.
    ///
    /// ```rhai
    /// let shown = display_id("training ...")
    /// shown.update("trained")
    /// ```
    pub fn display_id(context: NativeCallContext<'_>, value: Dynamic) -> Display {
        let id = uuid::Uuid::new_v4().simple().to_string();
        show(&context, value, Some(&id), false);
        Display { id: id.into() }
    }

    /// Takes away what the cell has shown so far. In a terminal that cannot, nothing happens.
    ///
    /// ```rhai
    /// clear_output()
    /// ```
    pub fn clear_output(context: NativeCallContext<'_>) {
        say(&context, Output::Clear { wait: false });
    }

    /// Takes away what the cell has shown so far; with `true`, only when the next output comes, so
    /// that nothing flickers.
    ///
    /// ```rhai
    /// for step in 0..3 { clear_output(true); print("step", step) }
    /// ```
    #[rhai_fn(name = "clear_output")]
    pub fn clear_output_when(context: NativeCallContext<'_>, wait: bool) {
        say(&context, Output::Clear { wait });
    }

    /// Asks whoever looks on for a line of text.
    ///
    /// ```rhai
    /// fn domains_wanted() { input("How many domains? ").parse_int() }
    /// ```
    #[rhai_fn(return_raw)]
    pub fn input(context: NativeCallContext<'_>, prompt: &str) -> Outcome<String> {
        ask(&context, prompt, false)
    }

    /// Asks for a line of text that is not echoed, such as a password.
    ///
    /// ```rhai
    /// fn password() { input_secret("Password: ") }
    /// ```
    #[rhai_fn(return_raw)]
    pub fn input_secret(context: NativeCallContext<'_>, prompt: &str) -> Outcome<String> {
        ask(&context, prompt, true)
    }

    /// A parameter of the script: what `spatia run SCRIPT --name value` or the notebook gives it, by
    /// default `default`. The default also says the type, and `()` asks for a text that must be
    /// given. All three are written as literals, so that `--help` can list them.
    ///
    /// ```rhai
    /// param("seed", 42, "Seed of every random draw")   // => 42
    /// ```
    pub fn param(
        context: NativeCallContext<'_>,
        name: &str,
        default: Dynamic,
        doc: &str,
    ) -> Dynamic {
        // It is read off the script before it runs; see `script::params`.
        let _ = doc;
        let state = context.tag().and_then(|t| t.read_lock::<Rc<State>>());
        state.and_then(|s| s.given(name)).unwrap_or(default)
    }

    /// Ends the script, and `spatia run` with that exit code, from 0 to 255: 0 says that all went
    /// well. In the REPL, a notebook or a kernel it ends the session, as `:quit` does.
    ///
    /// ```rhai
    /// fn refuse() { eprint("no spot is left"); exit(3) }
    /// ```
    #[rhai_fn(name = "exit", return_raw)]
    pub fn exit_with(context: NativeCallContext<'_>, code: Dynamic) -> Outcome<()> {
        end(&context, &code)
    }

    /// Ends the script with the exit code 0.
    ///
    /// ```rhai
    /// fn done() { exit() }
    /// ```
    #[rhai_fn(return_raw)]
    pub fn exit(context: NativeCallContext<'_>) -> Outcome<()> {
        end(&context, &Dynamic::from_int(0))
    }

    /// Waits; an interrupt ends it at once.
    ///
    /// ```rhai
    /// sleep(0.01)
    /// ```
    #[rhai_fn(return_raw)]
    pub fn sleep(seconds: FLOAT) -> Outcome<()> {
        Ok(wait(seconds)?)
    }
}

#[export_module(manifest)]
#[expect(clippy::unwrap_used, reason = "in what the macro writes")]
pub(super) mod methods {
    /// Shows another value in the place of the one before.
    ///
    /// ```rhai
    /// let shown = display_id("epoch 0")
    /// for epoch in 1..3 { shown.update(`epoch ${epoch}`) }
    /// ```
    pub fn update(context: NativeCallContext<'_>, display: &mut Display, value: Dynamic) {
        show(&context, value, Some(&display.id), true);
    }

    /// The name under which front ends know what is shown.
    ///
    /// ```rhai
    /// display_id(1).id.len()          // => 32
    /// ```
    #[rhai_fn(get = "id")]
    pub fn id(display: &mut Display) -> String {
        display.id.to_string()
    }
}
