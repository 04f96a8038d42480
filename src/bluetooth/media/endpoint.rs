//! A2DP sink endpoints: what phones see of our ears.
//!
//! Invariant: one endpoint carries one stream (BlueZ 5.82 refuses a second), so there is one of each
//! codec for each phone that may be connected. They are registered one by one because phones try them
//! in that order: all of the best codec first. Only bluetoothd may configure them.

use std::collections::HashMap;

use tokio::sync::mpsc;
use zbus::message::Header;
use zbus::zvariant::{ObjectPath, Value};

use super::super::caps;
use super::super::convert::{self, Properties};
use super::super::error::BluetoothError;
use super::super::picture::Configured;
use super::super::session::Session;
use super::super::watch::Word;
use crate::policy::model::{MusicCodec, TransportId};

/// The A2DP sink profile.
const AUDIO_SINK: &str = "0000110b-0000-1000-8000-00805f9b34fb";

const MEDIA: &str = "org.bluez.Media1";

/// The endpoints that an adapter is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Endpoints {
    /// The codecs, in the order in which phones see them.
    pub(in super::super) codecs: Vec<MusicCodec>,
    /// How many of each.
    pub(in super::super) each: u8,
    /// How often there were others before. One that plays when it is taken back stays with BlueZ until
    /// the music pauses, so the next of its kind is at another place.
    pub(in super::super) generation: u32,
}

impl Endpoints {
    /// Returns them in the order in which phones see them, each with where BlueZ finds it.
    fn all(&self) -> impl Iterator<Item = (MusicCodec, ObjectPath<'static>)> {
        let generation = match self.generation {
            0 => String::new(),
            generation => format!("_{generation}"),
        };
        let kinds = self.codecs.iter().copied();
        let each = kinds.flat_map(|codec| (0..self.each).map(move |number| (codec, number)));
        each.map(move |(codec, number)| {
            let name = codec.name().to_lowercase();
            let path = format!("/org/dotd/endpoints/{name}{number}{generation}");
            (codec, ObjectPath::from_string_unchecked(path))
        })
    }
}

/// Makes the endpoints of an adapter known to BlueZ; those it knows already stay.
///
/// # Errors
/// When BlueZ takes one not.
pub(in super::super) async fn register(
    session: &Session,
    words: &mpsc::UnboundedSender<Word>,
    adapter: &str,
    endpoints: &Endpoints,
) -> Result<(), BluetoothError> {
    let what = "take our audio endpoints";
    for (codec, path) in endpoints.all() {
        let endpoint = Endpoint {
            session: session.clone(),
            words: words.clone(),
            codec,
        };
        // False when the object is there already, from an earlier life of bluetoothd.
        session
            .bus
            .object_server()
            .at(&path, endpoint)
            .await
            .map_err(BluetoothError::refused(what))?;
        let properties = HashMap::from([
            ("UUID", Value::from(AUDIO_SINK)),
            ("Codec", Value::from(caps::number(codec))),
            ("DelayReporting", Value::from(true)),
            ("Capabilities", Value::from(caps::offered(codec))),
        ]);
        let body = (path, properties);
        match media(session, what, adapter, "RegisterEndpoint", &body).await {
            Err(error) if error.says("org.bluez.Error.AlreadyExists") => {}
            other => other?,
        }
    }
    Ok(())
}

/// Takes endpoints back from BlueZ. Those it does not know are left at that, and one that plays goes when
/// it pauses.
///
/// # Errors
/// When BlueZ does not let go of some: why not of the first.
pub(in super::super) async fn unregister(
    session: &Session,
    adapter: &str,
    endpoints: &Endpoints,
) -> Result<(), BluetoothError> {
    let what = "let our audio endpoints go";
    let mut done = Ok(());
    for (_, path) in endpoints.all() {
        match media(session, what, adapter, "UnregisterEndpoint", &path).await {
            Err(error) if error.says("org.bluez.Error.DoesNotExist") => {}
            other => done = done.and(other),
        }
    }
    done
}

async fn media<B>(
    session: &Session,
    what: &'static str,
    adapter: &str,
    method: &str,
    body: &B,
) -> Result<(), BluetoothError>
where
    B: serde::Serialize + zbus::zvariant::DynamicType,
{
    let path = convert::adapter_path(adapter).ok_or(BluetoothError::NoAdapter)?;
    session
        .call(what, &path, (MEDIA, method), body)
        .await
        .map(drop)
}

/// What BlueZ is told when a configuration is not for us; the phone gets an AVDTP error.
#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.bluez.Error")]
pub(in super::super) enum Refusal {
    /// The bus did not work.
    #[zbus(error)]
    Bus(zbus::Error),
    /// Not something we can play.
    InvalidArguments(String),
    /// Not bluetoothd.
    NotAuthorized(String),
}

/// One endpoint object.
struct Endpoint {
    session: Session,
    words: mpsc::UnboundedSender<Word>,
    codec: MusicCodec,
}

impl Endpoint {
    fn check_caller(&self, header: &Header<'_>) -> Result<(), Refusal> {
        if self.session.is_bluetoothd(header) {
            return Ok(());
        }
        let sender = header.sender().map(ToString::to_string);
        tracing::warn!(
            sender,
            "a program that is not bluetoothd called an endpoint; refused"
        );
        let why = "only bluetoothd may configure endpoints";
        Err(Refusal::NotAuthorized(why.to_owned()))
    }

    /// The watch takes words in order, so it knows of a transport before anything else about it.
    fn tell(&self, word: Word) {
        if self.words.send(word).is_err() {
            tracing::debug!("a transport changed after the daemon stopped listening");
        }
    }
}

#[zbus::interface(name = "org.bluez.MediaEndpoint1")]
impl Endpoint {
    /// Chooses a configuration; only asked when it is us who connect.
    fn select_configuration(
        &self,
        capabilities: Vec<u8>,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<u8>, Refusal> {
        self.check_caller(&header)?;
        let codec = self.codec.name();
        let chosen = caps::select(self.codec, &capabilities);
        chosen.map_err(|error| {
            tracing::warn!(
                ?capabilities,
                "a phone offers {codec} that cannot be used: {error}"
            );
            Refusal::InvalidArguments(error.to_string())
        })
    }

    /// Takes the configuration that the phone, or we, have chosen.
    fn set_configuration(
        &self,
        transport: ObjectPath<'_>,
        properties: Properties,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Refusal> {
        self.check_caller(&header)?;
        let configured = configured(self.codec, &transport, properties).inspect_err(|error| {
            tracing::warn!(%transport, "a phone configured a stream that cannot be played: {error}");
        });
        self.tell(Word::Opened(configured.map_err(Refusal::InvalidArguments)?));
        Ok(())
    }

    fn clear_configuration(
        &self,
        transport: ObjectPath<'_>,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Refusal> {
        self.check_caller(&header)?;
        self.tell(Word::Closed(TransportId(transport.to_string())));
        Ok(())
    }

    /// The adapter or bluetoothd goes; the signals about that say what has to be said.
    fn release(&self, #[zbus(header)] header: Header<'_>) -> Result<(), Refusal> {
        self.check_caller(&header)
    }
}

/// Reads what BlueZ says of a new transport, or why it cannot be used.
fn configured(codec: MusicCodec, path: &str, properties: Properties) -> Result<Configured, String> {
    let (_, phone) = convert::device_of(path).ok_or("the transport belongs to no device")?;
    let number = convert::property::<u8>(&properties, "Codec").ok_or("no codec is named")?;
    if number != caps::number(codec) {
        let codec = codec.name();
        return Err(format!(
            "codec {number} was configured on an endpoint for {codec}"
        ));
    }
    let configuration = convert::bytes(&properties, "Configuration").ok_or("no configuration")?;
    let format = caps::parse(codec, &configuration).map_err(|error| error.to_string())?;
    Ok(Configured {
        transport: TransportId(path.to_owned()),
        phone,
        format,
        properties,
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::convert::properties;
    use super::*;
    use crate::policy::model::{Address, ChannelMode, StreamFormat};

    const FD3: &str = "/org/bluez/hci0/dev_DA_4C_10_DE_00_01/fd3";

    #[test]
    fn a_configuration_names_phone_and_format() {
        let joint = vec![0x21_u8, 0x15, 2, 53];
        let told = properties([("Codec", 0_u8.into()), ("Configuration", joint.into())]);
        let configured = configured(MusicCodec::Sbc, FD3, told).unwrap();
        assert_eq!(configured.transport.0, FD3);
        assert_eq!(
            configured.phone,
            Address::new([0xDA, 0x4C, 0x10, 0xDE, 0, 1])
        );
        assert_eq!(
            configured.format,
            StreamFormat::Sbc {
                rate: 44_100,
                mode: ChannelMode::JointStereo,
                max_bitpool: 53,
            }
        );
    }

    #[test]
    fn phones_see_all_endpoints_of_the_best_codec_first() {
        let mut endpoints = Endpoints {
            codecs: vec![MusicCodec::Aac, MusicCodec::Sbc],
            each: 2,
            generation: 0,
        };
        let paths = |endpoints: &Endpoints| {
            let paths = endpoints.all().map(|(_, path)| path.to_string());
            paths.collect::<Vec<_>>()
        };
        let below = |name: &str| format!("/org/dotd/endpoints/{name}");
        assert_eq!(
            paths(&endpoints),
            ["aac0", "aac1", "sbc0", "sbc1"].map(below)
        );
        endpoints.generation = 2;
        assert_eq!(paths(&endpoints)[2], below("sbc0_2"));
    }

    #[test]
    fn what_cannot_be_played_is_refused_with_the_reason() {
        let both_rates = vec![0x31_u8, 0x15, 2, 53];
        let joint = vec![0x21_u8, 0x15, 2, 53];
        for (path, told, reason) in [
            ("/org/bluez/hci0", properties([]), "belongs to no device"),
            (FD3, properties([]), "no codec"),
            (
                FD3,
                properties([("Codec", 2_u8.into()), ("Configuration", joint.into())]),
                "codec 2",
            ),
            (
                FD3,
                properties([("Codec", 0_u8.into())]),
                "no configuration",
            ),
            (
                FD3,
                properties([("Codec", 0_u8.into()), ("Configuration", both_rates.into())]),
                "2 values for the sampling rate",
            ),
        ] {
            let error = configured(MusicCodec::Sbc, path, told).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
