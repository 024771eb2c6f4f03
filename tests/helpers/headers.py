from distilrnn.models.bases import read_base
from distilrnn.models.student_header import StudentHeader
from distilrnn.models.teacher_header import TeacherHeader

NO_CORPUS = {"corpus_hash": "", "tokenizer_hash": "", "max_length": None, "pad_id": 0, "seed": 0, "training": {}}


def teacher_header(base, classes, tuning, **more):
    """The header of an adapter of this base that belongs to no corpus."""
    return TeacherHeader(base_hash=read_base(base)["hash"], classes=list(classes), tuning=tuning, **NO_CORPUS | more)


def student_header(model, classes, vocabulary, **more):
    """The header of a student that belongs to no corpus."""
    return StudentHeader(model=model, classes=list(classes), vocabulary=vocabulary, **NO_CORPUS | more)
