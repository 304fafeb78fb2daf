"""docker/observability: Prometheus's own tools take it, each alert is tested and has a
page to read at night."""

import re

import pytest
import yaml

from .prometheus import (
    ALL_SERIES,
    OBSERVABILITY,
    PAGE,
    ROOT,
    RULE_TESTS,
    RULES,
    alerts,
    promtool,
)

__all__ = ["promtool"]

ALERTS = alerts()
TESTS = yaml.safe_load(RULE_TESTS.read_text())["tests"]


def expected(alert: str) -> list[list[dict]]:
    """Of each test of it: the samples that it has at each time."""
    return [
        [test.get("exp_samples", []) for test in group["promql_expr_test"]]
        for group in TESTS
        if f'alertname="{alert}"' in group["promql_expr_test"][0]["expr"]
    ]


def test_promtool_takes_the_rules(promtool):
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(ALERTS)} rules found" in done.stdout


def test_each_alert_does_as_it_should(promtool):
    done = promtool("test", "rules", RULE_TESTS)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_is_tested_to_fire_and_to_be_quiet(alert):
    samples = [each for group in expected(alert) for each in group]
    assert any(samples), "nothing says when it fires"
    assert not all(samples), "nothing says when it is quiet"


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_says_what_to_do(alert):
    told = ALERTS[alert]["annotations"]
    assert set(told) == {"summary", "description", "runbook"}
    assert ALERTS[alert]["labels"]["severity"] in ("critical", "warning")
    page, _, anchor = told["runbook"].partition("#")
    titles = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)
    anchors = {
        re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in titles
    }
    assert anchor in anchors


@pytest.mark.parametrize("alert", ALERTS)
def test_no_alert_names_a_label_that_it_does_not_have(alert):
    told = " ".join(ALERTS[alert]["annotations"].values())
    named = set(re.findall(r"\$labels\.(\w+)", told))
    for samples in sum(expected(alert), []):
        for sample in samples:
            assert named <= set(re.findall(r'(\w+)="', sample["labels"]))


@pytest.mark.parametrize("alert", ALERTS)
def test_every_metric_of_an_alert_exists(alert):
    names = set(re.findall(r"offhook_\w+", ALERTS[alert]["expr"]))
    assert names <= ALL_SERIES


def test_every_alert_is_on_the_page_and_no_other():
    there = re.findall(r"^### (Offhook\w+)$", PAGE.read_text(), re.MULTILINE)
    assert sorted(there) == sorted(ALERTS)


def test_promtool_takes_the_config(promtool, tmp_path):
    text = (OBSERVABILITY / "prometheus.yml").read_text()
    key = tmp_path / "key"
    key.write_text("")
    (tmp_path / "rules").symlink_to(OBSERVABILITY / "rules")
    config = tmp_path / "prometheus.yml"
    assert "/run/secrets/offhook_key" in text
    config.write_text(text.replace("/run/secrets/offhook_key", str(key)))
    done = promtool("check", "config", config)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(ALERTS)} rules found" in done.stdout


def test_the_agent_and_its_worker_are_scraped_where_they_listen():
    from agent.jobs.worker import WorkConfig

    config = yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text())
    targets = {
        job["job_name"]: job["static_configs"][0]["targets"]
        for job in config["scrape_configs"]
    }
    assert targets == {
        "offhook": ["127.0.0.1:7860"],
        "offhook-work": [f"127.0.0.1:{WorkConfig('').port}"],
    }
