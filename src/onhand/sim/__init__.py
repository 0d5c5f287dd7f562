"""The simulated world: real input replayed, an invented week, load, and the independent checker of them all."""
