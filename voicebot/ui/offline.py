"""Keeps Gradio's page from asking other hosts for scripts and fonts."""

from __future__ import annotations

import re
from collections.abc import Callable

import gradio.routes
from jinja2 import BaseLoader, Environment

_FOREIGN_TAG = re.compile(
    r"""<script\s[^>]*src="https?://[^"]*"[^>]*>\s*</script>|<link\s[^>]*href="https?://[^"]*"[^>]*/?>""", re.IGNORECASE
)


class OfflineLoader(BaseLoader):
    """Gradio's page templates without the tags that load from elsewhere: a frame resizer, font servers."""

    def __init__(self, templates: BaseLoader) -> None:
        self._templates = templates

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        source, path, uptodate = self._templates.get_source(environment, template)
        return without_foreign_tags(source), path, uptodate


def without_foreign_tags(html: str) -> str:
    return _FOREIGN_TAG.sub("", html)


def keep_gradio_offline() -> None:
    """From now on Gradio serves its pages without such tags; may come twice."""
    environment = gradio.routes.templates.env
    if environment.loader is not None and not isinstance(environment.loader, OfflineLoader):
        environment.loader = OfflineLoader(environment.loader)
