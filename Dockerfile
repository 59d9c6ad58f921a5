# Two images from one build: the operator, which runs as nobody on nothing, and
# the executor, as a carrier from which its binary is copied or served.
FROM golang:1.26 AS build
ARG VERSION=dev
WORKDIR /src
COPY go.mod go.sum ./
COPY api/go.mod api/go.sum api/
RUN go mod download
COPY api api
COPY mesos mesos
COPY controllers controllers
COPY cmd cmd
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/ ./cmd/operator ./cmd/executor

FROM scratch AS executor
COPY --from=build /out/executor /executor
ENTRYPOINT ["/executor"]

FROM scratch AS operator
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/operator /operator
USER 65532:65532
ENTRYPOINT ["/operator"]
