//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::host::{Exit, info, repl, run, signals};

/// A scripting host for spatial transcriptomics and histology.
#[derive(Parser)]
#[command(name = "spatia", disable_version_flag = true, arg_required_else_help = true)]
struct Arguments {
    /// Print the version
    #[arg(short = 'V', long)]
    version: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run a script; `spatia run SCRIPT --help` lists its parameters
    Run {
        /// The script, then its parameters as --name value
        #[arg(
            value_name = "SCRIPT [--name value]",
            required = true,
            trailing_var_arg = true,
            allow_hyphen_values = true
        )]
        call: Vec<String>,
    },
    /// Talk to a session line by line
    Repl,
    /// Versions, devices, threads and memory
    Info,
    /// Print documentation made from the source
    Docs {
        #[arg(value_enum)]
        page: Page,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Page {
    /// Every function and object of the language
    Reference,
}

/// Does what the command line asks and returns the exit code.
///
/// # Errors
/// The terminal or the signal handler failed.
pub fn main() -> anyhow::Result<i32> {
    let arguments = Arguments::parse();
    if arguments.version {
        println!("spatia {}", info::version());
        return Ok(Exit::Success.code());
    }
    signals::install()?;
    let exit = match arguments.command {
        Some(Command::Run { call }) => {
            let (script, rest) = call
                .split_first()
                .map_or((PathBuf::new(), &[][..]), |(s, rest)| (PathBuf::from(s), rest));
            run::run(&script, rest)
        }
        Some(Command::Repl) => repl::run()?,
        Some(Command::Info) => {
            for (name, value) in info::facts() {
                println!("{name:9} {value}");
            }
            Exit::Success
        }
        Some(Command::Docs { page: Page::Reference }) => {
            print!("{}", crate::host::reference());
            Exit::Success
        }
        None => Exit::Usage,
    };
    Ok(exit.code())
}
