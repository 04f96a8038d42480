"""A phone that makes calls and a stand-in hands-free unit: the connection, calls, the rest."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from bumble import hfp, rfcomm
from bumble.hfp import HfFeature
from hands_free import ALL_FEATURES, Refused, indicator, order, states
from labkit import clock
from labkit.phone import MODELS, Phone, PhoneError, State, loop

ANNA, BEN = "+4930123456", "0891234"


@pytest.fixture
def phone(calling):
    return calling()


@pytest.mark.parametrize("model", MODELS)
def test_the_unit_connects_and_breaks_no_rule(calling, unit, model):
    phone = calling(model)
    assert phone.is_hands_free and not phone.violations
    offered = unit.log.wait("gateway", 0)
    assert offered.details["version"] == MODELS[model].version
    unit.disconnect()
    phone.wait_event("hfp", matching=lambda event: event.details["state"] == "closed")
    assert not phone.is_hands_free


def test_the_phone_connects_and_lets_go(calling, unit):
    phone = calling(connected=False)
    with ThreadPoolExecutor(1) as unit_side:
        answering = unit_side.submit(unit.set_up)
        phone.hands_free()
        answering.result(10)
    assert phone.is_hands_free and not phone.violations
    phone.hands_free(False)
    assert not phone.is_hands_free


def test_either_side_connects_again_and_again(calling, unit):
    phone = calling()
    for _ in range(3):
        phone.ring(ANNA)
        unit.ask("ATA")
        unit.wait_voice(True)
        unit.ask("AT+CHUP")
        unit.wait_voice(False)
        ended = clock.now()
        unit.disconnect()
        closed = phone.wait_event("hfp", since=ended)
        assert closed.details["state"] == "closed"
        unit.connect()
        assert phone.is_hands_free
    assert not phone.violations


@pytest.mark.parametrize("model", MODELS)
def test_another_implementation_gets_along_with_it(calling, unit, model):
    phone = calling(model, connected=False)

    async def set_up() -> hfp.HfProtocol:
        channel, *_ = await hfp.find_ag_sdp_record(unit.handset.link)
        multiplexer = await rfcomm.Client(unit.handset.link).start()
        features = [each for each in HfFeature if each in ALL_FEATURES]
        codecs = [hfp.AudioCodec.CVSD, hfp.AudioCodec.MSBC]
        configuration = hfp.HfConfiguration(features, [hfp.HfIndicator.BATTERY_LEVEL], codecs)
        bumble = hfp.HfProtocol(await multiplexer.open_dlc(channel), configuration)
        await bumble.initiate_slc()
        return bumble

    bumble = loop.run(set_up(), 10)
    phone.ring(ANNA, "Anna")
    loop.run(bumble.answer_incoming_call(), 5)
    assert states(phone) == ["active"] and not phone.violations
    if model != "plain":
        (call,) = loop.run(bumble.query_current_calls(), 5)
        assert (call.number, call.status) == (ANNA, hfp.CallInfoStatus.ACTIVE)


def test_a_phone_without_calls_offers_no_gateway(radio, unit):
    with Phone(radio) as phone:
        unit.handset.pairing_with = phone.address
        phone.pair(unit.address)
        with pytest.raises(AssertionError, match="offer no gateway"):
            unit.connect()
        with pytest.raises(PhoneError, match="makes no calls"):
            phone.ring(ANNA)


def test_a_call_is_rung_answered_and_ended(phone, unit):
    phone.ring(ANNA, name="Anna Süß")
    unit.wait_line("RING")
    unit.wait_line(f'+CLIP: "{ANNA}",145,,,"Anna Süß"')
    assert unit.ask("AT+CLCC") == [f'+CLCC: 1,1,4,0,0,"{ANNA}",145']
    unit.ask("ATA")
    assert phone.wait_event("asked", matching=lambda event: event.details["what"] == "answer")
    assert unit.wait_voice(True) == "msbc"
    assert states(phone) == ["active"]
    unit.ask("AT+CHUP")
    unit.wait_voice(False)
    assert states(phone) == [] and not phone.violations
    steps = [("callsetup", 1), ("call", 1), ("callsetup", 0), ("call", 0)]
    told = [indicator(phone, name, value) for name, value in steps]
    assert order(unit, *told) == told


def test_a_call_can_be_refused(phone, unit):
    phone.ring("")
    unit.wait_line('+CLIP: "",128')
    unit.ask("AT+CHUP")
    assert states(phone) == []
    rung = clock.now()
    phone.ring(BEN)
    unit.wait_line(f'+CLIP: "{BEN}",129', since=rung)
    phone.hang_up()
    unit.wait_line(indicator(phone, "callsetup", 0), since=rung)
    with pytest.raises(Refused, match="ERROR"):
        unit.ask("ATA")


def test_a_phone_rings_until_somebody_acts(phone, unit):
    phone.ring(ANNA)
    first = unit.wait_line("RING")
    assert 2.5 < unit.wait_line("RING", since=first + 0.1) - first < 4


@pytest.mark.parametrize("audio", ["phone", "speaker"])
def test_the_user_answers_at_the_phone(phone, unit, audio):
    phone.ring(ANNA)
    phone.answer_on_phone(audio)
    unit.wait_line(indicator(phone, "call", 1))
    assert (phone.voice_codec is not None) == (audio == "speaker")
    phone.transfer_to_speaker()
    unit.wait_voice(True)
    phone.transfer_to_phone()
    unit.wait_voice(False)
    assert states(phone) == ["active"]


def test_the_unit_dials_redials_and_dials_from_memory(phone, unit):
    with pytest.raises(Refused):
        unit.ask("AT+BLDN")
    phone.remember({2: BEN})
    for line, number in ((f"ATD{ANNA};", ANNA), ("AT+BLDN", ANNA), ("ATD>2;", BEN)):
        began = clock.now()
        unit.ask(line)
        unit.wait_line(indicator(phone, "callsetup", 2), since=began)
        unit.wait_line(indicator(phone, "callsetup", 3), since=began)
        unit.wait_voice(True, since=began)
        phone.accept()
        unit.wait_line(indicator(phone, "call", 1), since=began)
        assert [call.number for call in phone.call_state()] == [number]
        unit.ask("AT+CHUP")
        unit.wait_voice(False, since=began)
    for line in ("ATDxyz;", "ATD>9;"):
        with pytest.raises(Refused):
            unit.ask(line)
    assert not phone.violations


def test_the_phone_dials(phone, unit):
    phone.dial(ANNA)
    assert states(phone) == ["alerting"] and phone.voice_codec == "msbc"
    phone.accept()
    assert unit.ask("AT+CLCC") == [f'+CLCC: 1,0,0,0,0,"{ANNA}",145']
    phone.hang_up()
    unit.wait_voice(False)


def test_a_second_call_waits_and_is_swapped_merged_and_ended(calling, unit):
    phone = calling("android")
    phone.ring(ANNA)
    unit.ask("ATA")
    phone.waiting_call(BEN, "Ben")
    unit.wait_line(f'+CCWA: "{BEN}",129,1,"Ben"')
    assert states(phone) == ["active", "waiting"]
    unit.ask("AT+CHLD=2")
    assert states(phone) == ["held", "active"]
    unit.wait_line(indicator(phone, "callheld", 1))
    swapped = clock.now()
    unit.ask("AT+CHLD=2")
    assert states(phone) == ["active", "held"]
    unit.wait_line(indicator(phone, "callheld", 1), since=swapped)
    unit.ask("AT+CHLD=3")
    assert [call.multiparty for call in phone.call_state()] == [True, True]
    unit.wait_line(indicator(phone, "callheld", 0), since=swapped)
    unit.ask("AT+CHLD=22")
    assert states(phone) == ["held", "active"]
    unit.ask("AT+CHLD=12")
    unit.wait_line(indicator(phone, "callheld", 2), since=swapped)
    unit.ask("AT+CHLD=2")
    assert states(phone) == ["active"] and not phone.violations


def test_a_waiting_call_rings_when_the_first_ends(phone, unit):
    phone.ring(ANNA)
    unit.ask("ATA")
    phone.waiting_call(BEN)
    ended = clock.now()
    unit.ask("AT+CHUP")
    unit.wait_line("RING", since=ended)
    assert states(phone) == ["incoming"]


def test_indicators_gains_and_the_assistant(phone, unit):
    phone.set_indicators(battery=2, signal=1, roaming=True, operator="Net Zero")
    for name, value in (("battchg", 2), ("signal", 1), ("roam", 1)):
        unit.wait_line(indicator(phone, name, value))
    unit.ask("AT+COPS=3,0")
    assert unit.ask("AT+COPS?") == ['+COPS: 0,0,"Net Zero"']
    phone.speaker_volume(3)
    unit.wait_line("+VGS: 3")
    unit.ask("AT+VGS=12")
    assert phone.gains["speaker"] == 12
    unit.ask("AT+BIEV=2,80")
    assert phone.speaker_battery == 80
    unit.ask("AT+BVRA=1")
    assert phone.assistant and unit.wait_voice(True)
    phone.set_assistant(False)
    unit.wait_line("+BVRA: 0")
    unit.wait_voice(False)
    assert not phone.violations


def test_no_network_means_no_call(phone, unit):
    phone.set_indicators(service=False)
    unit.ask("AT+CMEE=1")
    with pytest.raises(Refused, match=r"\+CME ERROR: 30"):
        unit.ask(f"ATD{ANNA};")


def test_a_call_outlives_its_connection(phone, unit):
    phone.ring(ANNA)
    unit.ask("ATA")
    unit.wait_voice(True)
    unit.disconnect()
    unit.wait_voice(False)
    assert [call.state for call in phone.call_state()] == [State.ACTIVE]


def test_a_call_outlives_the_link(phone, unit):
    phone.ring(ANNA)
    unit.ask("ATA")
    unit.wait_voice(True)
    phone.disconnect()
    phone.wait_event("audio", matching=lambda event: event.details["state"] == "closed")
    phone.wait_event("hfp", matching=lambda event: event.details["state"] == "closed")
    assert states(phone) == ["active"] and phone.voice_codec is None
    assert not [event for event in phone.events if event.kind == "phone-failed"]


def test_a_call_waits_only_during_another(phone):
    with pytest.raises(PhoneError, match="waits only while"):
        phone.waiting_call(BEN)


def test_a_plain_phone_knows_no_second_call(calling, unit):
    phone = calling("plain")
    phone.ring(ANNA)
    unit.ask("ATA")
    assert unit.wait_voice(True) == "cvsd"
    for line in ("AT+CLCC", "AT+CHLD=2", "AT+BCC"):
        with pytest.raises(Refused):
            unit.ask(line)
    assert len(phone.violations) == 3


def test_a_call_survives_being_out_of_range(phone, unit):
    phone.ring(ANNA)
    unit.ask("ATA")
    unit.wait_voice(True)
    phone.out_of_range()
    phone.wait_event("hfp", timeout=30, matching=lambda event: event.details["state"] == "closed")
    phone.wait_event("audio", matching=lambda event: event.details["state"] == "closed")
    assert states(phone) == ["active"] and phone.voice_codec is None
    phone.in_range()
    phone.hang_up()


def test_the_phone_reads_the_unit_s_record(calling):
    record = calling().hands_free_record()
    assert record.version == 0x0108 and record.features & 0x1F == int(ALL_FEATURES) & 0x1F


def test_a_stranger_may_try_the_channel_and_the_voice(radio, unit):
    with Phone(radio, name="Stranger", calls="iphone") as stranger:
        stranger.attack_open_hands_free(unit.address)  # This unit lets everybody in.
        stranger.wait_event("hfp", matching=lambda event: event.details["state"] == "open")
        assert not stranger.is_hands_free
        stranger.attack_open_voice(unit.address)
        assert stranger.voice_codec == "cvsd" == unit.wait_voice(True)
        assert not stranger.is_bonded(unit.address)
