"""The table, the pictures, the page that shows them, and the model card."""


rule report:
    message:
        "Table, pictures, page and model card"
    input:
        experiment=files.files_of(EXPERIMENT, "experiment"),
        corpus=files.files_of(EXPERIMENT, "corpus"),
        tokens=files.files_of(EXPERIMENT, "tokens"),
        systems=files.files_of(EXPERIMENT, "teacher", "student", "baseline", "linear"),
        costs=files.files_of(EXPERIMENT, "measure"),
        metrics=files.files_of(EXPERIMENT, "evaluate"),
        exports=files.files_of(EXPERIMENT, "export"),
    output:
        report(ROOT / "report.html", caption="../report/page.rst", category="Comparison"),
        report(ROOT / "table.md", caption="../report/table.rst", category="Comparison"),
        ROOT / "table.json",
        ROOT / "model-card.md",
        files.figure_files(EXPERIMENT, "png"),
        [
            report(file, caption=f"../report/{caption(file)}.rst", category="Figures")
            for file in files.figure_files(EXPERIMENT, "svg")
        ],
    log:
        f"{LOGS}/report.log",
    conda:
        "../envs/distilrnn.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        code=code_version("report"),
    shell:
        "python workflow/scripts/report.py --experiment {input.experiment} > {log} 2>&1"
