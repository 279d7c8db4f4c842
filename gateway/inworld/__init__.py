"""The Inworld Realtime API: one WebSocket, one conversation, one phone call."""
