"""A SIP/RTP media gateway that connects every telephone call to its own Inworld Realtime voice agent."""

__version__ = "0.1.0"
