#!/bin/bash
# Puts Debian's qemu, kernel and busybox into bin/vm, from the package sources of this
# machine. Installs nothing on the machine, and needs no root. Does nothing when it has
# been done before.
set -euo pipefail
cd "$(dirname "$0")"
source ../debian.sh
out=$(cd ../../.. && pwd)/bin/vm
emulator=(qemu-system-common qemu-system-data seabios ipxe-qemu)
kernel=linux-image-cloud-amd64

[[ ! -x $out/qemu ]] || exit 0
[[ $(uname -m) == x86_64 ]] || { echo "The kernel is one for x86_64, and this machine is not." >&2; exit 3; }

# libraries of qemu: what it depends on, and what that does, as long as it is a library.
libraries() {
  apt-cache "${apt[@]}" depends --important --recurse qemu-system-x86 | awk '
    /^[^ ]/ {package = $1}
    $1 ~ /Depends:$/ && $2 ~ /^lib/ {needs[package] = needs[package] " " $2}
    END {
      queue[last = 1] = "qemu-system-x86"
      for (i = 1; i <= last; i++) {
        print queue[i]
        count = split(needs[queue[i]], found, " ")
        for (j = 1; j <= count; j++) if (!seen[found[j]]++) queue[++last] = found[j]
      }
    }'
}

packages() {
  libraries
  printf '%s\n' "${emulator[@]}" busybox-static
  apt-cache "${apt[@]}" depends --important $kernel | awk '$1 == "Depends:" {print $2}'
}

echo "Downloading qemu, a kernel and busybox ..."
debian_unpack packages
cd "$root"
mv boot/vmlinuz-* vmlinuz
mv bin/busybox busybox
./busybox depmod -b . "$(ls lib/modules)"

# qemu runs with the libraries that it was packaged with, from wherever it lies.
cat >qemu <<'END'
#!/bin/bash
root=$(cd "$(dirname "$0")" && pwd)
libraries=$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu
export QEMU_MODULE_DIR=$root/usr/lib/x86_64-linux-gnu/qemu
exec "$root"/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 --library-path "$libraries" \
  "$root/usr/bin/qemu-system-x86_64" -L "$root/usr/share/qemu" -L "$root/usr/share/seabios" -L "$root/usr/lib/ipxe/qemu" "$@"
END
chmod +x qemu
rm -rf usr/share/{doc,man,locale}
debian_install "$out"
echo "They are in $out."
