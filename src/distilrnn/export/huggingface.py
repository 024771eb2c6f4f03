"""A merged teacher as a folder that transformers loads by itself."""

from pathlib import Path

from distilrnn.data.tokenizer import load_tokenizer
from distilrnn.export.classifier import as_classifier
from distilrnn.models.adapters import load_teacher
from distilrnn.models.bases import written_whole


def export_teacher(adapter: Path, base: Path, output: Path) -> None:
    """Write config.json, model.safetensors and the tokenizer's two files; raises InputError, RunError."""
    from transformers import PreTrainedTokenizerFast

    teacher, header = load_teacher(base, adapter)
    model = as_classifier(teacher, base, header, adapter)
    tokenizer = load_tokenizer(base)
    long_texts = header.text_limit
    limit = long_texts.max_length or teacher.context
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=tokenizer.id_to_token(header.pad_id),
        padding_side="right",
        truncation_side="left" if long_texts.policy == "tail" else "right",
        model_input_names=["input_ids", "attention_mask"],
        **({} if limit is None else {"model_max_length": limit}),
    )
    with written_whole(output) as scratch:
        model.save_pretrained(scratch, max_shard_size="1TB")
        fast.save_pretrained(scratch)
