"""OBEX to the byte, as BlueZ's obexd sends and reads it."""

from imaging import TARGET
from labkit.phone import obex
from labkit.phone.obex import Code, Session

OBJECT = b"0123456789" * 70
TYPE = b"x-bt/img-thm\0"
HANDLE = "0010001"


class Drawer:
    """One object, for whoever asks for anything."""

    target = TARGET

    def __init__(self) -> None:
        self.asked: list[obex.Headers] = []

    def open(self) -> int:
        return 7

    def close(self) -> None:
        pass

    def find(self, asked: obex.Headers) -> bytes:
        self.asked.append(asked)
        return OBJECT


def connected(drawer: Drawer) -> Session:
    """A session with a client that takes 400 bytes."""
    session = Session(drawer, takes=672)
    asked = bytes.fromhex("80 001a 10 00 0190 46 0013") + TARGET
    told = bytes.fromhex("a0 001f 15 00 02a0 cb 00000007 4a 0013") + TARGET
    assert session.answer(asked, 32767) == told
    return session


def test_a_thumbnail_is_asked_for_and_given():
    drawer = Drawer()
    session = connected(drawer)
    asked = bytes.fromhex("83 002d cb 00000007 97 01 42 0010") + TYPE
    asked += bytes.fromhex("30 0013 0030 0030 0031 0030 0030 0030 0031 0000")
    first = session.answer(asked, 32767)
    room = 400 - 3 - 5 - 3
    assert first == bytes.fromhex("90 0190 c3 000002bc 48 0188") + OBJECT[:room]
    (wanted,) = drawer.asked
    assert wanted[obex.Header.TYPE] == TYPE
    assert obex.text(wanted[obex.Header.IMAGE_HANDLE]) == HANDLE
    last = session.answer(bytes.fromhex("83 0005 97 01"), 32767)
    assert last == bytes.fromhex("a0 013d 49 013a") + OBJECT[room:]
    assert session.answer(bytes.fromhex("83 0005 97 01"), 32767)[0] == Code.SERVICE_UNAVAILABLE


def test_a_question_may_come_in_pieces():
    drawer = Drawer()
    session = connected(drawer)
    assert session.answer(bytes.fromhex("03 0008 cb 00000007"), 672) == bytes.fromhex("90 0003")
    assert session.answer(bytes.fromhex("03 0013 42 0010") + TYPE, 672)[0] == Code.CONTINUE
    handle = obex.spelled(HANDLE)
    asked = obex.encode(obex.Op.GET_FINAL, {obex.Header.IMAGE_HANDLE: handle})
    assert session.answer(asked, 672)[0] == Code.CONTINUE
    assert [sorted(each) for each in drawer.asked] == [[0x30, 0x42, 0xCB]]


def test_the_client_of_another_session_gets_nothing():
    drawer = Drawer()
    session = connected(drawer)
    for wrong in ("83 0008 cb 00000008", "83 0003", "81 0003", "81 0008 cb 00000008"):
        answer = session.answer(bytes.fromhex(wrong), 672)
        assert answer == bytes([Code.SERVICE_UNAVAILABLE, 0, 3])
    assert not drawer.asked
    assert session.answer(bytes.fromhex("81 0008 cb 00000007"), 672) == bytes.fromhex("a0 0003")


def test_an_answer_fits_what_l2cap_takes():
    session = Session(Drawer(), takes=672)
    asked = bytes.fromhex("80 001a 10 00 ffff 46 0013") + TARGET
    assert session.answer(asked, 300)[0] == Code.SUCCESS
    asked = obex.encode(0x83, {0xCB: bytes([0, 0, 0, 7]), obex.Header.TYPE: TYPE})
    assert len(session.answer(asked, 300)) == 300
