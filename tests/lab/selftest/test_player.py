"""A phone's player over the air: keys, questions, settings, and what a speaker is told."""

from contextlib import closing

import pytest
from bumble import avc, avrcp, core, sdp
from bumble.avrcp import ApplicationSetting, EventId, PduId, PlayStatus, StatusCode
from labkit import clock, signals
from labkit.phone import Phone, PhoneError, Track
from speaker import Speaker

Key = avc.PassThroughFrame.OperationId
Code = avc.ResponseFrame.ResponseCode
Setting = ApplicationSetting.AttributeId

LIST = [
    Track("One", "Anna", "Numbers", "Folk", length_ms=200_000),
    Track("Two", "Anna", "Numbers", "Folk", length_ms=100_000),
    Track("Drei für Ünü", "Ben", length_ms=50_000),
]
OFF, SHUFFLED, ALL = 1, 2, 3
"""AVRCP's numbers for a setting that is off, shuffle of all tracks, and repeat of all tracks."""


@pytest.fixture
def speaker(radio):
    with closing(Speaker(radio)) as speaker:
        yield speaker


@pytest.fixture
def phone(radio, speaker):
    """A phone with the list, paired and connected."""
    with Phone(radio) as phone:
        speaker.handset.pairing_with = phone.address
        phone.pair(speaker.address)
        phone.load(LIST)
        phone.connect()
        yield phone


def keys(phone: Phone) -> list[dict]:
    return [each.details for each in phone.events if each.kind == "key"]


def wait_stream(phone: Phone, state: str, **more) -> None:
    phone.wait_event("stream", matching=lambda event: event.details["state"] == state, **more)


def settings(told: avrcp.PlayerApplicationSettingChangedEvent) -> dict[int, int]:
    return {each.attribute_id: each.value_id for each in told.player_application_settings}


def test_all_of_a_track_is_told(phone, speaker):
    assert speaker.metadata() == {
        "TITLE": "One",
        "ARTIST_NAME": "Anna",
        "ALBUM_NAME": "Numbers",
        "TRACK_NUMBER": "1",
        "TOTAL_NUMBER_OF_TRACKS": "3",
        "GENRE": "Folk",
        "PLAYING_TIME": "200000",
    }
    assert speaker.metadata(avrcp.MediaAttributeId.GENRE) == {"GENRE": "Folk"}
    phone.skip()
    phone.skip()
    assert speaker.metadata() == {
        "TITLE": "Drei für Ünü",
        "ARTIST_NAME": "Ben",
        "TRACK_NUMBER": "3",
        "TOTAL_NUMBER_OF_TRACKS": "3",
        "PLAYING_TIME": "50000",
    }


def test_length_position_and_status_are_answered(phone, speaker):
    asked = speaker.play_status()
    assert asked == avrcp.SongAndPlayStatus(200_000, 0, PlayStatus.STOPPED)
    phone.play(signals.tone(seconds=20))
    clock.sleep(1)
    asked = speaker.play_status()
    assert asked.play_status == PlayStatus.PLAYING and 900 < asked.song_position < 10_000
    phone.suspend()
    paused = speaker.play_status()
    assert paused.play_status == PlayStatus.PAUSED
    clock.sleep(0.3)
    assert speaker.play_status() == paused
    phone.metadata(title="Radio")
    assert speaker.play_status().song_length == 0xFFFFFFFF


def test_keys_move_through_the_list(phone, speaker):
    pressed = [Key.FORWARD, Key.FORWARD, Key.FORWARD, Key.BACKWARD, Key.BACKWARD]
    titles = []
    for key in pressed:
        speaker.press(key)
        titles.append(phone.track.title)
    assert titles == ["Two", LIST[2].title, LIST[2].title, "Two", "One"]
    assert keys(phone) == [{"key": key.name.lower(), "obeyed": True} for key in pressed]
    phone.jump(5000)
    speaker.press(Key.FORWARD)
    phone.jump(5000)
    speaker.press(Key.BACKWARD)
    assert (phone.track.title, phone.position_ms) == ("Two", 0)
    assert speaker.metadata()["TITLE"] == "Two"


def test_a_held_key_seeks_until_it_is_let_go(phone, speaker):
    phone.play(signals.tone(seconds=20))
    speaker.hold(Key.FAST_FORWARD)
    before = phone.position_ms
    speaker.hold(Key.FAST_FORWARD)  # BlueZ repeats a held key each second.
    clock.sleep(1)
    assert speaker.play_status().play_status == PlayStatus.FWD_SEEK
    assert phone.position_ms - before > 7500
    speaker.hold(Key.FAST_FORWARD, pressed=False)
    assert speaker.play_status().play_status == PlayStatus.PLAYING
    held = {"key": "fast_forward", "obeyed": True}
    assert keys(phone) == [held, held, {**held, "pressed": False}]
    phone.jump(100_000)
    speaker.hold(Key.REWIND)
    clock.sleep(1)
    speaker.hold(Key.REWIND, pressed=False)
    assert phone.position_ms < 97_000


def test_the_speaker_is_told_what_changes(phone, speaker):
    speaker.watch(
        EventId.PLAYBACK_STATUS_CHANGED, EventId.TRACK_CHANGED, EventId.PLAYBACK_POS_CHANGED
    )
    first = speaker.told(EventId.TRACK_CHANGED).uid
    phone.play(signals.tone(seconds=20))
    speaker.told(EventId.PLAYBACK_STATUS_CHANGED, lambda e: e.play_status == PlayStatus.PLAYING)
    phone.jump(150_000)
    speaker.told(EventId.PLAYBACK_POS_CHANGED, lambda e: e.playback_position >= 150_000)
    jumped = clock.now()
    phone.skip()
    speaker.told(EventId.TRACK_CHANGED, lambda e: e.uid == first + 1)
    speaker.told(EventId.PLAYBACK_POS_CHANGED, lambda e: e.playback_position < 10_000, jumped)
    speaker.press(Key.PAUSE)
    speaker.told(EventId.PLAYBACK_STATUS_CHANGED, lambda e: e.play_status == PlayStatus.PAUSED)
    phone.load([Track("Another", length_ms=1000)])
    speaker.told(EventId.TRACK_CHANGED, lambda e: e.uid > first + 2)


def test_the_list_ends_by_itself_and_is_played_again(phone, speaker):
    phone.load([Track("One", length_ms=700), Track("Two", length_ms=700)])
    speaker.watch(EventId.TRACK_CHANGED)
    first = speaker.told(EventId.TRACK_CHANGED).uid
    phone.play(signals.tone(seconds=20))
    speaker.told(EventId.TRACK_CHANGED, lambda e: e.uid == first + 1)
    ended = phone.wait_event("list-ended").time
    wait_stream(phone, "suspended", since=ended)
    assert speaker.play_status() == avrcp.SongAndPlayStatus(700, 0, PlayStatus.PAUSED)
    assert phone.track.title == "One"
    phone.set_repeat("single")
    speaker.press(Key.PLAY)
    wait_stream(phone, "streaming", since=ended)


def test_settings_are_listed_set_and_told(phone, speaker):
    offered = speaker.ask(speaker.avrcp.list_supported_player_app_settings())
    assert offered == {Setting.REPEAT_MODE: [1, 2, 3], Setting.SHUFFLE_ON_OFF: [1, 2]}
    changed = EventId.PLAYER_APPLICATION_SETTING_CHANGED
    speaker.watch(changed)
    assert settings(speaker.told(changed)) == {
        Setting.REPEAT_MODE: OFF,
        Setting.SHUFFLE_ON_OFF: OFF,
    }
    command = avrcp.SetPlayerApplicationSettingValueCommand
    answer = speaker.command(command([Setting.SHUFFLE_ON_OFF], [SHUFFLED]))
    assert answer.response_code == Code.ACCEPTED and phone.shuffle
    speaker.told(changed, lambda e: settings(e)[Setting.SHUFFLE_ON_OFF] == SHUFFLED)
    phone.set_repeat("all")
    speaker.told(changed, lambda e: settings(e)[Setting.REPEAT_MODE] == ALL)
    asked = speaker.avrcp.get_player_app_settings([Setting.SHUFFLE_ON_OFF, Setting.REPEAT_MODE])
    assert speaker.ask(asked) == {Setting.SHUFFLE_ON_OFF: SHUFFLED, Setting.REPEAT_MODE: ALL}
    assert phone.repeat == "all"
    assert [each.details for each in phone.events if each.kind == "setting"] == [
        {"name": "shuffle", "value": True, "by": "speaker"},
        {"name": "repeat", "value": "all", "by": "phone"},
    ]


def test_settings_that_do_not_exist_are_refused(phone, speaker):
    command = avrcp.SetPlayerApplicationSettingValueCommand
    for attribute, value in ((Setting.SHUFFLE_ON_OFF, 3), (Setting.EQUALIZER_ON_OFF, 1)):
        answer = speaker.command(command([attribute], [value]))
        assert answer.response_code == Code.REJECTED
        assert answer.response.status_code == StatusCode.INVALID_PARAMETER


def test_a_disobedient_phone_stays_put(phone, speaker):
    phone.jump(10_000)
    phone.obey(False)
    for key in (Key.FORWARD, Key.BACKWARD, Key.FAST_FORWARD, Key.PLAY):
        speaker.press(key)
    answer = speaker.command(
        avrcp.SetPlayerApplicationSettingValueCommand([Setting.SHUFFLE_ON_OFF], [SHUFFLED])
    )
    assert answer.response_code == Code.REJECTED
    assert phone.wait_event("setting-refused")
    assert (phone.track.title, phone.position_ms, phone.shuffle) == ("One", 10_000, False)
    assert len(keys(phone)) == 5 and not any(each["obeyed"] for each in keys(phone))


def test_a_phone_that_is_cut_off_pauses(phone, speaker):
    phone.play(signals.tone(seconds=20))
    speaker.watch(EventId.PLAYBACK_STATUS_CHANGED)
    speaker.hang_up_music()
    speaker.told(EventId.PLAYBACK_STATUS_CHANGED, lambda e: e.play_status == PlayStatus.PAUSED)


def test_what_makes_no_sense_is_answered_too(phone, speaker):
    addressed = speaker.command(avrcp.SetAddressedPlayerCommand(1))
    assert addressed.response_code == Code.ACCEPTED
    nobody = speaker.command(avrcp.SetAddressedPlayerCommand(9))
    assert nobody.response.status_code == StatusCode.INVALID_PLAYER_ID
    cut_short = avrcp.SetAddressedPlayerCommand(1)
    cut_short._payload = b"\0"
    assert speaker.command(cut_short).response_code == Code.REJECTED
    assert speaker.metadata()["TITLE"] == "One"


def test_the_app_has_a_name(phone, speaker):
    phone.app = "Grammofon für Anna"
    question = avrcp.GetFolderItemsCommand(avrcp.Scope.MEDIA_PLAYER_LIST, 0, 0xFFFFFFFF, [])
    answer_id, answer = speaker.browse(PduId.GET_FOLDER_ITEMS, bytes(question))
    assert answer_id == PduId.GET_FOLDER_ITEMS
    listed = avrcp.GetFolderItemsResponse.from_parameters(answer)
    (player,) = listed.items
    assert player.displayable_name == phone.app
    assert player.major_player_type == avrcp.MediaPlayerItem.MajorPlayerType.AUDIO
    assert player.play_status == PlayStatus.STOPPED
    speaker.watch(EventId.ADDRESSED_PLAYER_CHANGED)
    told = speaker.told(EventId.ADDRESSED_PLAYER_CHANGED)
    assert told.player.player_id == player.player_id > 0
    # As BlueZ reads it: 28 bytes and the name, with the feature bits counted from the ninth on.
    item = answer[8:]
    assert len(item) == 28 + len(phone.app.encode())
    features = item[8:24]
    assert features[5] & 0b101 == 0b101, "play and pause"
    assert not features[7] & 0x08, "not browsable"


def test_the_browsing_channel_refuses_the_rest_at_once(phone, speaker):
    folder = avrcp.GetFolderItemsCommand(avrcp.Scope.NOW_PLAYING, 0, 9, [])
    beyond = avrcp.GetFolderItemsCommand(avrcp.Scope.MEDIA_PLAYER_LIST, 1, 9, [])
    for pdu_id, parameters, answer in (
        (PduId.GET_FOLDER_ITEMS, bytes(folder), StatusCode.INVALID_SCOPE),
        (PduId.GET_FOLDER_ITEMS, bytes(beyond), StatusCode.RANGE_OUT_OF_BOUNDS),
        (PduId.GET_ITEM_ATTRIBUTES, bytes([3, *bytes(8), 0, 0, 0]), StatusCode.DOES_NOT_EXIST),
        (PduId.SET_BROWSED_PLAYER, b"\0\1", StatusCode.PLAYER_NOT_BROWSABLE),
    ):
        assert speaker.browse(pdu_id, parameters) == (pdu_id, bytes([answer]))
    for pdu_id in (0x99, PduId.GET_FOLDER_ITEMS):
        assert speaker.browse(pdu_id, b"") == (0xA0, bytes([StatusCode.INVALID_COMMAND]))


def test_the_record_leads_to_the_browsing_channel(phone, speaker):
    async def read():
        async with sdp.Client(speaker.handset.link) as client:
            return await client.search_attributes(
                [core.BT_AV_REMOTE_CONTROL_TARGET_SERVICE], [sdp.SDP_ALL_ATTRIBUTES_RANGE]
            )

    (record,) = speaker.ask(read())
    values = {attribute.id: attribute.value for attribute in record}
    assert values[sdp.SDP_SUPPORTED_FEATURES_ATTRIBUTE_ID].value == 0b1010001
    (stack,) = values[sdp.SDP_ADDITIONAL_PROTOCOL_DESCRIPTOR_LIST_ATTRIBUTE_ID].value
    assert stack.value[0].value[1].value == 0x1B


def test_an_old_phone_keeps_its_volume_to_itself(radio, speaker):
    with Phone(radio, absolute_volume=False) as phone:
        speaker.handset.pairing_with = phone.address
        phone.pair(speaker.address)
        phone.connect()
        link = speaker.handset.link
        (record,) = speaker.ask(avrcp.ControllerServiceSdpRecord.find(link))
        assert not record.supported_features & avrcp.ControllerFeatures.CATEGORY_2
        with pytest.raises(PhoneError, match="no absolute volume"):
            phone.set_volume(50)
        speaker.turn_volume(99)
        assert speaker.metadata()["TITLE"] == "Test piece"  # So the volume would have come.
        assert phone.volume is None
        assert not speaker.avrcp.notification_listeners
