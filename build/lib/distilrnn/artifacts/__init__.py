"""What lies in results/: paths, whole files, tensors, logits and curves."""
