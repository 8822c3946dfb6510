"""The gateway process as clients see it: connections, requests, callbacks, pacing."""
