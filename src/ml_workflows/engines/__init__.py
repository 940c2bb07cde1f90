"""Who calls the steps. Wiring only, one file each."""
