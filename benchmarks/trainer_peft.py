"""The same LoRA tuning by Hugging Face's Trainer and peft, with the settings that their examples use."""

from importlib.util import find_spec

import numpy as np
import torch
from transformers import GPT2Config

INSTALLED = find_spec("peft") is not None and find_spec("accelerate") is not None


class TrainerPeft:
    """GPT-2 for sequence classification with peft's LoRA of rank 4 on all linear maps; norms and head trained too."""

    def __init__(self, config: GPT2Config, end_of_text: int, folder: str) -> None:
        from peft import LoraConfig, TaskType, get_peft_model
        from transformers import GPT2ForSequenceClassification

        config.pad_token_id, config.num_labels = end_of_text, 2
        lora = LoraConfig(
            task_type=TaskType.SEQ_CLS,
            r=4,
            lora_alpha=4,
            lora_dropout=0.1,
            target_modules=["c_attn", "c_proj", "c_fc"],
            fan_in_fan_out=True,
        )
        self.model = get_peft_model(GPT2ForSequenceClassification(config), lora)
        for name, parameter in self.model.named_parameters():
            if ".ln_" in name:
                parameter.requires_grad_(True)
        self.end_of_text, self.folder = end_of_text, folder

    def _collate(self, examples: list[dict]) -> dict[str, torch.Tensor]:
        """To the longest sentence of the batch, as DataCollatorWithPadding does."""
        width = max(len(e["input_ids"]) for e in examples)
        ids = [e["input_ids"] + [self.end_of_text] * (width - len(e["input_ids"])) for e in examples]
        mask = [[1] * len(e["input_ids"]) + [0] * (width - len(e["input_ids"])) for e in examples]
        labels = [e["labels"] for e in examples]
        return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask), "labels": torch.tensor(labels)}

    def epoch(self, rows: list[list[int]], labels: np.ndarray, batch_size: int, bf16: bool = False) -> float:
        """One epoch; its seconds as Trainer counts them, without what it does before the first step."""
        from transformers import PrinterCallback, Trainer, TrainingArguments

        arguments = TrainingArguments(
            output_dir=self.folder,
            per_device_train_batch_size=batch_size,
            num_train_epochs=1,
            learning_rate=1e-3,
            lr_scheduler_type="constant",
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
            bf16=bf16,
        )
        data = [{"input_ids": row, "labels": int(label)} for row, label in zip(rows, labels, strict=True)]
        trainer = Trainer(model=self.model, args=arguments, train_dataset=data, data_collator=self._collate)
        trainer.remove_callback(PrinterCallback)
        return float(trainer.train().metrics["train_runtime"])
