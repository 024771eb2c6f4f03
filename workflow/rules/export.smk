"""Students in other libraries' formats."""


rule export:
    message:
        "Every student as ONNX"
    input:
        experiment=files.files_of(EXPERIMENT, "experiment"),
        tokens=files.files_of(EXPERIMENT, "tokens"),
        systems=files.files_of(EXPERIMENT, "teacher", "student", "baseline", "linear"),
    output:
        files.files_of(EXPERIMENT, "export"),
    log:
        f"{LOGS}/export.log",
    conda:
        "../envs/distilrnn.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        code=code_version("export"),
    shell:
        "python workflow/scripts/export.py --experiment {input.experiment} --threads {threads} > {log} 2>&1"
