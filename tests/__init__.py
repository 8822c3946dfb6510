"""The proof: unit, property, contract, integration, simulation and end-to-end tests."""
