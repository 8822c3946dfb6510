"""Scenarios: which account, market and manners a simulation starts with."""
