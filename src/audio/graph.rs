//! What is known of the server's outputs.
//!
//! Invariant: a pure fold over what the registry and the session manager's metadata tell.

use std::collections::BTreeMap;

use serde::Deserialize;

/// An output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Output {
    /// What programs call it.
    pub(super) name: String,
    /// What people call it.
    pub(super) description: String,
}

/// The outputs, and which one is the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Graph {
    outputs: BTreeMap<u32, Output>,
    default: Option<String>,
}

impl Graph {
    /// Takes note of a node, by its properties. Only outputs matter.
    pub(super) fn add<'a>(&mut self, id: u32, property: impl Fn(&str) -> Option<&'a str>) {
        let is_output = property("media.class")
            .is_some_and(|class| class == "Audio/Sink" || class == "Audio/Duplex");
        if let (true, Some(name)) = (is_output, property("node.name")) {
            let description = property("node.description")
                .or_else(|| property("node.nick"))
                .unwrap_or(name);
            let output = Output {
                name: name.to_owned(),
                description: description.to_owned(),
            };
            self.outputs.insert(id, output);
        }
    }

    /// Something left.
    pub(super) fn remove(&mut self, id: u32) {
        self.outputs.remove(&id);
    }

    /// The session manager named the default output, as JSON; nothing when it took that back.
    pub(super) fn set_default(&mut self, value: Option<&str>) {
        #[derive(Deserialize)]
        struct Named {
            name: String,
        }
        self.default = value
            .and_then(|json| serde_json::from_str::<Named>(json).ok())
            .map(|named| named.name);
    }

    /// Returns the output that was asked for, by name or description, if it is there.
    pub(super) fn find(&self, wanted: &str) -> Option<&Output> {
        let by = |matches: fn(&Output) -> &str| {
            self.outputs
                .values()
                .find(|output| matches(output) == wanted)
        };
        by(|output| &output.name).or_else(|| by(|output| &output.description))
    }

    /// Returns where sound goes: where it should, else to the default.
    pub(super) fn output(&self, wanted: Option<&str>) -> Option<&Output> {
        wanted
            .and_then(|wanted| self.find(wanted))
            .or_else(|| self.find(self.default.as_deref()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph() -> Graph {
        let mut graph = Graph::default();
        for (id, class, name, description) in [
            (30, "Audio/Sink", "alsa_output.hdmi", "Television"),
            (31, "Audio/Source", "alsa_input.usb", "Microphone"),
            (32, "Audio/Sink", "alsa_output.usb", "Desk Speakers"),
        ] {
            graph.add(id, |key| match key {
                "media.class" => Some(class),
                "node.name" => Some(name),
                "node.description" => Some(description),
                _ => None,
            });
        }
        graph
    }

    fn described(graph: &Graph, wanted: Option<&str>) -> Option<String> {
        graph.output(wanted).map(|o| o.description.clone())
    }

    #[test]
    fn sound_goes_where_it_should_else_to_the_default() {
        let mut graph = graph();
        assert_eq!(described(&graph, None), None);
        graph.set_default(Some(r#"{"name":"alsa_output.hdmi"}"#));
        for (wanted, output) in [
            (None, "Television"),
            (Some("alsa_output.usb"), "Desk Speakers"),
            (Some("Desk Speakers"), "Desk Speakers"),
            (Some("Microphone"), "Television"),
            (Some("not there"), "Television"),
        ] {
            assert_eq!(described(&graph, wanted).as_deref(), Some(output));
        }
    }

    #[test]
    fn what_leaves_is_gone() {
        let mut graph = graph();
        graph.set_default(Some(r#"{"name":"alsa_output.hdmi"}"#));
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
            graph.set_default(value);
            assert_eq!(described(&graph, None), None);
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
