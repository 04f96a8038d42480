"""A phone and a stand-in speaker: connect, play, pause, keys, volume, loss, range."""

from contextlib import closing

import numpy as np
import pytest
from bumble import avc
from labkit import clock, signals
from labkit.phone import Phone, PhoneError
from labkit.sbc import Sbc
from speaker import Speaker

Key = avc.PassThroughFrame.OperationId

@pytest.fixture
def speaker(radio):
    with closing(Speaker(radio)) as speaker:
        yield speaker


@pytest.fixture
def phone(radio, speaker):
    """A phone that has paired with the speaker and is still connected."""
    with Phone(radio) as phone:
        speaker.handset.pairing_with = phone.address
        phone.pair(speaker.address)
        yield phone


def states(phone: Phone) -> list[str]:
    return [each.details["state"] for each in phone.events if each.kind == "stream"]


def wait_stream(phone: Phone, state: str, **more) -> None:
    phone.wait_event("stream", matching=lambda event: event.details["state"] == state, **more)


def test_connect_opens_what_a_phone_opens(phone, speaker):
    phone.connect()
    assert states(phone) == ["configured", "open"]
    assert speaker.coding == Sbc()
    assert phone.wait_event("delay-report").details["ms"] == 123.4
    opened = [e.details["name"] for e in phone.events if e.kind == "profile" and e.details["open"]]
    assert opened == ["a2dp", "avrcp"]


@pytest.mark.parametrize(
    "sbc",
    [
        Sbc(),
        Sbc(rate=16000, channels="mono", bitpool=31),
        Sbc(rate=48000, channels="dual", bitpool=38),
        Sbc(rate=32000, channels="stereo", blocks=4, subbands=4, allocation="snr", bitpool=20),
    ],
    ids=str,
)
def test_the_speaker_hears_what_the_phone_plays(phone, speaker, sbc):
    sound = signals.two_tone(seconds=1, rate=sbc.rate)
    played = phone.play(
        sound,
        channels=sbc.channels,
        blocks=sbc.blocks,
        subbands=sbc.subbands,
        bitpool=sbc.bitpool,
        allocation=sbc.allocation,
    ).wait()
    wait_stream(phone, "suspended")  # Nothing is on its way any more.
    assert speaker.coding == sbc
    assert played.sent == len(played.packets) and played.dropped == 0
    heard = sbc.decode(speaker.heard)
    delay = 9 * sbc.subbands + 1
    sent = sound.pcm(sbc.channel_count).astype(float)
    got = heard[delay : delay + len(sent)].astype(float)
    noise = np.sqrt(np.mean((got - sent) ** 2)) / np.sqrt(np.mean(sent**2))
    assert noise < 0.1


def test_packets_carry_sequence_time_and_as_many_frames_as_fit(phone, speaker):
    phone.play(signals.tone(seconds=1)).wait()
    wait_stream(phone, "suspended")
    packets = list(speaker.packets)
    assert [p.sequence_number for p in packets] == list(range(len(packets)))
    assert {p.payload[0] for p in packets} == {15}
    assert [p.timestamp for p in packets] == [15 * 128 * n for n in range(len(packets))]
    phone.play(signals.tone(seconds=1), frames_per_packet=5).wait()
    assert {p.payload[0] for p in speaker.packets[len(packets) :]} == {5}


def test_packets_keep_their_schedule(phone):
    began = clock.now()
    played = phone.play(signals.tone(seconds=2)).wait()
    took = clock.now() - began
    assert played.seconds < took < played.seconds + 3
    assert np.median(played.lateness) < 0.01
    assert np.all(played.lateness >= 0)
    assert played.time_of(44100) - played.started == pytest.approx(1)


def test_a_paused_piece_goes_on_where_it_stopped(phone, speaker):
    played = phone.play(signals.tone(seconds=2), frames_per_packet=5)
    phone.suspend()
    gap = len(played.packets)
    assert states(phone)[-1] == "suspended"
    phone.resume()
    played.wait()
    assert [p.sequence for p in played.packets] == list(range(len(played.packets)))
    assert gap < len(played.packets)
    assert played.time_of(2 * 44100 - 1) - played.started > 2


def test_the_phone_suspends_after_the_piece(phone):
    phone.play(signals.tone(seconds=0.5)).wait()
    wait_stream(phone, "suspended")


def test_other_parameters_configure_the_stream_anew(phone, speaker):
    phone.play(signals.tone(seconds=0.3)).wait()
    phone.play(signals.tone(seconds=0.3), rate=48000, channels="stereo", bitpool=40).wait()
    assert speaker.coding == Sbc(48000, "stereo", 16, 8, "loudness", 40)
    assert states(phone).count("configured") == 2


def test_play_connects_a_bonded_phone_first(phone, speaker):
    phone.disconnect()
    phone.play(signals.tone(seconds=0.3)).wait()
    assert phone.connected_to == speaker.address and len(speaker.heard) > 100


@pytest.mark.parametrize("sbc", [Sbc(), Sbc(bitpool=35)], ids=str)
def test_a_phone_that_was_called_plays_over_what_the_speaker_opened(phone, speaker, sbc):
    phone.disconnect()
    began = clock.now()
    speaker.call(phone.address, sbc)
    assert phone.wait_event("connected", since=began).details["incoming"]
    wait_stream(phone, "open", since=began)
    phone.wait_event("profile", since=began, matching=lambda e: e.details["name"] == "avrcp")
    phone.connect()
    phone.play(signals.tone(seconds=0.5), bitpool=sbc.bitpool).wait()
    wait_stream(phone, "suspended")
    assert states(phone) == ["configured", "open", "streaming", "suspended"]
    assert len(speaker.heard) > 100


def test_a_phone_that_was_called_may_choose_other_parameters(phone, speaker):
    phone.disconnect()
    speaker.call(phone.address, Sbc(bitpool=35))
    phone.play(signals.tone(seconds=0.3), bitpool=53).wait()
    assert speaker.coding == Sbc()


def test_music_the_speaker_ended_says_so_and_can_be_played_again(phone, speaker):
    played = phone.play(signals.tone(seconds=20))
    speaker.hang_up_music()
    with pytest.raises(PhoneError, match="speaker closed the media channel"):
        played.wait(5)
    phone.play(signals.tone(seconds=0.3)).wait()


def test_the_phone_obeys_keys_unless_told_not_to(phone, speaker):
    played = phone.play(signals.tone(seconds=3))
    speaker.press(Key.PAUSE)
    wait_stream(phone, "suspended")
    assert not played.finished
    began = clock.now()
    speaker.press(Key.PLAY)
    wait_stream(phone, "streaming", since=began)
    phone.obey(False)
    speaker.press(Key.PAUSE)
    assert phone.wait_event("key", since=began, matching=lambda e: not e.details["obeyed"])
    played.wait()


def test_volume_goes_both_ways(phone, speaker):
    phone.connect()
    assert phone.set_volume(50) == 50 == speaker.avrcp.delegate.volume
    speaker.turn_volume(99)
    turned = {"volume": 99, "by": "speaker"}
    phone.wait_event("volume", matching=lambda event: event.details == turned)
    assert phone.volume == 99


def test_the_phone_tells_its_metadata(phone, speaker):
    phone.connect()
    phone.metadata(title="Süße Nacht", artist="Anna")
    assert speaker.metadata() == {"TITLE": "Süße Nacht", "ARTIST_NAME": "Anna"}


def test_loss_is_deterministic_and_leaves_gaps_in_the_sequence(phone, speaker):
    lost = []
    for seed in (7, 7, 8):
        phone.link_quality(loss=0.1, seed=seed)
        played = phone.play(signals.tone(seconds=2), frames_per_packet=5).wait()
        lost.append([p.sequence for p in played.packets if p.sent is None])
    assert lost[0] == lost[1] != lost[2]
    assert 5 <= len(lost[0]) <= 30


def test_jitter_delays_packets_in_order(phone, speaker):
    phone.link_quality(jitter_ms=40, seed=3)
    played = phone.play(signals.tone(seconds=2), frames_per_packet=5).wait()
    assert 0.01 < np.median(played.lateness) < 0.04
    assert np.percentile(played.lateness, 95) < 0.05
    order = [p.sequence_number for p in speaker.packets]
    assert order == sorted(order)


def test_packets_wait_for_the_end_of_a_pause_and_then_take_their_slots(phone, speaker):
    phone.link_quality(pauses=[(0.5, 0.8)], slot_ms=4)
    played = phone.play(signals.tone(seconds=2), frames_per_packet=5).wait()
    sent = np.array([p.sent for p in played.packets]) - played.started
    due = np.array([p.due for p in played.packets]) - played.started
    waited = sent[(due > 0.5) & (due < 0.8)]
    assert 0.8 <= waited[0] < 0.82 and len(waited) in (20, 21)
    # The air has each for its slot, however late the machine is with one of them.
    assert waited[-1] - waited[0] >= 0.004 * (len(waited) - 1) - 0.01
    assert np.all(np.diff(waited) >= 0)
    assert np.median((sent - due)[due < 0.5]) < 0.01
    assert np.median((sent - due)[due > 1.2]) < 0.01
    order = [p.sequence_number for p in speaker.packets]
    assert order == sorted(order)


def test_a_phone_s_clock_may_be_too_fast(phone):
    phone.link_quality(clock_ppm=10_000)
    played = phone.play(signals.tone(seconds=2)).wait()
    assert played.time_of(2 * 44100) - played.started == pytest.approx(2 / 1.01)
    assert played.packets[-1].due == pytest.approx(played.time_of(played.packets[-1].sample))
    assert np.median(played.lateness) < 0.01


def test_out_of_range_ends_the_music_and_says_why(phone, speaker):
    played = phone.play(signals.tone(seconds=20))
    phone.out_of_range()
    ended = phone.wait_event("disconnected", timeout=20)
    assert ended.details["reason"] == 0x08
    with pytest.raises(PhoneError, match="link went down"):
        played.wait(5)
    phone.in_range()
    phone.play(signals.tone(seconds=0.3)).wait()


def test_a_phone_keeps_its_bond_over_a_reboot_of_the_speaker(radio, phone, speaker):
    bonds = speaker.handset.bonds
    speaker.close()
    phone.wait_event("disconnected", timeout=20)
    again = Speaker(radio, bonds=bonds)
    try:
        phone.play(signals.tone(seconds=0.3)).wait()
        assert len(again.heard) > 100
    finally:
        again.close()


def test_a_stranger_without_bond_may_try_avdtp(radio, speaker):
    with Phone(radio, name="Stranger") as stranger:
        speaker.handset.pairing_with = stranger.address
        stranger.pair(speaker.address, bonding=False)
        stranger.attack_open_avdtp(speaker.address)  # This speaker lets everybody in.
        assert not stranger.is_bonded(speaker.address)
        with pytest.raises(PhoneError, match="not paired"):
            stranger.connect()


def test_music_rests_during_the_phone_s_own_call(radio, speaker):
    with Phone(radio, calls="iphone") as phone:
        speaker.handset.pairing_with = phone.address
        phone.pair(speaker.address)
        played = phone.play(signals.tone(seconds=3))
        phone.ring("+4930123456")
        wait_stream(phone, "suspended")
        assert not played.finished
        ended = clock.now()
        phone.hang_up()
        wait_stream(phone, "streaming", since=ended)
        played.wait()
