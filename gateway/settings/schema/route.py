"""Which agent answers which calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from gateway.settings import templates, values
from gateway.settings.schema.section import Pattern, Section

HeaderName: TypeAlias = Annotated[str, AfterValidator(templates.check_header_name)]
HeaderPattern: TypeAlias = Annotated[str, AfterValidator(values.check_header_pattern)]


class RouteSettings(Section):
    """Which agent answers which calls. In every pattern ``*`` stands for any characters or none."""

    trunk: Pattern = "*"
    """Name of the trunk the call came from. Calls of accounts come from no trunk: only patterns like ``*`` fit them."""
    to: Pattern = "*"
    """Number or user that was called."""
    from_: Pattern = Field("*", alias="from")
    """Number or user that calls."""
    account: Pattern | None = None
    """Name of the account that calls. Without it calls of trunks and of accounts fit alike."""
    headers: Mapping[HeaderName, HeaderPattern] = Field(default_factory=dict)
    """Headers that the INVITE must have, {Name: pattern}; all of them must fit."""
    agent: str = Field(examples=["receptionist"])
    """Name of the agent that answers."""
