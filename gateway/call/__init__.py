"""Floor 3: one telephone call. The only place where SIP, SDP, media and Inworld meet."""
