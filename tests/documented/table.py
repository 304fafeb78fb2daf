"""Every command of the docs: what it must come to when it is run on the stage, which
other test runs it, or why no test can."""

from collections.abc import Mapping

from .stage import READY, Act, Scene

SOCKET = 'ws://127.0.0.1:7860/telephony/ws --password "$(cat var/media-password)"'
QUESTION = '--say "What are your opening hours?"'
SPOKEN = r"^ +[\d.]+ - +[\d.]+ +agent +\S(?s:.*)hung up"
"""A table of who said what, and who hung up."""
KNOWN = r"^\d+\.\d+: \S"
"""A verdict on a call, in a sentence."""

LIKE_THE_CALL = (0, 1)
"""Whether that was well depends on the machine: on a busy one its model is late."""

CHEAP = {
    "OPENAI_BASE_URL": "http://gpu:8000/v1",
    "OPENAI_MODEL": "qwen3-14b",
    "OFFHOOK_TTS_BASE_URL": "http://gpu:8880/v1",
    "OFFHOOK_TTS_MODEL": "kokoro",
    "OFFHOOK_TTS_VOICE": "af_heart",
}
"""For agents that are started to see whether they do."""

STARTS = Scene("starts", (Act("make run 2>&1 | tee agent.log", until=READY),))

FIRST_CALL = Scene(
    "first call",
    (
        Act("asterisk -rx 'pjsip set logger on'", says="[Ll]ogging [Ee]nabled"),
        Act("make call", says=SPOKEN),
        Act(
            "curl http://127.0.0.1:7860/calls",
            says='"ended_at":"2',
            learns={"CALL_ID": r'"id":"([\d.]+)"'},
        ),
        Act(
            "until curl -s http://127.0.0.1:7860/calls/CALL_ID/recording -o recorded"
            " -w '%{http_code}' | grep 302; do sleep 0.2; done",
            documented=False,
        ),
    ),
)

ASTERISK_OF_RUN = {"OFFHOOK_ASTERISK": "STAGE/offhook/var/asterisk"}
AS_THE_AGENT = {
    "OFFHOOK_SPOOL": "STAGE/offhook/var/spool",
    "OFFHOOK_MONITOR": "STAGE/offhook/var/monitor",
}

BESIDE_THE_AGENT = (
    Scene(
        "listening",
        (
            Act(
                "curl -N http://127.0.0.1:7860/events/stream",
                until=r"event: call_\w+\ndata: \{",
            ),
            Act("tail -f var/asterisk/log/full", until=r"VERBOSE"),
            Act(
                "docker compose logs -f voice-agent",
                says=r"ready on 127\.0\.0\.1:\d+",
                where="containers",
            ),
        ),
    ),
    Scene(
        "calls",
        (
            Act('scripts/call "Where are you?" "Thank you, goodbye."', says=SPOKEN),
            Act(
                "curl -s http://127.0.0.1:7860/calls?limit=5",
                says='"calls":',
                learns={"SECOND_ID": r'"id":"([\d.]+)"[^}]*"caller":"15550100"'},
            ),
            Act(
                "offhook call --sip sip:1000@127.0.0.1:5060 --sipp"
                f' "$(scripts/tool-sipp)" {QUESTION}',
                says=SPOKEN,
            ),
        ),
    ),
    Scene(
        "calls without Asterisk",
        (
            # one password for all, whichever way the agent was set up
            Act(
                "for made in STAGE/containers/secrets /etc/offhook/secrets; do"
                " until [ -s $made/OFFHOOK_MEDIA_PASSWORD ]; do sleep 0.2; done;"
                " cp --remove-destination var/media-password"
                " $made/OFFHOOK_MEDIA_PASSWORD; done",
                documented=False,
            ),
            Act(
                "offhook call --ws ws://127.0.0.1:7860/telephony/ws"
                ' --password "$(cat var/media-password)" --say "Hello"',
                says=SPOKEN,
            ),
            Act(
                f"docker compose exec voice-agent offhook call {QUESTION}"
                " --ws ws://127.0.0.1:7860/telephony/ws"
                ' --password "$(cat secrets/OFFHOOK_MEDIA_PASSWORD)"',
                says=SPOKEN,
                where="containers",
            ),
            Act(
                "/opt/offhook/.venv/bin/offhook call"
                " --ws ws://127.0.0.1:7860/telephony/ws --password"
                f' "$(cat /etc/offhook/secrets/OFFHOOK_MEDIA_PASSWORD)" {QUESTION}',
                says=SPOKEN,
            ),
        ),
    ),
    Scene(
        "a call that is up",
        (
            Act(
                "offhook call --caller 15550177 --seconds 120 --say Hello --say Hello"
                f" --say Hello --say Hello --ws {SOCKET} >live.log 2>&1 &\n"
                "until curl -s http://127.0.0.1:7860/calls |"
                """ grep -o '"id":"[^"]*","customer":"default","caller":"15550177"';"""
                " do sleep 0.2; done",
                learns={"LIVE_ID": r'"id":"([^"]+)"'},
                documented=False,
            ),
            Act(
                "curl -X POST http://127.0.0.1:7860/calls/CALL_ID/hold",
                as_typed="curl -X POST http://127.0.0.1:7860/calls/LIVE_ID/hold"
                " -w '%{http_code}'",
                says=r"20[24]$",
            ),
            Act(
                "curl -X POST http://127.0.0.1:7860/calls/CALL_ID/resume",
                as_typed="curl -X POST http://127.0.0.1:7860/calls/LIVE_ID/resume"
                " -w '%{http_code}'",
                says=r"20[24]$",
            ),
            Act(
                "curl -X DELETE http://127.0.0.1:7860/calls/CALL_ID",
                as_typed="curl -X DELETE http://127.0.0.1:7860/calls/LIVE_ID"
                " -w '%{http_code}'",
                says=r"20[24]$",
            ),
        ),
    ),
    Scene(
        "the API",
        (
            Act("curl -s http://127.0.0.1:7860/readyz", says="ready"),
            Act("curl http://127.0.0.1:7860/ais", says='"name":"reception"'),
            Act(
                "curl -X POST http://127.0.0.1:7860/ais -H 'Content-Type:"
                " application/json' -d"
                """ '{"name": "desk", "prompt": "You answer the phone of a"""
                """ bicycle shop.","""
                """ "greeting": "Good morning."}'""",
                says=r'"version":1\b',
            ),
            Act(
                """curl -X PATCH http://127.0.0.1:7860/ais/desk -H 'If-Match: "1"' -H"""
                """ 'Content-Type: application/json' -d '{"greeting": "Hello!"}'""",
                says=r'"version":2\b',
            ),
            Act(
                "curl -X PUT http://127.0.0.1:7860/numbers/+49301234567 -H"
                " 'Content-Type:"
                """ application/json' -d '{"target": {"ai": "desk"}, "label":"""
                """ "Shop"}'""",
                says='"label":"Shop"',
            ),
            Act(
                "curl -s http://127.0.0.1:7860/metrics | grep offhook_calls",
                says=r"^offhook_calls_live ",
            ),
            Act(
                "curl -s http://127.0.0.1:7860/metrics | grep calls_refused",
                says="offhook_calls_refused_total",
            ),
            Act(
                "curl -s http://127.0.0.1:7860/metrics | grep offhook_frames_in_total",
                says=r"^offhook_frames_in_total \d",
            ),
            Act(
                "curl 'http://127.0.0.1:7860/usage?since=2026-11-01T00:00:00Z&"
                "until=2026-12-01T00:00:00Z&group_by=day'",
                says='"from"|"since"|"rows"|"groups"',
            ),
            Act("curl 127.0.0.1:7861/healthz", says="working"),
            Act(
                'sqlite3 var/work.db "SELECT workflow_uuid, status,'
                " datetime(created_at/1000, 'unixepoch') FROM workflow_status\"",
                says=r"^uploads/\S+\|SUCCESS\|2",
            ),
            Act(
                "sqlite3 /srv/offhook.db \".backup '/backup/offhook.db'\"",
            ),
            Act('sqlite3 /var/lib/offhook/offhook.db ".backup FILE"'),
            Act(
                'curl $OPENAI_BASE_URL/models -H "Authorization: Bearer'
                ' $OPENAI_API_KEY"',
                environment={"OPENAI_BASE_URL": "http://gpu:8000/v1"},
                says='"id":"qwen3-14b"',
            ),
            Act(
                "offhook bench conformance --url ws://127.0.0.1:7860/telephony/ws"
                ' --password "$(cat var/media-password)" --only xoff',
                says="passed",
            ),
        ),
    ),
    Scene(
        "recordings",
        (
            Act("curl -sLo call.wav http://127.0.0.1:7860/calls/CALL_ID/recording"),
            Act("head -c 4 call.wav", says="RIFF", documented=False),
            Act(
                "curl -sL -o caller.wav"
                " 'http://127.0.0.1:7860/calls/CALL_ID/recording?track=user'"
            ),
            Act("head -c 4 caller.wav", says="RIFF", documented=False),
            Act(
                "curl -s http://127.0.0.1:7860/calls/CALL_ID/recording/peaks",
                says=r"\[-?\d+",
            ),
            Act("offhook recording why CALL_ID", says=KNOWN),
            Act(
                "offhook recording why 1795254952.0",
                swaps={"1795254952.0": "CALL_ID"},
                says=KNOWN + r"(?s:.*)^    database: ",
            ),
            Act(
                "scripts/missing-recording CALL_ID --log /var/log/asterisk/full"
                " --log agent.log",
                says=KNOWN,
            ),
            # on a machine whose log is where Debian has it
            Act(
                "scripts/missing-recording CALL_ID",
                as_typed="scripts/missing-recording CALL_ID /var/log/asterisk/full",
                exits=(0, 1, 2),
                says=KNOWN,
            ),
            Act(
                "scripts/missing-recording ID FILE...",
                swaps={"ID": "CALL_ID"},
                says=KNOWN,
            ),
        ),
    ),
    Scene(
        "one call's logs",
        (
            Act(
                "scripts/follow-call CALL_ID var/asterisk/log/full agent.log",
                says=r"^asterisk .*Dial(?s:.*)^agent .*(?s:.*)^ok +100 Trying"
                r"(?s:.*)^ok +ACK(?s:.*)" + KNOWN,
            ),
            Act(
                "scripts/follow-call CALL_ID",
                as_typed="scripts/follow-call CALL_ID /var/log/asterisk/full",
                says=KNOWN,
            ),
            Act(
                "scripts/follow-call ID",
                as_typed="scripts/follow-call CALL_ID /var/log/asterisk/full",
                says=KNOWN,
            ),
            Act("scripts/follow-call ID FILE...", swaps={"ID": "CALL_ID"}, says=KNOWN),
            Act(
                "scripts/which-hop ID FILE...",
                swaps={"ID": "CALL_ID"},
                exits=LIKE_THE_CALL,
                says=r"^(?:ok|broken) +LLM",
            ),
            Act(
                "scripts/which-hop CALL_ID FILE...",
                exits=LIKE_THE_CALL,
                says=r"^(?:ok|broken) +LLM",
            ),
            Act(
                "scripts/sip-ladder ID FILE...", swaps={"ID": "CALL_ID"}, says="INVITE"
            ),
            Act(
                "scripts/rtp-check ID FILE...",
                swaps={"ID": "CALL_ID"},
                exits=LIKE_THE_CALL,
                says=KNOWN,
            ),
            Act("offhook explain CALL_ID", exits=LIKE_THE_CALL, says=KNOWN),
            Act(
                "offhook explain CALL",
                swaps={"CALL": "CALL_ID"},
                exits=LIKE_THE_CALL,
                says=KNOWN,
            ),
            Act(
                "offhook explain 1795245062.0",
                swaps={"1795245062.0": "CALL_ID"},
                exits=LIKE_THE_CALL,
                says=KNOWN,
            ),
            Act(
                "offhook explain 1795245062.0 --log agent.log --log"
                " var/asterisk/log/full",
                swaps={"1795245062.0": "CALL_ID"},
                exits=LIKE_THE_CALL,
                says=KNOWN,
            ),
            Act(
                "offhook explain 1795245062.0 --database --json",
                swaps={"1795245062.0": "CALL_ID"},
                exits=LIKE_THE_CALL,
                says=r"^\{",
            ),
            Act(
                "docker logs offhook-voice-agent-1 >agent.log 2>&1", where="containers"
            ),
            Act(
                "docker logs offhook-asterisk-1 2>&1 | TZ=UTC"
                " scripts/follow-call CALL_ID"
                " --asterisk - --agent agent.log",
                says=KNOWN,
                where="containers",
            ),
            Act(
                "docker compose logs --no-color asterisk voice-agent | TZ=UTC"
                " scripts/follow-call ID -",
                swaps={"call ID": "call CALL_ID"},
                says=KNOWN,
                where="containers",
            ),
            Act(
                "docker compose logs voice-agent",
                says="^voice-agent-1 +|",
                where="containers",
            ),
            Act("docker compose logs asterisk", says="Dial", where="containers"),
            Act(
                "docker compose exec asterisk asterisk -r",
                says="Asterisk 22",
                where="containers",
            ),
            Act(
                "core show channels",
                as_typed="scripts/asterisk cli 'core show channels'",
                says="active channel",
                environment=ASTERISK_OF_RUN,
            ),
            Act(
                "rtp set debug on",
                as_typed="scripts/asterisk cli 'rtp set debug on'",
                says="RTP Packet Debugging Enabled",
                environment=ASTERISK_OF_RUN,
            ),
            Act(
                "rtp set debug off",
                as_typed="scripts/asterisk cli 'rtp set debug off'",
                says="RTP Packet Debugging Disabled",
                environment=ASTERISK_OF_RUN,
            ),
            Act(
                "pjsip set logger on",
                as_typed="scripts/asterisk cli 'pjsip set logger on'",
                says="[Ll]ogging [Ee]nabled",
                environment=ASTERISK_OF_RUN,
            ),
            Act(
                "OFFHOOK_ASTERISK=$PWD/var/asterisk scripts/asterisk cli",
                until=r"^Asterisk \d+",
            ),
        ),
    ),
    Scene(
        "backup",
        (
            Act(
                "docker compose exec -T voice-agent python -c 'import sqlite3;"
                ' sqlite3.connect("/var/lib/offhook/offhook.db").execute("VACUUM INTO'
                """ ?", ("/var/lib/offhook/backup.db",))'"""
            ),
            Act(
                "docker compose cp voice-agent:/var/lib/offhook/backup.db . &&"
                " docker compose exec -T voice-agent rm /var/lib/offhook/backup.db"
            ),
            Act(
                "sqlite3 backup.db 'SELECT count(*) FROM calls'",
                says="[1-9]",
                documented=False,
            ),
            Act(
                """echo '{"time":"T","level":"INFO","message":"M","call":"CALL_ID"}'"""
                " >json.log",
                documented=False,
            ),
            Act(
                "docker compose logs --no-color --no-log-prefix voice-agent | jq -c"
                """ 'select(.call == "1795254952.0") | [.time, .level, .message]'""",
                swaps={"1795254952.0": "CALL_ID"},
                environment={"STAGE_LOG": "STAGE/containers/json.log"},
                says=r'^\["T","INFO","M"\]$',
            ),
        ),
        where="containers",
    ),
    Scene(
        "doctor",
        (
            Act("offhook config", says=r"^OFFHOOK_PORT +\d+  \[environment\]"),
            Act("offhook config --set", says=r"^OFFHOOK_PORT +\d+  \[environment\]"),
            Act("offhook config --json", says=r"^\s*[\[{]"),
            Act("offhook doctor", exits=(0, 1), says=r"^0 errors, \d+ warnings"),
            Act(
                "offhook doctor --asterisk-conf /etc/asterisk",
                swaps={"/etc/asterisk": "var/asterisk/etc"},
                exits=(0, 1),
                says=r"^ok +\S(?s:.*)^0 errors, \d+ warnings",
            ),
            Act("offhook doctor --quiet --json", exits=(0, 1), says=r"^\s*[\[{]"),
            Act("offhook doctor --call", exits=(0, 1), says=r"^0 errors, \d+ warnings"),
            Act(
                "docker compose exec voice-agent offhook doctor",
                exits=(0, 1),
                says=r"^0 errors, \d+ warnings",
                where="containers",
            ),
        ),
        environment=AS_THE_AGENT,
    ),
    Scene(
        "knowledge",
        (
            Act(
                "printf '# Hours\\n\\nWe are open from nine to five.\\n' >handbook.md;"
                " printf 'what,price\\nbell,9\\n' >prices.csv",
                documented=False,
            ),
            Act(
                "offhook knowledge add shop handbook.md prices.csv --language en",
                says="handbook.md",
            ),
            Act(
                'offhook knowledge search shop "When are you open?"',
                says="nine to five",
            ),
            Act("offhook knowledge list", says="shop"),
            Act("offhook knowledge remove shop prices.csv"),
            Act(
                "OFFHOOK_EMBEDDINGS_URL=http://gpu:8081/v1"
                " OFFHOOK_EMBEDDINGS_MODEL=bge-m3"
                " offhook knowledge add shop handbook.md",
                says="handbook.md",
            ),
        ),
    ),
    Scene(
        "another machine's recordings",
        (
            Act("mkdir -p STAGE/away/monitor STAGE/away/spool", documented=False),
            Act(
                "S3_BUCKET=recordings S3_ENDPOINT_URL=http://s3:9000"
                " OFFHOOK_AGENT_URL=http://agent:7860 OFFHOOK_TOKEN=..."
                " OFFHOOK_MONITOR=/var/spool/asterisk/monitor"
                " OFFHOOK_SPOOL=/var/spool/offhook offhook upload",
                environment={
                    "AWS_ACCESS_KEY_ID": "testing",
                    "AWS_SECRET_ACCESS_KEY": "testing",
                },
                until=r"\[REC\] looks after",
            ),
        ),
    ),
)

AFTER_THE_OTHERS = Scene(
    "the last",
    (
        Act(
            "curl -X DELETE 'http://127.0.0.1:7860/calls/CALL_ID/recording?"
            "reason=asked+by+mail'",
        ),
        Act(
            "curl -s http://127.0.0.1:7860/calls/CALL_ID/recording",
            says='"status": 410',
            documented=False,
        ),
        Act(
            "offhook recording erase CALL_ID --reason 'asked by mail'",
            swaps={"CALL_ID": "SECOND_ID"},
        ),
        Act(
            "curl -s http://127.0.0.1:7860/calls/SECOND_ID/recording",
            says='"status": 410',
            documented=False,
        ),
        Act('offhook customers add acme --name "Acme Ltd"', says="acme"),
        Act(
            ".venv/bin/offhook keys create --scope read",
            says="ok_",
            learns={"READ_KEY": r"(ok_[\w-]{20,})"},
        ),
        Act(
            'offhook keys create --scope admin --name "Ada"',
            says="ok_",
            learns={"ok_...": r"(ok_[\w-]{20,})"},
        ),
        Act("offhook keys list", says="Ada", learns={"KEY_ID": r"(\S+).*Ada"}),
        # the agent looks for keys of the command line every few seconds
        Act(
            'until curl -sf -H "Authorization: Bearer ok_..."'
            " http://127.0.0.1:7860/calls >/dev/null; do sleep 0.5; done",
            documented=False,
        ),
        Act(
            'curl -H "Authorization: Bearer ok_..." http://127.0.0.1:7860/calls',
            says='"calls":',
        ),
        Act(
            f"offhook call --ws {SOCKET} --seconds 3 --say Hello >short.log 2>&1 &",
            documented=False,
        ),
        Act(
            'curl -N -H "Authorization: Bearer $KEY"'
            " http://127.0.0.1:7860/events/stream?types=call_hungup",
            environment={"KEY": "READ_KEY"},
            until=r"id: \d+\nevent: call_hungup\ndata: \{",
        ),
        Act("offhook keys revoke ID", swaps={"revoke ID": "revoke KEY_ID"}),
    ),
)

ALONE = (
    Scene(
        "containers",
        (
            Act("docker/new-env", says="secrets/OFFHOOK_MEDIA_PASSWORD"),
            Act("docker compose build"),
            Act("docker compose up -d"),
            Act("docker compose --profile postgres up -d"),
            Act("docker compose --profile observability up -d"),
            Act("docker compose up -d voice-agent"),
            Act("docker compose up -d --force-recreate"),
            Act("docker compose up --wait"),
            Act("docker compose ps"),
            Act(
                "(umask 077; mkdir -p secrets); printf %s sk-..."
                " >secrets/OPENAI_API_KEY;"
                " chmod 444 secrets/OPENAI_API_KEY"
            ),
            Act("echo OPENAI_API_KEY_FILE=./secrets/OPENAI_API_KEY >>.env"),
            Act(
                "docker compose exec -T postgres pg_dump -Fc -U offhook offhook"
                " >offhook.dump",
            ),
            Act("touch compose.override.yaml", documented=False),
            Act("tar czf offhook-settings.tgz .env secrets compose.override.yaml"),
            Act("rm compose.override.yaml", documented=False),
            Act("docker compose build --pull"),
            Act("docker compose stop asterisk"),
            Act("docker compose down"),
        ),
        where="containers",
    ),
    Scene(
        "without containers",
        (
            Act("git clone URL /opt/offhook && cd /opt/offhook && scripts/setup"),
            Act("cp systemd/*.service /etc/systemd/system/"),
            Act("cp systemd/offhook.sysusers /etc/sysusers.d/offhook.conf"),
            Act("cp systemd/offhook.tmpfiles /etc/tmpfiles.d/offhook.conf"),
            Act(
                "install -m 640 -g offhook systemd/env.example /etc/offhook/env",
                swaps={"-g offhook": '-g "$(id -gn)"'},
            ),
            Act(
                "for name in OFFHOOK_MEDIA_PASSWORD OFFHOOK_AMI_PASSWORD; do\n"
                "(umask 077; openssl rand -hex 16 >/etc/offhook/secrets/$name)\ndone"
            ),
            Act(
                "runuser -u offhook -- env OFFHOOK_MODELS=/var/lib/offhook/models"
                " OFFHOOK_CACHE=/var/cache/offhook .venv/bin/offhook models fetch",
                swaps={
                    "runuser -u offhook -- ": "",
                    "OFFHOOK_MODELS=/var/lib/offhook/models": "OFFHOOK_MODELS=MODELS",
                },
                says="is here",
            ),
            Act("cd /opt/offhook && git pull && scripts/setup"),
        ),
        where="opt/offhook",
    ),
    Scene(
        "a clone",
        (
            Act("git clone <this repository> offhook && cd offhook", says="Cloning"),
            Act("git pull", as_typed="cd offhook && git pull", says="up to date"),
        ),
        where="cloned",
    ),
    Scene(
        "variants of make run",
        (
            Act("make run", until=READY),
            Act("ASTERISK=none make run", until="^  .venv/bin/offhook call --ws ws:"),
            Act(
                "OFFHOOK_AUDIOSOCKET_PORT=9000 make run",
                until=READY,
            ),
            Act(
                "OPENAI_BASE_URL=http://gpu:8000/v1 OPENAI_MODEL=qwen3-14b make run",
                until=READY,
            ),
            Act(
                "OFFHOOK_AIS=my-ais.toml OPENAI_BASE_URL=http://gpu:8000/v1"
                " OPENAI_MODEL=qwen3-14b make run",
                until=READY,
            ),
            Act("SIP_PORT=5070 make run", until=r"^  dial sip:1000@127\.0\.0\.1:5070 "),
            Act(
                "OFFHOOK_PORT=7870 make run", until=r"^  curl http://127\.0\.0\.1:7870/"
            ),
        ),
        where="variants",
        environment={
            **CHEAP,
            "OFFHOOK_PORT": "FREE_1",
            "OFFHOOK_WORK_PORT": "FREE_2",
            "SIP_PORT": "FREE_3",
            "ASTERISK_HTTP_PORT": "FREE_4",
            "OFFHOOK_AMI_PORT": "FREE_5",
        },
    ),
    Scene(
        "Asterisk alone",
        (
            Act(
                "scripts/asterisk up",
                as_typed="scripts/asterisk up SIP_PORT=FREE_6 HTTP_PORT=FREE_7"
                " AMI_PORT=FREE_8",
                says="^Asterisk is up",
            ),
            Act("scripts/asterisk status", says="System uptime"),
            Act(
                "OFFHOOK_ASTERISK=/tmp/second scripts/asterisk up SIP_PORT=5070"
                " HTTP_PORT=8089 AMI_PORT=5039 RTP_FIRST_PORT=21000"
                " RTP_LAST_PORT=21999",
                says="^Asterisk is up",
            ),
            Act("OFFHOOK_ASTERISK=/tmp/second scripts/asterisk down", documented=False),
            Act("scripts/asterisk cli", until=r"^Asterisk \d+"),
            Act("scripts/asterisk down"),
            Act(
                "scripts/asterisk up NAME=VALUE",
                as_typed="scripts/asterisk up SIP_PORT=FREE_6 HTTP_PORT=FREE_7"
                " AMI_PORT=FREE_8",
                says=r"^dial sip:1000@127\.0\.0\.1:\d+",
            ),
            Act("scripts/asterisk down", documented=False),
            Act("cp asterisk-conf/site.conf.example site.conf"),
            Act(
                "for name in EXTENSION_100 EXTENSION_101 AGENT ARI AMI; do"
                " echo ${name}_PASSWORD=secret >>site.conf; done",
                documented=False,
            ),
            Act("scripts/render-asterisk-conf /etc/asterisk site.conf"),
            Act(
                "chown -R asterisk: /etc/asterisk",
                swaps={"asterisk:": '"$(id -un)":'},
            ),
            Act("test -s /etc/asterisk/pjsip.conf", documented=False),
        ),
        where="alone",
    ),
    Scene(
        "models",
        (
            Act("offhook models fetch", says="is here"),
            Act("offhook models fetch small", says="is here"),
            Act("offhook models fetch whisper-tiny.en", says="is here"),
            Act("offhook models fetch gtcrn", says="is here"),
            Act("offhook models fetch default whisper-tiny.en", says="is here"),
            Act("offhook models list", says="whisper-base"),
            Act("offhook models list --long", says="[0-9a-f]{64}"),
            Act(
                "offhook models bundle models.tar --models default whisper-tiny.en",
                # the same with fewer bytes
                swaps={"default whisper-tiny.en": "gtcrn silero-vad"},
            ),
            Act(
                "offhook models unbundle models.tar",
                environment={"OFFHOOK_MODELS": "STAGE/unbundled"},
            ),
            Act(
                "offhook models verify",
                says=r"^good gtcrn(?s:.*)^good silero|^good silero(?s:.*)^good gtcrn",
                environment={"OFFHOOK_MODELS": "STAGE/unbundled"},
            ),
            Act("offhook models verify"),
            Act(
                ".venv/bin/python -m agent.nc --port 8005 --streams 10",
                until=r"127\.0\.0\.1:8005|\[NC\] rtf=",
                where="offhook",
            ),
            Act("cp models.tar STAGE/containers/models.tar", documented=False),
            Act(
                "docker compose run --rm -v ./models.tar:/models.tar:ro"
                " voice-agent models"
                " unbundle /models.tar",
                environment={"OFFHOOK_MODELS": "STAGE/unbundled-again"},
                where="containers",
            ),
            Act("scripts/tool-prometheus promtool", says="promtool$"),
        ),
    ),
    Scene(
        "settings",
        tuple(
            Act(given, as_typed=f"{given} offhook config --set", says=says)
            for given, says in {
                "OLLAMA_BASE_URL=http://127.0.0.1:11434/v1": r"^OLLAMA_BASE_URL ",
                "OPENAI_BASE_URL=http://gpu:8000/v1"
                " OPENAI_MODEL=qwen3-14b": r"^OPENAI_MODEL +qwen3-14b",
                "AZURE_OPENAI_BASE_URL=https://RESOURCE.openai.azure.com/openai/v1"
                " AZURE_OPENAI_API_KEY=...": r"^AZURE_OPENAI_API_KEY +\*",
                "GROQ_API_KEY=...": r"^GROQ_API_KEY +\*",
                "ANTHROPIC_API_KEY=... GEMINI_API_KEY=...": r"^GEMINI_API_KEY +\*",
                "OFFHOOK_TTS_BASE_URL=http://gpu:8880/v1 OFFHOOK_TTS_MODEL=kokoro"
                " OFFHOOK_TTS_VOICE=af_heart": r"^OFFHOOK_TTS_VOICE +af_heart",
                "OFFHOOK_STT_BASE_URL=http://gpu:8001/v1"
                " OFFHOOK_STT=openai.Systran/faster-whisper-small": r"^OFFHOOK_STT ",
                "DEEPGRAM_API_KEY=... ELEVENLABS_API_KEY=...": r"^DEEPGRAM_API_KEY +\*",
            }.items()
        )
        + (
            Act(
                "offhook eval evals/survey.toml --verbose", says=r"^(PASS|HARD) +survey"
            ),
            Act(
                "offhook doctor --before-start",
                environment={
                    "OFFHOOK_PORT": "FREE_10",
                    "OFFHOOK_WORK_PORT": "FREE_11",
                    "SIP_PORT": "FREE_12",
                    "OFFHOOK_DATA": "STAGE/fresh",
                },
                exits=(0, 1, 2),
                says=r"^\d+ errors, \d+ warnings",
            ),
        ),
    ),
    Scene(
        "PostgreSQL",
        (
            Act(
                "offhook work --port FREE_9",
                environment={"DATABASE_URL": "POSTGRES"},
                until=r"\[WORK\] working",
                documented=False,
            ),
            Act(
                'psql "$DATABASE_URL" -c "SELECT workflow_uuid, status FROM'
                ' dbos.workflow_status"',
                environment={"DATABASE_URL": "POSTGRES"},
                says="workflow_uuid",
            ),
            Act("pg_dump -Fc offhook > offhook.dump"),
            Act("pg_restore --clean --if-exists -d offhook offhook.dump"),
        ),
        environment={"OFFHOOK_DATA": "STAGE/fresh"},
    ),
)

ELSEWHERE: Mapping[str, str] = {
    "offhook eval evals": "tests/evals/test_text.py::test_a_good_mind_passes",
    "offhook eval evals/*.toml": "tests/evals/test_text.py::test_a_good_mind_passes",
    "offhook eval mine.toml --audio": (
        "tests/evals/test_audio.py::test_what_was_said_and_done_on_the_line"
    ),
    'offhook bench conformance --url ws://127.0.0.1:7860/telephony/ws --password "$(cat'
    ' var/media-password)"': "tests/conformance/test_ours.py::test_every_case",
    "systemd-sysusers && systemd-tmpfiles --create": (
        "tests/docker/test_systemd.py::test_the_user_and_the_folders_are_made"
    ),
    "systemd-analyze verify": (
        "tests/docker/test_systemd.py::test_systemd_has_nothing_to_say"
    ),
    "systemd-analyze security offhook": (
        "tests/docker/test_systemd.py::test_systemd_calls_it_well_closed"
    ),
}
"""Commands that another test runs, each with its name."""

_SYSTEMD = "starts, stops or asks a unit: systemd has to be the machine's first process"
_MINUTES = "measures for minutes, on a machine that does nothing else"
_NAME = "names a program, it is not to be typed like this"
NEVER: Mapping[str, str] = {
    "make test": "runs this test, among all others",
    "make check": "is what `make test` begins with, so it was run before this test",
    "pytest tests/interop/faults": "is a part of `make test`, of ten minutes",
    "make lock": "asks the package index for the newest of everything",
    "make demo": "is `make run` and `make call`, which are run here",
    "make bench": _MINUTES,
    "offhook bench capacity": _MINUTES,
    "python -m bench.reported": _MINUTES,
    "python -m bench.voice_to_voice": _MINUTES,
    "python -m bench.knowledge": _MINUTES,
    "python -m bench.noise": _MINUTES,
    "python -m bench.recordings": _MINUTES,
    "python -m bench.webhooks": _MINUTES,
    "python -m bench.newcomer": _MINUTES,
    "OFFHOOK_LLM_MODEL=qwen2.5-coder-1.5b offhook eval evals": (
        "wants a model of 1.1 GB that tests do without"
    ),
    "OFFHOOK_LAN=1 make run": "opens ports to the network; tests stay on loopback",
    "tcpdump -ni any udp portrange 10000-19999": "wants rights to read all packets",
    "dmesg | grep -i oom": "wants rights to read the kernel's log",
    "python -m pip download --no-deps X==Y": "fetches, to show an error of the index",
    "pip download X==Y: ERROR: ...": "is what an error looks like",
    "pip download": _NAME,
    "docker logs": _NAME,
    "docker compose logs": _NAME,
    "systemctl daemon-reload && systemctl enable --now offhook": _SYSTEMD,
    "systemctl edit offhook": _SYSTEMD,
    "systemctl restart offhook": _SYSTEMD,
    "systemctl status offhook": _SYSTEMD,
    "systemctl stop asterisk": _SYSTEMD,
    "systemctl stop offhook": _SYSTEMD,
    "journalctl -fu offhook": _SYSTEMD,
    "journalctl -u offhook -S -1h": _SYSTEMD,
    "journalctl -u offhook | scripts/which-hop ID /var/log/asterisk/full -": _SYSTEMD,
}
"""Commands that no test can run, each with the reason."""
