"""Students: distilled from every teacher's logits, and trained alone on the labels as the baseline."""


rule vectors:
    message:
        "Pre-trained vectors of student {wildcards.student}"
    input:
        tokens=tokens_of_student,
        source=vectors_sources,
    output:
        files.vectors_files(ROOT, "{student}"),
    log:
        f"{LOGS}/vectors/{{student}}.log",
    conda:
        "../envs/distilrnn.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        code=code_version("vectors"),
        source=lambda w, input: shlex.quote(
            str(folder(input.source))
            if base_of_vectors(EXPERIMENT.students[w.student].vectors.source)
            else EXPERIMENT.students[w.student].vectors.source
        ),
        size=lambda w: EXPERIMENT.students[w.student].model.embedding,
        tokens=lambda w, input: folder(input.tokens),
        output=lambda w, output: folder(output),
    shell:
        "python workflow/scripts/vectors.py --tokens {params.tokens} --source {params.source} --size {params.size}"
        " --output {params.output} > {log} 2>&1"


rule encoder:
    message:
        "Pre-trained encoder of student {wildcards.student}"
    input:
        tokens=tokens_of_student,
        pool_tokens=pool_tokens_of_encoder,
        vectors=lambda w: vectors_of(EXPERIMENT.students[w.student]),
    output:
        files.encoder_files(ROOT, "{student}"),
    log:
        f"{LOGS}/encoder/{{student}}.log",
    conda:
        "../envs/distilrnn.yaml"
    threads: lambda w: sizes.threads(is_small_student(w))
    resources:
        gpu=lambda w: sizes.gpus(is_small_student(w)),
        mem_mb=8000,
        runtime=720,
    params:
        code=code_version("encoder"),
        options=lambda w: options(
            EXPERIMENT.students[w.student].model, EXPERIMENT.students[w.student].pretraining, EXPERIMENT.selection.holdout
        ),
        pools=lambda w, input: " ".join(f"--pool-tokens {place}" for place in folders(input.pool_tokens)),
        vectors=lambda w, input: vectors_options(EXPERIMENT.students[w.student], input.vectors),
        tokens=lambda w, input: folder(input.tokens),
        output=lambda w, output: folder(output),
    shell:
        "python workflow/scripts/encoder.py {params.options} {params.pools} {params.vectors} --tokens {params.tokens}"
        " --threads {threads} --gpus {resources.gpu} --output {params.output} > {log} 2>&1"


rule student:
    message:
        "Student {wildcards.student} of teacher {wildcards.teacher}, seed {wildcards.seed}"
    input:
        tokens=tokens_of_student,
        teacher=logits_for_student,
        vectors=lambda w: vectors_of(EXPERIMENT.students[w.student]),
        pools=pools_of_student,
        pool_tokens=pool_tokens_of_student,
        pool_logits=pool_logits_of_student,
        encoder=lambda w: encoder_of(EXPERIMENT.students[w.student]),
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
        vectors=lambda w, input: vectors_options(EXPERIMENT.students[w.student], input.vectors),
        encoder=lambda w, input: encoder_options(input.encoder),
        teacher_logits=lambda w, input: " ".join(f"--teacher-logits {file}" for file in input.teacher),
        transfer=transfer_of_student,
        budget=lambda w: budget_options(w.student),
        tokens=lambda w, input: folder(input.tokens),
        output=lambda w, output: folder(output),
    shell:
        "python workflow/scripts/student.py {params.options} {params.distil} {params.teacher_logits} {params.vectors} {params.encoder} {params.transfer}"
        " {params.budget} --tokens {params.tokens} --seed {wildcards.seed} --threads {threads} --gpus {resources.gpu}"
        " --output {params.output} > {log} 2>&1"


rule baseline:
    message:
        "Baseline {wildcards.student}, seed {wildcards.seed}"
    input:
        tokens=tokens_of_baseline,
        vectors=lambda w: vectors_of(EXPERIMENT.baselines[w.student]),
        encoder=lambda w: encoder_of(EXPERIMENT.baselines[w.student]),
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
        vectors=lambda w, input: vectors_options(EXPERIMENT.baselines[w.student], input.vectors),
        encoder=lambda w, input: encoder_options(input.encoder),
        budget=lambda w: budget_options(w.student),
        tokens=lambda w, input: folder(input.tokens),
        output=lambda w, output: folder(output),
    shell:
        "python workflow/scripts/student.py {params.options} {params.vectors} {params.encoder} {params.budget} --tokens {params.tokens}"
        " --seed {wildcards.seed} --threads {threads} --gpus {resources.gpu} --output {params.output} > {log} 2>&1"
