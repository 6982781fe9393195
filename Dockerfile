# An image of one executable and the libraries that it loads: no shell, no packages, no root.
#
#   docker build --build-arg COMMIT="$(git rev-parse --short HEAD)" --tag redis-cluster-nat .

ARG DENO=denoland/deno:debian-2.9.6

# Compiles on the machine that builds, for the one that the image is for.
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

# Gathers the files of the image, on a machine of its kind, for the libraries are from there.
FROM $DENO AS gather
WORKDIR /image
COPY --from=compile /compiled/redis-cluster-nat ./
# Glibc finds names in files and by DNS without more libraries, and all addresses of a name in a
# file only if it is told.
RUN ldd redis-cluster-nat | grep -o '/[^ ]*' | \
      xargs cp --parents --dereference --target-directory=. && \
    mkdir data etc && \
    echo 'hosts: files dns' >etc/nsswitch.conf && \
    echo 'multi on' >etc/host.conf && \
    echo 'nat:x:65532:65532::/:/' >etc/passwd && \
    echo 'nat:x:65532:' >etc/group

FROM scratch
COPY --from=gather /image/ /
# A volume that is mounted here belongs to the user, so that state and map can be kept in it.
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
# As long as --start-timeout the cluster may take to be ready.
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s CMD ["/redis-cluster-nat", "healthcheck"]
ENTRYPOINT ["/redis-cluster-nat"]
