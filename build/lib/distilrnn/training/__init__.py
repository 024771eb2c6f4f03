"""One training loop for teachers and students, its losses, its resume state, and prediction in batches."""
