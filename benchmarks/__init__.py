"""How fast distilrnn is: against the textbook way, against Trainer + peft, and against the machine's limit."""
