# paychain as an image: the run, groups of links, load workers; `paychain compose` and `paychain k8s`
# write what starts it.
#   docker build --tag paychain:0.1.0 .
#   docker run --rm --volume "$PWD:/paychain:ro" paychain:0.1.0 check my-chain.yaml
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY harness harness
COPY chains chains
COPY chaos chaos
COPY docs docs
# An environment of its own is all that the second stage takes: no compiler, no pip's cache.
RUN python -m venv /opt/paychain \
 && /opt/paychain/bin/pip install --no-cache-dir --constraint constraints.txt ".[fast]" \
 && /opt/paychain/bin/pip uninstall --yes pip

FROM python:${PYTHON}-slim
LABEL org.opencontainers.image.title="paychain" \
      org.opencontainers.image.description="Payment-chain resilience test harness" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 paychain \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp paychain \
 && install --directory --owner 10001 --group 10001 /results
COPY --from=build /opt/paychain /opt/paychain
ENV PATH=/opt/paychain/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /paychain
USER 10001:10001
ENTRYPOINT ["paychain"]
CMD ["--help"]
