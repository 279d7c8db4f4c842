"""The registrar (RFC 3261 §10.3): which phones are where, by account, for as long as they say so."""

from gateway.sip.registrar.binding import Binding
from gateway.sip.registrar.registrar import RegisterAnswer, Registrar, RegistrarConfig

__all__ = ["Binding", "RegisterAnswer", "Registrar", "RegistrarConfig"]
