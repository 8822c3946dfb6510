"""The simulated market: contracts, calendar, seeded prices, option quotes and greeks."""
