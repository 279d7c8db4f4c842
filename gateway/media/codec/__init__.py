"""Codecs: how a payload's bytes stand for samples."""

from __future__ import annotations

from gateway.media.codec.g711 import LAWS, PCMA, PCMU, Law

__all__ = ["LAWS", "PCMA", "PCMU", "Law"]
