"""What ``pgchronicle demo`` does: an audit log at work on pgbench's own workload."""
