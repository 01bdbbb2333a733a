"""The figures of `/metrics` as a page, from their register.

`python -m voicebot.observability.metrics_document > docs/metrics.md`
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from voicebot.observability.metrics import Figure, Metrics

HEAD = """# Metrics

`GET /metrics` gives figures in Prometheus's text format. Where the bot has a login it wants it too, unless
`METRICS_PUBLIC=true`. No figure holds words, names or addresses, and all labels have few values. A counter counts from
the start of the app; a histogram has `_bucket` (label `le`), `_sum` and `_count`. `docs/grafana-dashboard.json` shows
most of these: import it into Grafana and choose the Prometheus that scrapes the bot.
"""


def document() -> str:
    metrics = Metrics()
    lines = [HEAD, *_table("The bot", metrics.figures), "", *_table("Its process", list(_of_process(metrics)))]
    return "\n".join(lines) + "\n"


def all_figures(metrics: Metrics) -> list[Figure]:
    return [*metrics.figures, *_of_process(metrics)]


def _of_process(metrics: Metrics) -> Iterator[Figure]:
    """What the library tells by itself."""
    own = {figure.name for figure in metrics.figures}
    for family in metrics.registry.collect():
        if family.name in own:
            continue
        labels = dict.fromkeys(name for sample in family.samples for name in sample.labels)
        meaning = family.documentation if family.documentation.endswith(".") else f"{family.documentation}."
        yield Figure(family.name, family.type, tuple(labels), meaning)


def _table(title: str, figures: list[Figure]) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    yield "| name | type | labels | meaning |"
    yield "|---|---|---|---|"
    for figure in sorted(figures, key=lambda each: each.name):
        labels = ", ".join(f"`{label}`" for label in figure.labels)
        yield f"| `{series(figure)}` | {figure.kind} | {labels} | {figure.meaning} |"


def series(figure: Figure) -> str:
    """What it is called in queries."""
    return f"{figure.name}_total" if figure.kind == "counter" else figure.name


if __name__ == "__main__":
    sys.stdout.write(document())
