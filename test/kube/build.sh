#!/bin/bash
# Builds the real parts that tests and demo run on into bin/kube: Kubernetes as
# one multi-call binary, etcd, containerd, runc and CNI plugins, each from its own
# Go module at the version that go.mod pins. Does nothing when they are up to date.
#
# usage: build.sh [--hollow]
#   --hollow   Kubernetes and etcd only: what the fake container runtime needs.
#              The default where containers cannot run (not root, or not Linux).
set -euo pipefail
cd "$(dirname "$0")"
out=$(cd ../.. && pwd)/bin/kube
packages=(libseccomp-dev pkg-config gcc busybox-static nftables iptables iproute2 conntrack kmod util-linux)
calls=(kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl hollow-kubelet)

what=all
if [[ ${1:-} == --hollow || $(uname -s) != Linux || $(id -u) != 0 ]]; then what=hollow; fi

sum() { if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi; }

# stamp names all that the binaries are made of.
stamp() { { go env GOVERSION GOOS GOARCH; cat ./*.go go.mod go.sum build.sh; } | sum | cut -d' ' -f1; }

fresh() { [[ -f $out/.stamp-$1 && $(<"$out/.stamp-$1") == "$(stamp)" ]]; }

# debian installs what the parts are built with and run on, where it is missing.
debian() {
  [[ $what == all ]] && command -v dpkg-query >/dev/null || return 0
  local missing=()
  for p in "${packages[@]}"; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q '^install ok installed' || missing+=("$p")
  done
  ((${#missing[@]})) || return 0
  echo "Installing Debian packages: ${missing[*]}"
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
}

# build prints a line while it works, and how long it took. go's own output is
# shown when it fails.
build() { # build TITLE GO-BUILD-ARGUMENTS…
  local title=$1 start=$SECONDS log builder tick=0
  shift
  log=$(mktemp)
  go build -v -trimpath "$@" >"$log" 2>&1 &
  builder=$!
  trap 'kill $builder 2>/dev/null; rm -f "$log"; exit 130' INT TERM
  while kill -0 $builder 2>/dev/null; do
    if ((tick++ % 25 == 10)); then
      printf '  %s: %4ds, %d packages compiled\n' "$title" $((SECONDS - start)) "$(grep -c / "$log" || true)"
    fi
    sleep 0.4
  done
  if ! wait $builder; then cat "$log" >&2; rm -f "$log"; echo "Building $title failed." >&2; return 1; fi
  trap - INT TERM
  rm -f "$log"
  printf '  %s: built in %ds\n' "$title" $((SECONDS - start))
}

build_hollow() {
  local version=k8s.io/component-base/version release
  release=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
  IFS=. read -r major minor _ <<<"${release#v}"
  CGO_ENABLED=0 build "etcd" -ldflags "-s -w" -o "$out/etcd" go.etcd.io/etcd/server/v3
  CGO_ENABLED=0 build "Kubernetes $release" -o "$out/kube" -ldflags \
    "-s -w -X $version.gitVersion=$release -X $version.gitMajor=$major -X $version.gitMinor=$minor" .
  for name in "${calls[@]}"; do ln -sfn kube "$out/$name"; done
}

build_containers() {
  local containerd=github.com/containerd/containerd/v2/cmd cni=github.com/containernetworking/plugins/plugins
  CGO_ENABLED=0 build "containerd" -ldflags "-s -w" -o "$out/" \
    $containerd/containerd $containerd/containerd-shim-runc-v2 $containerd/ctr
  CGO_ENABLED=0 build "CNI plugins" -ldflags "-s -w" -o "$out/" \
    $cni/ipam/host-local $cni/main/bridge $cni/main/loopback $cni/meta/portmap
  CGO_ENABLED=1 build "runc" -tags seccomp -ldflags "-s -w" -o "$out/" github.com/opencontainers/runc
}

main() {
  mkdir -p "$out"
  debian
  if ! fresh hollow; then
    echo "Building the control plane into bin/kube (once; about 8 minutes on 2 cores) ..."
    build_hollow
    stamp >"$out/.stamp-hollow"
  fi
  if [[ $what == all ]] && ! fresh all; then
    echo "Building the container runtime into bin/kube (once; about 3 minutes on 2 cores) ..."
    build_containers
    stamp >"$out/.stamp-all"
  fi
}

main
