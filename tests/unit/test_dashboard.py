"""The Grafana dashboard shows every metric of the app and queries only metrics that exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import promql_parser
import pytest

from tests.support.paths import PROJECT
from tools.documents.metrics import all_metrics
from voicebot.observability.metrics import Metrics

BOARD = json.loads((PROJECT / "deploy" / "grafana-dashboard.json").read_text("utf-8"))
PANELS = BOARD["panels"]

SCRAPED = {"job", "instance"}
"""The labels that Prometheus adds."""

UNITS = {"short", "s", "percentunit", "bytes"}


def series() -> dict[str, set[str]]:
    """Returns all series that a scrape may contain, with their labels."""
    known: dict[str, set[str]] = {}
    for info in all_metrics(Metrics()):
        labels = set(info.labels) | SCRAPED
        if info.kind == "histogram":
            known[f"{info.name}_bucket"] = labels | {"le"}
            known |= {f"{info.name}_{part}": labels for part in ("sum", "count")}
        else:
            known[f"{info.name}_total" if info.kind == "counter" else info.name] = labels
    return known


def queries(panel: Any) -> list[str]:
    return [target["expr"] for target in panel.get("targets", [])]


def parsed(query: str) -> promql_parser.Expr:
    return promql_parser.parse(query.replace("$__rate_interval", "5m"))


def parts(expression: Any) -> Iterator[Any]:
    """Yields the expression and all expressions within it."""
    yield expression
    for name in ("expr", "lhs", "rhs", "param", "vector_selector"):
        if (inner := getattr(expression, name, None)) is not None:
            yield from parts(inner)
    arguments = getattr(expression, "args", None) or []
    for argument in arguments:
        yield from parts(argument)


def selectors(expression: Any) -> list[Any]:
    return [each for each in parts(expression) if isinstance(each, promql_parser.VectorSelector)]


def labels_of(expression: Any) -> set[str]:
    """Returns the labels that all metrics of an expression have."""
    known = series()
    return set.intersection(*(known[selector.name] for selector in selectors(expression)))


ASKED = [(panel["title"], query) for panel in PANELS for query in queries(panel)]


@pytest.mark.parametrize(("title", "query"), ASKED)
def test_a_query_uses_only_existing_metrics_and_labels(title: str, query: str) -> None:
    expression, known = parsed(query), series()
    assert selectors(expression), title
    for selector in selectors(expression):
        assert selector.name in known
        used = {matcher.name for matcher in selector.matchers.matchers}
        assert SCRAPED <= used <= known[selector.name], selector.name
    for part in parts(expression):
        if isinstance(part, promql_parser.AggregateExpr) and part.modifier is not None:
            assert set(part.modifier.labels) <= labels_of(part.expr)
        if isinstance(part, promql_parser.Call):
            counted = [selector.name for selector in selectors(part)]
            if part.func.name in ("rate", "increase"):
                assert all(name.endswith(("_total", "_bucket", "_sum", "_count")) for name in counted), counted
            if part.func.name == "histogram_quantile":
                assert all(name.endswith("_bucket") for name in counted), counted
                groupings = [each.modifier for each in parts(part) if isinstance(each, promql_parser.AggregateExpr)]
                assert any(grouping is not None and "le" in grouping.labels for grouping in groupings)


@pytest.mark.parametrize("panel", [panel for panel in PANELS if "targets" in panel], ids=lambda panel: panel["title"])
def test_a_legend_uses_only_labels_that_its_query_preserves(panel: Any) -> None:
    for target in panel["targets"]:
        grouped = re.findall(r"sum by \(([^)]*)\)|min by \(([^)]*)\)", target["expr"])
        left = {label.strip() for groups in grouped for group in groups for label in group.split(",")} or SCRAPED
        assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= left


def test_the_dashboard_shows_each_of_our_metrics() -> None:
    asked = {selector.name for _, query in ASKED for selector in selectors(parsed(query))}
    ours = {info.name for info in Metrics().infos}
    shown = {re.sub(r"_(total|bucket)$", "", name) for name in asked}
    assert ours - shown == set()


def test_panels_have_different_ids_and_do_not_overlap() -> None:
    ids = [panel["id"] for panel in PANELS]
    assert len(set(ids)) == len(ids)
    places = [panel["gridPos"] for panel in PANELS]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(PANELS, 2):
        a, b = one["gridPos"], other["gridPos"]
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or above, (one["title"], other["title"])


def test_each_panel_has_a_description_a_known_unit_and_the_chosen_data_source() -> None:
    for panel in PANELS:
        if panel["type"] == "row":
            continue
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        assert sources == [{"type": "prometheus", "uid": "${datasource}"}] * len(sources)
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs)


def test_the_dashboard_has_no_id_and_defines_exactly_the_variables_it_uses() -> None:
    assert "id" not in BOARD
    assert BOARD["schemaVersion"] >= 39
    variables = {variable["name"]: variable for variable in BOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    used = set(re.findall(r"\$\{?(?!__)(\w+)", json.dumps(BOARD)))
    assert used == set(variables)
    for name in ("job", "instance"):
        (metric,) = re.findall(r"label_values\((\w+)", variables[name]["definition"])
        assert metric in series()
