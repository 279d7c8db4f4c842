"""``gateway serve``: a gateway in its process, with the signals that an operator sends it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import signal
from pathlib import Path

from gateway.base.errors import GatewayError, SettingsError
from gateway.call.profile import agent_faults
from gateway.daemon.gateway import Gateway
from gateway.observability.logs import get_logger
from gateway.settings.load import load_settings
from gateway.settings.schema import Settings

FILES = 65_536
"""Open files that the process asks for, where the system lets it."""


async def serve_forever(settings: Settings, config: Path) -> None:
    """Until SIGTERM or SIGINT; SIGHUP reads the settings again."""
    _allow_files()
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    gateway = Gateway(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to reload; by default it kills
    await gateway.start()
    loop.add_signal_handler(signal.SIGHUP, _reload, gateway, config)
    _calm_the_collector()
    try:
        await stopping.wait()
    finally:
        await gateway.stop()


def _reload(gateway: Gateway, config: Path) -> None:
    log = get_logger(node=gateway.settings.node.name)
    try:
        fixed = gateway.reload(load_settings(config, os.environ, further_checks=(agent_faults,)))
    except SettingsError as error:
        log.error("settings refused, the running ones stay", faults=error.faults)
    except GatewayError as error:
        log.error("settings refused, the running ones stay", faults=[str(error)])
    else:
        log.info("settings reloaded", needs_restart=fixed)


def _allow_files() -> None:
    """Connections and RTP ports are files. The usual 1024 are fewer than strangers alone may hold connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _calm_the_collector() -> None:
    """A full collection stalls the loop, the longer the more calls there are; what is here now stays for good."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
