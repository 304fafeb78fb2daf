"""docker/observability/grafana: what the dashboards ask is answered."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from agent.local.process import free_port

from .prometheus import ALL_SERIES, NAMES, OBSERVABILITY, ROOT, alerts, series, tool

GRAFANA = OBSERVABILITY / "grafana"
DASHBOARDS = {
    path.stem: json.loads(path.read_text())
    for path in sorted((GRAFANA / "dashboards").glob("*.json"))
}
PANELS = [
    pytest.param(dashboard, panel, id=f"{name}: {panel['title']}")
    for name, dashboard in DASHBOARDS.items()
    for panel in dashboard["panels"]
    if panel["type"] != "row"
]
QUERIES = [
    pytest.param(target["expr"], id=f"{name}: {panel['title']} {target['refId']}")
    for name, dashboard in DASHBOARDS.items()
    for panel in dashboard["panels"]
    for target in panel.get("targets", [])
]
OF_THE_PROCESS = {
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "up",
}
_FIRST = 60.0
"""Seconds for a Prometheus on a busy machine to have asked a few times."""


def names(expr: str) -> set[str]:
    """Of the metrics in it."""
    found = re.findall(r"([a-z_:][\w:]*)\s*\{", expr)
    assert found, expr
    # `by (le) (...)` has no braces behind it.
    return set(found)


def filled(expr: str) -> str:
    """As Grafana does it, before it asks."""
    for variable, value in {
        "$__rate_interval": "1m",
        "$__range": "1m",
        "$instance": ".*",
    }.items():
        expr = expr.replace(variable, value)
    assert "$" not in expr
    return expr


def test_the_four_are_there():
    assert set(DASHBOARDS) == {"calls", "conversation", "providers", "work"}
    uids = {dashboard["uid"] for dashboard in DASHBOARDS.values()}
    assert len(uids) == len(DASHBOARDS)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_asks_whichever_prometheus_it_is_given(name):
    dashboard = DASHBOARDS[name]
    variables = {each["name"]: each for each in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    for panel in dashboard["panels"]:
        for asked in [panel] * ("targets" in panel) + panel.get("targets", []):
            assert asked["datasource"]["uid"] == "${datasource}"
    text = json.dumps(dashboard)
    assert ("$instance" in text) is ("instance" in variables)


@pytest.mark.parametrize(("dashboard", "panel"), PANELS)
def test_a_panel_says_what_it_shows_and_in_which_unit(dashboard, panel):
    assert len(panel["description"]) > 20
    assert panel["description"].endswith(".")
    unit = panel["fieldConfig"]["defaults"].get("unit")
    unit = unit or panel["options"]["yAxis"]["unit"]
    assert unit in {"s", "short", "cpm", "bytes", "percentunit", "none"}
    if any("_seconds_bucket" in target["expr"] for target in panel["targets"]):
        assert unit == "s"


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_do_not_lie_upon_each_other(name):
    taken: set[tuple[int, int]] = set()
    ids = [panel["id"] for panel in DASHBOARDS[name]["panels"]]
    assert len(ids) == len(set(ids))
    for panel in DASHBOARDS[name]["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        places = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not places & taken, panel["title"]
        taken |= places


@pytest.mark.parametrize("expr", QUERIES)
def test_every_metric_that_is_asked_for_exists(expr):
    assert names(expr) <= ALL_SERIES | OF_THE_PROCESS


def test_every_metric_is_on_a_dashboard():
    asked = set().union(*(names(param.values[0]) for param in QUERIES))
    forgotten = {name for name in NAMES if not series(name) & asked}
    assert forgotten == set()


def test_grafana_finds_them():
    provisioning = GRAFANA / "provisioning"
    (source,) = yaml.safe_load(
        (provisioning / "datasources" / "prometheus.yml").read_text()
    )["datasources"]
    assert source["type"] == "prometheus"
    (provider,) = yaml.safe_load(
        (provisioning / "dashboards" / "offhook.yml").read_text()
    )["providers"]
    assert provider["options"]["path"] == "/etc/grafana/dashboards"


# With a real Prometheus.


@pytest.fixture(scope="module")
def agent() -> Iterator[str]:
    """To which everything happens; its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.observe.eventful"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield f"127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="module")
def prometheus(agent: str, tmp_path_factory) -> Iterator[httpx.Client]:
    """With our rules; it has asked the agent, and a worker that is the same."""
    folder: Path = tmp_path_factory.mktemp("prometheus")
    jobs = [
        {"job_name": name, "static_configs": [{"targets": [agent]}]}
        for name in ("offhook", "offhook-work")
    ]
    config = folder / "prometheus.yml"
    config.write_text(
        yaml.safe_dump(
            {
                "global": {"scrape_interval": "250ms", "scrape_timeout": "250ms"},
                "rule_files": [str(OBSERVABILITY / "rules" / "*.yml")],
                "scrape_configs": jobs,
            }
        )
    )
    port = free_port()
    with open(folder / "log", "w") as log:
        process = subprocess.Popen(
            [
                tool("prometheus"),
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
            cwd=folder,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1") as client:
            _wait_for_data(client, folder / "log")
            yield client
    finally:
        process.terminate()
        process.wait(20)


def _wait_for_data(client: httpx.Client, log: Path) -> None:
    deadline = time.monotonic() + _FIRST
    while time.monotonic() < deadline:
        try:
            found = ask(client, "count_over_time(up[1m]) >= 4 and up == 1")
            if len(found) == 2:
                return
        except (httpx.HTTPError, AssertionError):
            pass  # it is not up yet
        time.sleep(0.25)
    pytest.fail(log.read_text())


def ask(client: httpx.Client, expr: str) -> list[dict]:
    answer = client.get("/query", params={"query": expr})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]["result"]


@pytest.mark.parametrize("expr", QUERIES)
def test_every_query_is_answered_with_data(prometheus, expr):
    found = ask(prometheus, filled(expr))
    assert found, expr
    values = [float(each["value"][1]) for each in found]
    assert any(value > 0 for value in values), found


def test_prometheus_has_loaded_every_alert(prometheus):
    groups = prometheus.get("/rules").json()["data"]["groups"]
    rules = {rule["name"]: rule for group in groups for rule in group["rules"]}
    assert set(rules) == set(alerts())
    assert {rule.get("lastError") for rule in rules.values()} <= {None, ""}


def test_the_list_of_agents_is_found(prometheus):
    match = 'offhook_calls_limit{job="offhook"}'
    answer = prometheus.get("/label/instance/values", params={"match[]": match})
    assert len(answer.json()["data"]) == 1
