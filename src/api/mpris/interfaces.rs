//! The two interfaces of a player (MPRIS 2.2).

use std::collections::HashMap;
use std::sync::Arc;

use zbus::object_server::SignalEmitter;
use zbus::zvariant::{ObjectPath, OwnedValue};
use zbus::{fdo, interface};

use super::super::publish::Published;
use super::super::requests::Requests;
use super::super::wire::Error;
use super::view::View;
use crate::policy::event::Request;
use crate::policy::model::{Address, Volume};
use crate::policy::player::{PlayerCommand, Repeat};

/// What is known of a phone that has just gone.
fn gone() -> fdo::Error {
    fdo::Error::UnknownObject("the phone is gone; connect it again".to_owned())
}

/// The app.
#[derive(Debug)]
pub(super) struct App {
    phone: Address,
    published: Arc<Published>,
}

impl App {
    pub(super) fn new(phone: Address, published: Arc<Published>) -> Self {
        Self { phone, published }
    }
}

#[interface(name = "org.mpris.MediaPlayer2")]
impl App {
    /// There is no window to raise.
    fn raise(&self) {}

    /// A phone's app is not for us to end.
    fn quit(&self) {}

    #[zbus(property(emits_changed_signal = "const"))]
    fn can_quit(&self) -> bool {
        false
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn can_raise(&self) -> bool {
        false
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn has_track_list(&self) -> bool {
        false
    }

    #[zbus(property)]
    fn identity(&self) -> fdo::Result<String> {
        let name = self.published.phone(self.phone, |phone| phone.name.clone());
        name.ok_or_else(gone)
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn supported_uri_schemes(&self) -> Vec<String> {
        Vec::new()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn supported_mime_types(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What plays.
#[derive(Debug)]
pub(super) struct Player {
    phone: Address,
    published: Arc<Published>,
    requests: Requests,
}

impl Player {
    pub(super) fn new(phone: Address, published: Arc<Published>, requests: Requests) -> Self {
        Self {
            phone,
            published,
            requests,
        }
    }

    fn view(&self) -> fdo::Result<View> {
        let view = self.published.phone(self.phone, View::of);
        view.flatten().ok_or_else(gone)
    }

    async fn press(&self, command: PlayerCommand) -> fdo::Result<()> {
        let phone = Some(self.phone);
        self.put(Request::Player { phone, command }).await
    }

    async fn put(&self, request: Request) -> fdo::Result<()> {
        let failed = |error: Error| fdo::Error::Failed(error.to_string());
        self.requests.put(request).await.map_err(failed)
    }
}

#[interface(name = "org.mpris.MediaPlayer2.Player")]
impl Player {
    async fn next(&self) -> fdo::Result<()> {
        self.press(PlayerCommand::Next).await
    }

    async fn previous(&self) -> fdo::Result<()> {
        self.press(PlayerCommand::Previous).await
    }

    async fn pause(&self) -> fdo::Result<()> {
        self.press(PlayerCommand::Pause).await
    }

    async fn play_pause(&self) -> fdo::Result<()> {
        let phone = Some(self.phone);
        self.put(Request::PlayOrPause { phone }).await
    }

    async fn stop(&self) -> fdo::Result<()> {
        self.press(PlayerCommand::Stop).await
    }

    async fn play(&self) -> fdo::Result<()> {
        self.press(PlayerCommand::Play).await
    }

    /// Does nothing, as MPRIS wants it where nobody can seek.
    fn seek(&self, _offset: i64) {}

    /// Does nothing, likewise.
    fn set_position(&self, _track: ObjectPath<'_>, _position: i64) {}

    fn open_uri(&self, _uri: &str) -> fdo::Result<()> {
        let text = "a phone chooses itself what it plays; start it there";
        Err(fdo::Error::NotSupported(text.to_owned()))
    }

    #[zbus(signal)]
    pub(super) async fn seeked(emitter: &SignalEmitter<'_>, position: i64) -> zbus::Result<()>;

    #[zbus(property)]
    fn playback_status(&self) -> fdo::Result<String> {
        Ok(self.view()?.playback_status().to_owned())
    }

    #[zbus(property)]
    fn loop_status(&self) -> fdo::Result<String> {
        Ok(self.view()?.loop_status().to_owned())
    }

    #[zbus(property)]
    async fn set_loop_status(&self, status: &str) -> zbus::Result<()> {
        let repeat = match status {
            "None" => Repeat::Off,
            "Track" => Repeat::Track,
            "Playlist" => Repeat::All,
            _ => {
                let text =
                    format!("\"{status}\" is no LoopStatus; allowed is None, Track, Playlist");
                return Err(fdo::Error::InvalidArgs(text).into());
            }
        };
        Ok(self.press(PlayerCommand::Repeat { repeat }).await?)
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn rate(&self) -> f64 {
        1.0
    }

    #[zbus(property)]
    fn shuffle(&self) -> fdo::Result<bool> {
        Ok(self.view()?.shuffle())
    }

    #[zbus(property)]
    async fn set_shuffle(&self, on: bool) -> zbus::Result<()> {
        Ok(self.press(PlayerCommand::Shuffle { on }).await?)
    }

    #[zbus(property)]
    fn metadata(&self) -> fdo::Result<HashMap<String, OwnedValue>> {
        Ok(self.view()?.metadata())
    }

    #[zbus(property)]
    fn volume(&self) -> fdo::Result<f64> {
        Ok(self.view()?.volume())
    }

    /// Sets the phone's volume; MPRIS wants what is below 0 taken for 0.
    #[zbus(property)]
    async fn set_volume(&self, volume: f64) -> zbus::Result<()> {
        let percent = (volume.clamp(0.0, 1.0) * 100.0).round() as u8;
        let volume = Volume::new(percent).unwrap_or(Volume::MAX);
        let phone = Some(self.phone);
        Ok(self.put(Request::SetVolume { phone, volume }).await?)
    }

    #[zbus(property(emits_changed_signal = "false"))]
    fn position(&self) -> fdo::Result<i64> {
        Ok(self.view()?.position(self.published.clock()))
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn minimum_rate(&self) -> f64 {
        1.0
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn maximum_rate(&self) -> f64 {
        1.0
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn can_go_next(&self) -> bool {
        true
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn can_go_previous(&self) -> bool {
        true
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn can_play(&self) -> bool {
        true
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn can_pause(&self) -> bool {
        true
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn can_seek(&self) -> bool {
        false
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn can_control(&self) -> bool {
        true
    }
}
