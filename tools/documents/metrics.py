"""Describes the metrics, from their declarations."""

from __future__ import annotations

from collections.abc import Iterator

from voicebot.observability.metrics import MetricInfo, Metrics

HEAD = """# Metrics

`GET /metrics` returns the metrics in Prometheus's text format. It needs the login if there is one, unless
`METRICS_PUBLIC=true`. Metrics hold no words, names or addresses of users, and their labels have few values. A counter
counts from the start of the app. A histogram has the series `_bucket` (label `le`), `_sum` and `_count`.

With [several workers](deployment.md#several-workers), whichever of them answers, it answers for all: counters and
histograms are sums, and still have what an ended worker has counted. Gauges are at most a second old, and are sums over
the workers that live, but `voicebot_engine_ready` is 1 only if the engine can work in all of them, and
`voicebot_turns_today` is the highest count that one of them knows. The `process_` metrics have one more label,
`worker`, and the `python_gc_` metrics are missing. Each worker alone answers at its socket in the supervisor's private
folder:

```text
curl --unix-socket /tmp/voicebot-…/worker-0.sock http://worker/metrics
```

Under the service of systemd the folder is in `/tmp/systemd-private-…-voicebot.service-…/tmp`.

`deploy/grafana-dashboard.json` is a dashboard of them: import it into Grafana, and choose the Prometheus that scrapes
the bot. `voicebot/observability/metrics.py` declares the metrics and counts the facts of sessions.
"""


def document() -> str:
    metrics = Metrics()
    lines = [HEAD, *_table("The bot", metrics.infos), "", *_table("Its process", list(_of_process(metrics)))]
    return "\n".join(lines) + "\n"


def all_metrics(metrics: Metrics) -> list[MetricInfo]:
    return [*metrics.infos, *_of_process(metrics)]


def _of_process(metrics: Metrics) -> Iterator[MetricInfo]:
    """Yields the metrics that the Prometheus library adds."""
    own = {info.name for info in metrics.infos}
    for family in metrics.registry.collect():
        if family.name in own:
            continue
        labels = dict.fromkeys(name for sample in family.samples for name in sample.labels)
        meaning = family.documentation if family.documentation.endswith(".") else f"{family.documentation}."
        yield MetricInfo(family.name, family.type, tuple(labels), meaning)


def _table(title: str, infos: list[MetricInfo]) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    yield "| name | type | labels | meaning |"
    yield "|---|---|---|---|"
    for info in sorted(infos, key=lambda each: each.name):
        labels = ", ".join(f"`{label}`" for label in info.labels)
        yield f"| `{series_name(info)}` | {info.kind} | {labels} | {info.meaning} |"


def series_name(info: MetricInfo) -> str:
    """Returns the name of the metric in queries."""
    return f"{info.name}_total" if info.kind == "counter" else info.name
