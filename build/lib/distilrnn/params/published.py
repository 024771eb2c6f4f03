"""The published section of params.yaml: figures that others have reported, to stand beside ours."""

from pydantic import Field

from distilrnn.params.common import Section


class PublishedParams(Section):
    """What was published of one system; shares of 1."""

    name: str | None = Field(None, description="The published system's name, where it is another than ours.")
    in_domain_dev_accuracy: float | None = Field(None, ge=0, le=1)
    in_domain_dev_mcc: float | None = Field(None, ge=-1, le=1)
    in_domain_test_accuracy: float | None = Field(None, ge=0, le=1)
    in_domain_test_mcc: float | None = Field(None, ge=-1, le=1)
    out_of_domain_dev_accuracy: float | None = Field(None, ge=0, le=1)
    out_of_domain_dev_mcc: float | None = Field(None, ge=-1, le=1)
