"""Transfer sets: sentences without labels, their token ids, and what every teacher says of them."""


rule transfer:
    message:
        "Unlabelled sentences of {wildcards.source}"
    input:
        corpus=files.files_of(EXPERIMENT, "corpus"),
        source=lambda w: files.transfer_source_files(EXPERIMENT.transfer.sources[w.source]),
        pools=pools_of_source,
        base=base_of_source,
    output:
        files.pool_files(ROOT, "{source}"),
    log:
        f"{LOGS}/transfer/{{source}}.log",
    conda:
        "../envs/distilrnn.yaml"
    threads: lambda w: sizes.threads(is_small_source(w))
    resources:
        gpu=lambda w: sizes.gpus(is_small_source(w)),
        mem_mb=8000,
        runtime=720,
    params:
        code=code_version("transfer"),
        source=lambda w: shlex.quote(json.dumps(EXPERIMENT.transfer.sources[w.source].recipe())),
        options=options(EXPERIMENT.selection.holdout),
        bounds=transfer_bounds(),
        corpus=lambda w, input: folder(input.corpus),
        pools=lambda w, input: " ".join(f"--pool {place}" for place in folders(input.pools)),
        base=lambda w, input: f"--base {folder(input.base)}" if input.base else "",
        output=lambda w, output: folder(output),
    shell:
        "python workflow/scripts/transfer.py --source-json {params.source} {params.options} {params.bounds} --corpus {params.corpus}"
        " {params.pools} {params.base} --threads {threads} --gpus {resources.gpu} --output {params.output}"
        " > {log} 2>&1"


rule transfer_tokens:
    message:
        "Tokens of {wildcards.tokenizer} in {wildcards.source}"
    input:
        pool=files.pool_files(ROOT, "{source}"),
        tokens=files.token_files(ROOT, "{tokenizer}", EXPERIMENT.corpus.splits),
    output:
        files.pool_token_files(ROOT, "{source}", "{tokenizer}"),
    log:
        f"{LOGS}/transfer_tokens/{{source}}-{{tokenizer}}.log",
    conda:
        "../envs/distilrnn.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        code=code_version("transfer_tokens"),
        pool=lambda w, input: folder(input.pool),
        tokens=lambda w, input: folder(input.tokens),
        output=lambda w, output: folder(output),
    shell:
        "python workflow/scripts/transfer_tokens.py --pool {params.pool} --tokens {params.tokens} --output {params.output} > {log} 2>&1"


rule transfer_logits:
    message:
        "Logits of teacher {wildcards.teacher}, seed {wildcards.seed}, for {wildcards.source}, part {wildcards.shard}"
    input:
        base=base_of_teacher,
        tokens=tokens_of_teacher,
        pool=lambda w: files.pool_token_files(ROOT, w.source, EXPERIMENT.teachers[w.teacher].base),
        teacher=files.teacher_files(ROOT, "{teacher}", "{seed}"),
    output:
        files.shard_files(ROOT, "{source}", "{teacher}", "{seed}", "{shard}", "{shards}"),
    log:
        f"{LOGS}/transfer_logits/{{source}}-{{teacher}}-seed{{seed}}-{{shard}}-of-{{shards}}.log",
    conda:
        "../envs/distilrnn.yaml"
    threads: lambda w: sizes.threads(is_small_base(w))
    resources:
        gpu=lambda w: sizes.gpus(is_small_base(w)),
        mem_mb=16000,
        runtime=720,
    params:
        code=code_version("transfer_logits"),
        base=lambda w, input: folder(input.base),
        tokens=lambda w, input: folder(input.tokens),
        pool=lambda w, input: folder(input.pool),
        adapter=lambda w, input: folder(input.teacher) / "adapter.safetensors",
        output=lambda w, output: folder(output),
    shell:
        "python workflow/scripts/transfer_logits.py --base {params.base} --adapter {params.adapter} --tokens {params.tokens}"
        " --pool-tokens {params.pool} --shard {wildcards.shard} --shards {wildcards.shards} --threads {threads}"
        " --gpus {resources.gpu} --output {params.output} > {log} 2>&1"
