"""What runs in the process of a custom trainer, which imports little else of tuner."""
