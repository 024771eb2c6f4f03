"""What the model-training rules do: files in, one trained system out."""
