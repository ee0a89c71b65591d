# Runs duplicate-batches as a user without rights, with the pinned versions. For example:
#   docker build -t duplicate-batches .
#   docker run --rm -v "$PWD:/waves" -e PROLIFIC_TOKEN duplicate-batches run wave.csv --yes
# Mount the folder of the ledger's database, as here, never the file alone: a run refuses that.
FROM python:3.13-slim

COPY pyproject.toml constraints.txt README.md LICENSE /src/
COPY worker /src/worker
RUN pip install --no-cache-dir -c /src/constraints.txt '/src[postgresql]' && rm -r /src \
    && useradd --create-home --uid 1000 worker && install --directory --owner worker /waves

USER 1000
WORKDIR /waves
ENTRYPOINT ["duplicate-batches"]
