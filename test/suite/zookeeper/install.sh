#!/bin/bash
# Puts Debian's ZooKeeper and the Java that it runs on into bin/zookeeper, from the
# package sources of this machine. Installs nothing on the machine, and needs no root.
# Does nothing when it has been done before.
set -euo pipefail
cd "$(dirname "$0")"
source ../debian.sh
out=$(cd ../../.. && pwd)/bin/zookeeper
jre=default-jre-headless
server=libzookeeper-java # the package zookeeper has scripts for systemd, and no server

[[ ! -x $out/server ]] || exit 0

dependencies() {
  apt-cache "${apt[@]}" depends --important "$1" | awk '$1 ~ /Depends:$/ {print $2}'
}

packages() {
  echo "$server"
  dependencies "$server" | grep -E '^lib.*-java$'
  dependencies "$jre" | grep -m1 -- '-jre-headless$'
}

echo "Downloading ZooKeeper and Java ..."
debian_unpack packages

# Debian's packages point at each other by absolute paths.
find "$root" -type l -lname '/*' -print0 | while IFS= read -r -d '' link; do
  target=$root$(readlink "$link")
  [[ ! -e $target ]] || ln -sfnr "$target" "$link"
done

java=$(cd "$root" && ls usr/lib/jvm/*/bin/java | head -n 1)
cat >"$root/server" <<END
#!/bin/bash
# usage: server zoo.cfg
root=\$(cd "\$(dirname "\$0")" && pwd)
exec "\$root/$java" -Xmx256m -Dzookeeper.admin.enableServer=false -cp "\$root/usr/share/java/*" \\
  org.apache.zookeeper.server.ZooKeeperServerMain "\$@"
END
chmod +x "$root/server"
debian_install "$out"
echo "ZooKeeper is in $out."
