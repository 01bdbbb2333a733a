"""A client that continues a conversation takes the place of the session that has it, on either transport."""

from __future__ import annotations

from tests.support.rtc_client import RtcClient
from tests.support.ws_bot import bot
from tests.support.ws_client import ws_client


async def test_a_websocket_takes_over_the_conversation_and_place_of_an_earlier_websocket() -> None:
    async with bot([["Yes."]], max_sessions=1) as server, ws_client(server) as first:
        name = (await first.next("connected"))["conversation"]
        await first.send("text", text="hello")
        await first.next("play_audio")
        async with ws_client(server, f"?conversation={name}") as second:
            assert (await second.next("connected"))["conversation"] == name
            await first.next("closed", code="elsewhere")
            async with ws_client(server) as stranger:
                await stranger.next("closed", code="full")
                assert not stranger.all("connected")


async def test_a_websocket_and_a_page_take_over_a_conversation_from_each_other() -> None:
    async with bot([["Yes."]], max_sessions=1) as server, RtcClient(server.url) as page:
        connected = await page.wait_for_message(lambda message: message["type"] == "connected")
        name = connected["conversation"]
        page.send({"type": "text", "text": "hello"})
        await page.heard.wait_for_sound()
        async with ws_client(server, f"?conversation={name}") as socket:
            assert (await socket.next("connected"))["conversation"] == name
            await page.wait_for_message(lambda message: message.get("code") == "elsewhere")
            async with RtcClient(server.url, conversation=name) as again:
                connected = await again.wait_for_message(lambda message: message["type"] == "connected")
                assert connected["conversation"] == name
                await socket.next("closed", code="elsewhere")


async def test_an_unused_conversation_name_gives_no_place_when_all_are_taken() -> None:
    async with bot([["Yes."]], max_sessions=1) as server, ws_client(server) as first:
        await first.next("connected")
        async with ws_client(server, f"?conversation={'A' * 32}") as second:
            await second.next("closed", code="full")
