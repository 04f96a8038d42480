//! What is known of the server's outputs and inputs.
//!
//! Invariant: a pure fold over what the registry and the session manager's metadata tell. Whatever
//! is counted as an input hears a room: the monitor of an output, which hears what is played, never
//! is one.

use std::collections::BTreeMap;

use serde::Deserialize;

/// An output or an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Which it is of all there have been: one that leaves and comes back is another one.
    pub(super) serial: u64,
    /// What programs call it.
    pub(super) name: String,
    /// What people call it.
    pub(super) description: String,
}

/// The outputs and inputs, and which ones are the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Graph {
    outputs: Endpoints,
    inputs: Endpoints,
    default_output: Option<String>,
    default_input: Option<String>,
    doubted: Doubted,
    /// How many endpoints there have been.
    seen: u64,
}

/// The defaults that the session manager was asked for again and has not repeated yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Doubted {
    output: bool,
    input: bool,
}

/// By the server's number for them.
type Endpoints = BTreeMap<u32, Endpoint>;

impl Graph {
    /// Takes note of a node, by its properties, and says whether it matters: only outputs and
    /// inputs do.
    pub(super) fn add<'a>(&mut self, id: u32, property: impl Fn(&str) -> Option<&'a str>) -> bool {
        let Some(name) = property("node.name") else {
            return false;
        };
        let endpoints = match property("media.class") {
            // A duplex node is an output and nothing else: to the session manager it is one, and
            // what comes out of it is, but for a few, what was played into it.
            Some("Audio/Sink" | "Audio/Duplex") => &mut self.outputs,
            Some("Audio/Source" | "Audio/Source/Virtual") if !name.ends_with(".monitor") => {
                &mut self.inputs
            }
            _ => return false,
        };
        let description = property("node.description")
            .or_else(|| property("node.nick"))
            .unwrap_or(name);
        self.seen += 1;
        let endpoint = Endpoint {
            serial: self.seen,
            name: name.to_owned(),
            description: description.to_owned(),
        };
        endpoints.insert(id, endpoint);
        true
    }

    /// Something left; says whether it was an output or an input.
    pub(super) fn remove(&mut self, id: u32) -> bool {
        self.outputs.remove(&id).is_some() || self.inputs.remove(&id).is_some()
    }

    /// The session manager named the default output, as JSON; nothing when it took that back.
    pub(super) fn set_default_output(&mut self, value: Option<&str>) {
        self.default_output = named(value);
        self.doubted.output = false;
    }

    /// The session manager named the default input, as JSON; nothing when it took that back. It may
    /// well be an output: its monitor.
    pub(super) fn set_default_input(&mut self, value: Option<&str>) {
        self.default_input = named(value);
        self.doubted.input = false;
    }

    /// The session manager has nothing to say any more.
    pub(super) fn forget_defaults(&mut self) {
        self.default_output = None;
        self.default_input = None;
    }

    /// The session manager is asked for the defaults again.
    pub(super) fn doubt_defaults(&mut self) {
        self.doubted = Doubted {
            output: true,
            input: true,
        };
    }

    /// The session manager has answered: what it did not repeat is not so any more.
    pub(super) fn settle_defaults(&mut self) {
        let doubted = std::mem::take(&mut self.doubted);
        if doubted.output {
            self.default_output = None;
        }
        if doubted.input {
            self.default_input = None;
        }
    }

    /// Says whether the session manager has not said what it will say sooner or later: which of
    /// the outputs, or of the inputs, is the default.
    pub(super) fn lacks_defaults(&self) -> bool {
        let lacks = |endpoints: &Endpoints, default: &Option<String>| {
            !endpoints.is_empty() && default.is_none()
        };
        lacks(&self.outputs, &self.default_output) || lacks(&self.inputs, &self.default_input)
    }

    /// Returns the output that was asked for, by name or description, if it is there.
    pub(super) fn find(&self, wanted: &str) -> Option<&Endpoint> {
        find(&self.outputs, wanted)
    }

    /// Returns where sound goes: where it should, else to the default.
    pub(super) fn output(&self, wanted: Option<&str>) -> Option<&Endpoint> {
        wanted
            .and_then(|wanted| self.find(wanted))
            .or_else(|| self.find(self.default_output.as_deref()?))
    }

    /// Returns what the room is heard with: the microphone that was asked for, by name or
    /// description, else the default one. While the one that was asked for is not there, there is
    /// none: another one may stand in another room.
    pub(super) fn microphone(&self, wanted: Option<&str>) -> Option<&Endpoint> {
        match wanted {
            Some(wanted) => find(&self.inputs, wanted),
            None => find(&self.inputs, self.default_input.as_deref()?),
        }
    }
}

fn find<'a>(endpoints: &'a Endpoints, wanted: &str) -> Option<&'a Endpoint> {
    let by = |matches: fn(&Endpoint) -> &str| endpoints.values().find(|it| matches(it) == wanted);
    by(|endpoint| &endpoint.name).or_else(|| by(|endpoint| &endpoint.description))
}

/// Reads the name out of what the session manager says of a default.
fn named(value: Option<&str>) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    serde_json::from_str::<Named>(value?)
        .ok()
        .map(|named| named.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HDMI: &str = r#"{"name":"alsa_output.hdmi"}"#;
    const WEBCAM: &str = r#"{"name":"alsa_input.webcam"}"#;

    fn add(graph: &mut Graph, id: u32, class: &str, name: &str, description: &str) {
        graph.add(id, |key| match key {
            "media.class" => Some(class),
            "node.name" => Some(name),
            "node.description" => Some(description),
            _ => None,
        });
    }

    fn graph() -> Graph {
        let mut graph = Graph::default();
        for (id, class, name, description) in [
            (30, "Audio/Sink", "alsa_output.hdmi", "Television"),
            (31, "Audio/Source", "alsa_input.usb", "Microphone"),
            (32, "Audio/Sink", "alsa_output.usb", "Desk Speakers"),
            (33, "Audio/Source", "alsa_input.webcam", "Webcam"),
            (34, "Audio/Source/Virtual", "echo-cancel", "Desk Speakers"),
            (35, "Audio/Source", "alsa_output.usb.monitor", "Monitor"),
            (36, "Audio/Duplex", "loop", "Loop"),
            (37, "Stream/Output/Audio", "player", "Player"),
        ] {
            add(&mut graph, id, class, name, description);
        }
        graph
    }

    fn described(graph: &Graph, wanted: Option<&str>) -> Option<String> {
        graph.output(wanted).map(|it| it.description.clone())
    }

    fn heard_with<'a>(graph: &'a Graph, wanted: Option<&str>) -> Option<&'a str> {
        graph.microphone(wanted).map(|it| it.name.as_str())
    }

    #[test]
    fn sound_goes_where_it_should_else_to_the_default() {
        let mut graph = graph();
        assert_eq!(described(&graph, None), None);
        graph.set_default_output(Some(HDMI));
        for (wanted, output) in [
            (None, "Television"),
            (Some("alsa_output.usb"), "Desk Speakers"),
            (Some("Desk Speakers"), "Desk Speakers"),
            (Some("Loop"), "Loop"),
            (Some("Microphone"), "Television"),
            (Some("not there"), "Television"),
        ] {
            assert_eq!(described(&graph, wanted).as_deref(), Some(output));
        }
    }

    #[test]
    fn the_room_is_heard_with_what_was_asked_for_or_the_default_and_nothing_else() {
        let mut graph = graph();
        assert_eq!(heard_with(&graph, None), None);
        graph.set_default_input(Some(WEBCAM));
        for (wanted, microphone) in [
            (None, Some("alsa_input.webcam")),
            (Some("alsa_input.usb"), Some("alsa_input.usb")),
            (Some("Microphone"), Some("alsa_input.usb")),
            (Some("Desk Speakers"), Some("echo-cancel")),
            (Some("not there"), None),
            (Some("player"), None),
        ] {
            assert_eq!(heard_with(&graph, wanted), microphone, "{wanted:?}");
        }
        graph.remove(33);
        assert_eq!(heard_with(&graph, None), None);
        graph.set_default_input(Some(r#"{"name":"alsa_input.usb"}"#));
        assert_eq!(heard_with(&graph, None), Some("alsa_input.usb"));
        graph.forget_defaults();
        assert_eq!(heard_with(&graph, None), None);
        assert!(heard_with(&graph, Some("Microphone")).is_some());
    }

    #[test]
    fn a_default_that_is_not_repeated_is_none() {
        let mut graph = graph();
        assert!(graph.lacks_defaults());
        graph.set_default_output(Some(HDMI));
        assert!(graph.lacks_defaults());
        graph.set_default_input(Some(WEBCAM));
        assert!(!graph.lacks_defaults());
        graph.doubt_defaults();
        graph.set_default_output(Some(HDMI));
        // Until all is said, what was said before counts.
        assert_eq!(heard_with(&graph, None), Some("alsa_input.webcam"));
        graph.settle_defaults();
        assert_eq!(heard_with(&graph, None), None);
        assert_eq!(described(&graph, None).as_deref(), Some("Television"));
        graph.settle_defaults();
        assert_eq!(described(&graph, None).as_deref(), Some("Television"));
        assert!(graph.lacks_defaults());
    }

    #[test]
    fn where_there_is_nothing_no_default_is_lacking() {
        let mut graph = Graph::default();
        assert!(!graph.lacks_defaults());
        add(&mut graph, 1, "Audio/Sink", "hdmi", "Television");
        assert!(graph.lacks_defaults());
        assert!(graph.remove(1));
        assert!(!graph.remove(1));
        assert!(!graph.lacks_defaults());
    }

    #[test]
    fn what_is_played_is_never_heard() {
        let mut graph = graph();
        graph.set_default_output(Some(HDMI));
        for monitor in [
            "alsa_output.hdmi",
            "alsa_output.usb",
            "alsa_output.usb.monitor",
            "loop",
        ] {
            graph.set_default_input(Some(&format!(r#"{{"name":"{monitor}"}}"#)));
            assert_eq!(heard_with(&graph, None), None, "{monitor}");
            assert_eq!(heard_with(&graph, Some(monitor)), None, "{monitor}");
        }
    }

    #[test]
    fn a_microphone_that_comes_back_is_another_one() {
        let mut graph = graph();
        graph.set_default_input(Some(WEBCAM));
        let before = graph.microphone(None).cloned().unwrap();
        graph.remove(33);
        let (name, description) = (before.name.as_str(), "Webcam");
        add(&mut graph, 33, "Audio/Source", name, description);
        let after = graph.microphone(None).unwrap();
        assert_eq!(after.name, before.name);
        assert_ne!(after.serial, before.serial);
    }

    #[test]
    fn what_leaves_is_gone() {
        let mut graph = graph();
        graph.set_default_output(Some(HDMI));
        graph.remove(32);
        assert_eq!(
            described(&graph, Some("Desk Speakers")).unwrap(),
            "Television"
        );
        graph.remove(30);
        assert_eq!(described(&graph, None), None);
    }

    #[test]
    fn a_default_that_is_no_json_is_none() {
        let mut graph = graph();
        for value in [None, Some(""), Some("{}"), Some("alsa_output.hdmi")] {
            graph.set_default_output(value);
            graph.set_default_input(value);
            assert_eq!(described(&graph, None), None);
            assert_eq!(heard_with(&graph, None), None);
        }
    }

    #[test]
    fn an_output_without_description_goes_by_its_name() {
        let mut graph = Graph::default();
        graph.add(1, |key| match key {
            "media.class" => Some("Audio/Sink"),
            "node.name" => Some("null"),
            _ => None,
        });
        assert_eq!(described(&graph, Some("null")).as_deref(), Some("null"));
    }
}
