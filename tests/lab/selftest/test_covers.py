"""A phone's covers over the air: how a speaker finds them, gets them, and what it is refused."""

from contextlib import closing

import pytest
from bumble import core, sdp
from bumble.avrcp import MediaAttributeId
from imaging import IMAGE, PROPERTIES, THUMBNAIL, Imaging
from labkit.phone import Phone, PhoneError, Track, obex
from labkit.phone.covers import draw
from labkit.phone.obex import Code, Op
from speaker import Speaker

FIRST, SECOND = draw(1), draw(2)
LIST = [
    Track("One", "Anna", cover=FIRST),
    Track("Two", "Anna", cover=SECOND),
    Track("Three", "Ben"),
]
HANDLE = MediaAttributeId.DEFAULT_COVER_ART.name


@pytest.fixture
def speaker(radio):
    with closing(Speaker(radio)) as speaker:
        yield speaker


@pytest.fixture
def phone(radio, speaker):
    """A phone with covers, paired and connected."""
    with Phone(radio, covers=True) as phone:
        speaker.handset.pairing_with = phone.address
        phone.pair(speaker.address)
        phone.load(LIST)
        phone.connect()
        yield phone


@pytest.fixture
def imaging(speaker, phone):
    """A channel to where its record says that the covers are."""
    return Imaging(speaker, covers_psm(record(speaker)))


@pytest.fixture
def session(imaging):
    """The same, with a session."""
    assert imaging.connect() == Code.SUCCESS
    return imaging


def record(speaker: Speaker) -> dict[int, sdp.DataElement]:
    """What the phone says of its player."""

    async def read():
        async with sdp.Client(speaker.handset.link) as client:
            return await client.search_attributes(
                [core.BT_AV_REMOTE_CONTROL_TARGET_SERVICE], [sdp.SDP_ALL_ATTRIBUTES_RANGE]
            )

    (found,) = speaker.ask(read())
    return {attribute.id: attribute.value for attribute in found}


def covers_psm(record: dict[int, sdp.DataElement]) -> int:
    """As BlueZ reads it: the L2CAP channel of the stack with OBEX in it."""
    stacks = record[sdp.SDP_ADDITIONAL_PROTOCOL_DESCRIPTOR_LIST_ATTRIBUTE_ID].value
    (found,) = [
        layers
        for layers in ([layer.value for layer in stack.value] for stack in stacks)
        if any(layer[0].value == core.BT_OBEX_PROTOCOL_ID for layer in layers)
    ]
    channel, _ = found
    assert channel[0].value == core.BT_L2CAP_PROTOCOL_ID
    return channel[1].value


def sessions(phone: Phone) -> list[bool]:
    told = [event.details for event in phone.events if event.kind == "profile"]
    return [each["open"] for each in told if each["name"] == "covers"]


def test_the_record_leads_to_the_covers(speaker, phone):
    told = record(speaker)
    assert told[sdp.SDP_SUPPORTED_FEATURES_ATTRIBUTE_ID].value == 0b101010001
    first, _ = told[sdp.SDP_ADDITIONAL_PROTOCOL_DESCRIPTOR_LIST_ATTRIBUTE_ID].value
    assert first.value[0].value[1].value == 0x1B, "browsing, as without covers"
    psm = covers_psm(told)
    assert psm % 2 == 1 and psm >= 0x1001


def test_a_handle_is_told_within_a_session_only(speaker, phone, imaging):
    assert HANDLE not in speaker.metadata()
    assert imaging.connect() == Code.SUCCESS
    handle = speaker.metadata()[HANDLE]
    assert len(handle) == 7 and handle.isdecimal()
    assert speaker.metadata(MediaAttributeId.DEFAULT_COVER_ART) == {HANDLE: handle}
    assert imaging.disconnect() == Code.SUCCESS
    assert HANDLE not in speaker.metadata()
    assert imaging.connect() == Code.SUCCESS
    assert speaker.metadata()[HANDLE] != handle
    assert imaging.get(THUMBNAIL, handle) == (Code.SUCCESS, SECOND), "it is another's now"
    imaging.leave()
    assert HANDLE not in speaker.metadata()
    assert sessions(phone) == [True, False, True, False]


def test_each_track_has_its_own_handle(speaker, phone, session):
    handles = [speaker.metadata()[HANDLE]]
    phone.skip()
    handles.append(speaker.metadata()[HANDLE])
    phone.skip()
    assert HANDLE not in speaker.metadata()
    phone.load(LIST)
    handles.append(speaker.metadata()[HANDLE])
    assert len(set(handles)) == 3
    for handle in handles[:2]:
        assert session.get(THUMBNAIL, handle) == (Code.NOT_FOUND, b""), "of the list before"


def test_a_thumbnail_comes_whole(speaker, phone, session):
    handle = speaker.metadata()[HANDLE]
    assert session.get(THUMBNAIL, handle) == (Code.SUCCESS, FIRST)
    assert session.pieces > 2
    phone.skip()
    assert session.get(THUMBNAIL, speaker.metadata()[HANDLE]) == (Code.SUCCESS, SECOND)
    assert session.get(IMAGE, handle) == (Code.SUCCESS, FIRST), "not the current one"
    phone.wait_event(
        "cover-asked",
        matching=lambda event: event.details
        == {"handle": handle, "what": "thumbnail", "found": True},
    )


def test_a_large_image_comes_whole(speaker, phone, session):
    large = FIRST + bytes(range(256)) * 300
    phone.load([Track("Large", cover=large)])
    assert session.get(IMAGE, speaker.metadata()[HANDLE]) == (Code.SUCCESS, large)
    assert session.pieces > 100


def test_properties_say_what_there_is(speaker, phone, session):
    handle = speaker.metadata()[HANDLE]
    code, said = session.get(PROPERTIES, handle)
    assert code == Code.SUCCESS
    assert f'handle="{handle}"' in said.decode()
    assert f'<native encoding="JPEG" pixel="200*200" size="{len(FIRST)}"/>' in said.decode()


def test_what_there_is_not_is_refused(speaker, phone, session):
    handle = speaker.metadata()[HANDLE]
    for wrong in ("9999999", "", "one"):
        assert session.get(THUMBNAIL, wrong) == (Code.NOT_FOUND, b"")
    assert session.get(b"text/x-vcard\0", handle)[0] == Code.BAD_REQUEST
    assert session.get(THUMBNAIL, handle) == (Code.SUCCESS, FIRST)


def test_nothing_is_given_before_there_is_a_session(speaker, phone, imaging):
    imaging.connection = bytes([0, 0, 0, 1])
    for handle in ("0010001", "0000001"):
        assert imaging.get(THUMBNAIL, handle) == (Code.SERVICE_UNAVAILABLE, b"")
    assert imaging.disconnect() == Code.SERVICE_UNAVAILABLE
    assert imaging.connect(target=bytes(16)) == Code.NOT_ACCEPTABLE
    assert imaging.connect(most=254) == Code.BAD_REQUEST
    assert sessions(phone) == []


def test_there_is_one_session_at_a_time(speaker, phone, session):
    second = Imaging(speaker, covers_psm(record(speaker)))
    for each in (second, session):
        assert each.connect() == Code.SERVICE_UNAVAILABLE
    assert session.get(THUMBNAIL, speaker.metadata()[HANDLE]) == (Code.SUCCESS, FIRST)
    session.leave()
    assert second.connect() == Code.SUCCESS


def test_what_is_broken_off_is_begun_anew(speaker, phone, session):
    handle = speaker.metadata()[HANDLE]
    assert session.say(session.question(THUMBNAIL, handle))[0] == Code.CONTINUE
    assert session.say(obex.encode(Op.ABORT)) == bytes([Code.SUCCESS, 0, 3])
    assert session.say(session.question(THUMBNAIL, handle))[0] == Code.CONTINUE
    assert session.get(THUMBNAIL, handle) == (Code.SUCCESS, FIRST)


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(bytes([0x83]), id="no length"),
        pytest.param(bytes([0x83, 0, 9]), id="longer than it is"),
        pytest.param(bytes([0x83, 0, 3, 0xCB]), id="shorter than it is"),
        pytest.param(bytes([0x83, 0, 6, 0xCB, 0, 0]), id="half a number"),
        pytest.param(bytes([0x83, 0, 6, 0x42, 0, 9]), id="a header beyond the end"),
        pytest.param(bytes([0x83, 0, 6, 0x42, 0, 0]), id="a header without an end"),
        pytest.param(bytes([0x80, 0, 3]), id="connect without fields"),
        pytest.param(bytes([0x82, 0, 3]), id="put"),
        pytest.param(bytes([0x00, 0, 3]), id="nothing"),
        pytest.param(bytes(600), id="noise"),
    ],
)
def test_what_makes_no_sense_does_no_harm(speaker, phone, session, packet):
    handle = speaker.metadata()[HANDLE]
    begun = session.say(session.question(THUMBNAIL, handle))
    answer = session.say(packet)
    obex.parse(answer, 4 if packet[0] == Op.CONNECT else 0)
    assert answer[0] in (Code.BAD_REQUEST, Code.NOT_IMPLEMENTED)
    going_on = session.say(obex.encode(Op.GET_FINAL))
    pieces = [obex.parse(each)[1][obex.Header.BODY] for each in (begun, going_on)]
    assert FIRST.startswith(b"".join(pieces))
    assert session.get(THUMBNAIL, handle) == (Code.SUCCESS, FIRST)


def test_a_phone_that_leaves_ends_its_session(speaker, phone, session):
    phone.disconnect()
    phone.wait_event(
        "profile", matching=lambda event: event.details == {"name": "covers", "open": False}
    )
    phone.connect()
    assert HANDLE not in speaker.metadata()


def test_a_phone_without_covers_takes_none(radio):
    with Phone(radio) as phone:
        with pytest.raises(PhoneError, match="no covers"):
            phone.load(LIST)
        phone.load(LIST[2:])
        assert phone.track.title == "Three"
