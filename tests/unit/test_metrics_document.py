"""docs/metrics.md is generated from the metrics."""

from __future__ import annotations

from tests.support.paths import PROJECT
from voicebot.observability.metrics_document import document

DOCS = PROJECT / "docs"


def test_the_metrics_page_is_the_one_generated_from_the_metrics() -> None:
    page = (DOCS / "metrics.md").read_text("utf-8")
    assert page == document(), "run `python -m voicebot.observability.metrics_document > docs/metrics.md`"
