//! The files that are shipped say what the code does.
//!
//! `DOTD_REGENERATE=1 cargo test --test shipped_files` writes those that are made from code anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap_complete::Shell;
use common::bus::Bus;
use common::speaker::{Speaker, address, busy_kitchen, granted};
use dotd::api::wire;
use dotd::config::reference::{self, Preset};
use dotd::config::{self, Settings};
use dotd::ctl::args::Page;
use dotd::ctl::{self, man};
use dotd::policy::calls::facts::CallId;
use zbus::fdo::IntrospectableProxy;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Compares a shipped file with what the code makes of it, or writes it anew when asked to.
#[track_caller]
fn holds(path: &str, made: &str) {
    let file = repository(path);
    if env::var_os("DOTD_REGENERATE").is_some() {
        return fs::write(file, made).unwrap();
    }
    let shipped = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        shipped == made,
        "{path} is not what the code makes of it; run `DOTD_REGENERATE=1 cargo test --test \
         shipped_files` and look at the difference"
    );
}

fn shipped_config() -> String {
    let text = fs::read_to_string(repository("config/dotd.toml")).unwrap();
    assert!(text.is_ascii(), "an editor without UTF-8 must not spoil it");
    text
}

/// Takes the comment sign off every line that is a key, and returns the keys too.
fn uncommented(text: &str) -> (String, Vec<String>) {
    let mut keys = Vec::new();
    let mut table = String::new();
    let mut lines = Vec::new();
    for line in text.lines() {
        // The table of an example is commented out itself.
        let line = if line.starts_with("#[") {
            &line[1..]
        } else {
            line
        };
        if let Some(name) = line.strip_prefix('[') {
            table = name.trim_end_matches(']').to_owned();
        }
        match line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')) {
            Some(setting) if !setting.is_empty() => {
                let (key, _) = setting.split_once(" = ").unwrap();
                keys.push(format!("{table}.{key}"));
                lines.push(setting);
            }
            _ => lines.push(line),
        }
    }
    (lines.join("\n"), keys)
}

#[test]
fn the_shipped_configuration_is_made_from_the_reference() {
    holds("config/dotd.toml", &reference::shipped_file());
}

#[test]
fn the_shipped_configuration_changes_nothing() {
    let text = shipped_config();
    let path = Path::new("dotd.toml");
    assert_eq!(
        config::parse(path, text.as_bytes()).unwrap(),
        Settings::default()
    );
    // The same with every key that has a default; one without can only show an example.
    let (all, _) = uncommented(&text);
    let with_default = |line: &&str| {
        let unset = |key: &reference::Key| {
            matches!(key.default, Preset::Unset { .. })
                && line.starts_with(&format!("{} = ", key.name))
        };
        !reference::TABLES
            .iter()
            .any(|table| table.keys.iter().any(unset))
    };
    let defaults: Vec<_> = all.lines().filter(with_default).collect();
    assert_eq!(
        config::parse(path, defaults.join("\n").as_bytes()).unwrap(),
        Settings::default()
    );
    // The examples are at least valid.
    config::parse(path, all.as_bytes()).unwrap();
}

#[test]
fn the_daemon_finds_nothing_wrong_with_the_shipped_configuration() {
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_dotd"));
    daemon.args(["--check-config", "--config"]);
    let checked = daemon.arg(repository("config/dotd.toml")).output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn the_shipped_configuration_has_every_key() {
    let (_, keys) = uncommented(&shipped_config());
    let known: Vec<_> = reference::TABLES
        .iter()
        .flat_map(|table| {
            let full = |key: &reference::Key| format!("{}.{}", table.name, key.name);
            table.keys.iter().map(full)
        })
        .chain(reference::PHONE.keys.iter().map(|key| {
            let (table, phone) = (reference::PHONE.name, reference::SOME_PHONE);
            format!("{table}.\"{phone}\".{}", key.name)
        }))
        .collect();
    assert_eq!(keys, known);
}

#[test]
fn the_manual_pages_are_made_from_the_definitions() {
    for (file, page) in [
        ("docs/man/dotctl.1", Page::Dotctl),
        ("docs/man/dotd.8", Page::Dotd),
        ("docs/man/dotd.toml.5", Page::DotdToml),
    ] {
        holds(file, &man::page(page));
    }
}

#[test]
fn the_package_watches_the_obexd_that_its_unit_runs() {
    let read = |path| fs::read_to_string(repository(path)).unwrap();
    let (unit, triggers) = (
        read("systemd/dotd-obexd.service"),
        read("debian/dotd.triggers"),
    );
    let after = |text: &str, key: &str| {
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(key)).unwrap();
        value.split(' ').next().unwrap().to_owned()
    };
    let watched = after(&triggers, "interest-noawait ");
    assert_eq!(after(&unit, "ExecStart="), watched);
    assert_eq!(after(&unit, "ConditionPathExists="), watched);
    assert!(read("debian/dotd.postinst").contains("restart dotd-obexd.service"));
}

#[test]
fn the_completions_are_made_from_the_definitions() {
    for (file, shell) in [
        ("docs/completions/bash/dotctl", Shell::Bash),
        ("docs/completions/_dotctl", Shell::Zsh),
        ("docs/completions/dotctl.fish", Shell::Fish),
    ] {
        holds(file, &String::from_utf8(ctl::completions(shell)).unwrap());
    }
}

/// The XML of one interface in an introspection, as a document of its own.
fn interface(introspection: &str, name: &str) -> String {
    let start = introspection
        .find(&format!("  <interface name=\"{name}\">"))
        .unwrap_or_else(|| panic!("{name} is served"));
    let end = "</interface>\n";
    let length = introspection[start..].find(end).unwrap() + end.len();
    format!(
        "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n \
         \"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n<node>\n{}</node>\n",
        &introspection[start..start + length]
    )
}

#[tokio::test]
async fn the_introspection_is_what_the_service_shows() {
    let bus = Bus::open();
    let _speaker = Speaker::start(&bus, busy_kitchen(), granted()).unwrap();
    let builder = zbus::connection::Builder::address(bus.address.as_str()).unwrap();
    let client = builder.build().await.unwrap();
    let anna = wire::phone_path(address(1));
    let mom = wire::call_path(address(1), CallId(1));
    for (path, name) in [
        (wire::ROOT, "org.dotd.Speaker1"),
        (wire::ROOT, "org.dotd.Calls1"),
        (anna.as_str(), "org.dotd.Calls1"),
        (wire::ROOT, "org.dotd.Player1"),
        (anna.as_str(), "org.dotd.Player1"),
        (anna.as_str(), "org.dotd.Phone1"),
        (mom.as_str(), "org.dotd.Call1"),
    ] {
        let proxy = IntrospectableProxy::builder(&client)
            .destination(wire::SERVICE)
            .unwrap()
            .path(path)
            .unwrap()
            .build()
            .await
            .unwrap();
        let xml = proxy.introspect().await.unwrap();
        holds(&format!("config/dbus/{name}.xml"), &interface(&xml, name));
    }
}
