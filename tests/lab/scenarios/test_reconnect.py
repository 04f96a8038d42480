"""Who is called when somebody is missing.

The phone tells who began a link: one that is `incoming` there, the speaker did. What is here is what
tests/household/cases.toml says of who is `called`.
"""

from turns import tone, wait

NEXT_CALL = 10.0
"""Seconds after which a phone that has just come back into range would have been called twice."""

CREATE_CONNECTION_CANCEL = 0x0408


def wait_called(speaker, phone, since, timeout=60):
    """The speaker has called the phone, and has it back."""
    came = phone.wait_event("connected", since=since, timeout=timeout)
    assert came.details["incoming"], "the phone came by itself"
    speaker.wait_connected(phone, True)
    return came.time


def test_lost_phone_is_called_back(speaker, phone):
    speaker.welcome(phone)
    left = speaker.pi.now()
    phone.out_of_range()
    speaker.wait_connected(phone, False, timeout=40)
    speaker.pi.wait_for(
        lambda: (known := speaker.find(phone))["called"] or known["next_call"],
        what="a next call",
    )
    phone.in_range()
    wait_called(speaker, phone, left, timeout=150)


def test_who_was_here_is_called_after_a_reboot(speaker, phones):
    anna, ben = phones(2)
    for phone in (anna, ben):
        speaker.welcome(phone)
    speaker.dotctl("prefer", anna.address)
    rebooted = speaker.pi.now()
    speaker.pi.reboot()
    speaker.wait_ready(timeout=60)
    times = [wait_called(speaker, phone, rebooted) for phone in (anna, ben)]
    assert times == sorted(times), "the preferred one comes first"


def test_who_left_on_purpose_is_left_alone(speaker, phones):
    anna, ben, cleo = phones(3)
    for phone in (anna, ben, cleo):
        speaker.welcome(phone)
    speaker.part(anna)
    speaker.dotctl("disconnect", ben.address)
    speaker.wait_connected(ben, False)
    speaker.dotctl("prefer", cleo.address, "--never")
    restarted = speaker.pi.now()
    speaker.pi.sh("systemctl restart bluetooth")
    speaker.wait_ready()
    speaker.pi.wait_for(lambda: not speaker.find(cleo)["connected"], what="Cleo's link gone")
    for phone in (anna, ben, cleo):
        known = speaker.find(phone)
        assert not known["called"] and known["next_call"] is None, phone.name
    speaker.dotctl("connect", ben.address)
    wait_called(speaker, ben, restarted)


def test_lost_phone_is_called_as_soon_as_the_other_one_has_stopped(speaker, phones):
    anna, ben = phones(2)
    for phone in (anna, ben):
        speaker.welcome(phone)
    ben.play(tone(441.0, 120.0))
    speaker.wait_playing(ben)
    left = speaker.pi.now()
    anna.out_of_range()
    speaker.wait_connected(anna, False, timeout=40)
    anna.in_range()
    wait(speaker, NEXT_CALL)
    known = speaker.find(anna)
    assert known["next_call"] and not known["called"], "it is missed, and Ben's plays"
    stopped = speaker.pi.now()
    ben.stop()
    assert wait_called(speaker, anna, left) > stopped


def test_call_is_broken_off_when_another_phone_plays(speaker, phones):
    anna, ben = phones(2)
    for phone in (anna, ben):
        speaker.welcome(phone)
    left = speaker.pi.now()
    anna.out_of_range()
    speaker.pi.wait_for(lambda: speaker.find(anna)["called"], 40, "a call")
    ben.play(tone(441.0, 120.0))
    speaker.wait_playing(ben)
    speaker.pi.wait_for(lambda: not speaker.find(anna)["called"], what="the end of the call")
    commands = [opcode for opcode, _ in speaker.pi.hci_commands()]
    assert CREATE_CONNECTION_CANCEL in commands, "the page has ended by itself"
    ben.stop()
    anna.in_range()
    wait_called(speaker, anna, left)


def test_nobody_is_called_while_pairing_is_open(speaker, phone):
    speaker.welcome(phone)
    left = speaker.pi.now()
    phone.out_of_range()
    speaker.wait_connected(phone, False, timeout=40)
    speaker.dotctl("pair", "--for", "30s")
    phone.in_range()
    speaker.wait_window(False, timeout=60)
    closed = speaker.pi.now()
    assert wait_called(speaker, phone, left) > closed - 1
