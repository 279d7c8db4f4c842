"""Settings: one YAML file to frozen values, every fault reported at once with its line and remedy."""
