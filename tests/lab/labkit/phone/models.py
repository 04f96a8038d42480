"""The kinds of phones there are, as hands-free gateways, and the ways they misbehave.

Invariant: a model says everything that makes one phone answer differently from another; the
gateway itself asks no model's name.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bumble.hfp import AgFeature, HfFeature

from labkit.voice import CodecName

_SMART = (
    AgFeature.THREE_WAY_CALLING
    | AgFeature.EC_NR
    | AgFeature.VOICE_RECOGNITION_FUNCTION
    | AgFeature.IN_BAND_RING_TONE_CAPABILITY
    | AgFeature.REJECT_CALL
    | AgFeature.ENHANCED_CALL_STATUS
    | AgFeature.EXTENDED_ERROR_RESULT_CODES
    | AgFeature.CODEC_NEGOTIATION
    | AgFeature.HF_INDICATORS
    | AgFeature.ESCO_S4_SETTINGS_SUPPORTED
)


@dataclass(frozen=True)
class Model:
    """One kind of phone.

    `indicators` are its names and ranges as AT+CIND=? answers, in its order; `hold` its CHLD
    operations; `renegotiates` whether it asks for the codec before every audio connection or only
    before the first; `apple` whether it knows Apple's own commands.
    """

    version: int
    features: AgFeature
    indicators: dict[str, str]
    hold: tuple[str, ...] = ()
    codecs: tuple[CodecName, ...] = ("cvsd",)
    hf_indicators: tuple[int, ...] = ()
    renegotiates: bool = True
    apple: bool = False

    def setup(self, hf_features: int) -> tuple[str, ...]:
        """The commands that make the service level connection, in the one order there is."""
        both = {
            "codecs": self.features & AgFeature.CODEC_NEGOTIATION
            and hf_features & HfFeature.CODEC_NEGOTIATION,
            "hold": self.features & AgFeature.THREE_WAY_CALLING
            and hf_features & HfFeature.THREE_WAY_CALLING,
            "indicators": self.features & AgFeature.HF_INDICATORS
            and hf_features & HfFeature.HF_INDICATORS,
        }
        return (
            "+BRSF=",
            *(["+BAC="] if both["codecs"] else []),
            "+CIND=?",
            "+CIND?",
            "+CMER=",
            *(["+CHLD=?"] if both["hold"] else []),
            *(["+BIND=", "+BIND=?", "+BIND?"] if both["indicators"] else []),
        )

    @property
    def sdp_features(self) -> int:
        """The supported features of the SDP record: BRSF's first five bits, then the codecs."""
        wide = 0x20 if "msbc" in self.codecs else 0
        super_wide = 0x100 if "lc3" in self.codecs else 0
        return int(self.features) & 0x1F | wide | super_wide


MODELS = {
    "iphone": Model(
        version=0x0108,
        features=_SMART,
        indicators={
            "service": "(0-1)",
            "call": "(0-1)",
            "callsetup": "(0-3)",
            "battchg": "(0-5)",
            "signal": "(0-5)",
            "roam": "(0-1)",
            "callheld": "(0-2)",
        },
        hold=("0", "1", "2", "3"),
        codecs=("msbc", "cvsd"),
        hf_indicators=(2,),
        apple=True,
    ),
    "android": Model(
        version=0x0109,
        features=_SMART | AgFeature.ENHANCED_CALL_CONTROL,
        indicators={
            "call": "(0,1)",
            "callsetup": "(0-3)",
            "service": "(0-1)",
            "signal": "(0-5)",
            "roam": "(0,1)",
            "battchg": "(0-5)",
            "callheld": "(0-2)",
        },
        hold=("0", "1", "1x", "2", "2x", "3"),
        codecs=("msbc", "cvsd"),
        hf_indicators=(1, 2),
        renegotiates=False,
    ),
    "plain": Model(
        version=0x0105,
        features=AgFeature.VOICE_RECOGNITION_FUNCTION | AgFeature.REJECT_CALL,
        indicators={
            "service": "(0-1)",
            "call": "(0-1)",
            "callsetup": "(0-3)",
            "signal": "(0-5)",
            "battchg": "(0-5)",
        },
    ),
}
MODELS["android-swb"] = replace(MODELS["android"], codecs=("lc3", "msbc", "cvsd"))
"""An iPhone, an Android phone, and an old one that speaks HFP 1.5: no list of calls, no codec but
CVSD, no second call, nothing about held calls or roaming. The last is a newer Android phone, with
super wide band speech."""


@dataclass(frozen=True)
class Faults:
    """How the gateway misbehaves; the defaults are how it behaves.

    Commands are named as in `Command.key` ("+BRSF=", "+CIND?", "A"); "*" is all of them.
    """

    silent: frozenset[str] = field(default_factory=frozenset)
    """Commands that are never answered."""
    refused: frozenset[str] = field(default_factory=frozenset)
    """Commands that are answered with an error."""
    slow: float = 0.0
    """Seconds before each answer."""
    garbage: bytes = b""
    """Sent before each answer."""
    tight: bool = False
    """No space after a result's colon: some phones leave it out."""
    ok_first: bool = False
    """OK comes before the result it ends."""
    ciev_first: bool = False
    """What a command changed is told before its OK."""
    piecemeal: int = 0
    """Bytes per RFCOMM packet; 0 is as much as fits."""
    no_caller: bool = False
    """Rings without +CLIP."""
    no_audio: bool = False
    """Negotiates the codec and then opens nothing."""
    broken_codecs: frozenset[str] = field(default_factory=frozenset)
    """Codecs with which opening the audio fails."""

    def hits(self, commands: frozenset[str], key: str) -> bool:
        """Says whether a fault that names these commands is about this one."""
        return "*" in commands or key in commands
