# The image holds one executable and the libraries it loads: no shell, no packages, no root.
#
#   docker build --build-arg COMMIT="$(git rev-parse --short HEAD)" --tag redis-cluster-nat .

ARG DENO=denoland/deno:debian-2.9.6

# Cross-compiles on the build platform for the target platform.
FROM --platform=$BUILDPLATFORM $DENO AS compile
WORKDIR /checkout
COPY deno.json deno.lock ./
COPY .ci/compile.ts .ci/
COPY src/ src/
ARG TARGETARCH
ARG COMMIT
RUN case "$TARGETARCH" in \
      amd64) target=x86_64-unknown-linux-gnu ;; \
      arm64) target=aarch64-unknown-linux-gnu ;; \
      *) echo "No target for '$TARGETARCH'; expected amd64 or arm64" >&2; exit 1 ;; \
    esac; \
    deno task compile --target="$target" --commit="$COMMIT" --directory=/compiled && \
    mv "/compiled/redis-cluster-nat-$target" /compiled/redis-cluster-nat

# Runs on the target platform, because the image gets its libraries.
FROM $DENO AS gather
WORKDIR /image
COPY --from=compile /compiled/redis-cluster-nat ./
# Glibc resolves names through /etc/hosts and DNS without further libraries. "multi on" makes it
# return all addresses of a name in /etc/hosts.
RUN ldd redis-cluster-nat | grep -o '/[^ ]*' | \
      xargs cp --parents --dereference --target-directory=. && \
    mkdir data etc && \
    echo 'hosts: files dns' >etc/nsswitch.conf && \
    echo 'multi on' >etc/host.conf && \
    echo 'nat:x:65532:65532::/:/' >etc/passwd && \
    echo 'nat:x:65532:' >etc/group

FROM scratch
COPY --from=gather /image/ /
# A new volume mounted here belongs to the user, so the proxy can write its state and map files.
COPY --from=gather --chown=65532:65532 /image/data/ /data/
ARG COMMIT
LABEL org.opencontainers.image.title="redis-cluster-nat" \
      org.opencontainers.image.description="Lets clients outside a NAT use a whole Redis or Valkey Cluster" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="$COMMIT" \
      org.opencontainers.image.licenses="MIT"
USER 65532:65532
EXPOSE 8000-8063
STOPSIGNAL SIGTERM
# start-period: the default of --start-timeout.
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s CMD ["/redis-cluster-nat", "healthcheck"]
ENTRYPOINT ["/redis-cluster-nat"]
