"""What every system costs, and how good it is."""


rule measure:
    message:
        "Costs of every system"
    input:
        experiment=files.files_of(EXPERIMENT, "experiment"),
        corpus=files.files_of(EXPERIMENT, "corpus"),
        bases=files.files_of(EXPERIMENT, "base"),
        tokens=files.files_of(EXPERIMENT, "tokens"),
        systems=files.files_of(EXPERIMENT, "teacher", "student", "baseline", "linear"),
    output:
        files.files_of(EXPERIMENT, "measure"),
    log:
        f"{LOGS}/measure.log",
    conda:
        "../envs/distilrnn.yaml"
    threads: EXPERIMENT.measure.threads
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        code=code_version("measure"),
    shell:
        "python workflow/scripts/measure.py --experiment {input.experiment} > {log} 2>&1"


rule evaluate:
    message:
        "Metrics and statistics of every system"
    input:
        experiment=files.files_of(EXPERIMENT, "experiment"),
        corpus=files.files_of(EXPERIMENT, "corpus"),
        systems=files.files_of(EXPERIMENT, "teacher", "logits", "student", "baseline", "linear"),
        pools=files.files_of(EXPERIMENT, "transfer", "transfer_logits"),
    output:
        report(ROOT / "metrics.json", caption="../report/metrics.rst", category="Comparison"),
        [file for file in files.evaluation_files(EXPERIMENT) if file != f"{ROOT}/metrics.json"],
    log:
        f"{LOGS}/evaluate.log",
    conda:
        "../envs/distilrnn.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        code=code_version("evaluate"),
    shell:
        "python workflow/scripts/evaluate.py --experiment {input.experiment} > {log} 2>&1"
