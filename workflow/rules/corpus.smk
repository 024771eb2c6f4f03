"""Parameters, labelled sentences, and their token ids."""


rule experiment:
    message:
        "Parameters, checked and complete"
    output:
        ROOT / "params.json",
    log:
        f"{LOGS}/experiment.log",
    conda:
        "../envs/distilrnn.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        code=code_version("experiment"),
        json=shlex.quote(EXPERIMENT.model_dump_json()),
    shell:
        "python workflow/scripts/experiment.py --experiment-json {params.json} --output {output} > {log} 2>&1"


rule corpus:
    message:
        "Corpus"
    input:
        source=files.corpus_sources(EXPERIMENT.corpus),
    output:
        files.files_of(EXPERIMENT, "corpus"),
    log:
        f"{LOGS}/corpus.log",
    conda:
        "../envs/distilrnn.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_version("corpus"),
        options=options(EXPERIMENT.corpus),
        output=lambda w, output: folder(output),
    shell:
        "python workflow/scripts/corpus.py {params.options} --output {params.output} > {log} 2>&1"


rule tokenizer:
    message:
        "Tokenizer {wildcards.tokenizer}"
    input:
        corpus=files.files_of(EXPERIMENT, "corpus"),
        text=lambda w: [f"{ROOT}/transfer/{name}/sentences.txt" for name in EXPERIMENT.tokenize.learned[w.tokenizer].transfer],
    output:
        files.tokenizer_files(ROOT, "{tokenizer}"),
    log:
        f"{LOGS}/tokenizer/{{tokenizer}}.log",
    conda:
        "../envs/distilrnn.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        code=code_version("tokenizer"),
        options=lambda w: options(EXPERIMENT.tokenize.learned[w.tokenizer]),
        corpus=lambda w, input: folder(input.corpus),
        text=lambda w, input: " ".join(f"--text {file}" for file in input.text),
        output=lambda w, output: folder(output),
    shell:
        "python workflow/scripts/tokenizer.py {params.options} {params.text} --corpus {params.corpus}"
        " --output {params.output} > {log} 2>&1"


rule tokens:
    message:
        "Tokens of {wildcards.tokenizer}"
    input:
        corpus=files.files_of(EXPERIMENT, "corpus"),
        tokenizer=tokenizer_files,
    output:
        files.token_files(ROOT, "{tokenizer}", EXPERIMENT.corpus.splits),
    log:
        f"{LOGS}/tokens/{{tokenizer}}.log",
    conda:
        "../envs/distilrnn.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code_version("tokens"),
        options=long_texts_options(),
        corpus=lambda w, input: folder(input.corpus),
        tokenizer=lambda w: shlex.quote(str(tokenizer_source(w))),
        output=lambda w, output: folder(output),
    shell:
        "python workflow/scripts/tokens.py {params.options} --corpus {params.corpus} --tokenizer {params.tokenizer}"
        " --output {params.output} > {log} 2>&1"
