//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::host::{Exit, definitions, info, kernel, notebook, repl, run, signals};

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
    /// The Jupyter kernel
    #[command(subcommand)]
    Kernel(Kernel),
    /// Notebooks without Jupyter
    #[command(subcommand)]
    Notebook(Notebook),
    /// Files that let editors know the language
    Definitions { folder: PathBuf },
    /// Versions, devices, threads and memory
    Info,
    /// Print documentation made from the source
    Docs {
        #[arg(value_enum)]
        page: Page,
    },
}

#[derive(Subcommand)]
enum Kernel {
    /// Tell Jupyter of the kernel; for this user where nothing else is said
    Install {
        /// For this user
        #[arg(long, conflicts_with_all = ["sys_prefix", "prefix"])]
        user: bool,
        /// For the Python environment that is active
        #[arg(long, conflicts_with = "prefix")]
        sys_prefix: bool,
        /// Under PREFIX/share/jupyter/kernels
        #[arg(long, value_name = "PREFIX")]
        prefix: Option<PathBuf>,
        /// What the kernel is called
        #[arg(long, default_value = "spatia")]
        name: String,
    },
    /// Serve the connection in a file; Jupyter calls this
    Run {
        #[arg(short = 'f', long = "file", value_name = "FILE")]
        connection: PathBuf,
    },
}

#[derive(Subcommand)]
enum Notebook {
    /// Execute a notebook in place; --name value sets what its cell tagged "parameters" defines
    Run(notebook::Options),
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
    // Sessions that speak to helpers see to closed pipes by themselves.
    let session = matches!(
        arguments.command,
        Some(Command::Repl | Command::Notebook(_) | Command::Kernel(Kernel::Run { .. }))
    );
    if !session {
        signals::end_with_closed_pipes();
    }
    if arguments.version {
        return Ok(run::print(&format!("spatia {}\n", info::version())).code());
    }
    // The kernel takes its signals by itself.
    if !matches!(arguments.command, Some(Command::Kernel(Kernel::Run { .. }))) {
        signals::install()?;
    }
    let exit = match arguments.command {
        Some(Command::Run { call }) => {
            let (script, rest) = file_and_rest(&call);
            run::run(&script, rest)
        }
        Some(Command::Kernel(Kernel::Install { user, sys_prefix, prefix, name })) => {
            kernel::install::install(&kernel::install::Target { user, sys_prefix, prefix, name })
        }
        Some(Command::Kernel(Kernel::Run { connection })) => kernel::run(&connection),
        Some(Command::Notebook(Notebook::Run(options))) => notebook::run(options),
        Some(Command::Definitions { folder }) => definitions::write(&folder),
        Some(Command::Repl) => repl::run()?,
        Some(Command::Info) => {
            let lines =
                info::facts().into_iter().map(|(name, value)| format!("{name:9} {value}\n"));
            run::print(&lines.collect::<String>())
        }
        Some(Command::Docs { page: Page::Reference }) => run::print(&crate::host::reference()),
        None => Exit::Usage,
    };
    Ok(exit.code())
}

fn file_and_rest(call: &[String]) -> (PathBuf, &[String]) {
    call.split_first().map_or((PathBuf::new(), &[][..]), |(file, rest)| (PathBuf::from(file), rest))
}
