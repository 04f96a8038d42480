//! `dotctl call`: answers, makes and ends calls.

mod done;

use crate::api::Error;
use crate::ctl::args::{CallArgs, CallCommand};
use crate::ctl::client::Client;
use crate::ctl::failure::Failure;
use crate::ctl::meant::Meant;
use crate::ctl::output::Output;
use crate::policy::calls::facts::CallId;
use crate::policy::model::Address;
use done::Done;

pub(in crate::ctl) async fn run(args: CallArgs, output: &mut Output) -> Result<(), Failure> {
    let client = Client::connect().await?;
    // Seen before: a call that is over cannot be named any more.
    let meant = Meant::see(&client, args.phone.as_deref()).await?;
    let done = Done::by(&args.command, &meant);
    carry_out(&args.command, &meant, &client).await?;
    output.tell(&done, done.text())
}

async fn carry_out(command: &CallCommand, meant: &Meant, client: &Client) -> Result<(), Failure> {
    let calls = client.calls(meant.path.as_ref()).await?;
    match command {
        CallCommand::Answer { end_others } => calls.answer(*end_others).await?,
        CallCommand::Reject => calls.reject().await?,
        CallCommand::Hangup { call: None } => calls.hang_up().await?,
        CallCommand::Hangup { call: Some(call) } => hang_up(*call, meant, client).await?,
        CallCommand::Dial { number } => calls.dial(number).await?,
        CallCommand::Memory { place } => calls.dial_memory(*place).await?,
        CallCommand::Redial => calls.redial().await?,
        CallCommand::Dtmf { digits } => calls.send_tones(digits).await?,
        CallCommand::Hold => calls.hold().await?,
        CallCommand::Swap => calls.swap().await?,
        CallCommand::Merge => calls.merge().await?,
        CallCommand::Transfer => calls.transfer().await?,
    }
    Ok(())
}

/// Ends the one call with this number; each phone counts its own.
async fn hang_up(number: u32, meant: &Meant, client: &Client) -> Result<(), Failure> {
    let having: Vec<_> = meant
        .calls()
        .filter(|(_, call)| call.id == number)
        .map(|(phone, _)| phone)
        .collect();
    let phone = match having.as_slice() {
        [phone] => phone,
        [] => {
            let text = format!("there is no call {number}; `dotctl calls` lists them");
            return Err(Failure::Service(Error::NotFound(text)));
        }
        several => {
            let names: Vec<_> = several.iter().map(|phone| phone.name.as_str()).collect();
            let names = names.join(" and ");
            let text = format!("{names} have a call {number} each; say which: --phone PHONE");
            return Err(Failure::Service(Error::Ambiguous(text)));
        }
    };
    let address: Address = phone
        .address
        .parse()
        .map_err(|_| Failure::Missing("Address"))?;
    let call = client.call(address, CallId(number)).await?;
    Ok(call.hang_up().await?)
}
