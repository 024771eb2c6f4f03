"""What Snakemake and DVC ask about the workflow: stages, their files, and the code behind them."""
