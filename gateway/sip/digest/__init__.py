"""Digest authentication in both roles: RFC 7616 and RFC 8760 as RFC 3261 §22 uses them, RFC 2069 peers tolerated."""

from gateway.sip.digest.client import Credentials, DigestClient
from gateway.sip.digest.server import Challenge, DigestServer, Outcome, Verified, Wrong
from gateway.sip.digest.values import Algorithm

__all__ = ["Algorithm", "Challenge", "Credentials", "DigestClient", "DigestServer", "Outcome", "Verified", "Wrong"]
