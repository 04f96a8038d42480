//! `dotctl config check`: the same check that dotd makes, before dotd makes it.

use std::path::Path;

use serde_json::json;

use crate::config::{self, ConfigErrors};
use crate::ctl::failure::Failure;
use crate::ctl::output::Output;

pub(in crate::ctl) fn check(file: Option<&Path>, output: &mut Output) -> Result<(), Failure> {
    let path = file.unwrap_or(Path::new(config::DEFAULT_PATH));
    let shown = path.display();
    if file.is_some() && !path.exists() {
        // dotd would take the defaults, but whoever names a file means one.
        return Err(Failure::Config(format!(
            "{shown} does not exist; see `ls` for what does"
        )));
    }
    match config::load(path) {
        Ok(_) => {
            let value = json!({"file": path, "valid": true, "problems": []});
            let text = if path.exists() {
                format!("{shown} is valid; `systemctl reload dotd` applies it")
            } else {
                format!("{shown} does not exist, so the defaults hold")
            };
            output.tell(&value, &text)
        }
        Err(errors) => {
            if output.is_json() {
                let value = json!({
                    "file": path,
                    "valid": false,
                    "problems": errors.problems(),
                });
                output.tell(&value, "")?;
            }
            Err(Failure::Config(report(&errors)))
        }
    }
}

fn report(errors: &ConfigErrors) -> String {
    match errors.problems().len() {
        0 => errors.to_string(),
        1 => format!("{errors}\n1 problem; correct it and check again"),
        count => format!("{errors}\n{count} problems; correct them and check again"),
    }
}
