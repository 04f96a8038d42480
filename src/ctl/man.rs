//! The manual pages, made of the definitions that the programs go by.
//!
//! Invariant: what can be read off a definition is not written a second time here: commands and
//! options come from clap, keys from [`reference::TABLES`], exit codes from [`EXIT_CODES`].

use clap::{Arg, Command, CommandFactory};

use super::args::{Args, Page};
use super::failure::EXIT_CODES;
use super::roff::Roff;
use crate::cli::DaemonArgs;
use crate::config::reference::{self, Preset};

/// Writes a manual page in roff(7).
pub fn page(page: Page) -> String {
    match page {
        Page::Dotctl => dotctl(),
        Page::DotdToml => dotd_toml(),
        Page::Dotd => dotd(),
    }
}

fn dotctl() -> String {
    let mut command = Args::command();
    command.build();
    let mut man = opening(&command, "1", "[--json] COMMAND");
    man.section("COMMANDS");
    for sub in shown(&command) {
        describe(&mut man, "", &command, sub);
    }
    options(&mut man, &command);
    man.section("EXIT STATUS");
    for (code, meaning) in EXIT_CODES {
        man.item(&code.to_string(), meaning);
    }
    man.section("JSON");
    for text in JSON {
        man.paragraph(text);
    }
    man.section("ENVIRONMENT");
    man.item("NO_COLOR", "If set and not empty, nothing is coloured.");
    man.item(
        "DBUS_SYSTEM_BUS_ADDRESS",
        "Where the system bus is, if not in its usual place.",
    );
    man.section("EXAMPLES");
    for (command, what) in EXAMPLES {
        man.item(command, what);
    }
    man.section("NOTES");
    man.paragraph(
        "Root and members of group `dotd` can use it, nobody else: the names of phones are \
         personal. To join, run `sudo usermod -aG dotd $USER` and log in again.",
    );
    man.see_also(&["dotd(8)", "dotd.toml(5)", "bluetoothctl(1)"]);
    man.finish()
}

const JSON: &[&str] = &[
    "With `--json`, each command prints one object on one line (`phones` and `calls`: a list, \
     `monitor`: one object for each event). Keys may be added later, but are never renamed or \
     removed. Times are seconds since 1970, volumes 0 to 100; what is not there is null. When a \
     command fails it prints nothing; the reason goes to standard error.",
    "A phone has: `name`, `address`, `trusted`, `bonded` (without it a trusted phone has to pair \
     again), `connected`, `playing`, `volume`, `first_seen`, `last_seen`, `preference` (first, usual, last \
     or never), `called` (just now, as it is missing), `next_call`, `calls_allowed` (by \
     `calls.enabled` and `calls.phones` of dotd.toml(5)), and `stream`, null while \
     it does not play: `codec`, `rate`, `channels`, `channel_mode`, `max_bitpool` (of SBC), and once sound \
     comes out `packets`, `lost`, `concealed_ms`, `underruns`, `buffer_ms`, `delay_ms`, \
     `drift_ppm`, `bit_rate`; and `hands_free`, null while it is not connected for calls: `voice` \
     (the codec while the sound of its calls comes here: CVSD, mSBC or LC3-SWB), `volume` (of its \
     calls), `microphone_volume` (of the room, for its callers), `assistant` (it listens), `service` \
     (it has a network), `signal` and `battery` (0 to 5), `roaming`, `operator`, and `calls`; and \
     `player`, null while it has none: `state` (playing, paused, stopped, forward, rewind or \
     unknown: it has not said), `app`, `title`, `artist`, `album`, `genre`, `number`, `of` \
     (how many the album has), `position_ms`, `length_ms`, `shuffle`, `repeat` (off, track or all), \
     `cover` (the file with the cover of what it plays). `connect` and `volume --phone` print the \
     phone.",
    "A call has: `id` (its number, of that phone), `state` (incoming, waiting, dialing, alerting, \
     active or held), `number`, `name`, `direction` (incoming or outgoing), `multiparty` (it is \
     part of a conference), `since` and `answered`. In `calls` it also has `phone` (`name`, \
     `address`) and `heard_here`. The commands of `call` print `done` (which one), `phone` \
     (`name`, `address`) and `call`, as it was before; null where it is not known for sure which \
     one was meant.",
    "`status` has: `version`, `name`, `bluetooth` (`state`: no-bluetooth, missing, off, \
     soft-blocked, hard-blocked or on; `adapter`, `address`, `discoverable`), `pairing` (`open`, \
     `until`), `sound` (`state`: no-server, no-output or ready; `output`, `start_volume`, \
     `max_volume`), `microphone` (`name`, `muted`, and `echo_problem`: why callers hear the echo of \
     themselves), `config_problems`, `memory_problem` (why nothing would survive a restart), \
     `memory_lost` (why what was known before the last start is not known any more), \
     `voice_problem` (why the last call could not be heard) and \
     `phones`.",
    "`pair` has `open` and `until`; `pair --wait` has `paired` (`name`, `address`, `again`). \
     `disconnect` has `disconnected` and `forget` has `forgotten` (`name`, `address`). `name` has \
     `name`. `volume` has `start_volume`, `max_volume` and `phones`, those it is about. `mic` has \
     what `microphone` has in `status`, `mic volume` has `phones`, those it is about, `assistant` has \
     `assistant` (it listens) and `phone`. `config check` has `file`, `valid` and `problems` (`line`, \
     `column`, `message`), and is printed when the check fails too.",
    "An event of `monitor` has: `time`, `kind`, `warning` (somebody should look at it), `text`, and \
     `details`, whose keys depend on the kind.",
];

const EXAMPLES: &[(&str, &str)] = &[
    (
        "dotctl pair --wait",
        "Let a phone in, and see which one came.",
    ),
    (
        "dotctl connect anna",
        "Connect the one phone with \"anna\" in its name.",
    ),
    ("dotctl volume -10", "Make what plays softer."),
    (
        "dotctl name Kitchen",
        "Give the speaker a name; phones see it at once.",
    ),
    ("dotctl call answer", "Answer the phone that rings."),
    (
        "dotctl call dial '*100#' --phone anna",
        "Call a number with Anna's phone. The quotes keep the shell from reading * and #.",
    ),
    (
        "dotctl mic off",
        "Let callers hear nothing of the room until it is on again.",
    ),
    (
        "dotctl mic volume 40",
        "Let the callers of this call hear the room softer.",
    ),
    (
        "dotctl --json phones | jq -r '.[] | select(.playing).name'",
        "Tell who plays.",
    ),
];

const CALLS: &[&str] = &[
    "A phone that is connected brings its calls as well as its music. The phone chooses how speech \
     is coded, of what both have: LC3-SWB (32 kHz), mSBC (16 kHz) or CVSD (8 kHz, in every phone). \
     A codec with which no sound comes is given up for the next plainer one.",
    "What is said in the room comes from the microphone that dotd.toml(5) names, else from \
     PipeWire's default input, and never from what the speaker plays. What a call is heard with in \
     the room is taken out again, so that callers do not hear themselves, unless dotd.toml(5) says \
     otherwise. Without a microphone, and after `dotctl mic off`, callers hear silence.",
    "Radios of Broadcom and Cypress, such as the one on the board of a Raspberry Pi, send the sound \
     of calls to pins of the chip unless they are told otherwise. dotd tells them whenever the \
     radio comes up, and again after each call that stayed silent; for that its unit has the \
     capability CAP_NET_RAW. Nothing has to be set up for it. When a call stays silent all the \
     same, `dotctl status` says so until one is heard, and `journalctl -u dotd` says whether the \
     radio did as it was told:",
];

/// What may be wrong when no sound of a call comes, and what to do.
const SILENT_CALLS: &[(&str, &str)] = &[
    (
        "Operation not permitted",
        "dotd was started without the capability. Start it as `systemctl start dotd`; if \
         `systemctl cat dotd` shows that somebody took CAP_NET_RAW away, give it back.",
    ),
    (
        "the controller refuses, or does not answer",
        "On a Raspberry Pi write `dtparam=krnbt` into /boot/firmware/config.txt, so that the \
         kernel itself drives the radio, and reboot.",
    ),
    (
        "it did as it was told, or says nothing of it",
        "Run `btmon --sco` during a call. If there is no line with \"SCO Data RX\" the radio, or \
         its driver, cannot bring the sound: plug in a USB adapter and name it as `adapter` in \
         dotd.toml(5). If there are such lines, please report it with what btmon wrote.",
    ),
];

const COVERS: &[&str] = &[
    "A phone may offer the cover of what it plays (AVRCP 1.6). It is fetched, as a thumbnail, by \
     obexd of the Debian package bluez-obexd, which the unit `dotd-obexd` runs for this alone: \
     as a user of its own, offering phones nothing, and deaf to all but dotd. The file is shown as \
     `cover` by `dotctl --json now`, and by players as mpris:artUrl. It is a \
     JPEG of at most 1000 x 1000 points and 200 kB, there as long as the phone plays that, and \
     members of group `dotd` can read it, whichever bus players are on.",
    "A phone names covers only to a speaker that has a link for them, which is opened when the phone \
     has connected: what it had ready by then may be without one, up to the next piece. Nor is there \
     one if the phone names it only when asked for it expressly, because bluetoothd (5.82) asks for \
     all that is known of a piece at once. While a call is heard from the speaker no new one is \
     fetched.",
    "Without bluez-obexd, and with `players.covers = false` in dotd.toml(5), there are none; `sudo \
     systemctl mask --now dotd-obexd` then spares the idle daemon as well. Nor are there any with \
     `Experimental = false` in /etc/bluetooth/main.conf, because bluetoothd then does not tell where \
     phones have them.",
];

const FILES: &[(&str, &str)] = &[
    ("/etc/dotd/dotd.toml", "The configuration, dotd.toml(5)."),
    (
        "/var/lib/dotd/state.toml",
        "Trusted phones and choices made at run time. One that is damaged is moved aside as \
         state.toml.corrupt-N or state.toml.unreadable-N, and one of a later dotd as \
         state.toml.from-version-V-N; `dotctl status` says so until the next start.",
    ),
    (
        "/run/dotd/covers/",
        "Covers of what phones play, one a phone at most.",
    ),
    (
        "/etc/bluetooth/main.conf",
        "Settings of bluetoothd, which runs on a copy of it with the speaker's settings before it. \
         What is set here wins, except JustWorksRepairing=always, which would let strangers pair. \
         After a change run `sudo systemctl restart bluetooth`.",
    ),
    (
        "/etc/pipewire/dotd.conf.d/NAME.conf",
        "Additions to the settings of the speaker's PipeWire, /usr/share/pipewire/dotd.conf. After \
         a change run `sudo systemctl restart dotd-pipewire`.",
    ),
    (
        "/etc/dotd/wireplumber/wireplumber.conf.d/NAME.conf",
        "Additions to the settings of the speaker's WirePlumber. After a change run `sudo \
         systemctl restart dotd-wireplumber`.",
    ),
];

const BUS: [&str; 2] = [
    "The service `org.dotd` on the system bus offers the object /org/dotd with the interface \
     org.dotd.Speaker1, one object with org.dotd.Phone1 below /org/dotd/phones for each phone that \
     is trusted or connected, and one with org.dotd.Call1 below the phone for each of its calls. \
     What can be done about calls is org.dotd.Calls1, at each phone, and at /org/dotd for the only \
     phone that fits. The buttons of its player are org.dotd.Player1, likewise. `busctl introspect \
     org.dotd /org/dotd` shows them.",
    "Each phone that is connected and has a player is a player for other programs too (MPRIS): \
     org.mpris.MediaPlayer2.dotd. and what the phone is called, on the bus that players.mpris of \
     dotd.toml(5) names.",
];

fn dotd() -> String {
    let mut command = DaemonArgs::command();
    command.build();
    let mut man = opening(&command, "8", &synopsis(&command));
    options(&mut man, &command);
    man.section("SIGNALS");
    man.item(
        "SIGHUP",
        "Read the configuration again, as `systemctl reload dotd` does. It is applied without \
         interrupting the music; one that is not valid is refused, and the one before it holds. \
         The reload succeeds all the same, so run `dotctl config check && sudo systemctl reload \
         dotd`.",
    );
    man.item("SIGTERM, SIGINT", "Stop.");
    man.section("ENVIRONMENT");
    man.item(
        "DOTD_LOG",
        "How much is logged: error, warn, info (the default), debug or trace, for all of dotd or \
         for parts of it, as in `dotd::audio=trace,info`. To set it for the service, write \
         `Environment=DOTD_LOG=debug` below `[Service]` in `systemctl edit dotd`, and restart it.",
    );
    man.item(
        "PIPEWIRE_RUNTIME_DIR",
        "Where the socket of PipeWire is; the unit sets it to /run/dotd. With it other programs \
         find the speaker's PipeWire too: `sudo PIPEWIRE_RUNTIME_DIR=/run/dotd wpctl status`.",
    );
    man.section("EXIT STATUS");
    man.item("0", "It was told to stop.");
    man.item("1", "It cannot go on; the journal says why.");
    man.item("2", "The command line is wrong.");
    man.item(
        "78",
        "The configuration file has problems. systemd does not start dotd again then: correct the \
         file, and run `sudo systemctl start dotd`.",
    );
    man.section("FILES");
    for (path, what) in FILES {
        man.item(path, what);
    }
    man.paragraph(
        "`sudo journalctl -u 'dotd*'` shows the journal of dotd, its PipeWire, its WirePlumber and \
         its obexd.",
    );
    man.section("CALLS");
    for text in CALLS {
        man.paragraph(text);
    }
    for (sign, remedy) in SILENT_CALLS {
        man.item(sign, remedy);
    }
    man.section("COVERS");
    for text in COVERS {
        man.paragraph(text);
    }
    man.section("D-BUS");
    for text in BUS {
        man.paragraph(text);
    }
    man.see_also(&["dotctl(1)", "dotd.toml(5)", "bluetoothd(8)", "pipewire(1)"]);
    man.finish()
}

fn dotd_toml() -> String {
    let mut man = Roff::titled("dotd.toml", "5");
    man.section("NAME");
    man.paragraph("dotd.toml - configuration of the Bluetooth speaker dotd(8)");
    man.section("SYNOPSIS");
    man.paragraph("/etc/dotd/dotd.toml");
    man.section("DESCRIPTION");
    man.paragraph(
        "The file is TOML. Every key is optional, and so is the file. dotd never writes it: what \
         is changed with dotctl(1) is kept elsewhere and outranks it. A key that does not exist, \
         or a value that is not allowed, is an error: dotd then does not start, or goes on with \
         the configuration it had.",
    );
    man.paragraph(
        "`dotctl config check` tells everything that is wrong with the file, `sudo systemctl \
         reload dotd` applies it. That succeeds also when the file is refused, so run both: \
         `dotctl config check && sudo systemctl reload dotd`.",
    );
    for table in reference::TABLES {
        man.section(&format!("[{}]", table.name));
        man.paragraph(table.about);
        describe_keys(&mut man, table);
    }
    let phone = &reference::PHONE;
    man.section(&format!("[{}.\"{}\"]", phone.name, reference::SOME_PHONE));
    man.paragraph(phone.about);
    describe_keys(&mut man, phone);
    man.section("EXAMPLE");
    man.example(&[
        "[speaker]",
        "name = \"Kitchen\"",
        "",
        "[volume]",
        "max = 80",
    ]);
    man.see_also(&["dotd(8)", "dotctl(1)"]);
    man.finish()
}

fn describe_keys<S>(man: &mut Roff, table: &reference::Table<S>) {
    for key in table.keys {
        let preset = match key.default {
            Preset::Value(value) => format!("Default: {value}."),
            Preset::Unset { means, example } => {
                format!("Default: {means}. Example: {example}.")
            }
        };
        let text = format!("{} Allowed: {}. {preset}", key.about, key.allowed);
        man.item(key.name, &text);
    }
}

/// Begins a page: what it is, how to call it, what it is about.
fn opening(command: &Command, section: &str, arguments: &str) -> Roff {
    let name = command.get_name();
    let about = command.get_about().map(ToString::to_string);
    let long = command.get_long_about().map(ToString::to_string);
    let (about, long) = (about.unwrap_or_default(), long.unwrap_or_default());
    let mut man = Roff::titled(name, section);
    man.section("NAME");
    man.paragraph(&format!("{name} - {}", lower_first(&about)));
    man.section("SYNOPSIS");
    man.paragraph(&format!("`{name}` {arguments}"));
    man.section("DESCRIPTION");
    // The first paragraph of the long text is the short one again.
    for paragraph in long.split("\n\n").skip(1) {
        man.paragraph(&paragraph.replace('\n', " "));
    }
    man
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

/// Describes a command with its arguments, and its own commands after it.
fn describe(man: &mut Roff, parents: &str, parent: &Command, command: &Command) {
    let name = format!("{parents}{}", command.get_name());
    let arguments = visible(parent, command);
    let alone = !command.is_subcommand_required_set();
    // What its own commands have in common is told once, before them.
    if alone || !arguments.is_empty() {
        let mut usage: Vec<_> = arguments.iter().map(|arg| usage(arg)).collect();
        if !alone {
            usage.push("COMMAND".to_owned());
        }
        let about = command.get_long_about().or_else(|| command.get_about());
        let about = about.map(ToString::to_string).unwrap_or_default();
        man.item(&format!("{name} {}", usage.join(" ")), &sentences(&about));
        man.nested(|man| {
            for arg in &arguments {
                let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
                man.item(&name_of(arg), &sentences(&help));
            }
        });
    }
    for sub in shown(command) {
        describe(man, &format!("{name} "), command, sub);
    }
}

/// Returns the commands that are for people, without clap's own.
fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    let for_people = |sub: &&Command| !sub.is_hide_set() && sub.get_name() != "help";
    command.get_subcommands().filter(for_people)
}

fn synopsis(command: &Command) -> String {
    let own = |arg: &&Arg| !matches!(arg.get_id().as_str(), "help" | "version");
    let arguments = command.get_arguments().filter(own).map(usage);
    arguments.collect::<Vec<_>>().join(" ")
}

fn options(man: &mut Roff, command: &Command) {
    man.section("OPTIONS");
    for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let mut help = sentences(&help);
        if let ([default], true) = (arg.get_default_values(), arg.get_action().takes_values()) {
            help.push_str(&format!(" Default: {}.", default.to_string_lossy()));
        }
        if let Some(variable) = arg.get_env() {
            help.push_str(&format!(" Environment: {}.", variable.to_string_lossy()));
        }
        let short = arg.get_short().map(|short| format!("-{short}, "));
        man.item(
            &format!("{}{}", short.unwrap_or_default(), name_of(arg)),
            &help,
        );
    }
}

/// Returns the arguments that are a command's own, and not its parent's too.
fn visible<'c>(parent: &Command, command: &'c Command) -> Vec<&'c Arg> {
    let inherited = |arg: &Arg| {
        let mut known = parent.get_arguments();
        arg.is_global_set() && known.any(|other| other.get_id() == arg.get_id())
    };
    let own = |arg: &&Arg| !inherited(arg) && arg.get_id() != "help";
    command.get_arguments().filter(own).collect()
}

fn name_of(arg: &Arg) -> String {
    let value = arg.get_value_names().and_then(|names| names.first());
    let value = value.map(ToString::to_string).unwrap_or_default();
    match arg.get_long() {
        Some(long) if arg.get_action().takes_values() => format!("--{long} {value}"),
        Some(long) => format!("--{long}"),
        None => value,
    }
}

fn usage(arg: &Arg) -> String {
    if arg.is_required_set() {
        name_of(arg)
    } else {
        format!("[{}]", name_of(arg))
    }
}

/// Ends the text with a full stop, which clap's help leaves out.
fn sentences(text: &str) -> String {
    let text = text.replace("\n\n", ". ").replace('\n', " ");
    if text.ends_with(['.', ']']) {
        text
    } else {
        format!("{text}.")
    }
}
