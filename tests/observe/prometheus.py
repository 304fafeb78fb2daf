"""What Prometheus is given: our metrics, and the files of docker/observability; and the
real promtool, from Debian."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from agent.observe import metrics

ROOT = Path(__file__).resolve().parents[2]
OBSERVABILITY = ROOT / "docker" / "observability"
RULES = OBSERVABILITY / "rules" / "offhook.yml"
RULE_TESTS = OBSERVABILITY / "rule-tests" / "offhook.yml"
PAGE = ROOT / "docs" / "metrics.md"

OURS = [each for each in vars(metrics).values() if isinstance(each, MetricWrapperBase)]
OURS = [each for each in OURS if not each._labelvalues]


def exposed(metric: MetricWrapperBase) -> str:
    """Its name in the exposition."""
    suffix = {"counter": "_total", "info": "_info"}.get(metric._type, "")
    return metric._name + suffix


NAMES = {exposed(metric): metric for metric in OURS}


def series(name: str) -> set[str]:
    """The names of its series."""
    if NAMES[name]._type == "histogram":
        return {f"{name}_{part}" for part in ("bucket", "count", "sum")}
    return {name}


ALL_SERIES = set().union(*map(series, NAMES))


def alerts() -> Mapping[str, Mapping]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def tool(program: str) -> Path:
    done = subprocess.run(
        [ROOT / "scripts" / "tool-prometheus", program],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.fixture(scope="session")
def promtool():
    path = tool("promtool")

    def run(*arguments, **options) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [path, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=120,
            **options,
        )

    return run
