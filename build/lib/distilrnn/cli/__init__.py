"""The command `distilrnn`, and parameters as options of the scripts."""
