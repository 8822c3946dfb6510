"""Decides what to sell; schedule, relay and sweeper."""
