"""`offhook models`: fetch, list, verify, bundle, unbundle.

Exit codes: 0 done, 1 something is missing, wrong or failed, 2 misused.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from .config import ModelsConfig
from .errors import ModelError, UnknownModel
from .lock import Model
from .progress import Lines
from .store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="models_verb", metavar="VERB", required=True)
    names = "names of models or sets, as `list` shows them"

    fetch = verbs.add_parser("fetch", help="bring models to this machine")
    fetch.add_argument("names", nargs="*", default=["default"], metavar="MODEL")
    fetch.description = f"Brings models to this machine. MODEL: {names}."

    listing = verbs.add_parser("list", help="every model, and whether it is here")
    listing.add_argument(
        "--long", action="store_true", help="with origin, notes and files"
    )
    listing.add_argument(
        "--verify", action="store_true", help="read the files as well, slower"
    )

    verify = verbs.add_parser("verify", help="read every file and compare its SHA-256")
    verify.add_argument("names", nargs="*", metavar="MODEL")
    verify.description = (
        f"Compares the SHA-256 of every file here. MODEL: {names}; "
        "without: all that are here."
    )

    bundle = verbs.add_parser("bundle", help="pack models into one archive")
    bundle.add_argument("archive", type=Path, metavar="FILE")
    bundle.add_argument(
        "--models", nargs="+", default=["default"], metavar="MODEL", help=names
    )

    unbundle = verbs.add_parser("unbundle", help="unpack an archive made by bundle")
    unbundle.add_argument("archive", type=Path, metavar="FILE")


def run(arguments: argparse.Namespace, config: ModelsConfig) -> int:
    try:
        return _run(arguments, Store(config))
    except UnknownModel as error:
        print(f"offhook models: {error}", file=sys.stderr)
        return 2
    except ModelError as error:
        print(f"offhook models: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `list | head`
        return 1
    except OSError as error:
        # A full disk does not say where it is.
        where = "" if error.filename else f", at work in {config.folder}"
        print(f"offhook models: {error}{where}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\noffhook models: stopped; the same command goes on", file=sys.stderr)
        return 1


def _run(arguments: argparse.Namespace, store: Store) -> int:
    progress = Lines(sys.stderr)
    match arguments.models_verb:
        case "fetch":
            store.fetch(arguments.names, progress)
            return 0
        case "list":
            states = {
                model: _state(store, model, verify=arguments.verify)
                for model in store.lock.models.values()
            }
            _long(states) if arguments.long else _table(states)
            print(f"\nin {store.config.folder}")
            for name, members in store.lock.sets.items():
                print(f"set {name}: {' '.join(members)}")
            return 0
        case "verify":
            return _verify(store, arguments.names)
        case "bundle":
            store.bundle(arguments.archive, arguments.models, progress)
            size = arguments.archive.stat().st_size
            print(f"{arguments.archive}: {size / 1e6:.1f} MB")
            return 0
        case "unbundle":
            for name in store.unbundle(arguments.archive, progress):
                print(f"{name}: unpacked and verified")
            return 0
        case verb:
            raise AssertionError(f"argparse let {verb!r} pass")


def _table(states: Mapping[Model, str]) -> None:
    rows = [("NAME", "MB", "LICENCE", "STATE", "PURPOSE")] + [
        (model.name, _megabytes(model), model.licence, state, model.purpose)
        for model, state in states.items()
    ]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for name, size, *rest in rows:
        line = [name.ljust(widths[0]), size.rjust(widths[1])]
        line += [
            cell.ljust(width) for cell, width in zip(rest, widths[2:], strict=True)
        ]
        print("  ".join(line).rstrip())


def _long(states: Mapping[Model, str]) -> None:
    for model, state in states.items():
        print(f"{model.name}  {_megabytes(model)} MB  {state}")
        print(f"  {model.purpose}\n  {model.licence}, {model.origin}")
        if model.note:
            print(f"  {model.note}")
        for file in model.files:
            print(f"  {file.sha256}  {file.name}  {file.size} bytes")
            for source in file.sources:
                print(f"    {source}")


def _megabytes(model: Model) -> str:
    return f"{model.size / 1e6:.1f}"


def _state(store: Store, model: Model, *, verify: bool) -> str:
    if not store.present(model.name):
        return "in part" if model in store.on_disk() else "-"
    if not verify:
        return "present"
    return "damaged" if store.verify([model.name]) else "verified"


def _verify(store: Store, names: list[str]) -> int:
    models = store.lock.choose(names) or store.on_disk()
    if not models:
        print(f"no model in {store.config.folder}", file=sys.stderr)
        return 1
    faults = store.verify([model.name for model in models], Lines(sys.stderr))
    for fault in faults:
        print(f"BAD  {fault}")
    bad = {fault.model for fault in faults}
    for model in models:
        if model.name not in bad:
            print(f"good {model.name}")
    if bad:
        print(f"to mend: offhook models fetch {' '.join(sorted(bad))}", file=sys.stderr)
    return 1 if bad else 0
