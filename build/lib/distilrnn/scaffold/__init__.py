"""A new experiment for somebody's own data: what was found, the sizes that fit it, and how long it will take."""
