"""SDP core: session descriptions (RFC 8866) and the offer/answer exchange (RFC 3264). Bytes in, values out."""

from gateway.sdp.description import MediaDescription, Origin, SdpError, SessionDescription, parse_description
from gateway.sdp.direction import Direction
from gateway.sdp.formats import PayloadFormat, read_formats
from gateway.sdp.offer_answer import LocalMedia, NegotiatedAudio, accept_answer, answer_offer, create_offer

__all__ = [
    "Direction",
    "LocalMedia",
    "MediaDescription",
    "NegotiatedAudio",
    "Origin",
    "PayloadFormat",
    "SdpError",
    "SessionDescription",
    "accept_answer",
    "answer_offer",
    "create_offer",
    "parse_description",
    "read_formats",
]
