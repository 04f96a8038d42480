//! `dotctl`, the command line for people and scripts; one file per command.
//!
//! Invariant: it knows nothing that the D-Bus service does not tell. Results go to standard output,
//! complaints to standard error, and the exit code alone tells a script what happened.

pub mod args;
mod client;
mod commands;
pub mod failure;
pub mod man;
mod meant;
mod output;
mod roff;
mod shape;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use clap_complete::Shell;

use args::{Args, Command, ConfigCommand, PhoneCommand, PlayerArgs, Switch};
use commands::player::Button;
use commands::{
    assistant, call, calls, config, mic, monitor, mute, name, now, pair, phone, phones, player,
    status, volume,
};
use failure::Failure;
use output::Output;

/// Runs `dotctl` with the arguments of this process.
pub fn main() -> ExitCode {
    let args = Args::parse();
    let mut output = Output::new(args.json);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(args.command, &mut output)),
        Err(error) => Err(Failure::Output(error)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.complain(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

async fn run(command: Command, output: &mut Output) -> Result<(), Failure> {
    match command {
        Command::Status => status::run(output).await,
        Command::Pair(args) => pair::run(args, output).await,
        Command::Phones => phones::run(output).await,
        Command::Connect { phone } => phone::connect(&phone, output).await,
        Command::Disconnect { phone } => phone::disconnect(&phone, output).await,
        Command::Prefer { phone, when } => phone::prefer(&phone, &when, output).await,
        Command::Forget { phone: None, .. } => phone::forget_all(output).await,
        Command::Forget {
            phone: Some(phone), ..
        } => phone::forget(&phone, output).await,
        Command::Block { phone } => phone::block(&phone, true, output).await,
        Command::Unblock { phone } => phone::block(&phone, false, output).await,
        Command::Phone {
            command: PhoneCommand::Rename { phone, name },
        } => phone::rename(&phone, name.as_deref(), output).await,
        Command::Name { name } => name::run(name.as_deref(), output).await,
        Command::Volume { volume, phone } => volume::run(volume, phone.as_deref(), output).await,
        Command::Mute => mute::run(true, output).await,
        Command::Unmute => mute::run(false, output).await,
        Command::Now => now::run(output).await,
        Command::Calls => calls::run(output).await,
        Command::Call(args) => call::run(args, output).await,
        Command::Mic(args) => mic::run(args, output).await,
        Command::Assistant { step, phone } => assistant::run(step, phone.as_deref(), output).await,
        Command::Monitor => monitor::run(output).await,
        Command::Config {
            command: ConfigCommand::Check { file },
        } => config::check(file.as_deref(), output),
        Command::Completions { shell } => Ok(io::stdout().write_all(&completions(shell))?),
        Command::Man { page } => Ok(io::stdout().write_all(man::page(page).as_bytes())?),
        button => press(button, output).await,
    }
}

/// Presses a button of a phone's player.
async fn press(command: Command, output: &mut Output) -> Result<(), Failure> {
    let (button, PlayerArgs { phone }) = match command {
        Command::Play(player) => (Button::Play, player),
        Command::Pause(player) => (Button::Pause, player),
        Command::Stop(player) => (Button::Stop, player),
        Command::Next(player) => (Button::Next, player),
        Command::Previous(player) => (Button::Previous, player),
        Command::Forward(player) => (Button::Forward, player),
        Command::Rewind(player) => (Button::Rewind, player),
        Command::Shuffle { switch, player } => (Button::Shuffle(switch == Switch::On), player),
        Command::Repeat { repeat, player } => (Button::Repeat(repeat), player),
        _ => return Ok(()),
    };
    player::press(button, phone.as_deref(), output).await
}

/// Writes the script that completes commands of `dotctl` in a shell.
pub fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "dotctl", &mut script);
    script
}
