"""Teachers: a base tuned on the labels, and what it then thinks of every sentence."""


rule teacher:
    message:
        "Teacher {wildcards.teacher}, seed {wildcards.seed}"
    input:
        base=base_of_teacher,
        tokens=tokens_of_teacher,
    output:
        files.teacher_files(ROOT, "{teacher}", "{seed}"),
    log:
        f"{LOGS}/teacher/{{teacher}}-seed{{seed}}.log",
    conda:
        "../envs/distilrnn.yaml"
    threads: lambda w: sizes.threads(is_small_base(w))
    resources:
        gpu=lambda w: sizes.gpus(is_small_base(w)),
        mem_mb=16000,
        runtime=720,
    params:
        code=code_version("teacher"),
        options=lambda w: options(
            EXPERIMENT.teachers[w.teacher].tuning, EXPERIMENT.teachers[w.teacher].training, EXPERIMENT.selection.of_epochs
        ),
        pooling=lambda w: f"--pooling {p}" if (p := EXPERIMENT.teachers[w.teacher].pooling) else "",
        budget=lambda w: budget_options(w.teacher),
        base=lambda w, input: folder(input.base),
        tokens=lambda w, input: folder(input.tokens),
        output=lambda w, output: folder(output),
    shell:
        "python workflow/scripts/teacher.py {params.options} {params.pooling} {params.budget} --base {params.base} --tokens {params.tokens}"
        " --seed {wildcards.seed} --threads {threads} --gpus {resources.gpu} --output {params.output} > {log} 2>&1"


rule logits:
    message:
        "Logits of teacher {wildcards.teacher}, seed {wildcards.seed}"
    input:
        base=base_of_teacher,
        tokens=tokens_of_teacher,
        teacher=files.teacher_files(ROOT, "{teacher}", "{seed}"),
    output:
        files.logits_files(ROOT, "{teacher}", "{seed}"),
    log:
        f"{LOGS}/logits/{{teacher}}-seed{{seed}}.log",
    conda:
        "../envs/distilrnn.yaml"
    threads: lambda w: sizes.threads(is_small_base(w))
    resources:
        gpu=lambda w: sizes.gpus(is_small_base(w)),
        mem_mb=16000,
        runtime=120,
    params:
        code=code_version("logits"),
        base=lambda w, input: folder(input.base),
        tokens=lambda w, input: folder(input.tokens),
        adapter=lambda w, input: folder(input.teacher) / "adapter.safetensors",
        output=lambda w, output: folder(output),
    shell:
        "python workflow/scripts/logits.py --base {params.base} --adapter {params.adapter} --tokens {params.tokens}"
        " --threads {threads} --gpus {resources.gpu} --output {params.output} > {log} 2>&1"
