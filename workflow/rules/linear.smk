"""Linear classifiers: what a user would take instead of a language model or a student."""


rule linear:
    message:
        "Linear classifier of {wildcards.teacher}, seed {wildcards.seed}"
    input:
        corpus=files.files_of(EXPERIMENT, "corpus"),
        teacher=logits_for_linear,
        pools=pools_of_linear,
        pool_logits=pool_logits_of_linear,
    output:
        files.linear_files(ROOT, "{teacher}", "{seed}"),
    log:
        f"{LOGS}/linear/{{teacher}}-seed{{seed}}.log",
    conda:
        "../envs/distilrnn.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        code=code_version("linear"),
        options=options(EXPERIMENT.linear, EXPERIMENT.selection),
        teacher=lambda w, input: " ".join(f"--teacher-logits {file}" for file in input.teacher),
        pools=lambda w, input: " ".join(f"--pool {place}" for place in folders(input.pools)),
        pool_logits=lambda w, input: " ".join(
            f"--pool-logits {place}" for place in dict.fromkeys(Path(shard).parent for shard in folders(input.pool_logits))
        ),
        shards=f"--shards {EXPERIMENT.transfer.shards}",
        budget=lambda w: budget_options(w.teacher),
        corpus=lambda w, input: folder(input.corpus),
        output=lambda w, output: folder(output),
    shell:
        "python workflow/scripts/linear.py {params.options} --corpus {params.corpus} {params.teacher} {params.pools}"
        " {params.pool_logits} {params.shards} {params.budget} --seed {wildcards.seed} --output {params.output} > {log} 2>&1"
