"""Focus scores reach people and programs: the service, outlets and the command line."""
