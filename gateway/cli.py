"""The ``gateway`` command. Heavy parts are imported by the command that needs them: ``gateway version`` is instant."""

from __future__ import annotations

import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from gateway import __version__
from gateway.base.errors import GatewayError, SettingsError
from gateway.client.commands import add_commands

if TYPE_CHECKING:
    from gateway.settings.schema import Settings

T = TypeVar("T")

USAGE_ERROR = 2

app = typer.Typer(
    name="gateway",
    help="Connects telephone calls (SIP/RTP) to Inworld Realtime voice agents.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
bench_app = typer.Typer(help="Measure the gateway.", no_args_is_help=True)
app.add_typer(bench_app, name="bench")

ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="The settings file (YAML).")]
LogLevel = Annotated[str, typer.Option("--log-level", help="debug, info, warning or error.")]


@app.command()
def serve(config: ConfigOption, log_level: LogLevel = "info") -> None:
    """Answer calls until SIGTERM or SIGINT."""
    from gateway.daemon.process import serve_forever
    from gateway.observability.logs import configure_logs

    _check_level(log_level)
    configure_logs(level=log_level)
    settings = _load(config)
    _run(serve_forever(settings, config))


@app.command()
def check(
    config: ConfigOption,
    route: Annotated[
        str,
        typer.Option(
            "--route",
            metavar="CALL",
            help="Tell which agent would answer a call, and why (exit 1: none). "
            '"INVITE sip:+15550100@gw from=+15550199 trunk=carrier header=X-Campaign:spring", '
            "or @FILE with an INVITE as it came. Words: from=, to=, name=, trunk=, account=, header=NAME:VALUE.",
        ),
    ] = "",
    source: Annotated[
        str, typer.Option("--source", metavar="ADDRESS", help="With --route: ask the door about this address too.")
    ] = "",
) -> None:
    """Read a settings file and report every fault in it at once (exit 2)."""
    from gateway.settings.hints import hints
    from gateway.trunks.certificates import certificate_findings

    settings = _load(config)
    for finding in certificate_findings(settings):
        print(f"{config}: warning: {finding}", file=sys.stderr)
    if route:
        raise typer.Exit(_rehearse(settings, config, route, source))
    if source:
        _fail("--source says where a call comes from; write the call too, with --route")
    for hint in hints(settings):
        print(f"{config}: hint: {hint}", file=sys.stderr)
    agents, routes = ", ".join(settings.agents), len(settings.routes)
    provider = "the embedded emulator" if settings.inworld.uses_embedded_emulator else settings.inworld.url
    print(f"{config}: no faults. Agents: {agents}. Routes: {routes}. Calls are answered by {provider}.")


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="Where the recordings and the picture go.")] = Path("demo-out"),
) -> None:
    """Hold a whole conversation on loopback: emulator, gateway and a caller; exit 0 only if every step happened."""
    from gateway.demo.run import run_demo

    raise typer.Exit(_run(run_demo(out)))


@app.command()
def emulate(
    listen: Annotated[str, typer.Option("--listen", help="HOST:PORT of the emulated Realtime service.")] = "",
    scenario: Annotated[Path | None, typer.Option("--scenario", help="How it behaves (YAML).")] = None,
    log_level: LogLevel = "info",
) -> None:
    """Serve an emulated Inworld Realtime API, for development and tests without an account."""
    from gateway.emulator.server import DEFAULT_LISTEN, run_emulator
    from gateway.observability.logs import configure_logs

    _check_level(log_level)
    configure_logs(level=log_level)
    _run(run_emulator(listen or DEFAULT_LISTEN, scenario))


@bench_app.command("load")
def bench_load(
    calls: Annotated[int, typer.Option(min=1, max=2000, help="Simultaneous calls.")] = 50,
    seconds: Annotated[int, typer.Option(min=5, max=3600, help="How long each call is held.")] = 30,
    json: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Load a whole gateway with SIPp calls and real RTP, beside the baselines, in one run."""
    from gateway.bench.load import run_load

    raise typer.Exit(run_load(calls, seconds, json))


@bench_app.command("setup")
def bench_setup(
    rate: Annotated[int, typer.Option(min=1, max=1000, help="New calls a second.")] = 75,
    seconds: Annotated[int, typer.Option(min=1, max=3600, help="For how long.")] = 60,
    json: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Set up and tear down calls at a rate, each with its own session; exit 0 only if none failed."""
    from gateway.bench.setup import run_setup

    raise typer.Exit(run_setup(rate, seconds, json))


@app.command()
def version() -> None:
    """Print the version."""
    print(f"inworld-sip-gateway {__version__} (Python {sys.version.split()[0]})")


def _rehearse(settings: Settings, config: Path, route: str, source: str) -> int:
    from gateway.call.rehearsal import UnclearCallError, read_call, rehearse
    from gateway.settings.lines import read_document

    document, _ = read_document(config.read_text(encoding="utf-8-sig"))
    try:
        told = rehearse(settings, read_call(route), source or None, lambda index: document.line_of(("routes", index)))
    except UnclearCallError as error:
        _fail(str(error))
    print("\n".join(told.lines))
    return 0 if told.is_answered else 1


def _load(config: Path) -> Settings:
    from gateway.call.profile import agent_faults
    from gateway.settings.load import load_settings

    try:
        return load_settings(config, os.environ, further_checks=(agent_faults,))
    except SettingsError as error:
        for fault in error.faults:
            print(fault, file=sys.stderr)
        _fail(f"{config}: {len(error.faults)} fault(s); nothing was started")


def _run(main: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine on uvloop. Our own errors are told in one line; anything else is a bug and shows its trace."""
    import asyncio

    import uvloop

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(main)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except SettingsError as error:
        _fail(str(error))
    except GatewayError as error:
        _fail(str(error), code=1)
    except OSError as error:
        _fail(str(error), code=1)


def _check_level(level: str) -> None:
    if level not in ("debug", "info", "warning", "error"):
        _fail(f"--log-level {level}: write debug, info, warning or error")


def _fail(message: str, code: int = USAGE_ERROR) -> NoReturn:
    print(message, file=sys.stderr)
    raise typer.Exit(code)


add_commands(app)


def main() -> None:
    """The console script."""
    app()
