"""How a network computes: the contract of an engine, and the one that computes in C++."""
