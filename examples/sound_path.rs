//! Plays a made-up phone through the real sound path and a real PipeWire, listens to the output's
//! monitor, and prints what it heard.
//!
//! `sound_path [rate=44100] [mode=joint] [seconds=10] [signal=tones|clicks] [jitter=MS]
//! [stall=MS] [loss=PERCENT] [drift=PPM] [output=NAME] [move=NAME] [ear=off]`; the server is the
//! usual one (`PIPEWIRE_RUNTIME_DIR`). An output's monitor is one turn of the graph late when the
//! output drives the graph, so latencies to the ear are that much too long.

#[path = "../tests/audio_path/analysis.rs"]
mod analysis;
#[path = "../tests/audio_path/phone.rs"]
mod phone;

use std::collections::HashMap;
use std::error::Error;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use analysis::level;
use dotd::a2dp::Stream;
use dotd::audio::{Audio, AudioSettings, Role, StreamKey, StreamSpec};
use dotd::pcm::{Cycle, Nanos, Pace, SECOND, Source, ask_for_real_time, duration_of, now};
use dotd::policy::Event;
use dotd::policy::model::{ChannelMode, TransportId, Volume};
use phone::{Coding, Phone};
use pipewire::properties::properties;
use pipewire::spa::param::audio::{AudioFormat, AudioInfoRaw};
use pipewire::spa::pod::{Object, Pod, Value, serialize::PodSerializer};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};
use tokio::sync::mpsc;

const TONES: [f32; 2] = [441.0, 1250.0];
const CLICK_EVERY: u64 = 70;

#[derive(Clone)]
struct Plan(HashMap<String, String>);

impl Plan {
    fn from_arguments() -> Self {
        let arguments = std::env::args().skip(1);
        let pairs = arguments.filter_map(|argument| {
            let (key, value) = argument.split_once('=')?;
            Some((key.to_owned(), value.to_owned()))
        });
        Self(pairs.collect())
    }

    fn settings(&self, key: &str) -> AudioSettings {
        AudioSettings {
            output: self.0.get(key).cloned(),
            ..AudioSettings::default()
        }
    }

    fn coding(&self) -> Coding {
        let mode = match self.text("mode", "joint") {
            "mono" => ChannelMode::Mono,
            "dual" => ChannelMode::DualChannel,
            "stereo" => ChannelMode::Stereo,
            _ => ChannelMode::JointStereo,
        };
        Coding::usual(self.number("rate", 44_100.0) as u32, mode)
    }

    fn text<'a>(&'a self, key: &str, usual: &'a str) -> &'a str {
        self.0.get(key).map_or(usual, String::as_str)
    }
    fn number(&self, key: &str, usual: f64) -> f64 {
        self.text(key, "").parse().unwrap_or(usual)
    }
}

/// What came out: interleaved stereo at 48 kHz, and when each turn of the graph began.
struct Heard {
    samples: Vec<f32>,
    turns: Vec<(usize, Nanos)>,
}

fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(std::io::stderr)
        .init();
    let plan = Plan::from_arguments();
    let coding = plan.coding();
    let (events, mut queue) = mpsc::channel(64);
    let audio = Audio::start(plan.settings("output"), events.clone())?;
    loop {
        match queue.blocking_recv() {
            Some(Event::AudioFound {
                output: Some(output),
            }) => break println!("output: {output}"),
            event => println!("{event:?}"),
        }
    }
    let heard = listen(&plan);
    let (ours, theirs) = socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::empty(),
        None,
    )?;
    let id = TransportId("/org/bluez/hci0/dev_DA_4C_10_DE_00_01/fd0".into());
    let stream = Stream::start(id.clone(), ours, 1024, coding.format(), events)?;
    let (probe, pulled) = Probe::on(&stream, coding);
    audio.play(StreamKey::Music(id.clone()), spec(coding), probe);
    thread::sleep(Duration::from_millis(plan.number("lead", 200.0) as u64));
    let speaking = plan.clone();
    let sender = thread::spawn(move || speak(&speaking, coding, &theirs));
    let clicks = watch(&plan, &audio, &stream, &mut queue, sender)?;
    audio.stop(StreamKey::Music(id));
    thread::sleep(Duration::from_millis(300));
    let heard = heard.lock().map_err(|_| "poisoned")?;
    println!("the graph missed {} turns", missed_turns(&heard));
    if plan.text("signal", "tones") == "clicks" {
        report_latency(&heard, &clicks, &pulled.try_iter().collect::<Vec<_>>());
    } else {
        report_tones(&heard, &plan);
    }
    println!("{:?}", stream.meters().read());
    Ok(())
}

/// Does what the daemon would while the phone plays; returns when each click was sent.
fn watch(
    plan: &Plan,
    audio: &Audio,
    stream: &Stream,
    queue: &mut mpsc::Receiver<Event>,
    sender: thread::JoinHandle<Vec<Nanos>>,
) -> Result<Vec<Nanos>, Box<dyn Error>> {
    let id = TransportId("/org/bluez/hci0/dev_DA_4C_10_DE_00_01/fd0".into());
    let (begin, mut last, mut moved, mut lost) = (Instant::now(), Instant::now(), false, false);
    while !sender.is_finished() {
        thread::sleep(Duration::from_millis(50));
        while let Ok(event) = queue.try_recv() {
            println!("{event:?}");
            lost |= event == Event::AudioLost;
            if lost && matches!(event, Event::AudioFound { .. }) {
                lost = false;
                audio.play(
                    StreamKey::Music(id.clone()),
                    spec(plan.coding()),
                    stream.source(),
                );
            }
        }
        if !moved && plan.0.contains_key("move") && begin.elapsed().as_secs() >= 3 {
            moved = true;
            audio.reconfigure(plan.settings("move"));
        }
        if last.elapsed() >= Duration::from_secs(plan.number("every", 1.0) as u64) {
            last = Instant::now();
            println!("{:?}", stream.meters().read());
        }
    }
    Ok(sender.join().map_err(|_| "the phone panicked")?)
}

/// Notes when clicks are pulled, and how late the graph says they will be heard.
struct Probe {
    source: Box<dyn Source + Send>,
    coding: Coding,
    pulled: std::sync::mpsc::SyncSender<(Nanos, Nanos)>,
    quiet: u64,
}

impl Probe {
    fn on(
        stream: &Stream,
        coding: Coding,
    ) -> (Box<Self>, std::sync::mpsc::Receiver<(Nanos, Nanos)>) {
        let (pulled, clicks) = std::sync::mpsc::sync_channel(200);
        let source = stream.source();
        let probe = Self {
            source,
            coding,
            pulled,
            quiet: 0,
        };
        (Box::new(probe), clicks)
    }
}

impl Source for Probe {
    fn pull(&mut self, out: &mut [f32], cycle: Cycle) -> Pace {
        let pace = self.source.pull(out, cycle);
        let channels = usize::from(self.coding.mode.channels());
        for (n, frame) in out.chunks_exact(channels).enumerate() {
            self.quiet += 1;
            if frame[0].abs() > 0.3 && self.quiet > u64::from(self.coding.rate) / 2 {
                self.quiet = 0;
                let at = cycle.now + duration_of(n as u64, self.coding.rate);
                self.pulled.try_send((at, cycle.delay)).ok();
            }
        }
        pace
    }
}

fn spec(coding: Coding) -> StreamSpec {
    StreamSpec {
        name: "Anna's phone".into(),
        role: Role::Music,
        rate: coding.rate,
        channels: coding.mode.channels(),
        prompt: false,
        volume: Volume::MAX,
    }
}

/// Sends packets when they are due, and returns when each click was.
fn speak(plan: &Plan, coding: Coding, socket: &OwnedFd) -> Vec<Nanos> {
    ask_for_real_time();
    let mut phone = Phone::new(coding, 5);
    let frames = phone.packet_frames() as u64;
    let clicks = plan.text("signal", "tones") == "clicks";
    let period =
        phone.packet_duration().as_nanos() as f64 / (1.0 + plan.number("drift", 0.0) * 1e-6);
    let count = (plan.number("seconds", 10.0) * SECOND as f64 / period) as u64;
    let rate = coding.rate as f32;
    let mut random = 12_345_u64;
    let mut dice = || {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) as f64 / (1_u64 << 31) as f64
    };
    let begin = now() + SECOND / 50;
    let mut at = Vec::new();
    let mut due = begin;
    for k in 0..count {
        let mut signal = |n: u64| {
            let t = n as f32 / rate;
            if clicks {
                let into = n % (frames * CLICK_EVERY);
                let click = into < coding.rate as u64 / 200 && n > frames * CLICK_EVERY / 2;
                let pitch = if click { 4000.0 } else { 441.0 };
                let level = if click { 0.8 } else { 0.1 };
                [level * (std::f32::consts::TAU * pitch * t).sin(); 2]
            } else {
                let tone = |p: f32| 0.4 * (std::f32::consts::TAU * p * t).sin();
                [
                    tone(TONES[0]) + tone(TONES[1]),
                    tone(TONES[0]) + tone(TONES[1]),
                ]
            }
        };
        let packet = phone.packet(&mut signal);
        let nominal = begin + (k as f64 * period) as Nanos;
        let mut late = dice() * plan.number("jitter", 0.0) * 1e6;
        let stall = plan.number("stall", 0.0) * 1e6;
        let into = ((nominal - begin) % SECOND) as f64;
        if into > 5e8 && into < 5e8 + stall {
            late = late.max(5e8 + stall - into);
        }
        due = due.max(nominal + late as Nanos);
        let wait = due - now();
        if wait > 0 {
            thread::sleep(Duration::from_nanos(wait as u64));
        }
        if k % CLICK_EVERY == 0 && k > 0 {
            at.push(nominal);
        }
        if dice() * 100.0 >= plan.number("loss", 0.0)
            && send(socket, &packet, SendFlags::NOSIGNAL).is_err()
        {
            break;
        }
    }
    at
}

/// Listens to the default output.
fn listen(plan: &Plan) -> Arc<Mutex<Heard>> {
    // A minute, so that nothing is moved about while the graph runs.
    let heard = Arc::new(Mutex::new(Heard {
        samples: Vec::with_capacity(48_000 * 2 * 60),
        turns: Vec::with_capacity(60 * 1000),
    }));
    if plan.text("ear", "on") == "off" {
        return heard;
    }
    let filled = Arc::clone(&heard);
    thread::spawn(move || {
        if let Err(error) = listen_on(filled) {
            println!("cannot listen: {error}");
        }
    });
    heard
}

fn listen_on(heard: Arc<Mutex<Heard>>) -> Result<(), Box<dyn Error>> {
    let main_loop = pipewire::main_loop::MainLoopRc::new(None)?;
    let context = pipewire::context::ContextRc::new(&main_loop, None)?;
    let core = context.connect_rc(None)?;
    let stream = pipewire::stream::StreamBox::new(
        &core,
        "ear",
        properties! {
            "media.type" => "Audio", "media.category" => "Capture", "stream.capture.sink" => "true",
            "node.name" => "ear", "node.latency" => std::env::var("EAR").unwrap_or("1024/48000".into()), "node.passive" => "true",
        },
    )?;
    let _listener = stream
        .add_local_listener_with_user_data(())
        .process(move |stream, ()| {
            let time = stream.time().map_or(0, |t| t.now());
            let Some(mut buffer) = stream.dequeue_buffer() else {
                return;
            };
            let Some(data) = buffer.datas_mut().first_mut() else {
                return;
            };
            let size = data.chunk().size() as usize;
            let (Some(bytes), Ok(mut heard)) = (data.data(), heard.lock()) else {
                return;
            };
            let frame = heard.samples.len() / 2;
            heard.turns.push((frame, time));
            let samples = bytes[..size].chunks_exact(4);
            heard
                .samples
                .extend(samples.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
        })
        .register()?;
    let mut info = AudioInfoRaw::new();
    info.set_format(AudioFormat::F32LE);
    info.set_rate(48_000);
    info.set_channels(2);
    let object = Value::Object(Object {
        type_: pipewire::spa::sys::SPA_TYPE_OBJECT_Format,
        id: pipewire::spa::sys::SPA_PARAM_EnumFormat,
        properties: info.into(),
    });
    let bytes = PodSerializer::serialize(std::io::Cursor::new(Vec::new()), &object)?
        .0
        .into_inner();
    let mut params = [Pod::from_bytes(&bytes).ok_or("no pod")?];
    let flags = pipewire::stream::StreamFlags::AUTOCONNECT
        | pipewire::stream::StreamFlags::MAP_BUFFERS
        | pipewire::stream::StreamFlags::RT_PROCESS;
    stream.connect(
        pipewire::spa::utils::Direction::Input,
        None,
        flags,
        &mut params,
    )?;
    main_loop.run();
    Ok(())
}

/// How often the graph missed a turn, as seen by the listener.
fn missed_turns(heard: &Heard) -> usize {
    let on_time = |pair: &[(usize, Nanos)]| {
        let played = (pair[1].0 - pair[0].0) as Nanos * SECOND / 48_000;
        (pair[1].1 - pair[0].1 - played).abs() < SECOND / 1000
    };
    heard.turns.windows(2).filter(|pair| !on_time(pair)).count()
}

fn report_latency(heard: &Heard, clicks: &[Nanos], pulled: &[(Nanos, Nanos)]) {
    let left: Vec<f32> = heard.samples.iter().step_by(2).copied().collect();
    let mut found = Vec::new();
    let mut n = 0;
    while n < left.len() {
        if left[n].abs() > 0.3 {
            let turn = heard.turns.partition_point(|(frame, _)| *frame <= n) - 1;
            let (frame, at) = heard.turns[turn];
            found.push(at + (n - frame) as Nanos * SECOND / 48_000);
            n += 24_000;
        }
        n += 1;
    }
    let delays: Vec<f64> = clicks
        .iter()
        .filter_map(|at| {
            found
                .iter()
                .find(|f| **f >= *at && **f - *at < SECOND / 2)
                .map(|f| (f - at) as f64 / 1e6)
        })
        .collect();
    println!("{} clicks sent, {} heard", clicks.len(), found.len());
    println!("latency ms: {:.1?}", delays);
    let beyond: Vec<(f64, f64)> = pulled
        .iter()
        .filter_map(|(at, told)| {
            let after = found.iter().find(|f| **f >= *at - SECOND / 100)? - at;
            Some((after as f64 / 1e6, *told as f64 / 1e6))
        })
        .collect();
    println!("from pull to ear, and as told, ms: {beyond:.1?}");
}

fn report_tones(heard: &Heard, plan: &Plan) {
    if let Some(path) = plan.0.get("wav") {
        let bytes: Vec<u8> = heard.samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        std::fs::write(path, bytes).ok();
    }
    for side in 0..2 {
        let sound: Vec<f32> = heard
            .samples
            .iter()
            .skip(side)
            .step_by(2)
            .copied()
            .collect();
        let Some(first) = sound.iter().position(|s| s.abs() > 0.01) else {
            println!("silence on side {side}");
            continue;
        };
        let last = sound.iter().rposition(|s| s.abs() > 0.01).unwrap_or(first);
        let middle = &sound[first + 4800..last.max(first + 9600) - 4800];
        let expected = 20.0 * 0.4_f64.log10();
        let steps: Vec<f32> = middle.windows(2).map(|w| (w[1] - w[0]).abs()).collect();
        let largest = steps.iter().copied().fold(0.0, f32::max);
        let bends: Vec<f32> = middle
            .windows(3)
            .map(|w| (w[2] - 2.0 * w[1] + w[0]).abs())
            .collect();
        let bend = bends.iter().copied().fold(0.0, f32::max);
        let usual = {
            let mut sorted = bends.clone();
            sorted.sort_by(f32::total_cmp);
            sorted[sorted.len() * 99 / 100]
        };
        let quiet = middle
            .chunks(240)
            .map(|c| (c.iter().map(|s| s * s).sum::<f32>() / c.len() as f32).sqrt())
            .filter(|rms| *rms < 0.1)
            .count();
        println!(
            "side {side}: {:.2} s, tones {:+.2} {:+.2} dB of expected, largest step {largest:.4}, \
             largest bend {bend:.4} (99 % {usual:.4}), {quiet} quiet stretches of 5 ms",
            middle.len() as f64 / 48_000.0,
            level(&middle[..middle.len().min(9_600)], 48_000, TONES[0]) - expected,
            level(&middle[..middle.len().min(9_600)], 48_000, TONES[1]) - expected,
        );
    }
}
