"""The command line: a function for each verb; `offhook --help` lists them.

Rooms are entered only when asked for: importing all of them takes seconds.
"""

import argparse
import asyncio
import os
import sys
from contextlib import AsyncExitStack
from typing import NoReturn

from agent import __version__
from agent.secret_files import SecretFileError, with_files


def main() -> None:
    arguments = _parser().parse_args()
    if arguments.verb not in ("doctor", "config"):  # which tell where a value is from
        _read_secret_files()
    sys.exit(_run(arguments))


def _read_secret_files() -> None:
    try:
        environment = with_files(os.environ)
    except SecretFileError as error:
        sys.exit(f"offhook: {error}")
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="offhook", description="An on-prem AI phone agent behind Asterisk."
    )
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    verbs.add_parser("serve", help="answer calls; settings come from the environment")
    work = verbs.add_parser(
        "work", help="tell webhooks and store recordings; serve starts it by itself"
    )
    work.add_argument("--port", type=int, help="of /healthz and /metrics, on loopback")
    verbs.add_parser(
        "upload", help="take recordings to the store, where the agent cannot reach them"
    )
    call = verbs.add_parser("call", help="place a test call and print what was said")
    from agent.phone import command as phone

    phone.add_arguments(call)
    evaluation = verbs.add_parser("eval", help="scripted callers, and what they expect")
    from agent.evals import command as evals

    evals.add_arguments(evaluation)
    bench = verbs.add_parser("bench", help="measure this machine, test any agent")
    benches = bench.add_subparsers(dest="bench", metavar="WHAT", required=True)
    from agent.phone import capacity, conformance

    capacity.add_arguments(
        benches.add_parser("capacity", help="how many calls this machine carries")
    )
    conformance.add_arguments(
        benches.add_parser(
            "conformance", help="does a server speak chan_websocket as Asterisk does?"
        )
    )
    models = verbs.add_parser("models", help="fetch, list, verify and bundle models")
    from agent.models import command as models_command

    models_command.add_arguments(models)
    knowledge = verbs.add_parser("knowledge", help="documents that AIs search")
    from agent.storage import command as storage

    storage.add_arguments(knowledge)
    from agent.storage import keys_command

    keys_command.add_customers_arguments(
        verbs.add_parser("customers", help="to whom calls, AIs and numbers belong")
    )
    keys_command.add_keys_arguments(
        verbs.add_parser("keys", help="of the API: make, list, revoke")
    )
    from agent.doctor import command as doctor
    from agent.doctor import config
    from agent.explain import command as explain

    explain.add_arguments(
        verbs.add_parser("explain", help="why a call was silent, slow, or over")
    )
    doctor.add_arguments(
        verbs.add_parser("doctor", help="what is wrong with this installation?")
    )
    config.add_arguments(
        verbs.add_parser("config", help="every setting, and where it comes from")
    )
    recording = verbs.add_parser("recording", help="why is one missing? erase one")
    from agent.storage import recording_command

    recording_command.add_arguments(recording)
    return parser


def _run(arguments: argparse.Namespace) -> int:
    match arguments.verb:
        case "serve":
            return _serve()
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


def _serve() -> int:
    from agent.app import create_app, find_models
    from agent.environment import SettingsError
    from agent.models.errors import ModelError
    from agent.observe import logs
    from agent.settings import read_settings
    from agent.web.server import Server, configured

    try:
        settings = read_settings()
    except SettingsError as error:
        print(f"offhook: {error}", file=sys.stderr)
        return 2
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

    try:
        given = environment.work()
    except environment.SettingsError as error:
        print(f"offhook work: {error}", file=sys.stderr)
        sys.exit(2)
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
    except (environment.SettingsError, StorageError) as error:
        print(f"offhook upload: {error}", file=sys.stderr)
        return 2 if isinstance(error, environment.SettingsError) else 1
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

    from agent.environment import SettingsError
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
    except (SettingsError, StorageError) as error:
        print(f"offhook knowledge: {error}", file=sys.stderr)
        return 2 if isinstance(error, SettingsError) else 1
    return 0


async def _explain(arguments: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    from agent import environment
    from agent.explain import command
    from agent.explain.sources import AgentConfig

    try:
        agent, database_url = environment.explain()
    except environment.SettingsError as error:
        print(f"offhook explain: {error}", file=sys.stderr)
        return 2
    now = datetime.now(UTC)
    return await command.run(arguments, AgentConfig(*agent), database_url, now)


async def _customers(arguments: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    from agent.environment import SettingsError, work
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
    except (SettingsError, StorageError) as error:
        print(f"offhook {arguments.verb}: {error}", file=sys.stderr)
        return 2 if isinstance(error, SettingsError) else 1
    return 0


async def _recording(arguments: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    from agent.environment import SettingsError
    from agent.settings import read_settings
    from agent.storage import recording_command
    from agent.storage.database import Database
    from agent.storage.errors import StorageError
    from agent.storage.leftovers import Leftovers
    from agent.storage.listening import Listening
    from agent.storage.missing import Missing
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
                    database, shelves, config.retention_days, left.discard
                )
                said, status = await recording_command.erase(
                    arguments, retention, datetime.now(UTC)
                )
    except (SettingsError, StorageError) as error:
        print(f"offhook recording: {error}", file=sys.stderr)
        return 2
    print(said)
    return status


if __name__ == "__main__":
    main()
