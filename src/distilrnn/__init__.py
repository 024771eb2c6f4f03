"""distilrnn: a language model's judgement in a tiny recurrent classifier, compared honestly."""

__version__ = "0.1.0"
