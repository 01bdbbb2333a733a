"""A session is downloaded as a zip, and brought back into the page."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from playwright.async_api import expect

from tests.realtime.browser.conftest import Browsers

QUESTION, NEXT_QUESTION = "What is ten times three?", "What is two plus two?"


async def test_a_conversation_is_downloaded_as_a_zip_and_imported_again(browsers: Browsers, tmp_path: Path) -> None:
    visitor = await browsers.visit(microphone=False)
    page, file = visitor.page, tmp_path / "talk.zip"
    said = page.locator("#vb-transfer [role=status]")
    download = page.get_by_role("button", name="Download", exact=True)
    await expect(download).to_have_attribute("aria-disabled", "true")
    await expect(said).to_contain_text("Nothing to download yet.")

    await visitor.types(QUESTION)
    answer = await visitor.hears_answer(1)
    await expect(download).to_have_attribute("aria-disabled", "false")
    async with page.expect_download() as started:
        await download.press("Enter")
    await (await started.value).save_as(file)
    await expect(said).to_have_text("The download has started.")
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        messages = json.loads(archive.read("transcript.json"))["messages"]
        assert archive.getinfo("conversation.wav").file_size > 24_000
    assert [message["text"] for message in messages] == [QUESTION, answer]

    await visitor.presses("New conversation")
    await expect(visitor.messages).to_have_count(0)
    async with page.expect_file_chooser() as chooser:
        await visitor.presses("Import")
    async with page.expect_request("**/conversations") as asked:
        await (await chooser.value).set_files(file)
    await expect(said).to_have_text("Imported. You can continue.")
    sent = int((await (await asked.value).all_headers())["content-length"])
    assert 0 < sent < 10_000 < file.stat().st_size, "the sound stays here"
    await expect(visitor.questions).to_have_text(QUESTION)
    await expect(download).to_have_attribute("aria-disabled", "true")
    await visitor.types(NEXT_QUESTION)
    await visitor.hears_answer(2)
    await expect(visitor.questions).to_have_text([QUESTION, NEXT_QUESTION])

    visitor.must_fail("422")
    await page.locator("#vb-transfer input").set_input_files({"name": "a.zip", "mimeType": "", "buffer": b"no zip"})
    await expect(visitor.problem).to_contain_text("The import failed. This is not a conversation")
    await expect(visitor.answers).to_have_count(2)
