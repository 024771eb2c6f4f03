"""Who is compared. Each is made in a process of its own and measures itself, on the sentences of a number."""

from tempfile import TemporaryDirectory

import numpy as np
import torch

from benchmarks import textbook
from benchmarks.data import END_OF_TEXT, MAX_LENGTH, VOCABULARY, Data
from benchmarks.ours import arithmetic, dataset, gpt2, our_fit, our_logits, our_student, our_teacher
from benchmarks.sizes import Sizes
from benchmarks.timing import multiply_rate, seconds
from benchmarks.trainer_peft import TrainerPeft
from distilrnn.models.lora import merge
from distilrnn.params.student import DistilParams
from distilrnn.runtime.device import configure_process, select_device
from distilrnn.training.distillation import distil_objective
from distilrnn.training.losses import label_objective

# Numbers of sentences: no topic has another's.
DISTIL, BASELINE = 100, 200


class OurTeacher:
    """The teacher of this package; it gets batches as an epoch of the whole corpus would give it, of like length."""

    def __init__(self, data: Data, sizes: Sizes, threads: int, precision: str) -> None:
        configure_process(threads)
        self.data, self.sizes, self.device = data, sizes, select_device(precision)
        self.teacher = our_teacher(sizes, self.device)

    def train(self, number: int) -> float:
        """Seconds of an epoch of LoRA tuning."""
        max_tokens = self.device.max_tokens(self.sizes.width)
        part = self._part(number)
        return our_fit(self.teacher, dataset(part), label_objective(), 1, self.device, max_tokens=max_tokens)

    def merge(self) -> None:
        """Put the adapters into the frozen maps, as the rule logits does."""
        merge(self.teacher.body)

    def score(self, number: int) -> float:
        """Seconds of inference."""
        part = self._part(number)
        return seconds(lambda: our_logits(self.teacher, part, self.device, self.sizes))

    def arithmetic(self, number: int, training: bool) -> float:
        """FLOPs that the sentences' real tokens need."""
        return arithmetic(self.teacher, self._part(number), training)

    def limit(self) -> float:
        """The machine's FLOP/s in this format."""
        return multiply_rate(
            torch.bfloat16 if self.device.precision == "bf16" else torch.float32, size=self.sizes.product
        )

    def _part(self, number: int) -> Data:
        return self.data.batches(self.sizes.teacher_sentences, textbook.BATCH, number)


class TextbookTeacher:
    """The textbook's; it gets batches of any lengths."""

    def __init__(self, data: Data, sizes: Sizes, threads: int) -> None:
        torch.set_num_threads(threads)
        self.data, self.sizes = data, sizes
        self.teacher = textbook.Teacher(gpt2(sizes))
        self.optimizer = textbook.adam(self.teacher)

    def train(self, number: int) -> float:
        """Seconds of an epoch of LoRA tuning."""
        part = self._part(number)
        return seconds(lambda: textbook.train_teacher(self.teacher, part, self.optimizer))

    def score(self, number: int) -> float:
        """Seconds of inference."""
        part = self._part(number)
        return seconds(lambda: textbook.score(self.teacher, part))

    def _part(self, number: int) -> torch.utils.data.TensorDataset:
        part = self.data.part(self.sizes.teacher_sentences, number)
        return textbook.dataset(part.rows, part.labels, END_OF_TEXT)


class PeftTeacher:
    """Trainer's and peft's; it gets batches of any lengths."""

    def __init__(self, data: Data, sizes: Sizes, threads: int, precision: str) -> None:
        torch.set_num_threads(threads)
        self.data, self.sizes, self.bf16 = data, sizes, precision == "bf16"
        self.folder = TemporaryDirectory()
        self.trainer = TrainerPeft(gpt2(sizes), END_OF_TEXT, self.folder.name)

    def train(self, number: int) -> float:
        """Seconds of an epoch of LoRA tuning."""
        part = self.data.part(self.sizes.teacher_sentences, number)
        return self.trainer.epoch(part.rows, part.labels, textbook.BATCH, self.bf16)


class OurDistillation(OurTeacher):
    """The distillation of this package: one pass of the teacher, then any number of students."""

    def __init__(self, data: Data, sizes: Sizes, threads: int, precision: str) -> None:
        super().__init__(data, sizes, threads, precision)
        self.merge()
        self.logits: dict[int, np.ndarray] = {}

    def score(self, number: int) -> float:
        """Seconds of the teacher's pass."""

        def judged() -> None:
            self.logits[number] = our_logits(self.teacher, self._part(number), self.device, self.sizes)

        return seconds(judged)

    def distil(self, number: int) -> float:
        """Seconds of a student's training on what the teacher said."""
        student = our_student(self.data, self.sizes)
        objective = distil_objective(DistilParams(temperature=textbook.TEMPERATURE))
        logits = [self.logits[number]]
        return our_fit(
            student, dataset(self._part(number), logits=logits[0]), objective, self.sizes.epochs, self.device
        )

    def _part(self, number: int) -> Data:
        return self.data.batches(self.sizes.distil_sentences, textbook.BATCH, DISTIL + number)


class TextbookDistillation:
    """The textbook's, on the same sentences: the teacher judges in every epoch of every student."""

    def __init__(self, data: Data, sizes: Sizes, threads: int) -> None:
        torch.set_num_threads(threads)
        self.data, self.sizes = data, sizes
        self.teacher = textbook.Teacher(gpt2(sizes))

    def distil(self, number: int) -> float:
        """Seconds of a student's whole distillation."""
        part = self.data.batches(self.sizes.distil_sentences, textbook.BATCH, DISTIL + number)
        sentences = textbook.dataset(part.rows, part.labels, END_OF_TEXT)
        student = textbook.Student(VOCABULARY, self.sizes.width)
        optimizer = textbook.adam(student)
        return seconds(lambda: textbook.distil(self.teacher, student, sentences, optimizer, self.sizes.epochs))


class OurBaseline:
    """The RNN of this package on labels: read at the last token, or as the reference at the last of 20 time steps."""

    def __init__(self, data: Data, sizes: Sizes, threads: int, precision: str, pooling: str) -> None:
        configure_process(threads)
        self.data, self.sizes, self.device = data, sizes, select_device(precision)
        self.student = our_student(data, sizes, pooling)
        self.width = MAX_LENGTH if pooling == "last_step" else None

    def train(self, number: int) -> float:
        """Seconds of an epoch."""
        part = self.data.batches(self.sizes.baseline_sentences, textbook.BATCH, BASELINE + number)
        return our_fit(self.student, dataset(part, self.width), label_objective(), 1, self.device)


class TextbookBaseline:
    """The textbook's, on the same sentences."""

    def __init__(self, data: Data, sizes: Sizes, threads: int) -> None:
        torch.set_num_threads(threads)
        self.data, self.sizes = data, sizes
        self.student = textbook.Student(VOCABULARY, sizes.width)
        self.optimizer = textbook.adam(self.student)

    def train(self, number: int) -> float:
        """Seconds of an epoch."""
        part = self.data.batches(self.sizes.baseline_sentences, textbook.BATCH, BASELINE + number)
        sentences = textbook.dataset(part.rows, part.labels, END_OF_TEXT)
        return seconds(lambda: textbook.train_student(self.student, sentences, self.optimizer))
