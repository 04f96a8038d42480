"""What a hands-free unit may not do and a phone's gateway notes; what the gateway does wrong on
demand."""

import pytest
from hands_free import Refused, indicator
from labkit import clock
from labkit.phone import loop

ANNA = "+4930123456"


@pytest.fixture
def phone(calling):
    return calling()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"AT+CLCC\rAT+CLCC\r", "before the last command was answered"),
        (b"AT+CLCC\r\n\r", "CR alone"),
        (b"ATD123\r", "semicolon"),
        (b"AT+VTS=12\r", "one key at a time"),
        (b"AT+CHLD=7\r", "no such operation"),
        (b"AT+BIEV=1,1\r", "not agreed on"),
        (b"AT+BCS=2\r", "no codec was proposed"),
        (b"AT+BRSF=0\r", "is there already"),
        (b"\xff\x00\x01\r", "not plain ASCII"),
        (b"A" * 3000 + b"\r", "longer than"),
    ],
)
def test_what_the_profile_forbids_is_noted(phone, unit, data, why):
    unit.send(data)
    phone.wait_event("violation", matching=lambda event: why in event.details["why"])
    assert phone.is_hands_free


def test_a_setup_out_of_order_is_noted(calling, unit):
    phone = calling(connected=False)
    loop.run(unit.unit.connect(unit.handset.link), 10)
    unit.ask("AT+CIND?")
    phone.wait_event("violation", matching=lambda event: "AT+BRSF= was due" in event.details["why"])


def test_faults_are_had_on_demand(phone, unit):
    phone.ring(ANNA)
    phone.misbehave(tight=True)
    assert unit.ask("AT+CLCC") == [f'+CLCC:1,1,4,0,0,"{ANNA}",145']
    phone.misbehave(ok_first=True)
    unit.ask("AT+CHUP")
    assert unit.ask("AT+COPS?") == []
    unit.wait_line('+COPS: 0,0,"Lab Mobile"')
    phone.ring(ANNA)
    phone.misbehave(slow=0.3)
    began = clock.now()
    unit.ask("AT+CHUP")
    assert clock.now() - began > 0.3
    phone.misbehave(silent={"+CMEE="})
    began = clock.now()
    unit.send(b"AT+CMEE=1\r")
    phone.wait_event("asked", since=began)
    phone.misbehave(refused={"*"})
    with pytest.raises(Refused):
        unit.ask("AT+CMEE=0")
    phone.misbehave(garbage=b"\r\n\xfe\xff#!\r\n" + 600 * b"x" + b"\r\n", piecemeal=1)
    phone.send_raw(b"\r\n+CIEV: 99,99\r\n")
    unit.wait_line("+CIEV: 99,99")


def test_ciev_before_ok_on_demand(phone, unit):
    for first in (False, True):
        phone.misbehave(ciev_first=first)
        began = clock.now()
        phone.ring(ANNA)
        unit.ask("AT+CHUP")
        ended = indicator(phone, "callsetup", 0)
        unit.wait_line(ended, since=began)
        lines = unit.lines(began)
        assert (lines.index(ended) < lines.index("OK")) == first
