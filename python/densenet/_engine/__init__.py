"""How a network computes: the contract of engines, two that keep it, and what they share."""
