"""Judge sentences with any trained teacher or student."""

from distilrnn.command_line import run
from distilrnn.prediction_commands import predict

if __name__ == "__main__":
    run(predict)
