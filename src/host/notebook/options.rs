//! What the command line says to `spatia notebook run` beside the notebook's own parameters.

use std::path::PathBuf;
use std::time::Duration;

use super::parameters::Parameters;
use crate::base::{Error, Result};

/// Before the notebook's name they are the command's; behind it a parameter of the same name goes
/// first.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Options {
    /// Write the executed notebook here and leave FILE as it is
    #[arg(short, long, value_name = "OUT.ipynb")]
    pub output: Option<PathBuf>,
    /// Go on behind cells that fail
    #[arg(long)]
    pub allow_errors: bool,
    /// Keep figures as pictures, without their interactive form: a smaller file
    #[arg(long)]
    pub pictures: bool,
    /// Stop a cell that takes longer than this
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
    /// The notebook, then its parameters as --name value; FILE.ipynb --help lists them
    #[arg(
        value_name = "FILE.ipynb [--name value]",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub call: Vec<String>,
}

impl Options {
    /// The notebook.
    pub fn file(&self) -> PathBuf {
        self.call.first().map(PathBuf::from).unwrap_or_default()
    }

    /// Takes the options that stand behind the notebook's name; what is left are parameters.
    ///
    /// # Errors
    /// An option without its value, or with one that it does not take.
    pub fn take(&mut self, known: &Parameters) -> Result<Vec<String>> {
        let mut left = Vec::new();
        let mut rest = self.call.iter().skip(1).cloned();
        while let Some(argument) = rest.next() {
            let (flag, inline) = match argument.split_once('=') {
                Some((flag, value)) => (flag, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            let parameter = flag.strip_prefix("--").is_some_and(|name| known.has(name));
            let mut value = |wanted: &str| {
                inline.clone().or_else(|| rest.next()).ok_or_else(|| {
                    Error::new(format!("reading {flag}")).expected(wanted).found("none")
                })
            };
            match flag {
                _ if parameter => left.push(argument),
                "--allow-errors" | "--pictures" if inline.is_some() => {
                    let e = Error::new(format!("reading {flag}")).expected("no value behind it");
                    return Err(e.found(format!("'{argument}'")));
                }
                "-o" | "--output" => self.output = Some(value("the path of a file")?.into()),
                "--timeout" => self.timeout = Some(seconds(&value("seconds")?)?),
                "--allow-errors" => self.allow_errors = true,
                "--pictures" => self.pictures = true,
                _ => left.push(argument),
            }
        }
        Ok(left)
    }
}

fn seconds(text: &str) -> Result<Duration> {
    let seconds = text.parse().ok().filter(|s| (1e-3..1e9).contains(s));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| {
        Error::new("reading --timeout").expected("seconds, as in 600").found(format!("'{text}'"))
    })
}
