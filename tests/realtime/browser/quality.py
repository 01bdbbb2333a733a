"""What can be measured of how well the page serves everybody: axe-core's rules, layout shifts, what Lighthouse asks."""

from __future__ import annotations

from typing import Any, Literal

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

DESKTOP, PHONE = (1280, 800), (390, 844)

Look = tuple[tuple[int, int], Literal["light", "dark"]]
BOTH: tuple[Look, ...] = ((DESKTOP, "light"), (PHONE, "dark"))
ALL: tuple[Look, ...] = ((PHONE, "light"), (DESKTOP, "dark"), *BOTH)

MOST_SHIFT = 0.05
"""Half of what counts as good (web.dev, Cumulative Layout Shift): nothing jumps while one talks."""

LEAST_TARGET_PX, MAIN_TARGET_PX = 24, 44
"""WCAG 2.2, 2.5.8 (AA); and 2.5.5 (AAA), for what everybody presses."""

INTERACTIVE_MS = 10_000
"""Lighthouse's bound for a slow phone is 7.3 s; the machines that run this are busy with other tests as well."""

WATCH = """() => {
  window.shifts = [];
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput, sources } of list.getEntries())
      if (!hadRecentInput) shifts.push([value, sources.map(({ node }) => node?.id || node?.className || "").join()]);
  }).observe({ type: "layout-shift", buffered: true });
}"""

FRAME = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))"

TARGETS = """() => Array.from(document.querySelectorAll("button, input, a[href], [role=button]"))
  .filter((element) => element.checkVisibility({ visibilityProperty: true }))
  .map((element) => [element.getBoundingClientRect(), element])
  .filter(([{ width }]) => width > 1)
  .map(([{ width, height }, element]) => [element.id || element.className || element.textContent, width, height])"""

DOCUMENT = """() => ({
  title: document.title,
  lang: document.documentElement.lang,
  viewport: document.querySelector("meta[name=viewport]")?.content ?? "",
  description: document.querySelector("meta[name=description]")?.content ?? "",
  mains: document.querySelectorAll("main, [role=main]").length,
  headings: Array.from(document.querySelectorAll("h1, h2, h3, h4, h5, h6"))
    .filter((element) => element.checkVisibility()).map(({ tagName }) => Number(tagName[1])),
  paint_ms: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? Infinity,
})"""


async def watch_shifts(page: Page) -> None:
    """From now on, and as far back as the browser knows."""
    await page.evaluate(WATCH)


async def assert_nothing_jumped(page: Page) -> None:
    """Then makes something jump, so that it is known to have been watched; watching ends."""
    await page.evaluate(FRAME)
    shifts = await page.evaluate("shifts.splice(0)")
    assert sum(value for value, _ in shifts) < MOST_SHIFT, shifts
    await page.wait_for_timeout(600)  # until what was pressed last excuses nothing any more
    await page.evaluate("document.getElementById('vb-header').style.marginTop = '120px'")
    await page.wait_for_function("shifts.reduce((sum, [value]) => sum + value, 0) > 0.05")
    await page.evaluate("document.getElementById('vb-header').style.marginTop = ''")


async def assert_accessible(page: Page, looks: tuple[Look, ...] = BOTH) -> None:
    """axe-core finds nothing serious or critical, in each of the `looks`."""
    await page.emulate_media(reduced_motion="reduce")
    axe = Axe()
    for (width, height), scheme in looks:
        await page.set_viewport_size({"width": width, "height": height})
        await page.emulate_media(color_scheme=scheme)
        dark = str(scheme == "dark").lower()
        await page.wait_for_function(f"document.body.classList.contains('dark') === {dark}")
        result: dict[str, Any] = (await axe.run(page)).response
        assert len(result["passes"]) > 20 if "passes" in result else result["testEngine"]["name"] == "axe-core"
        found = [
            (violation["id"], node["target"], node["failureSummary"])
            for violation in result["violations"]
            if violation["impact"] in ("serious", "critical")
            for node in violation["nodes"]
        ]
        assert found == [], f"at {width} pixels, {scheme}"


async def assert_targets(page: Page, *main: str) -> None:
    """Everything can be hit by a finger, the `main` ones easily: as their ids or classes say."""
    targets = await page.evaluate(TARGETS)
    assert len(targets) > 8
    assert [target for target in targets if min(target[1:]) < LEAST_TARGET_PX] == []
    for name in main:
        sizes = [target for target in targets if name in target[0]]
        assert sizes, f"no {name} among {targets}"
        assert [target for target in sizes if min(target[1:]) < MAIN_TARGET_PX] == []


async def assert_well_formed(page: Page) -> None:
    document = await page.evaluate(DOCUMENT)
    assert document["title"] == "Voice Bot"
    assert document["lang"] == "en"
    assert "width=device-width" in document["viewport"]
    assert "maximum-scale" not in document["viewport"]
    assert "user-scalable" not in document["viewport"]
    assert 50 <= len(document["description"]) <= 160
    assert document["mains"] == 1
    headings = document["headings"]
    assert headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip([0, *headings], headings, strict=False)), headings
    assert document["paint_ms"] < INTERACTIVE_MS
