"""A TWS-protocol gateway with a market, for proof and for demonstration."""
