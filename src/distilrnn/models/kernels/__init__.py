"""Operations that are faster on a CPU than their plain torch form, each with the same result."""
