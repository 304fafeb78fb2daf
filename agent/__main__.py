"""The command line: a function for each verb; `offhook --help` lists them.

Rooms are entered only when asked for: importing all of them takes seconds.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, NoReturn

from agent import __version__
from agent.environment import SettingsError
from agent.secret_files import SecretFileError, with_files

Learn = Callable[[argparse.ArgumentParser], None]


def main() -> None:
    arguments = _parser().parse_args()
    if arguments.verb not in ("doctor", "config"):  # which tell where a value is from
        arguments.secret_files = _read_secret_files()
    from agent.observe import logs

    # Those that run on set it up anew; libraries say hello when they are imported.
    logs.set_up("WARNING", as_json=False)
    try:
        status = _run(arguments)
    except SettingsError as error:
        whose = "offhook" if arguments.verb == "serve" else f"offhook {arguments.verb}"
        for line in str(error).splitlines():
            print(f"{whose}: {line}", file=sys.stderr)
        status = 2
    sys.exit(status)


def _read_secret_files() -> Mapping[str, str]:
    """The variables that named files, by those which they stand for by now."""
    try:
        environment = with_files(os.environ)
    except SecretFileError as error:
        sys.exit(f"offhook: {error}")
    gone = os.environ.keys() - environment.keys()
    for name in gone:
        del os.environ[name]
    os.environ.update(environment)
    return {name.removesuffix("_FILE"): name for name in gone}


class _Verb(argparse.ArgumentParser):
    """Learns its arguments when it is the one that was asked for."""

    def __init__(self, *, learn: Learn | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._learn = learn

    def parse_known_args(self, *given: Any, **more: Any) -> Any:
        learn, self._learn = self._learn, None
        if learn is not None:
            learn(self)
        return super().parse_known_args(*given, **more)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="offhook", description="An on-prem AI phone agent behind Asterisk."
    )
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(
        dest="verb", metavar="VERB", required=True, parser_class=_Verb
    )
    for name, (does, learn) in _VERBS.items():
        verbs.add_parser(name, help=does, learn=learn)
    return parser


def _of_work(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=int, help="of /healthz and /metrics, on loopback"
    )


def _of_call(parser: argparse.ArgumentParser) -> None:
    from agent.phone import command

    command.add_arguments(parser)


def _of_eval(parser: argparse.ArgumentParser) -> None:
    from agent.evals import command

    command.add_arguments(parser)


def _of_bench(parser: argparse.ArgumentParser) -> None:
    from agent.phone import capacity, conformance

    benches = parser.add_subparsers(dest="bench", metavar="WHAT", required=True)
    capacity.add_arguments(
        benches.add_parser("capacity", help="how many calls this machine carries")
    )
    conformance.add_arguments(
        benches.add_parser(
            "conformance", help="does a server speak chan_websocket as Asterisk does?"
        )
    )


def _of_models(parser: argparse.ArgumentParser) -> None:
    from agent.models import command

    command.add_arguments(parser)


def _of_knowledge(parser: argparse.ArgumentParser) -> None:
    from agent.storage import command

    command.add_arguments(parser)


def _of_customers(parser: argparse.ArgumentParser) -> None:
    from agent.storage import keys_command

    keys_command.add_customers_arguments(parser)


def _of_keys(parser: argparse.ArgumentParser) -> None:
    from agent.storage import keys_command

    keys_command.add_keys_arguments(parser)


def _of_explain(parser: argparse.ArgumentParser) -> None:
    from agent.explain import command

    command.add_arguments(parser)


def _of_doctor(parser: argparse.ArgumentParser) -> None:
    from agent.doctor import command

    command.add_arguments(parser)


def _of_config(parser: argparse.ArgumentParser) -> None:
    from agent.doctor import config

    config.add_arguments(parser)


def _of_recording(parser: argparse.ArgumentParser) -> None:
    from agent.storage import recording_command

    recording_command.add_arguments(parser)


_VERBS: Mapping[str, tuple[str, Learn | None]] = {
    "serve": ("answer calls; settings come from the environment", None),
    "work": (
        "tell webhooks and store recordings; serve starts it by itself",
        _of_work,
    ),
    "upload": (
        "take recordings to the store, where the agent cannot reach them",
        None,
    ),
    "call": ("place a test call and print what was said", _of_call),
    "eval": ("scripted callers, and what they expect", _of_eval),
    "bench": ("measure this machine, test any agent", _of_bench),
    "models": ("fetch, list, verify and bundle models", _of_models),
    "knowledge": ("documents that AIs search", _of_knowledge),
    "customers": ("to whom calls, AIs and numbers belong", _of_customers),
    "keys": ("of the API: make, list, revoke", _of_keys),
    "explain": ("why a call was silent, slow, or over", _of_explain),
    "doctor": ("what is wrong with this installation?", _of_doctor),
    "config": ("every setting, and where it comes from", _of_config),
    "recording": ("why is one missing? erase one", _of_recording),
}


def _run(arguments: argparse.Namespace) -> int:
    match arguments.verb:
        case "serve":
            return _serve(arguments.secret_files)
        case "work":
            _work(arguments)
        case "upload":
            return _upload()
        case "call":
            return asyncio.run(_call(arguments))
        case "eval":
            from agent.evals import command as evals

            return asyncio.run(evals.run(arguments))
        case "bench":
            return _bench(arguments)
        case "explain":
            return asyncio.run(_explain(arguments))
        case "doctor":
            from agent.doctor import command as doctor

            return asyncio.run(doctor.run(arguments))
        case "config":
            from agent.doctor import config

            return asyncio.run(config.run(arguments))
        case "knowledge":
            return asyncio.run(_knowledge(arguments))
        case "recording":
            return asyncio.run(_recording(arguments))
        case "customers" | "keys":
            return asyncio.run(_customers(arguments))
        case _:
            from agent import environment
            from agent.models import command

            return command.run(arguments, environment.models())


def _bench(arguments: argparse.Namespace) -> int:
    from agent import environment
    from agent.models.store import Store
    from agent.phone import capacity, conformance

    if arguments.bench == "conformance":
        return asyncio.run(conformance.command(arguments))
    vad = Store(environment.models()).path("silero-vad") / "silero_vad.onnx"
    return capacity.run(arguments, vad)


def _serve(files: Mapping[str, str]) -> int:
    from agent.settings import read_settings
    from agent.variables import Variables

    settings = read_settings(Variables(os.environ, files))
    # After the settings: whoever has to correct them need not wait for all this.
    from agent.app import create_app, find_models
    from agent.models.errors import ModelError
    from agent.observe import logs
    from agent.web.server import Server, configured

    logs.set_up(
        settings.log_level, as_json=settings.log_json, with_words=settings.log_words
    )
    try:
        find_models(settings)
    except ModelError as error:
        print(f"offhook: {error}", file=sys.stderr)
        return 1
    app = create_app(settings)
    config = configured(app, settings.host, settings.port)
    server = Server(
        config, app.state.live, settings.drain_seconds, app.state.event_stream
    )
    server.run()
    return 0 if server.started else 1


def _work(arguments: argparse.Namespace) -> NoReturn:
    from dataclasses import replace
    from datetime import UTC, datetime
    from functools import partial

    from agent import environment
    from agent.jobs import worker
    from agent.jobs.uploads import Uploads
    from agent.observe import logs
    from agent.storage.database import Database
    from agent.storage.ledger import DatabaseLedger
    from agent.storage.recordings import Recordings

    given = environment.work()
    logs.set_up(given.log_level, as_json=given.log_json)

    def uploads(database: Database) -> Uploads:
        recordings = Recordings(given.recordings, DatabaseLedger(database))
        return Uploads(recordings, partial(datetime.now, UTC))

    config = given.config
    if arguments.port is not None:
        config = replace(config, port=arguments.port)
    worker.run(config, [uploads])


def _upload() -> int:
    """No models, no port: small enough to run beside Asterisk."""
    from datetime import UTC, datetime
    from functools import partial

    import httpx

    from agent import environment
    from agent.jobs.uploads import upload_forever
    from agent.observe import logs
    from agent.storage.database import Database
    from agent.storage.errors import StorageError
    from agent.storage.ledger import DatabaseLedger, Ledger
    from agent.storage.recordings import Recordings
    from agent.storage.remote_ledger import RemoteLedger

    async def forever(given: environment.UploadSettings) -> None:
        async with AsyncExitStack() as house:
            ledger: Ledger
            if given.agent is not None:
                http = await house.enter_async_context(httpx.AsyncClient())
                ledger = RemoteLedger(given.agent, http)
            else:
                database = Database(given.database_url)
                await database.open()
                house.push_async_callback(database.close)
                ledger = DatabaseLedger(database)
            recordings = Recordings(given.recordings, ledger)
            await upload_forever(recordings, partial(datetime.now, UTC))

    try:
        given = environment.upload()
        logs.set_up(given.log_level, as_json=given.log_json)
        asyncio.run(forever(given))
    except StorageError as error:
        print(f"offhook upload: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


async def _call(arguments: argparse.Namespace) -> int:
    """Our own models give the test caller a voice, and write down what was said."""
    import httpx

    from agent.app import open_voice, open_whisper
    from agent.models.errors import ModelError
    from agent.models.store import Store
    from agent.phone import command
    from agent.settings import read_settings

    settings = read_settings()
    if arguments.ws and not arguments.password:
        arguments.password = settings.telephony.password
    store = Store(settings.models)
    async with AsyncExitStack() as house:
        try:
            voice = await open_voice(house, settings, store, {})
            whisper = await asyncio.to_thread(open_whisper, settings, store)
        except ModelError as error:
            print(f"offhook: {error}", file=sys.stderr)
            return 1
        house.callback(whisper.close)
        http = await house.enter_async_context(httpx.AsyncClient(timeout=30))

        async def speak(text: str) -> bytes:
            request = {"model": "tts-1", "voice": "default", "input": text}
            answer = await http.post(
                f"{voice}/audio/speech",
                json=request | {"response_format": "pcm", "sample_rate": 8000},
            )
            return answer.raise_for_status().content

        async def transcribe(pcm: bytes) -> str:
            return (await whisper.transcribe(pcm, 8000, "en")).text

        return await command.run(arguments, speak=speak, transcribe=transcribe)


async def _knowledge(arguments: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    import httpx

    from agent.settings import read_settings
    from agent.storage import command
    from agent.storage.database import Database
    from agent.storage.embeddings import Embeddings
    from agent.storage.errors import StorageError
    from agent.storage.knowledge import Knowledge

    try:
        settings = read_settings()
        async with AsyncExitStack() as house:
            database = Database(settings.database_url)
            await database.open()
            house.push_async_callback(database.close)
            embeddings = None
            if settings.embeddings is not None:
                http = await house.enter_async_context(httpx.AsyncClient())
                embeddings = Embeddings(settings.embeddings, http)
            knowledge = Knowledge(database, embeddings)
            async for line in command.run(arguments, knowledge, datetime.now(UTC)):
                print(line)
    except StorageError as error:
        print(f"offhook knowledge: {error}", file=sys.stderr)
        return 1
    return 0


async def _explain(arguments: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    from agent import environment
    from agent.explain import command
    from agent.explain.sources import AgentConfig

    agent, database_url = environment.explain()
    now = datetime.now(UTC)
    return await command.run(arguments, AgentConfig(*agent), database_url, now)


async def _customers(arguments: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    from agent.environment import work
    from agent.storage import keys_command
    from agent.storage.customers import Customers
    from agent.storage.database import Database
    from agent.storage.errors import StorageError

    run = {"customers": keys_command.run_customers, "keys": keys_command.run_keys}
    try:
        async with AsyncExitStack() as house:
            database = Database(work().config.database_url)
            await database.open()
            house.push_async_callback(database.close)
            doing = run[arguments.verb](
                arguments, Customers(database), datetime.now(UTC)
            )
            async for line in doing:
                print(line)
    except StorageError as error:
        print(f"offhook {arguments.verb}: {error}", file=sys.stderr)
        return 1
    return 0


async def _recording(arguments: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    from agent.settings import read_settings
    from agent.storage import recording_command
    from agent.storage.database import Database
    from agent.storage.errors import StorageError
    from agent.storage.leftovers import Leftovers
    from agent.storage.listening import Listening
    from agent.storage.missing import Missing
    from agent.storage.rejected import Rejected
    from agent.storage.retention import Retention
    from agent.storage.shelves import Shelves

    try:
        settings = read_settings()
        config = settings.recordings
        async with AsyncExitStack() as house:
            database = Database(settings.database_url)
            await database.open()
            house.push_async_callback(database.close)
            shelves = Shelves(config.folder, config.s3)
            if arguments.recording_verb == "why":
                listening = Listening(database, shelves)
                missing = Missing(database, listening, config.monitor, config.spool)
                said, status = await recording_command.why(arguments, missing)
            else:
                left = Leftovers(config.monitor, config.spool)
                retention = Retention(
                    database,
                    shelves,
                    config.retention_days,
                    left.discard,
                    rejected=Rejected(settings.data / "journal"),
                )
                said, status = await recording_command.erase(
                    arguments, retention, datetime.now(UTC)
                )
    except StorageError as error:
        print(f"offhook recording: {error}", file=sys.stderr)
        return 2
    print(said)
    return status


if __name__ == "__main__":
    main()
