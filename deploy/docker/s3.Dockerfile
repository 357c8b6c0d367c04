# An S3 server for trials: moto, with the bucket of the defaults. Objects are in memory, and any key is taken.
#
#   docker build -f deploy/docker/s3.Dockerfile -t s3-for-trials deploy/docker
ARG BASE_IMAGE=docker.io/library/debian:trixie-slim
FROM ${BASE_IMAGE}
# hadolint ignore=DL3008
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/s3 && /opt/s3/bin/pip install --no-cache-dir 'moto[s3,server]==5.1.18'
COPY s3.py /opt/s3/s3.py
ENV PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
USER 10001:10001
WORKDIR /tmp
EXPOSE 9000
ENTRYPOINT ["/opt/s3/bin/python", "/opt/s3/s3.py"]
CMD ["0.0.0.0", "9000"]
