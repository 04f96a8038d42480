"""What the owner wants of calls: who may have them, when they answer themselves, and what becomes of
one call when another one is answered."""

import json

import pytest
from telephony import (
    ANNA,
    BEN,
    PATIENCE,
    call,
    calls,
    hang_up,
    saw,
    states,
    talk,
    told,
    wait_calls,
    wait_gone,
    wait_states,
    wait_told,
)

from labkit import signals
from labkit.phone import PhoneError

AUTO = '[calls]\nauto-answer = "{wait}"\n'
ONLY = "[calls]\nphones = {phones}\n"
FETCHED = 6.0
"""Seconds after which the speaker would have asked a phone with music for its calls."""


def configure(speaker, text):
    """Applies a configuration."""
    speaker.pi.config(text)
    speaker.pi.sh("systemctl reload dotd")


def wait_over(speaker, seconds):
    """Waits until so much time is over, in which something should not happen."""
    end = speaker.pi.now() + seconds
    speaker.pi.wait_for(lambda: speaker.pi.now() > end, timeout=seconds + PATIENCE)


def wait_count(speaker, count):
    """Waits until there are so many calls."""
    speaker.pi.wait_for(lambda: len(calls(speaker)) == count, PATIENCE, f"{count} calls")


def answers(phone, since):
    """When the speaker answered a call of this phone."""
    return asked(phone, since, what="answer")


def asked(phone, since, **details):
    """When the speaker asked the phone for this."""
    found = [e for e in phone.events if e.kind == "asked" and details.items() <= e.details.items()]
    return [event.time for event in found if event.time > since]


# Answering by itself


def test_call_answers_itself_after_the_seconds(speaker, calling):
    phone = calling()
    configure(speaker, AUTO.format(wait="3s"))
    began = speaker.pi.now()
    phone.ring(ANNA)
    answered = saw(phone, "asked", began, what="answer")
    assert answered.time > began + 2.9, (began, answered)
    saw(phone, "audio", began, state="open", codec="msbc")
    wait_calls(speaker, "active")
    assert states(phone) == ["active"]


def test_call_that_comes_into_another_one_does_not(speaker, calling):
    anna, ben = calling(), calling("android")
    configure(speaker, AUTO.format(wait="1s"))
    anna.ring(ANNA)
    wait_calls(speaker, "active")
    began = speaker.pi.now()
    anna.waiting_call(BEN)
    wait_calls(speaker, "active", "waiting")
    ben.ring(BEN)
    wait_count(speaker, 3)
    wait_over(speaker, 4)
    # Nor when the one it came into is over.
    anna.hang_up(2)
    anna.hang_up()
    wait_calls(speaker, "incoming")
    wait_over(speaker, 4)
    assert answers(anna, began) == answers(ben, began) == []
    assert states(ben) == ["incoming"]


def test_call_that_somebody_refuses_or_gives_up_does_not(speaker, calling):
    phone = calling()
    configure(speaker, AUTO.format(wait="10s"))
    began = speaker.pi.now()
    phone.ring(ANNA)
    wait_calls(speaker, "incoming")
    call(speaker, "reject")
    wait_calls(speaker)
    phone.ring(ANNA)
    wait_calls(speaker, "incoming")
    phone.hang_up()
    wait_calls(speaker)
    # The next one waits for its own time, when that of the others is long over.
    last = speaker.pi.now()
    phone.ring(ANNA)
    wait_calls(speaker, "active")
    (answered,) = answers(phone, began)
    assert answered > last + 9.9, (began, last, answered)


def test_answering_is_switched_on_and_off_while_it_rings(speaker, calling):
    phone = calling()
    configure(speaker, AUTO.format(wait="10s"))
    began = speaker.pi.now()
    phone.ring(ANNA)
    wait_calls(speaker, "incoming")
    configure(speaker, AUTO.format(wait="off"))
    wait_over(speaker, 12)
    assert answers(phone, began) == []
    configure(speaker, AUTO.format(wait="1s"))
    wait_calls(speaker, "active")


# Who may use calls


def test_phone_that_may_not_use_calls_is_refused_them_and_plays(speaker, phones):
    (phone,) = phones(1, calls="iphone")
    configure(speaker, ONLY.format(phones='["Nobody"]'))
    speaker.invite(phone)
    phone.play(signals.two_tone(441, 997, 60.0))
    speaker.wait_playing(phone)
    with pytest.raises(PhoneError):
        phone.hands_free()
    wait_over(speaker, FETCHED)
    assert not [e for e in phone.events if e.details.get("state") == "open" and e.kind == "hfp"]
    assert told(speaker, phone) is None
    assert speaker.find(phone)["calls_allowed"] is False
    assert "calls not allowed" in speaker.dotctl("phones").stdout
    for options in ([], ["--phone", phone.name]):
        refused = call(speaker, "dial", ANNA, *options, check=False)
        assert refused.rc == 6 and "calls.phones" in refused.stderr, refused
    speaker.dotctl("connect", phone.name)
    assert told(speaker, phone) is None
    speaker.wait_playing(phone, PATIENCE)


@pytest.mark.parametrize("by", ["name", "address"])
def test_phone_that_is_named_brings_its_calls_after_a_reload(speaker, phones, by):
    (phone,) = phones(1, calls="iphone")
    configure(speaker, ONLY.format(phones='["Nobody"]'))
    speaker.invite(phone)
    phone.play(signals.two_tone(441, 997, 60.0))
    speaker.wait_playing(phone)
    began = speaker.pi.now()
    configure(speaker, ONLY.format(phones=json.dumps([getattr(phone, by)])))
    saw(phone, "hfp", began, state="ready")
    wait_told(speaker, phone)
    assert speaker.find(phone)["calls_allowed"] is True
    talk(speaker, phone)


def test_call_that_is_up_when_its_phone_is_struck_off_goes_on_to_its_end(speaker, calling):
    phone = calling()
    talk(speaker, phone)
    began = speaker.pi.now()
    configure(speaker, ONLY.format(phones='["Nobody"]'))
    refused = call(speaker, "dial", BEN, check=False)
    assert refused.rc == 6 and "calls.phones" in refused.stderr, refused
    wait_over(speaker, 2)
    assert told(speaker, phone).voice == "msbc" and states(phone) == ["active"]
    assert not [e for e in phone.events if e.details.get("state") == "closed" and e.time > began]
    hang_up(speaker, phone)
    saw(phone, "hfp", began, state="closed")
    wait_gone(speaker, phone)
    assert speaker.find(phone)["connected"]


# One call for another


def test_call_that_cannot_be_set_aside_leaves_the_other_one_ringing(speaker, calling):
    # An old phone holds no calls.
    anna, ben = calling(), calling("plain")
    talk(speaker, ben)
    anna.ring(BEN)
    wait_count(speaker, 2)
    refused = call(speaker, "answer", check=False)
    assert refused.rc == 9 and "still rings" in refused.stderr, refused
    assert (states(anna), states(ben)) == (["incoming"], ["active"])
    began = speaker.pi.now()
    call(speaker, "answer", "--end-others")
    saw(ben, "asked", began, what="hang-up")
    saw(anna, "asked", began, what="answer")
    wait_calls(speaker, "active")
    assert (states(anna), states(ben)) == (["active"], [])


def test_call_that_was_set_aside_for_nothing_is_taken_up_again(speaker, calling):
    anna, ben = calling(), calling("android")
    talk(speaker, ben)
    anna.ring(BEN)
    wait_count(speaker, 2)
    anna.misbehave(refused={"A"})
    began = speaker.pi.now()
    refused = call(speaker, "answer", check=False)
    assert refused.rc == 6 and refused.stderr, refused
    # Once to set it aside, and once to take it up.
    speaker.pi.wait_for(
        lambda: len(asked(ben, began, what="hold", value="2")) == 2, PATIENCE, "the call back"
    )
    wait_states(speaker, ben, "active")
    assert states(anna) == ["incoming"]


def test_phone_that_refuses_to_hold_keeps_its_call(speaker, calling):
    anna, ben = calling(), calling("android")
    talk(speaker, ben)
    anna.ring(BEN)
    wait_count(speaker, 2)
    ben.misbehave(refused={"+CHLD="})
    refused = call(speaker, "answer", check=False)
    assert refused.rc == 6 and "still rings" in refused.stderr, refused
    assert (states(anna), states(ben)) == (["incoming"], ["active"])
    ben.misbehave()
    call(speaker, "answer")
    wait_states(speaker, anna, "active")
    wait_states(speaker, ben, "held")
