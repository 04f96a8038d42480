"""What each AT command does, on a phone.

Invariant: a command changes something only when all of it makes sense, and then the phone's own
state says so; what is answered is computed from that state.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from bumble.hfp import AgFeature

from labkit.phone.at import Command, Malformed, number_type, quoted
from labkit.phone.call import Calls, Refused
from labkit.phone.gateway import CALL_INDICATORS, NOT_SUPPORTED, Gateway, indicator_list

_NUMBER = re.compile(r"[+]?[0-9*#ABCD,PTW]{1,80}", re.IGNORECASE)
_INVALID_INDEX, _NOT_FOUND, _BAD_NUMBER, _NO_SERVICE = 21, 22, 27, 30


class PhoneState(Protocol):
    """What the commands act on: the telephone in telephone.py."""

    calls: Calls
    indicators: dict[str, int]
    operator: str | None
    own_number: str | None
    memory: dict[int, str]
    last_dialled: str | None
    gains: dict[str, int]
    speaker_battery: int | None

    def answered(self) -> None: ...
    def hung_up(self) -> None: ...
    def dialled(self, number: str) -> None: ...
    def held(self, operation: str) -> None: ...
    def assist(self, on: bool) -> None: ...
    def audio_wanted(self) -> None: ...
    def codec_confirmed(self, number: int) -> None: ...
    def codecs_listed(self) -> None: ...


class Commands:
    """Answers the commands of one service level connection."""

    def __init__(self, gateway: Gateway, phone: PhoneState) -> None:
        self._gateway = gateway
        self._phone = phone
        self._operator_format = False
        self._table: dict[str, Callable[[Command], list[str]]] = {
            "+BRSF=": self._features,
            "+BAC=": self._codecs,
            "+CIND=?": lambda _: [indicator_list(gateway.model)],
            "+CIND?": self._indicators,
            "+CMER=": self._report_indicators,
            "+BIA=": self._silence_indicators,
            "+CHLD=?": lambda _: [f"+CHLD: ({','.join(gateway.model.hold)})"],
            "+CHLD=": self._hold,
            "+BIND=": self._hf_indicators,
            "+BIND=?": lambda _: [f"+BIND: ({','.join(map(str, gateway.model.hf_indicators))})"],
            "+BIND?": lambda _: [f"+BIND: {each},1" for each in gateway.model.hf_indicators],
            "+BIEV=": self._hf_indicator,
            "+CLIP=": lambda command: self._switch("clip", command),
            "+CCWA=": lambda command: self._switch("ccwa", command),
            "+CMEE=": lambda command: self._switch("cmee", command),
            "+NREC=": self._no_noise_reduction,
            "+BVRA=": self._assistant,
            "+VGS=": lambda command: self._gain("speaker", command),
            "+VGM=": lambda command: self._gain("microphone", command),
            "+COPS=": self._choose_operator_format,
            "+COPS?": self._operator,
            "+CNUM": self._own_number,
            "+CLCC": lambda _: [call.clcc() for call in phone.calls.all],
            "+BCC": lambda _: self._done(phone.audio_wanted),
            "+BCS=": self._codec,
            "A": lambda _: self._done(phone.answered),
            "+CHUP": lambda _: self._done(phone.hung_up),
            "D": self._dial,
            "+BLDN": self._redial,
            "+VTS=": self._dtmf,
            "+BTRH?": lambda _: [],
            "+XAPL=": self._apple_features,
            "+IPHONEACCEV=": self._apple_indicators,
        }

    def obey(self, command: Command) -> list[str]:
        """Does it and returns the results that precede OK."""
        handler = self._table.get(command.key)
        if handler is None:
            raise Refused("this phone knows no such command", NOT_SUPPORTED)
        return handler(command)

    @staticmethod
    def _done(action: Callable[[], None]) -> list[str]:
        action()
        return []

    # Setup

    def _features(self, command: Command) -> list[str]:
        self._gateway.learn(command.number(0, 0xFFFF))
        return [f"+BRSF: {int(self._gateway.model.features)}"]

    def _codecs(self, command: Command) -> list[str]:
        codecs = command.numbers
        if 1 not in codecs:
            self._gateway.violation(command.line, "CVSD (1) must always be among the codecs")
        self._gateway.codecs = codecs
        self._phone.codecs_listed()
        return []

    def _indicators(self, _: Command) -> list[str]:
        values = {**self._phone.indicators, **self._phone.calls.indicators}
        return ["+CIND: " + ",".join(str(values[name]) for name in self._gateway.model.indicators)]

    def _report_indicators(self, command: Command) -> list[str]:
        fields = command.fields
        if not 4 <= len(fields) <= 5 or fields[0] != "3" or fields[3] not in ("0", "1"):
            raise Malformed(f"{command.line!r}: HFP knows only AT+CMER=3,0,0,0 and 3,0,0,1")
        if any(field not in ("", "0") for field in fields[1:3]):
            raise Malformed(f"{command.line!r}: keypad and display are not for a hands-free unit")
        self._gateway.cmer = fields[3] == "1"
        return []

    def _silence_indicators(self, command: Command) -> list[str]:
        names = list(self._gateway.model.indicators)
        fields = command.fields
        if len(fields) > len(names) or any(field not in ("", "0", "1") for field in fields):
            raise Malformed(f"{command.line!r}: 0, 1 or nothing for each of {len(names)} indicators")
        for name, field in zip(names, fields, strict=False):
            if field == "0" and name not in CALL_INDICATORS:
                self._gateway.deaf_to.add(name)
            elif field == "1":
                self._gateway.deaf_to.discard(name)
        return []

    def _hf_indicators(self, command: Command) -> list[str]:
        self._gateway.hf_indicators = command.numbers
        return []

    def _switch(self, name: str, command: Command) -> list[str]:
        setattr(self._gateway, name, bool(command.number(0, 1)))
        return []

    # Calls

    def _dial(self, command: Command) -> list[str]:
        if not command.value.startswith(">"):
            return self._call(command.value)
        place = command.value[1:]
        if not place.isdigit():
            raise Malformed(f"{command.line!r}: a memory place is a number")
        if int(place) not in self._phone.memory:
            raise Refused(f"nothing is stored at {place}", _INVALID_INDEX)
        return self._call(self._phone.memory[int(place)])

    def _redial(self, _: Command) -> list[str]:
        if self._phone.last_dialled is None:
            raise Refused("nobody was called yet", _NOT_FOUND)
        return self._call(self._phone.last_dialled)

    def _call(self, number: str) -> list[str]:
        if not _NUMBER.fullmatch(number):
            raise Refused(f"{number!r} is no phone number", _BAD_NUMBER)
        if not self._phone.indicators["service"]:
            raise Refused("there is no network", _NO_SERVICE)
        self._phone.dialled(number)
        return []

    def _hold(self, command: Command) -> list[str]:
        if not re.fullmatch(r"[0-4]|[12][1-9]", command.value):
            raise Malformed(f"{command.line!r}: CHLD knows no such operation")
        general = command.value[0] + "x" * (len(command.value) - 1)
        if general not in self._gateway.model.hold:
            self._gateway.violation(command.line, "this phone has told that it cannot do that")
            raise Refused(f"no CHLD {general}", NOT_SUPPORTED)
        self._phone.held(command.value)
        return []

    def _dtmf(self, command: Command) -> list[str]:
        if not re.fullmatch(r"[0-9*#ABCD]", command.value):
            raise Malformed(f"{command.line!r}: one key at a time: 0-9, *, #, A-D")
        if not self._phone.calls.indicators["call"]:
            raise Refused("there is no call")
        return []

    def _own_number(self, _: Command) -> list[str]:
        number = self._phone.own_number
        return [f"+CNUM: ,{quoted(number)},{number_type(number)},,4"] if number else []

    def _choose_operator_format(self, command: Command) -> list[str]:
        if command.fields != ["3", "0"]:
            raise Malformed(f"{command.line!r}: HFP knows only AT+COPS=3,0")
        self._operator_format = True
        return []

    def _operator(self, command: Command) -> list[str]:
        if not self._operator_format:
            self._gateway.violation(command.line, "AT+COPS=3,0 comes before it")
        name = self._phone.operator
        return [f"+COPS: 0,0,{quoted(name)}" if name else "+COPS: 0"]

    # Voice

    def _codec(self, command: Command) -> list[str]:
        self._phone.codec_confirmed(command.number(1, 255))
        return []

    def _gain(self, which: str, command: Command) -> list[str]:
        self._phone.gains[which] = command.number(0, 15)
        return []

    def _no_noise_reduction(self, command: Command) -> list[str]:
        command.number(0, 0)  # It can be switched off only.
        return []

    def _assistant(self, command: Command) -> list[str]:
        enhanced = AgFeature.ENHANCED_VOICE_RECOGNITION_STATUS in self._gateway.model.features
        self._phone.assist(bool(command.number(0, 2 if enhanced else 1)))
        return []

    # What the speaker tells of itself

    def _hf_indicator(self, command: Command) -> list[str]:
        numbers = command.numbers
        if len(numbers) != 2:
            raise Malformed(f"{command.line!r}: an indicator and its value belong here")
        indicator, value = numbers
        known = indicator in self._gateway.model.hf_indicators
        if not known or indicator not in self._gateway.hf_indicators:
            raise Malformed(f"{command.line!r}: indicator {indicator} was not agreed on")
        if value > {1: 1, 2: 100}[indicator]:
            raise Malformed(f"{command.line!r}: out of range")
        if indicator == 2:
            self._phone.speaker_battery = value
        return []

    def _apple_features(self, command: Command) -> list[str]:
        self._require_apple()
        if not re.fullmatch(r"[0-9A-Fa-f]+-[0-9A-Fa-f]+-[0-9A-Fa-f.]+,[0-9]+", command.value):
            raise Malformed(f"{command.line!r}: vendor-product-version,features belong here")
        return ["+XAPL=iPhone,2"]

    def _apple_indicators(self, command: Command) -> list[str]:
        self._require_apple()
        count, *pairs = command.numbers
        if len(pairs) != 2 * count:
            raise Malformed(f"{command.line!r}: {count} pairs of indicator and value belong here")
        values = dict(zip(pairs[::2], pairs[1::2], strict=True))
        if 1 in values:
            self._phone.speaker_battery = min(100, 10 * (values[1] + 1))
        return []

    def _require_apple(self) -> None:
        if not self._gateway.model.apple:
            raise Refused("only an iPhone knows this", NOT_SUPPORTED)
