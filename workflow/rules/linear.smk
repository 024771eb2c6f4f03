"""Linear classifiers: what a user would take instead of a language model or a student."""


rule linear:
    message:
        "Linear classifier of the labels"
    input:
        corpus=files.files_of(EXPERIMENT, "corpus"),
    output:
        files.linear_files(ROOT, "labels", 0),
    log:
        f"{LOGS}/linear/labels.log",
    conda:
        "../envs/distilrnn.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        code=code_version("linear"),
        options=options(EXPERIMENT.linear, EXPERIMENT.selection),
        corpus=lambda w, input: folder(input.corpus),
        output=lambda w, output: folder(output),
    shell:
        "python workflow/scripts/linear.py {params.options} --corpus {params.corpus} --output {params.output} > {log} 2>&1"
