"""The TWS socket protocol, server side: frames, requests in, messages out."""
