"""What the child processes of backends share with their parent: arrays, plans, limits."""
