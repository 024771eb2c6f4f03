from distilrnn.models.bases import read_base
from distilrnn.models.teacher_header import TeacherHeader


def teacher_header(base, classes, tuning, **more):
    """The header of an adapter of this base that belongs to no corpus."""
    given = {"corpus_hash": "", "tokenizer_hash": "", "max_length": None, "pad_id": 0, "seed": 0} | more
    training = {"precision": "fp32"}
    return TeacherHeader(
        base_hash=read_base(base)["hash"], classes=list(classes), tuning=tuning, training=training, **given
    )
