"""Plans: what a run would do, worked out by the run's own stages on a copy of the state, without a write anywhere."""
