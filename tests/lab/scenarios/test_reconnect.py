"""Who is called when somebody is missing.

The phone tells who began a link: one that is `incoming` there, the speaker did. What is here is what
tests/household/cases.toml says of who is `called`.
"""

from itertools import pairwise

from pages import pages, pages_to
from telephony import hang_up, talk
from turns import tone, wait

NEXT_CALL = 10.0
"""Seconds after which a phone that has just come back into range would have been called twice."""
WAITS = (2.0, 4.0, 8.0)
"""Seconds from the end of a call in vain to the next one, each a quarter longer or shorter."""
LATE = 1.0
"""Seconds by which a call may be late, on a busy machine."""
READY = "is ready on"
"""What dotd tells each time that it has the adapter."""

CREATE_CONNECTION_CANCEL = 0x0408


def wait_called(speaker, phone, since, timeout=60):
    """The speaker has called the phone, and has it back."""
    came = phone.wait_event("connected", since=since, timeout=timeout)
    assert came.details["incoming"], "the phone came by itself"
    speaker.wait_connected(phone, True)
    return came.time


def plays_a_piece(speaker, phone):
    """It is the one that played last."""
    phone.play(tone(441.0, 2.0)).wait()
    speaker.wait_silent(phone)


def wait_in_vain(speaker, phone, count, since, timeout=120):
    """Waits until it was called so often without an answer."""

    def called():
        ended = [page for page in pages_to(speaker.pi, phone, since) if page.ended]
        return ended if len(ended) >= count else None

    found = speaker.pi.wait_for(called, timeout, f"{count} calls")[:count]
    assert not [page for page in found if page.link is not None], "somebody has answered"
    return found


# Who is called


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


def test_all_who_were_here_are_called_when_bluetoothd_is_back(speaker, phones):
    """First the preferred one, then the one that played last, then the one that came last."""
    anna, ben, cleo = phones(3)
    for phone in (anna, ben, cleo):
        speaker.welcome(phone)
    plays_a_piece(speaker, anna)
    speaker.dotctl("prefer", ben.address)
    restarted = speaker.pi.now()
    speaker.pi.sh("systemctl restart bluetooth")
    for phone in (anna, ben, cleo):
        phone.wait_event("disconnected", timeout=40, since=restarted)
    times = [wait_called(speaker, phone, restarted) for phone in (ben, anna, cleo)]
    assert times == sorted(times)


def test_phones_that_are_away_are_called_in_turn_once_the_adapter_is_back(speaker, phones):
    """Who played last comes first, and no call begins before the one before has ended."""
    anna, ben = phones(2)
    for phone in (anna, ben):
        speaker.welcome(phone)
    plays_a_piece(speaker, anna)
    left = speaker.pi.now()
    for phone in (anna, ben):
        phone.out_of_range()
    speaker.pi.unplug()
    speaker.pi.wait_status(lambda status: status["bluetooth"]["state"] == "missing")
    speaker.pi.plug()
    speaker.wait_ready()
    for phone in (anna, ben):
        wait_in_vain(speaker, phone, 2, left)
    calls = pages(speaker.pi, left)
    assert [call.address for call in calls[:2]] == [anna.address, ben.address]
    for before, after in pairwise(calls):
        assert before.ended and before.ended <= after.began, "two are called at once"
    for phone in (anna, ben):
        phone.wait_event("disconnected", timeout=60, since=left)
        phone.in_range()
    for phone in (anna, ben):
        wait_called(speaker, phone, left)


def test_who_left_on_purpose_is_left_alone(speaker, phones):
    anna, ben, cleo = phones(3)
    for phone in (anna, ben, cleo):
        speaker.welcome(phone)
    speaker.part(anna)
    speaker.dotctl("disconnect", ben.address)
    speaker.wait_connected(ben, False)
    speaker.dotctl("prefer", cleo.address, "--never")
    restarted = speaker.pi.now()
    ready = speaker.pi.journal().count(READY)
    speaker.pi.sh("systemctl restart bluetooth")
    # What is shown may be of before.
    speaker.pi.wait_for(lambda: speaker.pi.journal().count(READY) > ready, what="a new adapter")
    speaker.pi.wait_for(lambda: not speaker.find(cleo)["connected"], what="Cleo's link gone")
    for phone in (anna, ben, cleo):
        known = speaker.find(phone)
        assert not known["called"] and known["next_call"] is None, phone.name
    speaker.dotctl("connect", ben.address)
    wait_called(speaker, ben, restarted)


# When


def test_each_call_in_vain_doubles_the_wait_for_the_next(speaker, phone):
    speaker.welcome(phone)
    left = speaker.pi.now()
    phone.out_of_range()
    calls = wait_in_vain(speaker, phone, len(WAITS) + 1, left)
    waited = [after.began - before.ended for before, after in pairwise(calls)]
    for wanted, seconds in zip(WAITS, waited, strict=True):
        assert 0.75 * wanted <= seconds <= 1.25 * wanted + LATE, waited


def test_phone_at_the_fringe_does_not_begin_the_waits_anew(speaker, phone):
    """It answers, and its link is lost again before it uses the speaker."""
    speaker.welcome(phone)
    left = speaker.pi.now()
    phone.out_of_range()
    *_, last = wait_in_vain(speaker, phone, 2, left)
    # Not by this thread, which might see it late.
    phone.out_of_range_at("encrypted")
    phone.in_range()
    came = phone.wait_event("encrypted", timeout=30, since=last.ended).time
    answered = speaker.pi.wait_for(
        lambda: [page for page in pages_to(speaker.pi, phone, last.ended) if page.lost],
        timeout=60,
        what="the end of the link",
    )[0]
    used = [event for event in phone.events if event.kind == "stream" and event.time > came]
    assert not used, "it was near for so long that it used the speaker"
    # What dotd says, for BlueZ calls again by itself for the next profile before it says that the phone
    # is gone.
    speaker.pi.wait_for(lambda: not speaker.find(phone)["called"], timeout=60, what="the end of the call")
    left = speaker.find(phone)["next_call"] - float(speaker.pi.sh("date +%s.%N").stdout)
    assert 0.75 * WAITS[2] - LATE - 1 <= left <= 1.25 * WAITS[2] + 1, "in whole seconds"
    phone.wait_event("disconnected", timeout=60, since=came)
    phone.in_range()
    wait_called(speaker, phone, answered.lost, timeout=90)


def test_lost_phone_is_called_as_soon_as_the_call_on_the_other_one_is_over(speaker, phones, calling):
    anna = calling()
    (ben,) = phones(1)
    speaker.welcome(ben)
    talk(speaker, anna)
    left = speaker.pi.now()
    ben.out_of_range()
    speaker.wait_connected(ben, False, timeout=40)
    ben.in_range()
    wait(speaker, NEXT_CALL)
    known = speaker.find(ben)
    assert known["next_call"] and not known["called"], "it is missed, and somebody talks"
    assert not pages_to(speaker.pi, ben, left)
    ended = speaker.pi.now()
    hang_up(speaker, anna)
    assert wait_called(speaker, ben, left) > ended


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
    # It lasts for 5 s, in which no long tone should have to be made.
    ben.play(tone(441.0, 1.0), endless=True)
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
