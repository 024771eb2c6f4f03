"""Students: distilled from every teacher's logits, and trained alone on the labels as the baseline."""


rule student:
    message:
        "Student {wildcards.student} of teacher {wildcards.teacher}, seed {wildcards.seed}"
    input:
        tokens=tokens_of_student,
        teacher=logits_for_student,
    output:
        files.student_files(ROOT, "{student}", "{teacher}", "{seed}"),
    log:
        f"{LOGS}/student/{{student}}-{{teacher}}-seed{{seed}}.log",
    conda:
        "../envs/distilrnn.yaml"
    threads: lambda w: sizes.threads(is_small_student(w))
    resources:
        gpu=lambda w: sizes.gpus(is_small_student(w)),
        mem_mb=8000,
        runtime=240,
    params:
        code=code_version("student"),
        options=lambda w: options(
            EXPERIMENT.students[w.student].model, EXPERIMENT.students[w.student].training, EXPERIMENT.selection
        ),
        distil=lambda w: options(EXPERIMENT.students[w.student].distil),
        teacher_logits=lambda w, input: " ".join(f"--teacher-logits {file}" for file in input.teacher),
        tokens=lambda w, input: folder(input.tokens),
        output=lambda w, output: folder(output),
    shell:
        "python workflow/scripts/student.py {params.options} {params.distil} {params.teacher_logits}"
        " --tokens {params.tokens} --seed {wildcards.seed} --threads {threads} --gpus {resources.gpu}"
        " --output {params.output} 2>&1 | tee {log}"


rule baseline:
    message:
        "Baseline {wildcards.student}, seed {wildcards.seed}"
    input:
        tokens=tokens_of_baseline,
    output:
        files.baseline_files(ROOT, "{student}", "{seed}"),
    log:
        f"{LOGS}/baseline/{{student}}-seed{{seed}}.log",
    conda:
        "../envs/distilrnn.yaml"
    threads: lambda w: sizes.threads(is_small_student(w))
    resources:
        gpu=lambda w: sizes.gpus(is_small_student(w)),
        mem_mb=8000,
        runtime=240,
    params:
        code=code_version("baseline"),
        options=lambda w: options(
            EXPERIMENT.baselines[w.student].model, EXPERIMENT.baselines[w.student].training, EXPERIMENT.selection
        ),
        tokens=lambda w, input: folder(input.tokens),
        output=lambda w, output: folder(output),
    shell:
        "python workflow/scripts/student.py {params.options} --tokens {params.tokens} --seed {wildcards.seed}"
        " --threads {threads} --gpus {resources.gpu} --output {params.output} 2>&1 | tee {log}"
