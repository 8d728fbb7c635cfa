"""The front door: REST, WebSocket, and the clients people already have."""
