# SPDX-License-Identifier: Apache-2.0
# lsmtpd in a container:
#     docker build -t lsmtpd .
#     docker run -p 2525:2525 -v lsmtpd-spool:/var/spool/lsmtpd lsmtpd
# Stop it with `docker stop --time 40`: it drains for up to timeouts.drain, 25 s by default.
# contrib/container/try runs these very steps in a Debian folder, without Docker.

# Pinned by date; `docker build --build-arg BASE=debian:bookworm-slim@sha256:...` pins it by content. The packages are
# upgraded below, since the base may be older than their security fixes.
ARG BASE=debian:bookworm-20250520-slim

FROM ${BASE} AS build
WORKDIR /src
COPY contrib/dev contrib/dev
COPY contrib/dev.d contrib/dev.d
RUN contrib/dev packages build
COPY . .
RUN cmake -S . -B /build -G Ninja -DLSMTPD_TESTS=OFF -DCMAKE_INSTALL_PREFIX=/usr && \
    ninja --quiet -C /build && \
    DESTDIR=/out cmake --install /build --strip

FROM ${BASE}
# The user has numbers, not only a name, so that `runAsNonRoot` of a cluster can tell and a volume's owner is certain.
RUN apt-get update && \
    apt-get upgrade -y && \
    apt-get install -y --no-install-recommends \
      ca-certificates libuv1 libc-ares2 libcurl4 libnats3.4 libqpid-proton-cpp12 librdkafka1 libcjson1 libisal2 libfmt9 libssl3 libidn2-0 && \
    rm -rf /var/lib/apt/lists/* && \
    groupadd --system --gid 900 lsmtpd && \
    useradd --system --uid 900 --gid 900 --no-create-home --home-dir /var/spool/lsmtpd \
      --shell /usr/sbin/nologin lsmtpd && \
    install -d -o 900 -g 900 -m 0700 /var/spool/lsmtpd
COPY --from=build /out/ /
COPY contrib/container/lsmtpd.toml /etc/lsmtpd/lsmtpd.toml
ARG VERSION=2.0.0~dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="lsmtpd" \
      org.opencontainers.image.description="Takes mail in over SMTP and LMTP and hands it to a message broker or a durable spool" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
USER 900:900
WORKDIR /var/spool/lsmtpd
VOLUME /var/spool/lsmtpd
EXPOSE 2525
STOPSIGNAL SIGTERM
# Asks each listener of /etc/lsmtpd/lsmtpd.toml, or of the environment variables where that file is removed.
HEALTHCHECK --interval=30s --timeout=10s --start-period=5s CMD ["/usr/bin/lsmtpd", "check", "--listening"]
ENTRYPOINT ["/usr/bin/lsmtpd"]
CMD ["run", "--config", "/etc/lsmtpd/lsmtpd.toml"]
