"""A call put together from real parts: what the provider is told, and that sessions are counted until they are gone."""

from __future__ import annotations

from tests.support.stage import NOTHING, Stage, leftovers


async def test_the_provider_gets_the_calls_codec_tools_and_id() -> None:
    async with Stage() as stage:
        await stage.dial()
        session = stage.emulator.sessions[0].session
        assert session["audio"]["input"]["format"] == {"type": "audio/pcmu"}
        assert session["audio"]["output"]["format"] == {"type": "audio/pcmu"}
        assert [tool["name"] for tool in session["tools"]] == ["hang_up"]
        assert session["providerData"]["metadata"]["call_id"] == stage.events[0].call_id
        assert session["providerData"]["auto_tool_response"] is False
        assert stage.emulator.sessions[0].authorization_scheme.lower() == "basic"


async def test_a_session_counts_until_its_socket_is_closed() -> None:
    async with Stage() as stage:
        await stage.dial()
        assert stage.gateway.assembly.sessions_open == 1
        stage.phone.hang_up()
        await stage.phone.wait_until(lambda: stage.gateway.directory.live == 0, 5)
        await stage.gateway.assembly.wait_released(5)
        await stage.emulator.wait_until(lambda: stage.emulator.live_sessions == 0)
        assert leftovers(stage.gateway) == NOTHING
        assert stage.emulator.sessions[0].close_code == 1000


async def test_media_is_told_to_come_to_the_address_the_caller_reached() -> None:
    async with Stage() as stage:
        await stage.dial()
        assert stage.phone.answer is not None
        assert b"c=IN IP4 127.0.0.1\r\n" in stage.phone.answer
