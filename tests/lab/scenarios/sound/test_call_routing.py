"""Controllers that keep the sound of calls to themselves, as the one on a Raspberry Pi's board does
unless it is told otherwise.
"""

import pytest
from telephony import hang_up, saw, talk, wait_calls, wait_told
from test_call_recovery import check_heard

from labkit.hci_pump import WRITE_SCO_PCM

BRING_IT_HERE = bytes([1, 2, 0, 1, 1])
"""Over HCI; the rest is about the pins, as Raspberry Pi OS has always set it."""


@pytest.fixture
def plug(speaker):
    """Puts another adapter in the place of the usual one, until the end of the scenario."""

    def plug(chip):
        speaker.pi.unplug()
        speaker.pi.wait_status(lambda status: status["bluetooth"]["state"] == "missing")
        speaker.pi.plug(chip)
        speaker.wait_ready()

    yield plug
    if speaker.pi.machine.plugged:
        speaker.pi.unplug()


def routes(speaker):
    """What the adapter was told about the sound of calls so far."""
    commands = speaker.pi.hci_commands()
    return [parameters for opcode, parameters in commands if opcode == WRITE_SCO_PCM]


def wait_routes(speaker, more_than=0):
    """Waits until it was told more often than that, and always the same."""
    speaker.pi.wait_for(lambda: len(routes(speaker)) > more_than, what="the order to the adapter")
    assert set(routes(speaker)) == {BRING_IT_HERE}


def test_controller_with_pins_is_told_each_time_it_comes_up(speaker, plug, calling):
    assert not routes(speaker), "the lab's usual controller is none of them"
    plug("broadcom")
    wait_routes(speaker)
    speaker.pi.sh("systemctl stop bluetooth")
    before = len(routes(speaker))
    speaker.pi.sh("systemctl start bluetooth")
    speaker.wait_ready()
    wait_routes(speaker, more_than=before)
    phone = calling()
    talk(speaker, phone)
    wait_told(speaker, phone, lambda shown: shown.voice)
    speaker.dotctl("volume", "100")
    check_heard(speaker, phone)
    hang_up(speaker, phone)
    assert speaker.status()["voice_problem"] is None


def test_call_that_cannot_be_heard_is_told_with_what_to_do(speaker, plug, calling):
    plug("deaf-broadcom")
    wait_routes(speaker)
    phone = calling()
    began = speaker.pi.now()
    talk(speaker, phone)
    saw(phone, "audio", began, timeout=20, state="open", codec="cvsd")
    speaker.pi.wait_status(lambda status: "dotd(8)" in (status["voice_problem"] or ""), timeout=20)
    assert "CALLS in dotd(8)" in speaker.dotctl("status").stdout
    phone.hang_up()
    wait_calls(speaker)
    plug("plain")
    assert speaker.status()["voice_problem"] is None, "nothing is known of this one"
