"""What a gateway reads and counts, without any air: AT commands, calls, indicators, models."""

import random

import pytest
from labkit.phone.at import LONGEST_LINE, LineReader, Malformed, parse
from labkit.phone.call import Calls, Refused, State
from labkit.phone.models import MODELS


@pytest.mark.parametrize(
    ("line", "key", "fields"),
    [
        ("ATA", "A", None),
        ("AT+CHUP", "+CHUP", None),
        ("AT+CIND?", "+CIND?", None),
        ("AT+CIND=?", "+CIND=?", None),
        ("AT+CMER=3,0,0,1", "+CMER=", ["3", "0", "0", "1"]),
        ("AT+CMER=3,,,1", "+CMER=", ["3", "", "", "1"]),
        ("AT+CMER=3,0,0,1,0", "+CMER=", ["3", "0", "0", "1", "0"]),
        ('AT+CSCS="UTF-8, or so",1', "+CSCS=", ["UTF-8, or so", "1"]),
        ("AT+BIA=0,,1,", "+BIA=", ["0", "", "1", ""]),
        ("AT+BRSF=", "+BRSF=", [""]),
    ],
)
def test_commands_are_read(line, key, fields):
    command = parse(line)
    assert command.key == key
    if fields is not None:
        assert command.fields == fields


def test_dialling_is_a_command_of_its_own():
    assert (parse("ATD+49(30)1;").key, parse("ATD>12;").value) == ("D", ">12")


@pytest.mark.parametrize("line", ["", "AT", "at+chup", "ATD1", "AT+", "RING", "AT+CLCC\n", "AT+Ü"])
def test_other_lines_are_malformed(line):
    with pytest.raises(Malformed):
        parse(line)


@pytest.mark.parametrize("value", ["1,2", "", "x", "16", "-1", '"', "1 2", "٣"])
def test_one_number_is_one_number(value):
    with pytest.raises(Malformed):
        parse(f"AT+VGS={value}").number(0, 15)


def test_lines_come_in_any_pieces():
    data = b"AT+BRSF=1\rATA\r"
    for size in range(1, len(data)):
        reader = LineReader()
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        assert [line for piece in pieces for line in reader.feed(piece)] == ["AT+BRSF=1", "ATA"]


def test_an_overlong_line_is_one_complaint_in_little_memory():
    reader = LineReader()
    for _ in range(100):
        assert reader.feed(b"x" * 100) == []
        assert len(reader._rest) <= LONGEST_LINE
    complaint, line = reader.feed(b"\rATA\r")
    assert isinstance(complaint, Malformed) and line == "ATA"


def test_any_bytes_become_lines_or_complaints():
    dice = random.Random(1)
    reader = LineReader()
    for _ in range(2000):
        for line in reader.feed(bytes(dice.choices(b"AT+=?,\";D1\r\n\0\xff", k=20))):
            try:
                assert isinstance(parse(line).fields, list) if isinstance(line, str) else line
            except Malformed:
                pass


def calls(*states: State) -> Calls:
    """Calls in these states: they are made as active ones, because only one can be set up."""
    made = Calls()
    for number, state in enumerate(states):
        made.add(str(number), None, State.ACTIVE).state = state
    return made


@pytest.mark.parametrize(
    ("states", "values"),
    [
        ([], (0, 0, 0)),
        ([State.INCOMING], (0, 1, 0)),
        ([State.DIALING], (0, 2, 0)),
        ([State.ALERTING], (0, 3, 0)),
        ([State.ACTIVE], (1, 0, 0)),
        ([State.ACTIVE, State.WAITING], (1, 1, 0)),
        ([State.ACTIVE, State.HELD], (1, 0, 1)),
        ([State.HELD], (1, 0, 2)),
    ],
)
def test_indicators_follow_from_the_calls(states, values):
    assert tuple(calls(*states).indicators.values()) == values


A, H, W, I = State.ACTIVE, State.HELD, State.WAITING, State.INCOMING


@pytest.mark.parametrize(
    ("before", "operation", "after"),
    [
        ([A, W], "0", [A]),
        ([A, H], "0", [A]),
        ([A, W], "1", [A]),
        ([A, H], "1", [A]),
        ([A], "1", []),
        ([A, H], "12", [A]),
        ([A], "2", [H]),
        ([H], "2", [A]),
        ([A, H], "2", [H, A]),
        ([A, W], "2", [H, A]),
        ([A, A], "22", [H, A]),
        ([A, H], "3", [A, A]),
        ([A, H], "4", []),
    ],
)
def test_chld_does_what_it_says(before, operation, after):
    made = calls(*before)
    made.hold(operation)
    assert [call.state for call in made.all] == after


@pytest.mark.parametrize(
    ("before", "operation"),
    [([], "0"), ([], "1"), ([], "2"), ([A], "0"), ([A], "3"), ([A], "4"), ([A], "12"), ([W], "11")],
)
def test_what_makes_no_sense_is_refused(before, operation):
    with pytest.raises(Refused):
        calls(*before).hold(operation)


def test_a_call_that_waits_rings_when_it_is_alone():
    made = calls(A, W)
    made.hang_up()
    assert [call.state for call in made.all] == [I]


def test_indices_are_the_lowest_free_ones():
    made = calls(A, H)
    made.end(made.all[0])
    assert made.add("3", None, State.WAITING).index == 1


def test_numbers_and_names_cannot_break_a_line():
    made = Calls()
    call = made.add('1"\r\nOK', 'Eve"\r\nRING', State.INCOMING)
    assert "\r" not in call.clip() + call.clcc() and call.clip().count('"') == 4


def test_the_setup_is_as_long_as_both_sides_can():
    assert len(MODELS["iphone"].setup(0xFFF)) == 9
    assert len(MODELS["iphone"].setup(0)) == 4
    assert len(MODELS["plain"].setup(0xFFF)) == 4
