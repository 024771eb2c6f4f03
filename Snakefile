"""The workflow: corpus -> base -> tokens -> teachers -> teacher logits -> students and baselines -> comparison."""

from snakemake.utils import min_version

min_version("9.27")


# A params file given with --configfile takes the place of params.yaml; it is not merged over it.
if not workflow.overwrite_configfiles:

    configfile: "params.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/corpus.smk"
include: "workflow/rules/base.smk"
include: "workflow/rules/teacher.smk"
include: "workflow/rules/transfer.smk"
include: "workflow/rules/student.smk"
include: "workflow/rules/linear.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/report.smk"


report: "workflow/report/workflow.rst"


localrules:
    all,
    experiment,


rule all:
    default_target: True
    message:
        f"Everything is there: {ROOT}/table.md, {ROOT}/report.html"
    input:
        files.all_outputs(EXPERIMENT),
