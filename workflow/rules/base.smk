"""The language models that teachers start from."""


rule base:
    message:
        "Base {wildcards.base}"
    input:
        corpus=lambda w: files.files_of(EXPERIMENT, "corpus") if EXPERIMENT.bases[w.base].model == "pretrain" else [],
        model=lambda w: external_files(EXPERIMENT.bases[w.base].model),
    output:
        files.base_files(ROOT, "{base}"),
    log:
        f"{LOGS}/base/{{base}}.log",
    conda:
        "../envs/distilrnn.yaml"
    threads: lambda w: sizes.threads(is_small_base(w))
    resources:
        gpu=lambda w: sizes.gpus(is_small_base(w)) if EXPERIMENT.bases[w.base].model == "pretrain" else 0,
        mem_mb=8000,
        runtime=60,
    params:
        code=code_version("base"),
        options=lambda w: options(EXPERIMENT.bases[w.base]),
        corpus=lambda w, input: f"--corpus {folder(input.corpus)}" if input.corpus else "",
        output=lambda w, output: folder(output),
    shell:
        "python workflow/scripts/base.py {params.options} {params.corpus} --threads {threads} --gpus {resources.gpu}"
        " --output {params.output} > {log} 2>&1"
