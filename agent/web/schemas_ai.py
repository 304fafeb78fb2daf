"""The public JSON shapes of AIs and numbers.

What an AI may say is read by calls/ai.py, here as from the file, and only described
for OpenAPI: a shape that is wrong refuses nothing.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, create_model
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from agent.calls.ai import full
from agent.storage.ais import KeptAi, KeptVersion, Source
from agent.storage.numbers import KeptNumber

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"

_Model = Annotated[
    str,
    Field(
        pattern=r"^$|^[^.]+\.[\s\S]+$",
        description="`<provider>.<model>`, one that this machine has; empty: the"
        " default. Any other: 400 with those that there are.",
    ),
]
_ToolName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")]
_Timeout = Annotated[float, Field(gt=0, le=60, description="Seconds.")]
_Secret = Annotated[
    str,
    Field(
        description="Name of a variable of the operator, OFFHOOK_SECRET_*, with the"
        " bearer token. Only for keys of scope admin."
    ),
]


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SilenceShape(_Told):
    seconds: Annotated[
        float, Field(ge=0, le=3600, description="Until the caller is asked. 0: never.")
    ] = 8.0
    reprompts: Annotated[
        int, Field(ge=0, le=20, description="So often; then goodbye.")
    ] = 2


class PolicyShape(_Told):
    """What its tools may do, whatever its model wants (docs/tools.md)."""

    extensions: list[str] = []
    numbers: list[
        Annotated[str, Field(pattern=r"^\+[0-9]{3,15}$|^\+[0-9]{1,14}\*$")]
    ] = []
    countries: Annotated[list[str], Field(description="ISO 3166.")] = []
    caller: bool = True
    emails: list[str] = []
    per_call: int = 5
    per_hour: int = 60
    spend: float = 0.0
    prices: dict[str, float] = {}
    depth: int = 8


class HttpToolShape(_Told):
    name: _ToolName
    description: str
    url: str = Field(pattern=r"^https?://")
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    parameters: dict[str, Any] = Field({}, description="JSON schema, an object.")
    headers: dict[str, str] = {}
    secret: _Secret = ""
    timeout: _Timeout = 5.0


class McpServerShape(_Told):
    """Either `url` or `command`."""

    name: _ToolName
    url: str = Field("", description="Streamable HTTP.")
    command: list[str] = Field(
        [],
        description="A program on this machine. Only for keys of scope admin.",
    )
    tools: list[str] = Field([], description="Only these; empty: all that it has.")
    secret: _Secret = ""
    timeout: _Timeout = 10.0


class _Description(_Told):
    """What an AI may say; docs/settings.md#ais tells more."""

    prompt: str = Field(pattern=r"\S", description="What it is, knows and may say.")
    consent: str = Field("", description="Said before anything else.")
    greeting: str = Field("", description="Said as soon as the call is up.")
    start: str = Field("", description="Instead: what the model begins with.")
    language: str = Field("en", description="BCP-47.")
    stt_language: str = Field("", description='BCP-47 or "auto".')
    stt: _Model = ""
    engine_model: _Model = ""
    fallback_models: list[_Model] = []
    tts: _Model = ""
    voice: str = Field("", description="Its id.")
    gender: Literal["", "female", "male"] = ""
    mode: Literal["cascade", "realtime"] = "cascade"
    tool_names: list[str] = ["end_call"]
    http_tools: list[HttpToolShape] = []
    keys_to: str = ""
    mcp_servers: list[McpServerShape] = []
    knowledge: list[str] = []
    policy: PolicyShape = PolicyShape()
    variables: dict[str, str] = {}
    silence: SilenceShape = SilenceShape()
    filler_seconds: float = Field(1.6, ge=0, le=60)
    dictation: Literal["auto", "always", "never"] = "auto"
    human: str = Field("", description="Who takes the call when it cannot go on.")
    lines: dict[
        Literal[
            "filler",
            "failed",
            "repeat",
            "reprompt",
            "goodbye",
            "ending_soon",
            "human",
            "private",
        ],
        str,
    ] = {}
    max_minutes: float = Field(60.0, ge=1 / 60, le=24 * 60)
    warn_seconds: float = Field(60.0, ge=0, le=3600)
    noise: Literal["off", "service", "inprocess"] = "off"
    budget_per_day: Annotated[
        float, Field(ge=0, le=1e9, description="0: none (docs/usage.md).")
    ] = 0.0


class AiDescription(_Description):
    pass


class NewAi(_Description):
    name: str = Field(pattern=NAME)


AiPatch: type[BaseModel] = create_model(  # type: ignore[call-overload]
    "AiPatch",
    __base__=_Told,
    __doc__="A merge patch (RFC 7396): what is null goes back to its default.",
    **{
        name: (Annotated[field.rebuild_annotation() | None, Field()], None)
        for name, field in _Description.model_fields.items()
    },
)


class ShapedLike:
    """Of a body that our own reading checks: any object, documented as this model."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._model = model

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.dict_schema(
            core_schema.str_schema(), core_schema.any_schema()
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(self._model.__pydantic_core_schema__)


class AiShape(_Description):
    """An AI with all that it says, also by default."""

    name: str
    version: int = Field(description="The newest; it is also the ETag.")
    source: Source = Field(description="`file`: OFFHOOK_AIS, where it is edited.")
    outside_only: bool = Field(
        description="Its HTTP tools and MCP servers reach public addresses only:"
        " whoever wrote them last had no key of scope admin."
    )
    created_at: datetime
    updated_at: datetime


class AiPage(BaseModel):
    ais: list[AiShape]
    next: str | None = Field(
        description="Pass it as `after` for those that follow; null: no more."
    )


class AiVersionShape(_Description):
    name: str
    version: int
    who: str = Field(description="Wrote it: `key key_17`, `OFFHOOK_AIS` ...")
    outside_only: bool
    created_at: datetime


class AiVersionPage(BaseModel):
    versions: list[AiVersionShape]
    next: int | None = Field(
        description="Pass it as `before` for older ones; null: no more."
    )


def ai_told(kept: KeptAi) -> dict[str, Any]:
    """An AiShape, not looked at again: what is kept was read by calls/ai.py."""
    return {
        "name": kept.ai.name,
        "version": kept.version,
        "source": kept.source.value,
        "outside_only": kept.ai.outside_only,
        "created_at": _moment(kept.created_at),
        "updated_at": _moment(kept.updated_at),
        **full(kept.ai),
    }


def version_told(kept: KeptVersion) -> dict[str, Any]:
    """An AiVersionShape."""
    return {
        "name": kept.ai.name,
        "version": kept.version,
        "who": kept.who,
        "outside_only": kept.ai.outside_only,
        "created_at": _moment(kept.created_at),
        **full(kept.ai),
    }


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


class TargetShape(_Told):
    """Who answers."""

    ai: str = Field(description="Name of an AI.")


class NumberEdit(_Told):
    target: TargetShape
    label: str = Field("", max_length=200, description="For people.")


class NumberPatch(_Told):
    """A merge patch (RFC 7396)."""

    target: TargetShape | None = None
    label: str | None = Field(None, max_length=200)


class NumberShape(BaseModel):
    number: str = Field(description="E.164, or an extension.")
    target: TargetShape
    label: str
    revision: int = Field(description="Also the ETag.")
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, kept: KeptNumber) -> "NumberShape":
        return cls(
            number=kept.number,
            target=TargetShape(ai=kept.entry.ai),
            label=kept.entry.label,
            revision=kept.revision,
            created_at=kept.created_at,
            updated_at=kept.updated_at,
        )


class NumberPage(BaseModel):
    numbers: list[NumberShape]
    next: str | None = Field(
        description="Pass it as `after` for those that follow; null: no more."
    )
