"""The audit log as a whole: its own events, the engine's journal and the office's looks in one order, chained."""
